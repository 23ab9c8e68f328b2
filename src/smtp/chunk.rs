//! Content counted by BDAT (RFC 3030 2).
//!
//! The count alone says where a chunk ends, and no dot has a meaning. Lines must still end in CRLF, because
//! what a relay stores it may one day send on with DATA.

use super::glance::Lookout;
use super::mail_data::{LineEnds, Piece};
use memchr::memchr3;

/// Repairs line ends in chunks. Its state runs across the chunks of one message.
#[derive(Clone, Debug, Default)]
pub struct Repair {
    after_cr: bool,
}

/// What was found in a slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// A CR that no LF follows.
    pub bare_cr: bool,
    /// A LF that follows no CR.
    pub bare_lf: bool,
    /// A NUL.
    pub nul: bool,
}

impl Repair {
    /// Passes one slice of a chunk, all of it but a CR at its very end. `binary` (BODY=BINARYMIME): content
    /// has no lines, everything is released as it is.
    ///
    /// `LineEnds` makes no difference to what is released: a LF alone becomes CRLF, a CR alone or a NUL a space.
    /// Whether that is reported or refused is not decided here.
    pub fn pass<'a>(
        &mut self,
        input: &'a [u8],
        _ends: LineEnds,
        binary: bool,
        release: &mut impl FnMut(Piece<'a>),
    ) -> Found {
        let mut found = Found::default();
        if binary {
            hand_out(Piece::Content(input), release);
            return found;
        }
        let (mut at, mut lookout) = (0, Lookout::default());
        while let Some(first) = input.get(at) {
            if std::mem::take(&mut self.after_cr) {
                let whole = *first == b'\n';
                found.bare_cr |= !whole;
                release(Piece::Own(if whole { b"\r\n" } else { b" " }));
                at += usize::from(whole);
                continue;
            }
            let piece = sound(input, at, &mut lookout);
            hand_out(piece, release);
            at += piece.octets().len();
            match input.get(at) {
                Some(b'\r') => self.after_cr = true,
                Some(0) => {
                    found.nul = true;
                    release(Piece::Own(b" "));
                }
                Some(_) => {
                    found.bare_lf = true;
                    release(Piece::Own(b"\r\n"));
                }
                None => {}
            }
            at += 1;
        }
        found
    }

    /// At the end of the last chunk a CR still held back is bare, and goes out as a space.
    pub fn finish(&mut self, _ends: LineEnds) -> (Found, Option<&'static [u8]>) {
        let bare_cr = std::mem::take(&mut self.after_cr);
        (Found { bare_cr, ..Found::default() }, bare_cr.then_some(b" "))
    }
}

/// What stands at `from` and needs no repair: up to a NUL, a CR that no LF follows here, or a LF that follows no CR.
fn sound<'a>(input: &'a [u8], from: usize, lookout: &mut Lookout) -> Piece<'a> {
    let (mut end, mut seven_bit) = (from, true);
    while let Some(rest) = input.get(end..).filter(|rest| !rest.is_empty()) {
        let block = lookout.look(input, end);
        if let Some(block) = block.filter(|block| block.sound) {
            end += block.octets;
            seven_bit &= !block.eight_bit;
            continue;
        }
        let odd = memchr3(b'\r', b'\n', 0, rest).unwrap_or(rest.len());
        let (line, odd) = rest.split_at_checked(odd).unwrap_or((rest, b""));
        end += line.len();
        seven_bit &= block.unwrap_or_default().is_ascii(line);
        match odd {
            [b'\r', b'\n', ..] => end += 2,
            _ => break,
        }
    }
    let octets = input.get(from..end).unwrap_or_default();
    if seven_bit { Piece::Plain(octets) } else { Piece::Content(octets) }
}

fn hand_out<'a>(piece: Piece<'a>, release: &mut impl FnMut(Piece<'a>)) {
    if !piece.octets().is_empty() {
        release(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(slices: &[&[u8]], binary: bool) -> (Vec<u8>, Found) {
        let (mut repair, mut out, mut all) = (Repair::default(), Vec::new(), Found::default());
        let mut note = |found: Found| {
            all.bare_cr |= found.bare_cr;
            all.bare_lf |= found.bare_lf;
            all.nul |= found.nul;
        };
        for slice in slices {
            note(repair.pass(slice, LineEnds::Normalise, binary, &mut |piece| {
                out.extend_from_slice(piece.octets());
            }));
        }
        let (found, held) = repair.finish(LineEnds::Normalise);
        note(found);
        out.extend_from_slice(held.unwrap_or_default());
        (out, all)
    }

    /// The definition: CRLF stays, LF becomes CRLF, CR a space; so does a NUL.
    fn definition(input: &[u8]) -> (Vec<u8>, Found) {
        let (mut out, mut found, mut rest) = (Vec::new(), Found::default(), input);
        loop {
            rest = match rest {
                [] => return (out, found),
                [b'\r', b'\n', rest @ ..] => {
                    out.extend_from_slice(b"\r\n");
                    rest
                }
                [b'\n', rest @ ..] => {
                    found.bare_lf = true;
                    out.extend_from_slice(b"\r\n");
                    rest
                }
                [b'\r', rest @ ..] => {
                    found.bare_cr = true;
                    out.push(b' ');
                    rest
                }
                [octet, rest @ ..] => {
                    found.nul |= *octet == 0;
                    out.push(if *octet == 0 { b' ' } else { *octet });
                    rest
                }
            };
        }
    }

    #[test]
    fn every_short_chunk_is_repaired_as_defined_whole_and_in_two_pieces() {
        const ALPHABET: &[u8] = b"\r\n.a\0";
        for length in 0..=6_u32 {
            for number in 0..5_usize.pow(length) {
                let input: Vec<u8> =
                    (0..length).map(|place| ALPHABET[number / 5_usize.pow(place) % 5]).collect();
                let wanted = definition(&input);
                for cut in 0..=input.len() {
                    let (head, tail) = input.split_at(cut);
                    assert_eq!(repaired(&[head, tail], false), wanted, "{}", input.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn a_binary_chunk_passes_as_it_is() {
        let input = b"\0\r\n\n\r.\r\n";
        assert_eq!(repaired(&[input], true), (input.to_vec(), Found::default()));
    }

    #[test]
    fn a_sound_chunk_is_one_piece() {
        let mut pieces = Vec::new();
        Repair::default()
            .pass(b"a\r\nb\r\n.\r\n", LineEnds::Normalise, false, &mut |piece| pieces.push(piece));
        assert_eq!(pieces, [Piece::Plain(b"a\r\nb\r\n.\r\n")]);
    }
}
