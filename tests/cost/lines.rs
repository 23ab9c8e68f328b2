//! Parsing command lines.

use gatepost::smtp::command::{Command, parse};
use gungraun::{library_benchmark, library_benchmark_group};
use std::hint::black_box;

#[library_benchmark]
#[bench::ehlo("EHLO mail-17.outbound.example.org")]
#[bench::mail("MAIL FROM:<bounce+4711=user=example.com@lists.example.org> SIZE=24576 BODY=8BITMIME")]
#[bench::rcpt(
    "RCPT TO:<somebody.of.us@example.com> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;somebody@example.com"
)]
#[bench::quoted("RCPT TO:<\"some body\"@[192.0.2.1]>")]
#[bench::refused("RCPT TO:<somebody@example..com>")]
fn line(text: &'static str) -> Command<'static> {
    black_box(parse(black_box(text.as_bytes())))
}

library_benchmark_group!(name = grammar, benchmarks = line);
