//! The scanner against a definition that shares nothing with it: over all short inputs, whole and in pieces.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const PARTS: &[&str] =
    &["\r\n", "\r\n", "\r", "\n", ".", "..", "\0", "\r\n.", "a", "\u{e4}bc", LONG, LINES, LINES, LINES];
const LONG: &str =
    "a line that is longer than any vector register, so that all ways through the search are gone";
/// Sound lines, of which a few are looked at together.
const LINES: &str = concat!(
    "a line of some length\r\nand another.\r\n\r\n---------------------------------------------- ...\r\n",
    "This is the last line but one, and behind it there is one that has not ended yet, which\r\nis this"
);
const ALPHABET: &[u8] = b"\r\n.a\0";
const ALL_ENDS: [LineEnds; 3] = [LineEnds::Normalise, LineEnds::Reject, LineEnds::Lenient];

/// What came of scanning: what was released, what was found, and whether and where mail data ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "it collects the findings of `Scanned`")]
struct Outcome {
    released: Vec<u8>,
    taken: usize,
    ended: bool,
    bare_cr: bool,
    bare_lf: bool,
    nul: bool,
}

fn scanned(slices: &[&[u8]], ends: LineEnds) -> Outcome {
    let (mut scanner, mut outcome) = (Scanner::default(), Outcome::default());
    for slice in slices.iter().filter(|slice| !slice.is_empty()) {
        if outcome.ended {
            break;
        }
        let found = scanner.scan(slice, ends, &mut |piece| {
            let (octets, own) = (piece.octets(), matches!(piece, Piece::Own(_)));
            assert!(own || slice.as_ptr_range().contains(&octets.as_ptr()), "content points into the input");
            if let Piece::Plain(octets) = piece {
                let line = outcome.released.is_empty() || outcome.released.ends_with(b"\n");
                let stuffed = line && octets.starts_with(b".") || octets.windows(2).any(|two| two == b"\n.");
                assert!(octets.is_ascii() && !stuffed, "{}", octets.escape_ascii());
            }
            outcome.released.extend_from_slice(octets);
        });
        outcome.taken += found.taken;
        outcome.ended = found.ended;
        outcome.bare_cr |= found.bare_cr;
        outcome.bare_lf |= found.bare_lf;
        outcome.nul |= found.nul;
        assert!(found.ended || found.taken == slice.len(), "all input is taken");
    }
    outcome
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Crlf,
    Cr,
    Lf,
    Nul,
    Octet(u8),
}

fn tokens(mut input: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    while let [octet, rest @ ..] = input {
        let (token, rest) = match (octet, rest) {
            (b'\r', [b'\n', rest @ ..]) => (Token::Crlf, rest),
            (b'\r', _) => (Token::Cr, rest),
            (b'\n', _) => (Token::Lf, rest),
            (0, _) => (Token::Nul, rest),
            (octet, _) => (Token::Octet(*octet), rest),
        };
        tokens.push(token);
        input = rest;
    }
    tokens
}

/// What the words of this module's documentation say, for an input that has an end; none if it has not.
fn definition(input: &[u8], ends: LineEnds) -> Option<Outcome> {
    const DOT: Token = Token::Octet(b'.');
    let lenient = ends == LineEnds::Lenient;
    let mut all = vec![Token::Crlf];
    all.extend(tokens(input));
    let ends_line = |token: Token| token == Token::Crlf || lenient && token == Token::Lf;
    let end = all.windows(3).position(|w| ends_line(w[0]) && w[1] == DOT && ends_line(w[2]))?;
    let (content, after) = all.split_at(end + 1);
    let width =
        |tokens: &[Token]| tokens.iter().map(|t| if *t == Token::Crlf { 2 } else { 1 }).sum::<usize>();

    let mut outcome = Outcome { ended: true, ..Outcome::default() };
    outcome.taken = width(&content[1..]) + width(&after[..2]);
    outcome.bare_cr = content.contains(&Token::Cr);
    outcome.bare_lf = content.contains(&Token::Lf) || after[1] == Token::Lf;
    outcome.nul = content.contains(&Token::Nul);
    for place in 1..content.len() {
        let before = content[place - 1];
        let lone_dot = place > 1 && before == DOT && content[place - 2] == Token::Crlf;
        let octet;
        let octets: &[u8] = match content[place] {
            Token::Lf if lone_dot && !lenient => b".\r\n",
            Token::Crlf | Token::Lf => b"\r\n",
            Token::Cr | Token::Nul => b" ",
            Token::Octet(b'.') if before == Token::Lf && !lenient => b"..",
            Token::Octet(b'.') => b".",
            Token::Octet(other) => {
                octet = [other];
                &octet
            }
        };
        outcome.released.extend_from_slice(octets);
    }
    Some(outcome)
}

