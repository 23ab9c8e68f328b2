//! What becomes of content on which something is written: it stays as it is, but where it would be taken for ours.

use crate::message::results::{Passed, Sieve};
use crate::smtp::mail_data::Piece;

/// What is done to the content of a message; to most of it nothing.
#[derive(Debug)]
pub(super) struct Edit {
    joint: Joint,
    /// What keeps fields that others wrote in our name out of it.
    sieve: Option<Box<Sieve>>,
}

/// Where what Gatepost writes on a message ends, and what its client wrote begins.
///
/// A first line that begins with white space goes on with the field above it (RFC 5322 2.2.3), and that would be ours. So
/// an empty line is put in between: the header ends with it, as it did before anything was written on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joint {
    /// Nothing was seen of the first line. True: its dots are stuffed.
    Open(bool),
    /// A dot that is transparency, and is held until it is known what it stands before.
    Dot,
    /// Enough was seen, or there is nothing to be seen to.
    Closed,
}

impl Edit {
    /// Nothing is written on it.
    pub(super) const NONE: Self = Self { joint: Joint::Closed, sieve: None };

    /// Something stands in front of it. `stuffed`: it comes by DATA.
    pub(super) fn behind_ours(stuffed: bool, sieve: Option<Box<Sieve>>) -> Self {
        Self { joint: Joint::Open(stuffed), sieve }
    }

    /// Passes on what may pass of a piece.
    pub(super) fn pass(&mut self, piece: Piece<'_>, send: &mut impl FnMut(Piece<'_>)) {
        let Self { joint, sieve } = self;
        joint.pass(piece, &mut |piece| match sieve {
            None => send(piece),
            Some(sieve) => sieve.pass(piece.octets(), &mut |passed| match passed {
                Passed::Range(range) => send(piece.part(range)),
                Passed::Held(octets) => send(Piece::Kept(octets)),
            }),
        });
    }

    /// The message has ended: passes on what is held.
    pub(super) fn finish(&mut self, send: &mut impl FnMut(Piece<'_>)) {
        self.joint.finish(send);
        if let Some(sieve) = &mut self.sieve {
            sieve.finish(&mut |passed| {
                if let Passed::Held(octets) = passed {
                    send(Piece::Kept(octets));
                }
            });
        }
    }
}

impl Joint {
    /// Passes a piece of content on, with an empty line in front of it if it needs one.
    fn pass(&mut self, piece: Piece<'_>, send: &mut impl FnMut(Piece<'_>)) {
        let (stuffed, octets) = match self {
            Self::Closed => return send(piece),
            Self::Open(stuffed) => (*stuffed, piece.octets()),
            Self::Dot => (false, piece.octets()),
        };
        let goes_on = match octets {
            [] => return,
            [b'.'] if stuffed => {
                *self = Self::Dot;
                return;
            }
            [b'.', b' ' | b'\t', ..] => stuffed,
            [first, ..] => matches!(first, b' ' | b'\t'),
        };
        if goes_on {
            send(Piece::Own(b"\r\n"));
        }
        self.finish(send);
        *self = Self::Closed;
        send(piece);
    }

    /// Passes on what is held.
    fn finish(&mut self, send: &mut impl FnMut(Piece<'_>)) {
        if *self == Self::Dot {
            *self = Self::Closed;
            send(Piece::Own(b"."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_first_line_goes_on_with_a_field_of_ours() {
        for (stuffed, content, passed) in [
            (true, " a", "\r\n a"),
            (true, "\ta", "\r\n\ta"),
            (true, ". a", "\r\n. a"),
            (true, ".\ta", "\r\n.\ta"),
            (true, ".. a", ".. a"),
            (true, "..", ".."),
            (true, "A: b\r\n c", "A: b\r\n c"),
            (true, "\r\n a", "\r\n a"),
            (true, "", ""),
            (false, " a", "\r\n a"),
            (false, ". a", ". a"),
            (false, ".", "."),
        ] {
            for size in [1, 2, 100] {
                let (mut joint, mut out) = (Joint::Open(stuffed), Vec::new());
                let mut send = |piece: Piece<'_>| out.extend_from_slice(piece.octets());
                for piece in content.as_bytes().chunks(size) {
                    joint.pass(Piece::Content(piece), &mut send);
                }
                joint.finish(&mut send);
                assert_eq!(String::from_utf8(out).unwrap(), passed, "{stuffed} {content:?} {size}");
            }
        }
    }
}
