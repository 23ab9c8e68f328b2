use super::*;

/// What a sieve lets pass of a message in these pieces.
fn sifted(pieces: &[&[u8]], stuffed: bool) -> Vec<u8> {
    let (mut sieve, mut out) = (Sieve::new("g.x", stuffed), Vec::new());
    for piece in pieces {
        sieve.pass(piece, &mut |passed| match passed {
            Passed::Range(range) => out.extend_from_slice(&piece[range]),
            Passed::Held(octets) => out.extend_from_slice(octets),
        });
        assert!(sieve.held.len() <= HELD, "what is held is bounded");
    }
    sieve.finish(&mut |passed| match passed {
        Passed::Range(_) => panic!("there is nothing to be in it"),
        Passed::Held(octets) => out.extend_from_slice(octets),
    });
    out
}

/// The definition: a header is cut into fields, and those that are ours are left out.
fn definition(message: &[u8], stuffed: bool) -> Vec<u8> {
    let bare = |line: &[u8]| match line {
        [b'.', rest @ ..] if stuffed => rest.to_vec(),
        line => line.to_vec(),
    };
    let lines: Vec<&[u8]> = message.split_inclusive(|octet| *octet == b'\n').collect();
    let body = lines.iter().position(|line| *line == b"\r\n").unwrap_or(lines.len());
    let mut fields: Vec<Vec<&[u8]>> = Vec::new();
    for line in &lines[..body] {
        match fields.last_mut() {
            Some(field) if matches!(bare(line).first(), Some(b' ' | b'\t')) => field.push(line),
            _ => fields.push(vec![line]),
        }
    }
    let ours = |field: &Vec<&[u8]>| {
        let text =
            String::from_utf8(field.iter().flat_map(|line| bare(line)).collect()).unwrap().to_lowercase();
        if !text.starts_with("authentication-results") {
            return false;
        }
        let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let payload = text.strip_prefix("authentication-results:");
        payload.is_some_and(|payload| payload == "g.x" || payload.starts_with("g.x;"))
    };
    let kept = fields.iter().filter(|field| !ours(field)).flatten();
    kept.chain(&lines[body..]).flat_map(|line| line.iter().copied()).collect()
}

/// Parts of which messages are made.
const PARTS: [&str; 11] = [
    "Authentication-Results:",
    "aUTHENTICATION-rESULTS \t:",
    "Authentication-Results",
    "Authentication-Result: g.x;\r\n",
    " g.x",
    ";\r\n",
    "\r\n",
    ".",
    " ",
    "To: a\r\n",
    "Authentication-Results: h.x;\r\n",
];

#[test]
fn every_message_of_a_few_parts_is_sifted_as_defined_whole_and_octet_by_octet() {
    let count = PARTS.len();
    for length in 0..=4_u32 {
        for number in 0..count.pow(length) {
            let message: String = (0..length).map(|place| PARTS[number / count.pow(place) % count]).collect();
            // Blanks in a name are no blanks: `g. x` is another.
            if message.contains("g.x ") || message.contains("g.x.") || message.contains("g.x\r\n ") {
                continue;
            }
            for stuffed in [false, true] {
                let wanted = definition(message.as_bytes(), stuffed);
                let whole = sifted(&[message.as_bytes()], stuffed);
                assert_eq!(whole, wanted, "{stuffed} {message:?}");
                let octets: Vec<&[u8]> = message.as_bytes().chunks(1).collect();
                assert_eq!(sifted(&octets, stuffed), wanted, "{stuffed} {message:?}");
            }
        }
    }
}

#[test]
fn where_it_is_cut_changes_nothing() {
    let message = b"Received: x\r\nAuthentication-Results: g.x;\r\n\tspf=pass\r\n.Authentication-Results:\r\n. g.x; none\r\n\
        Authentication-Results: (c) h.x; none\r\n folded\r\nSubject: a\r\n b\r\n\r\nAuthentication-Results: g.x; none\r\n";
    let wanted =
        b"Received: x\r\nAuthentication-Results: (c) h.x; none\r\n folded\r\nSubject: a\r\n b\r\n\r\n\
        Authentication-Results: g.x; none\r\n";
    for first in 0..=message.len() {
        for second in first..=message.len() {
            let pieces = [&message[..first], &message[first..second], &message[second..]];
            assert_eq!(sifted(&pieces, true), wanted, "{first} {second}");
        }
    }
}

#[test]
fn a_field_longer_than_any_is_judged_by_its_beginning() {
    let long = "x".repeat(HELD);
    for (field, stays) in [
        (format!("Authentication-Results: g.x; {long}\r\n {long}\r\n"), false),
        (format!("Authentication-Results: h.x; {long}\r\n {long}\r\n"), true),
        (format!("Authentication-Results: ({long}) h.x; none\r\n"), false),
        (format!("Authentication-Results: {long}\r\n"), false),
        (format!("Subject: {long}\r\n {long}\r\n"), true),
    ] {
        let message = format!("A: b\r\n{field}To: c\r\n\r\nbody\r\n");
        let wanted = if stays { message.clone() } else { "A: b\r\nTo: c\r\n\r\nbody\r\n".to_owned() };
        for size in [1, 7, 1000, usize::MAX] {
            let pieces: Vec<&[u8]> = message.as_bytes().chunks(size).collect();
            assert!(sifted(&pieces, false) == wanted.as_bytes(), "{size} {field:.60}");
        }
    }
}

#[test]
fn where_parsers_disagree_our_name_is_taken_out() {
    for (message, wanted) in [
        // A comment without an end.
        ("Authentication-Results: (g.x; none\r\n\r\n", "\r\n"),
        ("Authentication-Results: (h.x; none\r\n\r\n", "Authentication-Results: (h.x; none\r\n\r\n"),
        // Only for one of two parsers the header has ended, for BINARYMIME has bare line ends.
        ("A: b\n\r\nAuthentication-Results: g.x; none\r\n\r\n", "A: b\n\r\n\r\n"),
        ("A: b\n\nAuthentication-Results: g.x; none\r\n\r\n", "A: b\n\n\r\n"),
        ("A: b\nAuthentication-Results: g.x; none\n\r\n\r\n", "A: b\n\r\n\r\n"),
        ("Authentication-Results: g.x; none", ""),
        ("Authentication-Resul", "Authentication-Resul"),
    ] {
        for size in [1, 3, usize::MAX] {
            let pieces: Vec<&[u8]> = message.as_bytes().chunks(size).collect();
            assert_eq!(sifted(&pieces, false), wanted.as_bytes(), "{size} {message:?}");
        }
    }
}

#[test]
fn a_message_without_such_a_field_is_one_piece() {
    let message = b"Received: a\r\n b\r\nSubject: Authentication-Results: g.x\r\nATo: c\r\n\r\nbody\r\n";
    let mut pieces = Vec::new();
    Sieve::new("g.x", true).pass(message, &mut |passed| match passed {
        Passed::Range(range) => pieces.push(range),
        Passed::Held(octets) => panic!("{}", octets.escape_ascii()),
    });
    assert_eq!((pieces.len(), pieces.pop()), (1, Some(0..message.len())));
}