/// No relay, however lenient, may find an end in what is released: neither with any line end that was ever
/// taken for one, nor after dropping NULs or trimming CRs.
fn assert_one_message(released: &[u8], ended: bool) {
    let text: String = released.iter().map(|octet| char::from(*octet)).collect();
    let without_crlf = text.replace("\r\n", "");
    assert!(!without_crlf.contains(['\r', '\n', '\0']), "a CR, LF or NUL stands alone: {text:?}");
    let lines: Vec<_> = text.split(['\r', '\n']).collect();
    let (last, whole) = lines.split_last().unwrap();
    assert!(!whole.contains(&"."), "a line is a dot: {text:?}");
    assert!(*last != "." && (!ended || last.is_empty()), "the last line has not ended: {text:?}");
}

fn every_input(longest: u32, check: impl Fn(&[u8])) {
    let base = ALPHABET.len();
    for length in 0..=longest {
        for number in 0..base.pow(length) {
            let input: Vec<u8> = (0..length).map(|place| ALPHABET[number / base.pow(place) % base]).collect();
            check(&input);
        }
    }
}

/// A scan of an input without an end must release a beginning of what it releases once the end has come.
fn check(input: &[u8], ends: LineEnds) {
    let shown = input.escape_ascii();
    let whole = scanned(&[input], ends);
    assert_one_message(&whole.released, whole.ended);
    match definition(input, ends) {
        Some(wanted) => assert_eq!(whole, wanted, "{shown} {ends:?}"),
        None => assert!(!whole.ended, "{shown} {ends:?}"),
    }
    for cut in 1..input.len() {
        let (head, tail) = input.split_at(cut);
        assert_eq!(scanned(&[head, tail], ends), whole, "{shown} cut at {cut} {ends:?}");
        let first = scanned(&[head], ends).released;
        assert!(whole.released.starts_with(&first), "{shown} cut at {cut} {ends:?}");
    }
    let octets: Vec<_> = input.chunks(1).collect();
    assert_eq!(scanned(&octets, ends), whole, "{shown} octet by octet {ends:?}");
}

fn check_all(input: &[u8]) {
    for ends in ALL_ENDS {
        check(input, ends);
    }
}

#[test]
fn every_short_input_is_read_as_defined_whole_and_in_pieces() {
    every_input(6, check_all);
}

#[test]
fn every_short_content_before_a_true_end_is_read_as_defined() {
    every_input(5, |input| {
        for front in [&b""[..], b"a\r\n", b"a\r\n.", b"a\n"] {
            let whole = [front, input, b"\r\n.\r\n"].concat();
            check_all(&whole);
        }
    });
}

#[test]
fn every_input_of_eight_octets_is_read_as_defined() {
    // Without `a`: what stands inside a line makes no difference to what is found at its ends.
    const ODD: &[u8] = b"\r\n.\0";
    for number in 0..ODD.len().pow(8) {
        let input: Vec<u8> = (0..8).map(|place| ODD[number / ODD.len().pow(place) % ODD.len()]).collect();
        let closed = [&input[..], b"\r\n.\r\n"].concat();
        for ends in [LineEnds::Normalise, LineEnds::Lenient] {
            let outcome = scanned(&[&closed], ends);
            assert_eq!(
                Some(&outcome),
                definition(&closed, ends).as_ref(),
                "{} {ends:?}",
                closed.escape_ascii()
            );
            assert_one_message(&outcome.released, true);
        }
    }
}

