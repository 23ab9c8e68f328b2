//! Known answers both ways: a line gives these values, the values give the canonical line, and that line
//! gives the same values again. The cases are rows of `tests/grammar/*.toml`.
//!
//! A `[[group]]` has a name, `rows`, and any key that all its rows share. Keys of a command: `line`; `verb`;
//! the values (see [`values`]); `sloppy`, the tolerances that were needed; `canonical`, unless it is the line
//! itself; or `fault`. Keys of a reply: `reply`; `code`, `enhanced`, `lines`; `canonical`, `fault` or
//! `incomplete`. In lines and replies `\xNN` is one octet.

use gatepost::smtp::command::{self, Argument, Command};
use gatepost::smtp::parameter::{Body, Parameters};
use gatepost::smtp::path::{ForwardPath, Host, Mailbox, ReversePath};
use gatepost::smtp::reply::{self, Read};
use gatepost::smtp::violation::{Kind, Violation, Violations};
use toml::{Table, Value};

const COMMANDS: &[(&str, &str)] = &[
    ("hello.toml", include_str!("../grammar/hello.toml")),
    ("paths.toml", include_str!("../grammar/paths.toml")),
    ("parameters.toml", include_str!("../grammar/parameters.toml")),
    ("words.toml", include_str!("../grammar/words.toml")),
    ("attacks.toml", include_str!("../grammar/attacks.toml")),
];

const REPLIES: &str = include_str!("../grammar/replies.toml");

/// What cannot vanish from a canonical line, because the value itself is what is sloppy.
const LASTING: &[Violation] = &[
    Violation::LocalPartTooLong,
    Violation::LocalPartDots,
    Violation::BareAddress,
    Violation::HelloSyntax,
    Violation::ParameterEquals,
];

/// The rows of a file, each with what its group says, and the name of its group.
fn rows(file: &str, text: &str) -> Vec<(String, Table)> {
    let groups: Table = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut rows = Vec::new();
    for group in groups["group"].as_array().unwrap() {
        let group = group.as_table().unwrap();
        let name = group["name"].as_str().unwrap();
        for row in group["rows"].as_array().unwrap() {
            let mut whole = group.clone();
            whole.remove("name");
            whole.remove("rows");
            whole.extend(row.as_table().unwrap().clone());
            let case = whole.get("line").or(whole.get("reply")).and_then(Value::as_str).unwrap_or_default();
            rows.push((format!("{file}: {name}: {case:?}"), whole));
        }
    }
    rows
}

/// The octets of a text in which `\xNN` is one octet.
fn octets(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        octets.push(u8::from_str_radix(&part[..2], 16).unwrap());
        octets.extend_from_slice(&part.as_bytes()[2..]);
    }
    octets
}

fn shown(octets: &[u8]) -> Value {
    let text = std::str::from_utf8(octets).map_or_else(|_| octets.escape_ascii().to_string(), str::to_owned);
    Value::String(text)
}

/// The values of a command, by the names that rows give them.
fn values(command: &Command<'_>) -> Table {
    let mut values = Table::new();
    let mut say = |key: &str, value: Value| values.insert(key.to_owned(), value);
    match command.argument.as_ref().unwrap() {
        Argument::None | Argument::Text(None) => {
            say("none", true.into());
        }
        Argument::Hello(host) => say_host(*host, &mut say),
        Argument::Mail { path, parameters } => {
            match path {
                ReversePath::Null => _ = say("null", true.into()),
                ReversePath::Mailbox(mailbox) => say_mailbox(mailbox, &mut say),
            }
            say_parameters(parameters, &mut say);
        }
        Argument::Rcpt { path, parameters } => {
            match path {
                ForwardPath::Postmaster => _ = say("postmaster", true.into()),
                ForwardPath::Mailbox(mailbox) => say_mailbox(mailbox, &mut say),
            }
            say_parameters(parameters, &mut say);
        }
        Argument::Text(Some(text)) => _ = say("text", shown(text)),
        Argument::Chunk { size, last } => {
            say("size", size.to_string().into());
            say("last", (*last).into());
        }
        Argument::Auth { mechanism, initial } => {
            say("mechanism", shown(mechanism));
            if let Some(initial) = initial {
                say("initial", shown(initial));
            }
        }
        Argument::Opaque(_) => _ = say("opaque", true.into()),
    }
    values
}

fn say_mailbox(mailbox: &Mailbox<'_>, say: &mut impl FnMut(&str, Value) -> Option<Value>) {
    say("local", shown(mailbox.local));
    say("unquoted", shown(&mailbox.unquoted()));
    say("routes", mailbox.routes().into());
    say("eight_bit", mailbox.is_eight_bit().into());
    say_host(mailbox.host, say);
}

fn say_host(host: Host<'_>, say: &mut impl FnMut(&str, Value) -> Option<Value>) {
    say("host", shown(host.octets()));
    match host {
        Host::Domain(_) => say("form", "domain".into()),
        Host::General(_) => say("form", "general".into()),
        Host::Address(address, _) => say("form", address.to_string().into()),
    };
}

