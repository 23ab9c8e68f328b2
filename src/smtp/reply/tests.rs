//! Reading and writing at their edges; more known answers are rows of `tests/grammar/replies.toml`.

use super::*;

fn heard(input: &[u8]) -> Heard<'_> {
    match read(input) {
        Read::Reply { reply, taken } => {
            assert_eq!(reply.octets.len(), taken);
            reply
        }
        other => panic!("{other:?}"),
    }
}

fn canonical(input: &[u8]) -> String {
    let mut out = Vec::new();
    heard(input).encode(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_reply_is_read_off_the_front() {
    let reply = heard(b"250-mx.example.com\r\n250-SIZE 100\r\n250 HELP\r\n220 next\r\n");
    assert_eq!(reply.code, Code(250));
    assert_eq!(reply.lines().collect::<Vec<_>>(), [&b"mx.example.com"[..], b"SIZE 100", b"HELP"]);
    assert_eq!(heard(b"550 5.7.1 no\r\n").enhanced(), Some(Enhanced(5, 7, 1)));
    assert_eq!(heard(b"550 4.7.1 no\r\n").enhanced(), None);
    assert_eq!(heard(b"250 2.1.0\r\n").enhanced(), Some(Enhanced(2, 1, 0)));
    assert_eq!(heard(b"250 1.2.3.4 ok\r\n").enhanced(), None);
}

#[test]
fn bare_codes_and_odd_octets_leave_in_canonical_form() {
    assert_eq!(canonical(b"250\r\n"), "250 \r\n");
    assert_eq!(canonical(b"250-\r\n250 ok  \r\n"), "250-\r\n250 ok\r\n");
    assert_eq!(canonical(b"550 \x1b[2Jred\x7f\r\n"), "550 ?[2Jred?\r\n");
    assert_eq!(canonical(b"550 caf\xc3\xa9 \xc2\x9b\r\n"), "550 caf\u{e9} ?\r\n");
    assert_eq!(canonical(b"550 caf\xe9\r\n"), "550 caf?\r\n");
}

#[test]
fn what_is_no_reply_is_malformed() {
    for bad in [
        &b"hello\r\n"[..],
        b"25\r\n",
        b"250x\r\n",
        b"150 x\r\n",
        b"600 x\r\n",
        b"250-a\r\n251 b\r\n",
        b"250 a\n",
        b"250 a\rb\r\n",
        b"250 a\0\r\n",
        b"\r\n",
        b"250-a\r\n\r\n",
        b" 250 a\r\n",
        b"2505 a\r\n",
        b"250\ta\r\n",
    ] {
        assert_eq!(read(bad), Read::Broken(Violation::ReplyMalformed), "{}", bad.escape_ascii());
    }
    for part in [&b""[..], b"2", b"250", b"250 a", b"250 a\r", b"250-a\r\n", b"250-a\r\n250"] {
        assert_eq!(read(part), Read::Incomplete, "{}", part.escape_ascii());
    }
}

#[test]
fn the_caps_hold_to_the_octet() {
    let line = |octets: usize| format!("250 {}\r\n", "a".repeat(octets - 6)).into_bytes();
    assert!(matches!(read(&line(REPLY_LINE_CAP)), Read::Reply { .. }));
    assert_eq!(read(&line(REPLY_LINE_CAP + 1)), Read::Broken(Violation::ReplyTooLong));
    assert_eq!(read(&vec![b'2'; REPLY_LINE_CAP]), Read::Broken(Violation::ReplyTooLong));
    let many = b"250-abcdefghij\r\n".repeat(REPLY_CAP / 16 + 1);
    assert_eq!(read(&many), Read::Broken(Violation::ReplyTooLong));
    assert_eq!(read(&many[..REPLY_CAP]), Read::Broken(Violation::ReplyTooLong));
    assert_eq!(read(&many[..REPLY_CAP - 1]), Read::Incomplete);
}

#[test]
fn operators_words_are_checked() {
    let reply = Reply::from_text("550 5.7.1 Not from here").unwrap();
    assert_eq!((reply.code, reply.enhanced), (Code(550), Some(Enhanced(5, 7, 1))));
    assert_eq!(reply.text, "Not from here");
    assert_eq!(Reply::from_text("252 Cannot verify").unwrap().enhanced, None);
    assert_eq!(Reply::from_text("250 1.2.3.4 is me").unwrap().text, "1.2.3.4 is me");
    for bad in
        ["", "550", "550 ", "550 5.7.1", "550 4.7.1 x", "150 x", "5500 x", "55 x", "550 a\nb", "550 \u{e9}"]
    {
        assert!(Reply::from_text(bad).is_err(), "{bad:?}");
    }
    assert!(Reply::from_text(&format!("550 {}", "a".repeat(506))).is_ok());
    assert!(Reply::from_text(&format!("550 {}", "a".repeat(507))).is_err());
}

#[test]
fn every_line_carries_both_codes_and_the_footer_stands_before_the_last() {
    let reply = Reply::from_text("550 5.7.1 No").unwrap();
    let encode = |with_enhanced, suffix: &[&str]| {
        let mut out = Vec::new();
        reply.encode(with_enhanced, suffix, &mut out);
        String::from_utf8(out).unwrap()
    };
    assert_eq!(encode(true, &[]), "550 5.7.1 No\r\n");
    assert_eq!(encode(false, &["(ref X)"]), "550 No (ref X)\r\n");
    assert_eq!(encode(true, &["(ref X)", "help: y"]), "550-5.7.1 help: y\r\n550 5.7.1 No (ref X)\r\n");
    assert_eq!(encode(true, &["", "help: y"]), "550-5.7.1 help: y\r\n550 5.7.1 No\r\n");
}

#[test]
fn text_of_several_lines_becomes_a_reply_of_several_lines() {
    let reply =
        Reply { code: Code(250), enhanced: None, text: Cow::Borrowed("mx.example.com\nSIZE 100\nHELP") };
    let mut out = Vec::new();
    reply.encode(true, &[], &mut out);
    assert_eq!(out, b"250-mx.example.com\r\n250-SIZE 100\r\n250 HELP\r\n");
}

#[test]
fn the_table_of_violations_has_only_sound_replies() {
    for violation in Violation::ALL {
        let facts = violation.facts();
        assert!(facts.enhanced.suits(facts.code), "{violation:?}");
        let text = format!("{} {} {}", facts.code, facts.enhanced, facts.text);
        assert_eq!(Reply::from_text(&text), Ok(Reply::to_violation(*violation)));
        assert_eq!(Violation::from_name(facts.name), Some(*violation));
    }
}

#[test]
fn no_octet_of_a_reply_speaks_to_a_terminal() {
    for octet in (0..=u8::MAX).filter(|octet| !matches!(octet, b'\r' | b'\n')) {
        for last in [&b"250 a_b\r\n"[..], b"250-a_b\r\n250 c\r\n"] {
            let octets: Vec<u8> = last.iter().map(|own| if *own == b'_' { octet } else { *own }).collect();
            let mut out = Vec::new();
            Heard { code: Code::OK, octets: &octets }.encode(&mut out);
            let passes = matches!(octet, b'\t' | b' '..=b'~');
            let expected: Vec<u8> =
                octets.iter().map(|own| if *own == octet && !passes { b'?' } else { *own }).collect();
            assert_eq!(out, expected, "{octet:#x}");
        }
    }
}
