//! What Gatepost writes on a message: a Received field (RFC 5321 4.4) and an Authentication-Results field (RFC 8601).

use super::hello::Hello;
use super::proven::Proven;
use crate::event::Secured;
use crate::policy::names::{Annotate, NameVerdict, NamesRules, Naming};
use crate::policy::tls::TlsVersion;
use crate::smtp::date::date_time;
use crate::smtp::verb::Verb;
use std::net::IpAddr;
use std::time::Duration;

/// By how much a message may grow: so much less is announced to clients, and so much more declared to the relay.
pub(super) const GROWTH: u64 = 1024;

/// Where a line is folded if it can be, and how much of a hello name and of an account is written (RFC 5322 2.1.1).
const LINE: usize = 78;
const HELLO: usize = 128;
const ACCOUNT: usize = 64;

/// The host of a client that is not shown: a domain that is none, and never will be (RFC 2606 2).
const HIDDEN: &str = "hidden.invalid";

/// All that is told of how a message came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trace<'a> {
    /// The gate's name.
    pub(super) gate: &'a str,
    /// The session's name.
    pub(super) id: &'a str,
    pub(super) hello: &'a Hello,
    pub(super) client: IpAddr,
    pub(super) naming: &'a Naming,
    pub(super) proven: &'a Proven,
    pub(super) smtputf8: bool,
    /// Since 1970-01-01, in UTC.
    pub(super) at: Duration,
}

impl Trace<'_> {
    /// The fields, as they go in front of the message.
    pub(super) fn encode(&self, rules: NamesRules) -> Vec<u8> {
        let received = self.received(rules.shows_client);
        let results = match rules.annotate {
            Annotate::Off | Annotate::Received => String::new(),
            Annotate::Both => {
                let full = self.results(rules.shows_client, true);
                // Received has the name already: where it is long once is enough.
                if fits(&full, &received) { full } else { self.results(rules.shows_client, false) }
            }
        };
        // Results stand above the other trace fields (RFC 8601 4).
        [results, received].concat().into_bytes()
    }

    fn received(&self, shown: bool) -> String {
        let mut field = Field::new("Received:");
        let verdict = match self.naming.verdict {
            NameVerdict::Verified => self.naming.name.as_deref().unwrap_or_default(),
            NameVerdict::Unverified => "unverified",
            NameVerdict::Failed => "RDNS failed",
            NameVerdict::Unknown => "",
        };
        field.word("from");
        match (shown, verdict) {
            (true, "") => field.word(&self.host()).word(&format!("({})", literal(self.client))),
            (true, verdict) => {
                field.word(&self.host()).word(&format!("({verdict} {})", literal(self.client)))
            }
            // RFC 5321 4.4 wants a host here; that of an inside client is nobody's business, nor is what it calls itself.
            (false, "") => field.word(HIDDEN),
            (false, _) if self.naming.verdict == NameVerdict::Verified => {
                field.word(HIDDEN).word("(verified)")
            }
            (false, verdict) => field.word(HIDDEN).word(&format!("({verdict})")),
        };
        field.clause(&format!("by {} with {}", self.gate, self.protocol()));
        if let Some(secured) = &self.proven.tls {
            field.word(&tls(secured));
        }
        field.clause(&format!("id {};", self.id)).word(&date_time(self.at));
        field.end()
    }

    /// What the client calls itself, with nothing in it that could be anything else.
    fn host(&self) -> String {
        let name = self.hello.name().get(..HELLO).unwrap_or(self.hello.name());
        let inner = name.strip_prefix(b"[").map(|name| name.strip_suffix(b"]").unwrap_or(name));
        let harmless = |octet: &u8| match octet {
            b':' if inner.is_some() => ':',
            b'-' | b'.' | b'_' => char::from(*octet),
            octet if octet.is_ascii_alphanumeric() => char::from(*octet),
            _ => '?',
        };
        let text: String = inner.unwrap_or(name).iter().map(harmless).collect();
        match (inner, text.as_str()) {
            (_, "") => "?".to_owned(),
            (Some(_), _) => format!("[{text}]"),
            (None, _) => text,
        }
    }

    /// RFC 3848, RFC 6531 4.3
    fn protocol(&self) -> String {
        if self.hello.verb == Verb::Helo {
            return "SMTP".to_owned();
        }
        let base = if self.smtputf8 { "UTF8SMTP" } else { "ESMTP" };
        let secured = if self.proven.tls.is_some() { "S" } else { "" };
        let known = if self.proven.account.is_some() { "A" } else { "" };
        format!("{base}{secured}{known}")
    }

    fn results(&self, shown: bool, named: bool) -> String {
        let mut field = Field::new("Authentication-Results:");
        let mut results: Vec<Vec<String>> = Vec::new();
        // Permanent errors look like names that are not confirmed to who asks for both at once (RFC 8601 2.7.3).
        let iprev = match self.naming.verdict {
            NameVerdict::Verified => Some("iprev=pass"),
            NameVerdict::Unverified => Some("iprev=fail"),
            NameVerdict::Failed => Some("iprev=temperror"),
            NameVerdict::Unknown => None,
        };
        if let Some(iprev) = iprev.filter(|_| shown) {
            let mut words = vec![iprev.to_owned(), format!("policy.iprev={}", value_of(self.client))];
            words.extend(self.naming.name.as_deref().filter(|_| named).map(|name| format!("({name})")));
            results.push(words);
        }
        if let Some(account) = &self.proven.account {
            let mut words = vec!["auth=pass".to_owned(), format!("({})", account.mechanism.facts().name)];
            words.extend(account.user.as_deref().and_then(quoted).map(|user| format!("smtp.auth={user}")));
            results.push(words);
        }
        field.word(&format!("{};", self.gate));
        if results.is_empty() {
            field.word("none");
        }
        let last = results.len().saturating_sub(1);
        for (place, words) in results.iter().enumerate() {
            field.fold();
            let end = if place < last { ";" } else { "" };
            let behind = words.len().saturating_sub(1);
            for (at, word) in words.iter().enumerate() {
                field.word(&format!("{word}{}", if at == behind { end } else { "" }));
            }
        }
        field.end()
    }
}

