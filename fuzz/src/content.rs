//! Content: mail data and chunks, against what they are by definition.

use crate::{alike, pieces, split_first};
use gatepost::smtp::chunk::Repair;
use gatepost::smtp::mail_data::{LineEnds, Piece, Scanner};

/// Mail data by definition: octets up to and with its end, and what may be released of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Data {
    pub(crate) taken: usize,
    pub(crate) released: Vec<u8>,
    pub(crate) bare: bool,
    pub(crate) nul: bool,
}

/// Where mail data ends: at a dot alone between two line ends, and a line end is CRLF (or LF, for old devices).
/// None if it has not ended.
pub(crate) fn definition(input: &[u8], lenient: bool) -> Option<Data> {
    let begins =
        |at: usize| at == 0 || input[..at].ends_with(b"\r\n") || lenient && input[..at].ends_with(b"\n");
    let dot = (0..input.len()).find(|&at| {
        let end = input[at..].starts_with(b".\r\n") || lenient && input[at..].starts_with(b".\n");
        end && begins(at)
    })?;
    let crlf = input[dot..].starts_with(b".\r\n");
    let content = &input[..dot];
    Some(Data {
        taken: dot + if crlf { 3 } else { 2 },
        released: repaired(content, lenient),
        bare: has_bare(content) || !crlf,
        nul: content.contains(&0),
    })
}

/// Whether a CR or LF stands alone.
pub(crate) fn has_bare(content: &[u8]) -> bool {
    (0..content.len()).any(|at| match content[at] {
        b'\r' => content.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || content[at - 1] != b'\r',
        _ => false,
    })
}

/// Mail data with its line ends repaired: LF becomes CRLF, a CR or NUL a space. Behind a LF that was no line end a dot
/// is stuffed, and a lone dot in front of one; so the repair makes no end.
fn repaired(content: &[u8], lenient: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, octet) in content.iter().enumerate() {
        let before = &content[..at];
        let after_bare = before.ends_with(b"\n") && !before.ends_with(b"\r\n");
        match octet {
            b'\r' if content.get(at + 1) == Some(&b'\n') => out.push(b'\r'),
            b'\r' | 0 => out.push(b' '),
            b'\n' if before.ends_with(b"\r") => out.push(b'\n'),
            b'\n' => {
                let lone = before == b"." || before.ends_with(b"\r\n.");
                out.extend_from_slice(if lone && !lenient { b".\r\n" } else { b"\r\n" });
            }
            b'.' if after_bare && !lenient => out.extend_from_slice(b".."),
            octet => out.push(*octet),
        }
    }
    out
}

/// What the scanner makes of mail data, in pieces.
fn scanned(slices: &[&[u8]], ends: LineEnds) -> (Data, bool) {
    let mut scanner = Scanner::default();
    let mut data = Data { taken: 0, released: Vec::new(), bare: false, nul: false };
    for slice in slices {
        let found = scanner.scan(slice, ends, &mut |piece| {
            if let Piece::Plain(octets) = piece {
                let starts = data.released.is_empty() || data.released.ends_with(b"\n");
                let stuffed = starts && octets.starts_with(b".") || octets.windows(2).any(|w| w == b"\n.");
                assert!(octets.is_ascii() && !stuffed, "a piece is called plain that is not");
            }
            data.released.extend_from_slice(piece.octets());
        });
        data.taken += found.taken;
        data.bare |= found.bare_cr || found.bare_lf;
        data.nul |= found.nul;
        if found.ended {
            return (data, true);
        }
        assert_eq!(found.taken, slice.len(), "something was not looked at");
    }
    (data, false)
}

