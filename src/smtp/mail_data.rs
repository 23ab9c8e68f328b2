//! Content between DATA and its final dot (RFC 5321 4.1.1.4, 4.5.2).
//!
//! Where mail data ends is the one question on which two mail systems must never differ: whoever finds an end
//! that the other does not see can slip a message of his own between two of somebody else's. So there is one
//! end, CRLF.CRLF, and what is released holds nothing that any relay could take for another: no CR or LF
//! stands alone in it, no NUL, and no line consists of a dot.

#[cfg(test)]
mod tests;

use super::glance::{Glance, Lookout};
use memchr::{memchr3, memmem};
use std::ops::Range;

/// What bare line ends in content become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineEnds {
    /// LF becomes CRLF, a stray CR a space, a dot behind a normalised LF is stuffed anew.
    #[default]
    Normalise,
    /// Found, named, refused at the true end. (Such content is not sent on; what was released until then is
    /// repaired as by `Normalise`.)
    Reject,
    /// Old devices: LF alone ends a line, and LF.LF (in any mixture with CRLF) the content. Released with
    /// CRLF.
    Lenient,
}

/// What the scanner hands out, in order. Slices of `Content` and `Plain` point into the input of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Content as it was sent (still dot-stuffed), exact to the octet.
    Content(&'a [u8]),
    /// The same, and it was seen on the way that no octet is above 127 and no dot is stuffed.
    Plain(&'a [u8]),
    /// Octets that the scanner had held back from an earlier call, or that a repair puts in.
    Own(&'static [u8]),
    /// Content of earlier calls that was held back whole, once it was known to be harmless. No scanner hands it out.
    Kept(&'a [u8]),
}

impl<'a> Piece<'a> {
    /// What is released.
    pub fn octets(self) -> &'a [u8] {
        let (Self::Content(octets) | Self::Plain(octets) | Self::Own(octets) | Self::Kept(octets)) = self;
        octets
    }

    /// A part of it.
    #[must_use]
    pub fn part(self, range: Range<usize>) -> Self {
        match self {
            Self::Content(octets) => Self::Content(octets.get(range).unwrap_or_default()),
            Self::Plain(octets) => Self::Plain(octets.get(range).unwrap_or_default()),
            Self::Own(octets) => Self::Own(octets.get(range).unwrap_or_default()),
            Self::Kept(octets) => Self::Kept(octets.get(range).unwrap_or_default()),
        }
    }
}

/// Where in a line the next octet stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Position {
    /// Behind a line end that both sides agree on, or at the very beginning.
    #[default]
    LineStart,
    /// Somewhere in a line.
    Inside,
    /// Behind a CR, which is held back until it is known to be half of a line end.
    Cr,
    /// Behind a dot at the start of a line, which is held back.
    Dot,
    /// Behind a CR behind such a dot; both are held back.
    DotCr,
    /// Behind a bare LF that became CRLF: the relay sees the start of a line here, the sender may not have
    /// meant one.
    RepairedLf,
}

/// What an octet means at a position.
enum Turn {
    /// It goes out as it is, and what was held back before it.
    Pass(Position),
    /// It is held back, too.
    Hold(Position),
    /// This goes out in place of what was held back; the octet is then judged anew, inside a line.
    Before(&'static [u8]),
    /// This goes out in place of the octet and of what was held back.
    Instead(&'static [u8], Position),
    /// Mail data ends with it.
    End,
}

impl Position {
    /// The whole meaning of mail data, octet by octet.
    const fn turn(self, octet: u8, ends: LineEnds) -> Turn {
        use Position::{Cr, Dot, DotCr, Inside, LineStart, RepairedLf};
        let lenient = matches!(ends, LineEnds::Lenient);
        match (self, octet) {
            (DotCr, b'\n') => Turn::End,
            (Dot, b'\n') if lenient => Turn::End,

            (Cr, b'\n') => Turn::Pass(LineStart),
            (LineStart | Inside | RepairedLf, b'\n') if lenient => Turn::Instead(b"\r\n", LineStart),
            (LineStart | Inside | RepairedLf, b'\n') => Turn::Instead(b"\r\n", RepairedLf),
            // Repaired without a second dot, this line would be the end that its sender did not say.
            (Dot, b'\n') => Turn::Instead(b"..\r\n", RepairedLf),

            (LineStart | Inside | RepairedLf, b'\r') => Turn::Hold(Cr),
            (Dot, b'\r') => Turn::Hold(DotCr),
            (Cr, _) => Turn::Before(b" "),
            (DotCr, _) => Turn::Before(b". "),

            (LineStart, b'.') => Turn::Hold(Dot),
            (RepairedLf, b'.') => Turn::Before(b"."),

            // A relay that drops a NUL would see another line than the one that was judged.
            (Dot, 0) => Turn::Instead(b". ", Inside),
            (LineStart | Inside | RepairedLf, 0) => Turn::Instead(b" ", Inside),

            (LineStart | Inside | Dot | RepairedLf, _) => Turn::Pass(Inside),
        }
    }

    /// What is held back here.
    const fn held(self) -> &'static [u8] {
        match self {
            Position::LineStart | Position::Inside | Position::RepairedLf => b"",
            Position::Cr => b"\r",
            Position::Dot => b".",
            Position::DotCr => b".\r",
        }
    }
}

/// Finds the end of mail data. Holds back at most two octets, and those as a position only.
#[derive(Clone, Debug, Default)]
pub struct Scanner {
    position: Position,
}

/// What a scan came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are four findings, and any of them may come with any other"
)]
pub struct Scanned {
    /// Octets of the input that belong to mail data: all, unless `ended`.
    pub taken: usize,
    /// The end was seen. The terminator itself is never released.
    pub ended: bool,
    /// A CR that no LF follows.
    pub bare_cr: bool,
    /// A LF that follows no CR. (`Lenient`: one that was taken for a line end.)
    pub bare_lf: bool,
    /// A NUL. It is released as a space; the message is to be refused.
    pub nul: bool,
}

