//! Properties of parsing and encoding; the known answers are rows of `tests/grammar`.

use super::*;
use crate::smtp::base64;
use crate::smtp::mechanism::Mechanism;
use crate::smtp::violation::Kind;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// What is sloppy in the value itself, and so does not vanish.
const LASTING: &[Violation] = &[
    Violation::LocalPartTooLong,
    Violation::LocalPartDots,
    Violation::BareAddress,
    Violation::HelloSyntax,
    Violation::ParameterEquals,
];

/// Whatever is parsed and can be written, is read again as the same, and is sound down to its octets.
fn check(line: &[u8]) -> Result<(), TestCaseError> {
    let command = parse(line);
    prop_assert!(command.sloppy.iter().all(|violation| violation.facts().kind == Kind::Conduct));
    prop_assert!(line.starts_with(command.spoken));
    let mut written = Vec::new();
    if let Err(fault) = command.encode(|_| true, &mut written) {
        prop_assert!(written.is_empty());
        prop_assert!(fault.facts().kind != Kind::Conduct);
        return Ok(());
    }
    let body = written.strip_suffix(b"\r\n").expect("a line ends in CRLF");
    prop_assert!(!body.iter().any(u8::is_ascii_control));
    prop_assert!(std::str::from_utf8(body).is_ok());
    prop_assert!(!body.ends_with(b" "));

    let again = parse(body);
    prop_assert_eq!(again.verb, command.verb);
    if again.verb != Verb::Auth {
        prop_assert_eq!(&again.argument, &command.argument);
    }
    prop_assert!(again.sloppy.iter().all(|violation| LASTING.contains(&violation)), "{:?}", again.sloppy);
    let mut twice = Vec::new();
    prop_assert_eq!(again.encode(|_| true, &mut twice), Ok(()));
    prop_assert_eq!(&twice, &written);
    Ok(())
}

/// Words and odd octets of which commands are made.
const PIECES: &[&str] = &[
    "EHLO",
    "HELO",
    "MAIL",
    "RCPT",
    "DATA",
    "BDAT",
    "AUTH",
    "VRFY",
    "NOOP",
    "ETRN",
    "ATRN",
    "QUIT",
    "FROM:",
    "TO:",
    "from:",
    "<",
    ">",
    "<>",
    "@",
    ":",
    ",",
    "=",
    "+",
    ".",
    "..",
    "-",
    "_",
    "\"",
    "\\",
    " ",
    "  ",
    "\t",
    "a",
    "b",
    "example",
    ".com",
    "Postmaster",
    "[192.0.2.1]",
    "[IPv6:::1]",
    "[",
    "]",
    "SIZE=1",
    "BODY=8BITMIME",
    "SMTPUTF8",
    "NOTIFY=NEVER",
    "ORCPT=rfc822;",
    "ENVID=",
    "LAST",
    "12",
    "PLAIN",
    "AGEAYg==",
    "\u{e4}",
    "\u{0}",
    "\u{7f}",
    "%",
    "!",
    "#",
    ";",
    "*",
];

/// Sound lines, to be spoilt.
const LINES: &[&str] = &[
    "EHLO mx.example.com",
    "HELO [IPv6:2001:db8::1]",
    "MAIL FROM:<a@example.com> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2By",
    "MAIL FROM:<@a,@b:\"c d\"@[192.0.2.1]> AUTH=<> HOLDFOR=5",
    "RCPT TO:<a.b+c@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a.b+2Bc@example.com",
    "RCPT TO:<Postmaster> RRVS=2014-04-03T23:01:00Z;R",
    "BDAT 86 LAST",
    "AUTH PLAIN AGEAYg==",
    "VRFY \"Anna Berg\" SMTPUTF8",
    "ETRN @example.com",
    "ATRN example.org,example.com",
    "NOOP x",
    "DATA",
];

proptest! {
    #[test]
    fn an_initial_response_comes_through_whole(
        mechanism in select(Mechanism::ALL),
        octets in vec(any::<u8>(), 0..300),
    ) {
        let mut line = format!("auth {} ", mechanism.facts().name.to_ascii_lowercase()).into_bytes();
        let start = line.len();
        base64::encode(&octets, &mut line);
        if octets.is_empty() {
            line.push(b'=');
        }
        check(&line)?;
        let Ok(Argument::Auth { mechanism: spoken, initial }) = parse(&line).argument else {
            return Err(TestCaseError::fail("no AUTH"));
        };
        prop_assert_eq!(Mechanism::from_wire(spoken), Some(mechanism));
        prop_assert_eq!(initial, line.get(start..));
        if !octets.is_empty() {
            let mut buffer = [0; 300];
            prop_assert_eq!(initial.and_then(|text| base64::decode(text, &mut buffer)), Some(octets.as_slice()));
        }
    }

    #[test]
    fn any_octets_are_a_command(line in vec(any::<u8>(), 0..64)) {
        check(&line)?;
    }

    #[test]
    fn words_in_any_order_are_read_again_as_they_were_written(pieces in vec(select(PIECES), 0..12)) {
        check(pieces.concat().as_bytes())?;
    }

    #[test]
    fn a_verb_with_words_behind_it_is_read_again_as_it_was_written(
        verb in select(&["EHLO ", "MAIL FROM:", "RCPT TO:", "VRFY ", "NOOP ", "AUTH ", "BDAT ", "ETRN "][..]),
        pieces in vec(select(PIECES), 0..8),
    ) {
        check(format!("{verb}{}", pieces.concat()).as_bytes())?;
    }

    #[test]
    fn a_spoilt_line_is_read_again_as_it_was_written(
        line in select(LINES),
        places in vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let mut line = line.as_bytes().to_vec();
        for (place, octet, how) in places {
            let place = place.index(line.len() + 1);
            match how {
                0 => line.insert(place, octet),
                1 if place < line.len() => line[place] = octet,
                _ if place < line.len() => _ = line.remove(place),
                _ => {}
            }
        }
        check(&line)?;
    }
}

#[test]
fn sound_lines_are_their_own_encoding() {
    for line in LINES.iter().filter(|line| !line.contains('@') || !line.contains(":\"")) {
        let mut written = Vec::new();
        parse(line.as_bytes()).encode(|_| true, &mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), format!("{line}\r\n"));
    }
}

#[test]
fn a_parameter_that_is_not_kept_is_consumed() {
    let command = parse(b"MAIL FROM:<a@b> SIZE=1 BODY=8BITMIME");
    let mut written = Vec::new();
    command.encode(|parameter| parameter.keyword != Some(Keyword::Size), &mut written).unwrap();
    assert_eq!(written, b"MAIL FROM:<a@b> BODY=8BITMIME\r\n");
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", parse(b"AUTH PLAIN AGEAYg=="));
    assert!(!shown.contains("AGEAYg") && !shown.contains(&format!("{:?}", b"AGEAYg==")), "{shown}");
}