/// Mail data: the scanner against the definition, whole and in pieces, and what is released against every reader.
pub fn mail_data(data: &[u8]) {
    let (kind, data) = split_first(data);
    let (seed, input) = split_first(data);
    let ends = [LineEnds::Normalise, LineEnds::Lenient, LineEnds::Reject][usize::from(kind % 3)];
    let (whole, ended) = scanned(&[input], ends);
    let lenient = ends == LineEnds::Lenient;
    if let Some(wanted) = definition(input, lenient) {
        assert!(ended, "an end was not seen");
        assert_eq!(whole, wanted, "{}", input.escape_ascii());
    } else {
        assert!(!ended, "an end was seen where none is");
        let wanted = repaired(input, lenient);
        assert!(wanted.starts_with(&whole.released), "not as defined: {}", input.escape_ascii());
        assert!(wanted.len() - whole.released.len() <= 2, "too much is held back");
    }
    assert_eq!(scanned(&pieces(seed, input), ends), (whole, ended), "cuts make a difference");
    let (data, ended) = scanned(&[input], ends);
    if ended {
        one_message(&data.released);
    }
    no_end_inside(&data.released);
}

/// Any octets that some reader was ever known to take for the end of a line.
const LINE_ENDS: [&[u8]; 9] =
    [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\0", b"\0\r\n", b"\r\0\n", b"\n\0"];

/// With Gatepost's own end behind it this is one message, no less and no more.
pub(crate) fn one_message(released: &[u8]) {
    let sent = [released, b".\r\n"].concat();
    let end = sent.len() - 3;
    let first = (0..sent.len()).find(|&at| sent[at] == b'.' && is_end(&sent, at));
    assert_eq!(first, Some(end), "not one message: {}", sent.escape_ascii());
}

/// Content on its way has no bare CR or LF and no NUL, and no reader finds an end in it.
pub(crate) fn no_end_inside(released: &[u8]) {
    let whole = released.strip_suffix(b"\r").unwrap_or(released);
    assert!(!has_bare(whole), "a CR or LF alone: {}", released.escape_ascii());
    assert!(!released.contains(&0), "a NUL: {}", released.escape_ascii());
    let found = (0..released.len()).find(|&at| released[at] == b'.' && is_end(released, at));
    assert_eq!(found, None, "an end inside: {}", released.escape_ascii());
}

/// Whether some reader takes the dot here for the end: line ends of any kind on both sides.
fn is_end(octets: &[u8], dot: usize) -> bool {
    let (before, after) = (&octets[..dot], &octets[dot + 1..]);
    let begins = before.is_empty() || LINE_ENDS.iter().any(|end| before.ends_with(end));
    begins && LINE_ENDS.iter().any(|end| after.starts_with(end))
}

/// Chunks by definition: LF becomes CRLF, a CR a space, everything else stays.
pub(crate) fn chunks(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, octet) in content.iter().enumerate() {
        match octet {
            b'\r' if content.get(at + 1) != Some(&b'\n') => out.push(b' '),
            0 => out.push(b' '),
            b'\n' if !content[..at].ends_with(b"\r") => out.extend_from_slice(b"\r\n"),
            octet => out.push(*octet),
        }
    }
    out
}

/// Chunks: the repair against the definition, whole and in pieces.
pub fn chunk(data: &[u8]) {
    let (kind, data) = split_first(data);
    let (seed, input) = split_first(data);
    let binary = kind & 1 == 1;
    let wanted = if binary { input.to_vec() } else { chunks(input) };
    for cut in [0, seed] {
        let (mut repair, mut out, mut bare, mut nul) = (Repair::default(), Vec::new(), false, false);
        for slice in pieces(cut, input) {
            let found = repair.pass(slice, LineEnds::Normalise, binary, &mut |piece| {
                let octets = piece.octets();
                assert!(binary || !has_bare(octets), "a piece with half a line end");
                let plain = matches!(piece, Piece::Plain(_));
                assert!(!plain || octets.is_ascii(), "a piece is called plain that is not");
                out.extend_from_slice(octets);
            });
            bare |= found.bare_cr || found.bare_lf;
            nul |= found.nul;
        }
        let (found, held) = repair.finish(LineEnds::Normalise);
        out.extend_from_slice(held.unwrap_or_default());
        bare |= found.bare_cr || found.bare_lf;
        alike(&out, &wanted, "not as defined");
        if !binary {
            assert!(!has_bare(&out));
            assert_eq!(bare, has_bare(input));
            assert_eq!(nul, input.contains(&0));
        }
    }
}