impl Scanner {
    /// Scans all of the input, or up to the end of mail data, and hands out what is content.
    pub fn scan<'a>(
        &mut self,
        input: &'a [u8],
        ends: LineEnds,
        release: &mut impl FnMut(Piece<'a>),
    ) -> Scanned {
        let mut found = Scanned::default();
        let mut lookout = Lookout::default();
        let mut outlet = Outlet { input, from: 0, carried: self.position.held(), plain: true, release };
        loop {
            let sound = self.skip(input, found.taken, &mut lookout);
            outlet.plain &= sound.plain;
            found.taken = sound.end;
            let Some(octet) = input.get(found.taken) else { break };
            let held = self.position.held().len();
            match self.position.turn(*octet, ends) {
                Turn::Pass(next) => {
                    outlet.pass();
                    outlet.plain &= octet.is_ascii() && self.position != Position::Dot;
                    self.position = next;
                }
                Turn::Hold(next) => self.position = next,
                Turn::Before(repaired) => {
                    found.bare_cr |= matches!(self.position, Position::Cr | Position::DotCr);
                    outlet.replace(found.taken, held, repaired, 0);
                    self.position = Position::Inside;
                    continue;
                }
                Turn::Instead(repaired, next) => {
                    found.bare_lf |= *octet == b'\n';
                    found.nul |= *octet == 0;
                    outlet.replace(found.taken, held, repaired, 1);
                    self.position = next;
                }
                Turn::End => {
                    found.bare_lf |= self.position == Position::Dot;
                    outlet.flush(found.taken, held);
                    *self = Scanner::default();
                    return Scanned { taken: found.taken + 1, ended: true, ..found };
                }
            }
            found.taken += 1;
        }
        outlet.flush(found.taken, self.position.held().len());
        found
    }

    /// Passes over what is as it should be: lines that end in CRLF, have no dot in front and hold no other CR,
    /// no LF and no NUL, and the beginning of such a line. What follows needs a turn of its own.
    ///
    /// This is where the time goes: block by block, and only where a block has something odd line by line.
    fn skip(&mut self, input: &[u8], at: usize, lookout: &mut Lookout) -> Skipped {
        let mut skipped = Skipped { end: at, plain: true };
        loop {
            let rest = input.get(skipped.end..).unwrap_or_default();
            let passes = match self.position {
                Position::LineStart => !rest.starts_with(b"."),
                Position::Inside => true,
                Position::Cr | Position::Dot | Position::DotCr | Position::RepairedLf => false,
            };
            if !passes {
                return skipped;
            }
            let block = lookout.look(input, skipped.end);
            if let Some(block) = block.filter(|block| block.sound) {
                let sound = rest.get(..block.octets).unwrap_or(rest);
                let dot = if block.dotted { memmem::find(sound, b"\n.") } else { None };
                let sound = dot.and_then(|lf| sound.get(..=lf)).unwrap_or(sound);
                skipped.add(sound, block);
                self.position = if sound.ends_with(b"\n") { Position::LineStart } else { Position::Inside };
                continue;
            }
            let odd = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
            let (sound, odd) = rest.split_at_checked(odd).unwrap_or((rest, b""));
            skipped.add(sound, block.unwrap_or_default());
            match odd {
                [b'\r', b'\n', ..] => {
                    self.position = Position::LineStart;
                    skipped.end += 2;
                }
                _ if sound.is_empty() => return skipped,
                _ => {
                    self.position = Position::Inside;
                    return skipped;
                }
            }
        }
    }
}

/// What was passed over.
struct Skipped {
    /// Where it ends in the input.
    end: usize,
    /// Nothing in it is above 127.
    plain: bool,
}

impl Skipped {
    /// Passes over sound octets; `block` is what is known from their first on.
    fn add(&mut self, sound: &[u8], block: Glance) {
        self.end += sound.len();
        self.plain &= block.is_ascii(sound);
    }
}

/// Hands out stretches as long as they can be: what is not yet handed out stands in the input from `from` on,
/// and `carried` was held back by an earlier call.
struct Outlet<'a, 'r, R> {
    input: &'a [u8],
    from: usize,
    carried: &'static [u8],
    /// What stands there is seven-bit, and no dot of it is stuffed.
    plain: bool,
    release: &'r mut R,
}

impl<'a, R: FnMut(Piece<'a>)> Outlet<'a, '_, R> {
    /// What an earlier call held back is content after all; what this call held back stands in the input
    /// anyway.
    fn pass(&mut self) {
        self.own(self.carried);
        self.carried = b"";
    }

    /// Hands out what stands before the `held` octets at `at`, then `repaired` in place of them and of
    /// `eaten` octets.
    fn replace(&mut self, at: usize, held: usize, repaired: &'static [u8], eaten: usize) {
        self.flush(at, held);
        self.own(repaired);
        self.carried = b"";
        self.from = at + eaten;
    }

    /// Hands out what stands before the `held` octets at `at`, of which some may be carried and not in this
    /// input.
    fn flush(&mut self, at: usize, held: usize) {
        let end = (at + self.carried.len()).saturating_sub(held);
        match self.input.get(self.from..end) {
            None | Some([]) => {}
            Some(content) if self.plain => (self.release)(Piece::Plain(content)),
            Some(content) => (self.release)(Piece::Content(content)),
        }
        (self.from, self.plain) = (end, true);
    }

    fn own(&mut self, octets: &'static [u8]) {
        if !octets.is_empty() {
            (self.release)(Piece::Own(octets));
        }
    }
}
