//! Rule files.

use gatepost::policy::compile::{self, Compiled};
use gatepost::policy::{Policy, source::Diagnostic};
use gatepost::replay;
use std::sync::{Arc, LazyLock};

/// The most octets of a rule file that are tried.
const CAP: usize = 16 * 1024;

/// What else there is to be read.
const SHELF: [(&str, &str); 5] = [
    ("parent.toml", "profile = \"parent\"\nextends = \"inbound\"\n[verbs]\nETRN = {}\n"),
    ("part.toml", "[lists]\nfriends = [\"192.0.2.0/24\", \"2001:db8::/32\"]\n[limits]\nrecipients = 5\n"),
    ("domains.txt", "# ours\nexample.com\n.example.com\n\nexample.org\n"),
    (
        "users",
        "anna@example.com:$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0$Wm9sZXJ0IGlzIG5vIHBhc3N3b3JkIGF0IGFsbCE\n",
    ),
    ("broken.txt", "not a domain\n@\n\u{fffd}\n"),
];

fn compile(text: &str) -> Compiled {
    compile::compile("fuzz.toml", &mut |path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let found = SHELF.iter().find(|(known, _)| *known == name);
        match found {
            _ if name == "fuzz.toml" => Ok(text.to_owned()),
            Some((_, text)) => Ok((*text).to_owned()),
            None => Err("there is no such file".to_owned()),
        }
    })
}

/// A rule file: compiled or refused, with findings whose places lie inside the text that they name. What compiles is
/// put to use by its own expectations.
pub fn rule_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(&data[..data.len().min(CAP)]) else { return };
    let compiled = compile(text);
    let errors =
        compiled.diagnostics.iter().any(|found| found.severity == gatepost::policy::source::Severity::Error);
    assert_eq!(compiled.policy.is_none(), errors, "a policy in spite of errors, or none without");
    for found in &compiled.diagnostics {
        place(found, text);
    }
    if let Some(policy) = compiled.policy {
        let policy = Arc::new(policy);
        let _ = replay::expectations(&policy);
    }
}

/// A finding's place lies inside its text.
fn place(found: &Diagnostic, own: &str) {
    let shown = format!("{found}");
    assert!(shown.contains(&found.message), "the finding is not in {shown}");
    let name = found.path.rsplit('/').next().unwrap_or(&found.path);
    let shelf = || SHELF.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let Some(text) = (name == "fuzz.toml").then_some(own).or_else(shelf) else { return };
    let line = text.split_inclusive('\n').chain([""]).nth(found.line.wrapping_sub(1));
    let line = line.unwrap_or_else(|| panic!("line {} is not in the text: {shown}", found.line));
    let line = line.strip_suffix("\r\n").or(line.strip_suffix('\n')).unwrap_or(line);
    assert_eq!(found.excerpt, line, "not the line that is meant: {shown}");
    let characters = line.chars().count();
    assert!((1..=characters + 1).contains(&found.column), "column {} of {characters}", found.column);
    assert!(
        found.width >= 1 && found.column + found.width <= characters + 2,
        "the caret runs off the line: {shown}"
    );
}

