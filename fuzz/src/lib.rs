//! What holds for any input whatever. Each property is a function of some octets that panics where it does not hold:
//! `cargo +nightly fuzz run TARGET` looks for such octets, `cargo test` plays those that were kept in `corpus/`.
//!
//! | target | what holds |
//! |---|---|
//! | [`command`] | parsing is total; what is sound is written so that it is understood as the same again |
//! | [`reply`] | what is read is bounded, and written so that it is read as the same again |
//! | [`mail_data`] | one end, found where the definition has it; what is released has no other, for any reader |
//! | [`chunk`] | line ends are repaired as the definition says, however chunks are cut |
//! | [`rule_file`] | any text compiles or is refused, with places that lie inside it |
//! | [`header`] | a PROXY header is what the specification draws, and bounded; what is written is read as the same |
//! | [`conversation`] | what a client and a relay see of a session, whatever either of them does |
//!
//! The definitions here are slow and plain on purpose, and share no code with what they are compared to.

mod content;
mod conversation;
mod headers;
mod rules;
mod syntax;
mod witness;

pub use content::{chunk, mail_data};
pub use conversation::conversation;
pub use headers::header;
pub use rules::rule_file;
pub use syntax::{command, reply};

/// Plays the files that are named as arguments.
#[expect(clippy::disallowed_methods, reason = "this is no room of the core")]
pub fn play_arguments(property: fn(&[u8])) {
    for path in std::env::args_os().skip(1) {
        let data = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        property(&data);
    }
}

/// Octets are the same; if not, they are shown.
fn alike(found: &[u8], wanted: &[u8], what: &str) {
    assert!(found == wanted, "{what}\n  found: {}\n wanted: {}", found.escape_ascii(), wanted.escape_ascii());
}

/// Takes the first octet off.
fn split_first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(first, rest)| (*first, rest))
}

/// Cuts octets into pieces whose sizes follow from a seed: 0 whole, 1 octet by octet, else at random.
fn pieces(seed: u8, data: &[u8]) -> Vec<&[u8]> {
    match seed {
        0 => vec![data],
        1 => data.chunks(1).collect(),
        seed => {
            let (mut rest, mut state, mut pieces) = (data, u64::from(seed), Vec::new());
            while !rest.is_empty() {
                // xorshift
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let size = usize::try_from(state % 23).unwrap_or_default() + 1;
                let (piece, behind) = rest.split_at(size.min(rest.len()));
                pieces.push(piece);
                rest = behind;
            }
            pieces
        }
    }
}