fn fits(results: &str, received: &str) -> bool {
    u64::try_from(results.len().saturating_add(received.len())).is_ok_and(|octets| octets <= GROWTH)
}

/// RFC 5321 4.1.3
fn literal(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => format!("[{four}]"),
        IpAddr::V6(six) => format!("[IPv6:{six}]"),
    }
}

/// An address as a value: a colon stands in no token (RFC 2045 5.1).
fn value_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("\"{six}\""),
    }
}

/// An account as a quoted string. None: it cannot be said in ASCII, or at such a length.
fn quoted(account: &str) -> Option<String> {
    let sound = account.len() <= ACCOUNT && account.bytes().all(|octet| octet.is_ascii_graphic());
    let octets =
        || account.chars().flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]));
    sound.then(|| format!("\"{}\"", octets().collect::<String>()))
}

fn tls(secured: &Secured) -> String {
    let version = match secured.version {
        TlsVersion::V1_2 => "TLSv1.2",
        TlsVersion::V1_3 => "TLSv1.3",
    };
    format!("(version={version} cipher={})", secured.cipher)
}

/// A header field while it is written. Words stay whole.
struct Field {
    text: String,
    /// Where its last line begins.
    line: usize,
}

impl Field {
    fn new(name: &str) -> Self {
        Self { text: name.to_owned(), line: 0 }
    }

    /// One or more words that may be parted.
    fn word(&mut self, words: &str) -> &mut Self {
        for word in words.split(' ') {
            let column = self.text.len().saturating_sub(self.line);
            // A line of its own name alone is none that every parser takes.
            if self.line > 0 && column == 1 {
                self.text.push_str(word);
                continue;
            }
            if column.saturating_add(word.len()) >= LINE && self.text.contains(' ') {
                self.fold();
                self.text.push_str(word);
            } else {
                self.text.push(' ');
                self.text.push_str(word);
            }
        }
        self
    }

    /// Words that begin a line.
    fn clause(&mut self, words: &str) -> &mut Self {
        self.fold().word(words)
    }

    fn fold(&mut self) -> &mut Self {
        self.text.push_str("\r\n");
        self.line = self.text.len();
        self.text.push('\t');
        self
    }

    fn end(mut self) -> String {
        self.text.push_str("\r\n");
        self.text
    }
}

#[cfg(test)]
mod tests;
