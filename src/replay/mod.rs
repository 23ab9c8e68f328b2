//! A driver without sockets: transcripts, rule-file expectations, explanations, fuzzing.
//!
//! * [`Player`] plays one session against a relay made of text, on a clock that moves when it is told.
//! * [`Transcript`] is a conversation in four lanes, read from a file; [`Transcript::play`] compares it with what happens.
//! * [`expectations`] plays the `[[expect]]` dialogues of a rule file.

mod expectation;
mod player;
mod polite;
mod purse;
mod scene;
mod transcript;

pub use expectation::{Outcome, expectations};
pub use player::{Cuts, Player};
pub use polite::{Message, Polite};
pub use purse::Counted;
pub use scene::{Allowances, Backend, Certificate, Dns, HandingOn, Handshakes, Lists, RelayScene, Scene};
pub use transcript::{Difference, Transcript};
