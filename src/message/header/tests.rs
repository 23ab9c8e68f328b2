use super::*;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn metered(pieces: &[&[u8]], slice: Slice, longest: Longest) -> Seen {
    let mut meter = Meter::new(longest);
    for piece in pieces {
        meter.follow(piece, slice);
    }
    meter.seen()
}

fn seen_with(longest: Longest, message: &[u8], slice: Slice) -> Seen {
    let whole = metered(&[message], slice, longest);
    for cut in 0..=message.len() {
        let (head, tail) = message.split_at(cut);
        assert_eq!(metered(&[head, tail], slice, longest), whole, "cut at {cut}");
    }
    let octets: Vec<_> = message.chunks(1).collect();
    assert_eq!(metered(&octets, slice, longest), whole);
    whole
}

fn seen(message: &[u8], slice: Slice) -> Seen {
    seen_with(Longest { header: 998, body: 998 }, message, slice)
}

/// Octets of the longest line in the header and in the body: the least limits that they keep.
fn longest(message: &[u8], slice: Slice) -> (u64, u64) {
    let seen = |octets| seen_with(Longest { header: octets, body: octets }, message, slice);
    let least = |long: fn(Seen) -> bool| (0..1000).find(|octets| !long(seen(*octets))).unwrap();
    (least(|seen| seen.long_header_line), least(|seen| seen.long_body_line))
}

#[test]
fn header_and_body_are_told_apart_at_the_empty_line() {
    let message = b"Subject: x\r\nTo: y\r\n\r\nbody text\r\n\r\nReceived: z\r\n";
    let seen = seen(message, Slice::Stuffed);
    assert!(seen.in_body);
    assert_eq!((seen.octets, seen.header_octets, seen.received), (47, 21, 0));
    assert_eq!(longest(message, Slice::Stuffed), (10, 11));
}

#[test]
fn received_fields_are_counted_in_any_case_at_the_start_of_a_line() {
    let header = b"Received: a\r\n by b\r\nRECEIVED:c\r\n received: d\r\nX-Received: e\r\n\
        Received-SPF: f\r\nRecei\r\n";
    assert_eq!(seen(header, Slice::Stuffed).received, 2);
    assert!(!seen(header, Slice::Stuffed).in_body);
}

#[test]
fn stuffed_dots_are_not_content() {
    let message = b"\r\n..\r\n...a\r\nb.\r\n";
    assert_eq!(seen(message, Slice::Stuffed).octets, 2 + 3 + 5 + 4);
    assert_eq!(longest(message, Slice::Stuffed), (0, 3));
    assert_eq!(seen(message, Slice::Counted).octets, 2 + 4 + 6 + 4);
    assert_eq!(longest(message, Slice::Counted), (0, 4));
}

#[test]
fn octets_above_127_are_told_apart_by_where_they_stand() {
    let header = seen(b"Subject: \xc3\xa4\r\n\r\nx\r\n", Slice::Stuffed);
    assert!(header.eight_bit_header && !header.eight_bit_body);
    let body = seen(b"Subject: x\r\n\r\n\xe4\r\n", Slice::Stuffed);
    assert!(!body.eight_bit_header && body.eight_bit_body);
}

#[test]
fn a_line_counts_before_it_has_ended() {
    assert_eq!(longest(&[b'a'; 200], Slice::Stuffed).0, 200);
    assert_eq!(longest(b"\r\nabc\r", Slice::Counted).1, 3);
    assert_eq!(longest(b"\nabc\n", Slice::Counted).1, 3);
}

/// What the fields of [`Seen`] say, line by line.
fn definition(longest: Longest, message: &[u8], slice: Slice) -> Seen {
    let mut seen = Seen::default();
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        let stuffed = slice == Slice::Stuffed;
        let line = if stuffed { line.strip_prefix(b".").unwrap_or(line) } else { line };
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let length = count(body.strip_suffix(b"\r").unwrap_or(body).len());
        seen.octets += count(line.len());
        if seen.in_body {
            seen.long_body_line |= length > longest.body;
            seen.eight_bit_body |= !line.is_ascii();
            continue;
        }
        seen.header_octets += count(line.len());
        seen.long_header_line |= length > longest.header;
        seen.eight_bit_header |= !line.is_ascii();
        seen.in_body = line.ends_with(b"\n") && length == 0;
    }
    seen
}

#[test]
fn every_short_message_is_seen_as_defined_whole_and_in_pieces() {
    const ALPHABET: &[u8] = b"\r\n.a";
    for number in 0..ALPHABET.len().pow(7) {
        let message: Vec<u8> = (0..7).map(|place| ALPHABET[number / ALPHABET.len().pow(place) % 4]).collect();
        let longest = Longest { header: 1, body: count(number % 3) };
        for slice in [Slice::Stuffed, Slice::Counted] {
            assert_eq!(
                seen_with(longest, &message, slice),
                definition(longest, &message, slice),
                "{}",
                message.escape_ascii()
            );
        }
    }
}

/// Lines around a limit of 20, which is far enough to jump over many short ones.
const PARTS: &[&str] = &[
    "\r\n",
    "\r\n",
    "a\r\n",
    "b\r\n",
    ".\r\n",
    ".c\r\n",
    "\n",
    "\r",
    ".",
    "\u{e4}",
    "five.",
    "nineteen.octets....",
    "twenty..octets......",
    ".twenty.and.one.dot..",
    "twenty.one.octets....",
];

proptest! {
    #[test]
    fn long_messages_are_seen_as_defined_however_they_are_cut(
        parts in vec(select(PARTS), 0..60),
        slice in select(&[Slice::Stuffed, Slice::Counted][..]),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        let message = [b"\r\n", parts.concat().as_bytes()].concat();
        let longest = Longest { header: 20, body: 20 };
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(message.len())).collect();
        cuts.extend([0, message.len()]);
        cuts.sort_unstable();
        let pieces: Vec<_> = cuts.windows(2).map(|cut| &message[cut[0]..cut[1]]).collect();
        let wanted = definition(longest, &message, slice);
        prop_assert_eq!(metered(&pieces, slice, longest), wanted);
        if wanted.octets == count(message.len()) && message.is_ascii() {
            prop_assert_eq!(metered(&pieces, Slice::Plain, longest), wanted, "as plain");
        }
    }
}