#[test]
fn the_known_smuggling_sequences_are_no_ends() {
    for sequence in [
        "\n.\n",
        "\n.\r\n",
        "\r\n.\n",
        "\r.\r",
        "\r.\r\n",
        "\r\n.\r",
        "\n.\r",
        "\r.\n",
        "\r\n.\r\r\n",
        "\r\n\0.\r\n",
        "\r\n.\0\r\n",
        "\r\n.\r\0\n",
        "\n\n.\n",
        "\r\r\n.\r\r\n",
    ] {
        let input = format!("a{sequence}MAIL FROM:<b@c>\r\n.\r\n");
        let outcome = scanned(&[input.as_bytes()], LineEnds::Normalise);
        assert!(outcome.ended && outcome.taken == input.len(), "{}", sequence.escape_default());
        assert!(outcome.bare_cr || outcome.bare_lf || outcome.nul, "{}", sequence.escape_default());
        assert_one_message(&outcome.released, true);
    }
}

#[test]
fn lenient_line_ends_end_content_in_any_mixture_but_never_with_a_cr_alone() {
    for (input, ended) in [
        ("a\n.\n", true),
        ("a\n.\r\n", true),
        ("a\r\n.\n", true),
        ("a\r\n.\r\n", true),
        (".\n", true),
        ("a\r.\r", false),
        ("a\n.\r", false),
        ("a\r\n.\r\r\n", false),
        ("a\r.\n", false),
    ] {
        assert_eq!(
            scanned(&[input.as_bytes()], LineEnds::Lenient).ended,
            ended,
            "{}",
            input.escape_default()
        );
    }
    assert_eq!(scanned(&[b"a\n..b\n.\n"], LineEnds::Lenient).released, b"a\r\n..b\r\n");
}

#[test]
fn sound_content_is_released_as_it_is_and_in_one_piece() {
    let content = b"Subject: x\r\n\r\nbody\r\n".repeat(100);
    let input = [&content[..], b".\r\nQUIT\r\n"].concat();
    let mut pieces = Vec::new();
    let found = Scanner::default().scan(&input, LineEnds::Normalise, &mut |piece| pieces.push(piece));
    assert_eq!(pieces, [Piece::Plain(&content)]);
    assert_eq!(found, Scanned { taken: content.len() + 3, ended: true, ..Scanned::default() });
}

#[test]
fn a_stuffed_line_does_not_cut_content_into_pieces() {
    let mut pieces = Vec::new();
    Scanner::default().scan(b"a\r\n..\r\n.b\r\nc\r\n", LineEnds::Normalise, &mut |piece| pieces.push(piece));
    assert_eq!(pieces, [Piece::Content(b"a\r\n..\r\n.b\r\nc\r\n")]);
}

#[test]
fn a_scanner_is_ready_for_the_next_message_after_an_end() {
    let mut scanner = Scanner::default();
    for _ in 0..2 {
        assert!(scanner.scan(b"a\r\n.\r\n", LineEnds::Normalise, &mut |_| ()).ended);
    }
}

proptest! {
    #[test]
    fn long_content_is_read_as_defined_however_it_is_cut(
        parts in vec(select(PARTS), 0..40),
        ends in select(&ALL_ENDS[..]),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        let input = [parts.concat().as_bytes(), b"\r\n.\r\nQUIT\r\n"].concat();
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(input.len())).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let slices: Vec<_> = cuts.windows(2).map(|cut| &input[cut[0]..cut[1]]).collect();
        let outcome = scanned(&slices, ends);
        prop_assert_eq!(Some(outcome.clone()), definition(&input, ends));
        assert_one_message(&outcome.released, true);
    }
}
