//! What things cost, in instructions: `tests/run cost`. Instructions do not depend on what else the machine does, so a
//! change that makes something dearer is seen at once.
//!
//! | group | what is counted |
//! |---|---|
//! | `grammar` | parsing a command line |
//! | `scanner` | scanning 64 KiB of mail data |
//! | `policy` | a hundred RCPTs that no rule refuses; few rules and many, short lists and long ones |
//! | `session` | a whole small message, from the greeting to QUIT; without limits, and with those of `inbound` |
//!
//! `baseline.txt` holds what was counted when it was last looked at; `check.awk` compares. A count moves by less than 1 %
//! from run to run (hash maps are seeded at random) and is that of a CPU with AVX2, which memchr and libc make use of.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on has failed; the harness makes items of its own"
)]

mod content;
mod conversation;
mod judgement;
mod lines;

use content::scanner;
use conversation::session;
use judgement::policy;
use lines::grammar;

gungraun::main!(library_benchmark_groups = grammar, scanner, policy, session);