fn say_parameters(parameters: &Parameters<'_>, say: &mut impl FnMut(&str, Value) -> Option<Value>) {
    let needs = |extension: Option<gatepost::smtp::extension::Extension>| {
        extension.map_or("unknown", |extension| extension.facts().keyword).into()
    };
    say("needs", Value::Array(parameters.iter().map(|parameter| needs(parameter.needs())).collect()));
    let declared = parameters.gist().declared;
    if let Some(size) = declared.size {
        say("size", size.to_string().into());
    }
    let body = match declared.body {
        Body::SevenBit => "7BIT",
        Body::EightBitMime => "8BITMIME",
        Body::BinaryMime => "BINARYMIME",
    };
    say("body", body.into());
    say("smtputf8", declared.smtputf8.into());
}

fn set(names: &Value) -> Violations {
    let named = |name: &Value| Violation::from_name(name.as_str().unwrap()).unwrap();
    names.as_array().unwrap().iter().map(named).collect()
}

fn names(violations: Violations) -> Vec<&'static str> {
    violations.iter().map(|violation| violation.facts().name).collect()
}

fn canonical(command: &Command<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    command.encode(|_| true, &mut out).unwrap();
    assert_eq!(out.split_off(out.len() - 2), b"\r\n");
    out
}

#[test]
fn every_line_is_understood_as_its_row_says_and_so_is_its_canonical_form() {
    for (name, mut row) in COMMANDS.iter().flat_map(|(file, text)| rows(file, text)) {
        let line = octets(row.remove("line").expect(&name).as_str().unwrap());
        let command = command::parse(&line);
        let verb = row.remove("verb").expect(&name);
        assert_eq!(command.verb.facts().name, verb.as_str().unwrap(), "{name}");
        if let Some(fault) = row.remove("fault") {
            assert!(row.is_empty(), "{name}: a fault has no values");
            let found = command.encode(|_| true, &mut Vec::new()).err().map(|fault| fault.facts().name);
            assert_eq!(found, fault.as_str(), "{name}: {:?}", command.argument);
            continue;
        }
        let sloppy = row.remove("sloppy").map_or(Violations::NONE, |names| set(&names));
        assert!(command.argument.is_ok(), "{name}: {:?}", command.argument);
        assert_eq!(names(command.sloppy), names(sloppy), "{name}");

        let wanted = row.remove("canonical").map_or(line.clone(), |text| octets(text.as_str().unwrap()));
        let written = canonical(&command);
        assert_eq!(written.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "{name}");

        let values = values(&command);
        for (key, value) in &row {
            assert_eq!(values.get(key), Some(value), "{name}: {key} of {values:?}");
        }

        let again = command::parse(&written);
        assert_eq!(canonical(&again), written, "{name}");
        assert!(again.sloppy.iter().all(|violation| LASTING.contains(&violation)), "{name}");
        // A mechanism is the same in any case, and leaves in upper case.
        if again.verb != gatepost::smtp::verb::Verb::Auth {
            assert_eq!(again.argument, command.argument, "{name}");
        }
    }
}

#[test]
fn what_is_tolerated_is_always_a_matter_of_conduct() {
    for (_, row) in COMMANDS.iter().flat_map(|(file, text)| rows(file, text)) {
        let line = octets(row["line"].as_str().unwrap());
        let sloppy = command::parse(&line).sloppy;
        assert!(sloppy.iter().all(|violation| violation.facts().kind == Kind::Conduct));
    }
}

#[test]
fn every_reply_is_read_as_its_row_says() {
    for (name, row) in rows("replies.toml", REPLIES) {
        let text = |key: &str| row.get(key).map(|value| octets(value.as_str().unwrap()));
        let input = text("reply").expect(&name);
        match reply::read(&input) {
            Read::Incomplete => assert!(row.contains_key("incomplete"), "{name}"),
            Read::Broken(fault) => {
                assert_eq!(Some(fault.facts().name.as_bytes().to_vec()), text("fault"), "{name}");
            }
            Read::Reply { reply, taken } => {
                assert_eq!(Some(reply.code.get().to_string().into_bytes()), text("code"), "{name}");
                let enhanced = reply.enhanced().map(|enhanced| enhanced.to_string().into_bytes());
                assert_eq!(enhanced, text("enhanced"), "{name}");
                if let Some(lines) = row.get("lines") {
                    assert_eq!(*lines, Value::Array(reply.lines().map(shown).collect()), "{name}");
                }
                let mut written = Vec::new();
                reply.encode(&mut written);
                let wanted = text("canonical").unwrap_or_else(|| input[..taken].to_vec());
                assert_eq!(written.escape_ascii().to_string(), wanted.escape_ascii().to_string(), "{name}");
                let Read::Reply { reply: again, .. } = reply::read(&written) else { panic!("{name}") };
                let mut twice = Vec::new();
                again.encode(&mut twice);
                assert_eq!((again.code, twice), (reply.code, written), "{name}");
            }
        }
        for cut in 0..input.len() {
            let early = reply::read(&input[..cut]);
            assert!(early == Read::Incomplete || early == reply::read(&input), "{name}: cut at {cut}");
        }
    }
}

#[test]
fn there_are_rows_enough() {
    let commands: usize = COMMANDS.iter().map(|(file, text)| rows(file, text).len()).sum();
    let replies = rows("replies.toml", REPLIES).len();
    assert!(commands + replies >= 250, "{commands} and {replies}");
}