/// The policies of conversations, under letters.
const POLICIES: [(u8, &str); 11] = [
    (b'd', ""),
    (b'r', "[line_ends]\ncontent = \"reject\"\n[replies]\nfooter = \"see https://example.com\"\n"),
    (b'l', "[line_ends]\nlenient = [\"203.0.113.0/24\"]\n"),
    (b'm', "mode = \"monitor\"\n"),
    (
        b'w',
        "[[limit]]\nid = \"connections\"\nkey = \"client.net\"\ncount = \"connections\"\nrate = \"60/min\"\n\
         [[limit]]\nid = \"pairs\"\nkey = [\"mail.address\", \"rcpt.domain\"]\ncount = \"recipients\"\nrate = \"60/min\"\n\
         tarpit = \"5s\"\nban = \"1h\"\n\
         [[limit]]\nid = \"messages\"\nkey = \"hello.name\"\ncount = \"messages\"\nrate = \"60/min\"\nmode = \"monitor\"\n\
         [[limit]]\nid = \"chunks\"\nkey = \"client.ip\"\ncount = \"command:BDAT\"\nrate = \"60/min\"\n\
         [[limit]]\nid = \"replies\"\nkey = \"mail.domain\"\ncount = \"reply:DATA:5xx\"\nrate = \"60/min\"\n\
         then = \"disconnect\"\n",
    ),
    (
        b'c',
        "[verbs]\nSTARTTLS = {}\n[extensions]\noffer_add = [\"STARTTLS\"]\n[tls]\nrequire_for = [\"MAIL\"]\n",
    ),
    (
        b'p',
        "[verbs]\nSTARTTLS = {}\n[extensions]\noffer_add = [\"STARTTLS\"]\n[tls]\nstarttls = \"passthrough\"\n",
    ),
    (
        b'q',
        "[verbs]\nSTARTTLS = {}\nAUTH = {}\nMAIL = { parameters = [\"SIZE\", \"BODY\", \"AUTH\"] }\n\
         RCPT = { parameters = [] }\n[extensions]\n\
         offer = [\"PIPELINING\", \"SIZE\", \"8BITMIME\", \"CHUNKING\", \"STARTTLS\", \"AUTH\"]\n\
         [auth]\npolicy = \"required\"\n",
    ),
    (
        b'f',
        "[verbs]\nAUTH = {}\nMAIL = { parameters = [\"SIZE\", \"BODY\", \"AUTH\"] }\n\
         RCPT = { parameters = [] }\n[extensions]\n\
         offer = [\"PIPELINING\", \"SIZE\", \"8BITMIME\", \"CHUNKING\", \"AUTH\"]\n\
         [auth]\npolicy = \"required\"\nbackend = { file = \"users\" }\n",
    ),
    (
        b's',
        "[limits]\nrecipients = 2\ntransactions = 3\nmessage_size = \"1KiB\"\ncommand_errors = 4\n\
         refused_recipients = 2\ntrivial_commands = 5\nheader_total = \"1KiB\"\n\
         header_line = { max = 80, then = \"reject\" }\nbody_line = { max = 80, then = \"reject\" }\n\
         received = 3\n[verbs]\nNOOP = { max_length = 20 }\n",
    ),
    (
        b't',
        "[greeting]\nwait = \"5s\"\nbanner = \"relay\"\n[violations]\nearly_talker = \"report\"\n\
         [verbs]\nEXPN = {}\nETRN = {}\nVRFY = {}\nHELP = {}\nMAIL = { parameters = [\"SIZE\", \"BODY\"] }\n\
         [extensions]\noffer = [\"PIPELINING\", \"SIZE\", \"8BITMIME\", \"CHUNKING\", \"BINARYMIME\", \"ETRN\"]\n\
         [[rule]]\nid = \"slow\"\non = \"RCPT\"\nwhen = { \"rcpt.local\" = \"slow\" }\nthen = \"reject\"\n\
         reply = \"450 4.7.1 Later\"\ntarpit = \"7s\"\n\
         [[rule]]\nid = \"out\"\non = \"MAIL\"\nwhen = { \"mail.local\" = \"bad\" }\nthen = \"disconnect\"\ntarpit = \"3s\"\n\
         [[rule]]\nid = \"held\"\non = \"EHLO\"\nwhen = { \"hello.name\" = \"*.test\" }\nthen = \"reject\"\n",
    ),
];

static COMPILED: LazyLock<Vec<(u8, Arc<Policy>)>> = LazyLock::new(|| {
    POLICIES
        .iter()
        .map(|(letter, rules)| {
            let (heads, tables) = match rules.strip_prefix("mode") {
                Some(_) => (*rules, ""),
                None => ("", *rules),
            };
            let text = format!(
                "profile = \"fuzz\"\nextends = \"base\"\n{heads}[relay]\nto = [\"example.com\"]\n{tables}"
            );
            let compiled = compile(&text);
            let findings: String = compiled.diagnostics.iter().map(ToString::to_string).collect();
            (*letter, Arc::new(compiled.policy.unwrap_or_else(|| panic!("{findings}"))))
        })
        .collect()
});

/// The policy under a letter, if one stands there.
pub(crate) fn policy(letter: u8) -> Option<Arc<Policy>> {
    COMPILED.iter().find(|(known, _)| *known == letter).map(|(_, policy)| Arc::clone(policy))
}
