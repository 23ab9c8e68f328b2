//! Command lines and replies.

use crate::alike;
use gatepost::session::Offer;
use gatepost::smtp::command::{self, Argument, Command};
use gatepost::smtp::line::{self, Cut, HARD_CAP};
use gatepost::smtp::reply::{self, REPLY_CAP, Read};

/// A line: cut off and understood without a panic; and what is sound has one canonical line.
pub fn command(data: &[u8]) {
    framing(data, false);
    framing(data, true);
    foreign(data);
    let command = command::parse(data);
    let _ = format!("{command:?}");
    let mut canonical = Vec::new();
    match command.encode(|_| true, &mut canonical) {
        Ok(()) => {
            assert!(command.argument.is_ok(), "a fault was written: {command:?}");
            canonical_line(&command, &canonical);
        }
        Err(_) => assert!(canonical.is_empty(), "something was written in spite of a fault"),
    }
    let mut bare = Vec::new();
    if command.encode(|_| false, &mut bare).is_ok() {
        assert!(bare.len() <= canonical.len(), "fewer parameters made a longer line");
        sound(&bare);
    }
}

/// What a canonical line must be.
fn canonical_line(command: &Command<'_>, line: &[u8]) {
    let body = sound(line);
    assert!(
        body.starts_with(command.verb.facts().name.as_bytes()),
        "not as it is spoken: {}",
        line.escape_ascii()
    );
    let again = command::parse(body);
    assert_eq!(again.verb, command.verb);
    match (&again.argument, &command.argument) {
        // The names of mechanisms have no case of their own (RFC 4422 3.1: they are in upper case).
        (
            Ok(Argument::Auth { mechanism: upper, initial }),
            Ok(Argument::Auth { mechanism, initial: before }),
        ) => {
            assert!(upper.eq_ignore_ascii_case(mechanism) && initial == before);
        }
        (again, before) => assert_eq!(again, before, "{}", line.escape_ascii()),
    }
    // A canonical line is no sloppier than what it came from.
    for sloppy in again.sloppy.iter() {
        assert!(command.sloppy.contains(sloppy), "{sloppy:?} is new in {}", line.escape_ascii());
    }
    let mut twice = Vec::new();
    assert_eq!(again.encode(|_| true, &mut twice), Ok(()));
    alike(&twice, line, "written in another way");
}

/// One line, one end. Gives the body.
fn sound(line: &[u8]) -> &[u8] {
    let body = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no CRLF: {}", line.escape_ascii()));
    let stray = body.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0));
    assert!(!stray, "a line end or NUL inside a line: {}", line.escape_ascii());
    body
}

/// More octets never change what another protocol was found to be.
fn foreign(data: &[u8]) {
    let whole = line::foreign(data);
    for size in [data.len() / 2, data.len().saturating_sub(1)] {
        let found = line::foreign(&data[..size]);
        assert!(found.is_none() || found == whole, "{found:?} at {size}, then {whole:?}");
    }
}

/// A line ends at its first CRLF (or LF, for old devices), and more octets never change what was found.
fn framing(data: &[u8], lenient: bool) {
    let whole = line::cut(data, lenient);
    if let Cut::Line { body, taken } = whole {
        let end = &data[body.len()..taken];
        assert!(end == b"\r\n" || lenient && end == b"\n");
        assert!(taken <= HARD_CAP);
        assert!(!body.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)));
    }
    for size in [data.len() / 2, data.len().saturating_sub(1)] {
        match line::cut(&data[..size], lenient) {
            Cut::Incomplete => {}
            found => assert_eq!(found, whole, "cut at {size}"),
        }
    }
    if data.len() >= HARD_CAP {
        assert_ne!(whole, Cut::Incomplete, "a line without bounds");
    }
}

/// A reply: bounded, and written so that it is read as the same again.
pub fn reply(data: &[u8]) {
    let whole = reply::read(data);
    for size in [data.len() / 2, data.len().saturating_sub(1)] {
        match (reply::read(&data[..size]), whole) {
            (Read::Incomplete, _) => {}
            (found, whole) => assert_eq!(found, whole, "cut at {size}"),
        }
    }
    match whole {
        Read::Incomplete => assert!(data.len() < REPLY_CAP, "a reply without bounds"),
        Read::Broken(_) => {}
        Read::Reply { reply: heard, taken } => {
            assert_eq!(heard.octets, &data[..taken]);
            assert!(taken <= REPLY_CAP);
            let mut written = Vec::new();
            heard.encode(&mut written);
            assert!(written.len() <= taken + 1, "it grew by more than a space");
            assert!(!written.iter().any(|octet| matches!(octet, 0..=8 | 11 | 12 | 14..=31 | 127)));
            let Read::Reply { reply: again, taken } = reply::read(&written) else {
                panic!("not read again: {}", written.escape_ascii());
            };
            assert_eq!((again.code, taken), (heard.code, written.len()));
            assert_eq!(again.lines().count(), heard.lines().count());
            let mut twice = Vec::new();
            again.encode(&mut twice);
            assert_eq!(written, twice);
            let offer = Offer::of_ehlo(&heard);
            let spoken = heard.octets.iter().all(|octet| matches!(octet, b'\r' | b'\n' | b' '..=b'~'));
            if spoken {
                assert_eq!(again.enhanced(), heard.enhanced());
            }
            if spoken && heard.octets.len() == written.len() {
                assert_eq!(
                    offer,
                    Offer::of_ehlo(&again),
                    "another offer once it is written"
                );
            }
        }
    }
}
