//! `gatepost reasons`: every check that is built in, with what it says and why.

use super::Exit;
use gatepost::policy::limits::Limit;
use gatepost::policy::verdict::{AuthCheck, Check, NamesCheck, TlsCheck};
use gatepost::smtp::verb::Verb;
use gatepost::smtp::violation::{Response, Violation};
use std::io::{self, Write};

/// One check, ready to be printed.
struct Row {
    id: String,
    reply: String,
    response: &'static str,
    section: &'static str,
    meaning: &'static str,
}

/// Prints the table.
pub(super) fn print(out: &mut dyn Write) -> io::Result<Exit> {
    let rows: Vec<_> = Check::built_in().filter_map(row).collect();
    let width = |field: fn(&Row) -> &str| rows.iter().map(|row| field(row).len()).max().unwrap_or_default();
    let (id, reply) = (width(|row| &row.id), width(|row| &row.reply));
    let section = width(|row| row.section);
    for row in &rows {
        writeln!(
            out,
            "{:id$}  {:reply$}  {:10}  {:section$}  {}",
            row.id, row.reply, row.response, row.section, row.meaning
        )?;
    }
    writeln!(
        out,
        "\nBy these ids the log names who decided, and [[exempt]] what it excepts. Each [[limit]], [[rule]] and"
    )?;
    writeln!(out, "[[signature]] has the id that its file gives it.")?;
    Ok(Exit::Fine)
}

/// None for what is written by the operator.
fn row(check: Check) -> Option<Row> {
    let id = check.built_in_id()?;
    let row = |reply: &str, response, section, meaning| {
        Some(Row { id: id.clone(), reply: reply.to_owned(), response, section, meaning })
    };
    match check {
        Check::Violation(violation) => {
            let facts = violation.facts();
            let reply = format!("{} {}", facts.code, facts.enhanced);
            row(&reply, word(facts.response), facts.section, facts.meaning)
        }
        // What no row names is `grammar.unknown_verb`.
        Check::Verb(Verb::Unknown) | Check::Allowance(_) | Check::Signature(_) | Check::Rule(_) => None,
        Check::Verb(verb) => {
            let (facts, refusal) = (verb.facts(), Violation::VerbNotPermitted.facts());
            let meaning = facts.never.unwrap_or("refused unless [verbs] names it");
            row(&format!("{} {}", refusal.code, refusal.enhanced), "reject", facts.section, meaning)
        }
        Check::Limit(limit) => {
            let (reply, response, section, meaning) = of_limit(limit);
            row(reply, response, section, meaning)
        }
        Check::Clients => {
            row("554 5.7.1", "disconnect", "RFC 5321 3.1", "a client that [clients] denies or does not allow")
        }
        Check::SessionsPerClient => {
            let meaning = "sessions of one client at a time, as the deployment file bounds them";
            row("421 4.7.0", "disconnect", "RFC 5321 7.8", meaning)
        }
        Check::Tls(check) => {
            let (reply, response, section, meaning) = of_tls(check);
            row(reply, response, section, meaning)
        }
        Check::Auth(check) => {
            let (reply, response, section, meaning) = of_auth(check);
            row(reply, response, section, meaning)
        }
        Check::Names(check) => {
            let meaning = match check {
                NamesCheck::Unverified => "a client without a name (PTR) that has its address",
                NamesCheck::Failed => "a client of whose name DNS did not say",
            };
            let reply = match check {
                NamesCheck::Unverified => "550 5.7.25",
                NamesCheck::Failed => "451 4.4.3",
            };
            row(reply, "tolerate", "RFC 7372 3.3", meaning)
        }
        Check::DnsLists => row("550 5.7.1", "reject", "RFC 5782 2", "a client that DNS lists list"),
        Check::Relay => {
            row("550 5.7.1", "reject", "RFC 5321 7.1", "a recipient whose domain is not in [relay] to")
        }
    }
}

/// The word of rule files.
fn word(response: Response) -> &'static str {
    match response {
        Response::Tolerate => "tolerate",
        Response::Report => "report",
        Response::Reject => "reject",
        Response::Disconnect => "disconnect",
    }
}

/// What `[tls]` says when it refuses, where that comes from, and what was refused.
const fn of_tls(check: TlsCheck) -> (&'static str, &'static str, &'static str, &'static str) {
    match check {
        TlsCheck::RequireFor => {
            ("530 5.7.0", "reject", "RFC 3207 4", "a command before TLS that [tls] require_for names")
        }
        TlsCheck::ClientCertificate => (
            "no reply",
            "disconnect",
            "RFC 3207 4.1",
            "a handshake without the certificate that [tls] requires",
        ),
    }
}

/// Likewise of `[auth]`.
const fn of_auth(check: AuthCheck) -> (&'static str, &'static str, &'static str, &'static str) {
    match check {
        AuthCheck::Credentials => {
            ("535 5.7.8", "reject", "RFC 4954 6", "credentials that the backend refuses")
        }
        AuthCheck::Policy => {
            ("530 5.7.0", "reject", "RFC 6409 4.3", "MAIL before AUTH, where [auth] policy is \"required\"")
        }
        AuthCheck::Attempts => ("421 4.7.0", "disconnect", "RFC 4954 9", "AUTH commands that failed"),
        AuthCheck::Senders => (
            "553 5.7.1",
            "reject",
            "RFC 6409 6.1",
            "a sender that [auth] senders does not give to the account",
        ),
    }
}

/// What a limit says when it is exceeded, where it comes from, and what it bounds.
const fn of_limit(limit: Limit) -> (&'static str, &'static str, &'static str, &'static str) {
    match limit {
        Limit::Recipients => ("452 4.5.3", "reject", "RFC 5321 4.5.3.1.10", "recipients of one message"),
        Limit::Transactions => ("421 4.5.3", "disconnect", "RFC 9422 4", "MAIL commands of one session"),
        Limit::MessageSize => ("552 5.3.4", "reject", "RFC 1870 6.3", "octets of a message"),
        Limit::CommandErrors => {
            ("421 4.7.0", "disconnect", "RFC 5321 7.8", "wrong commands since the last accepted message")
        }
        Limit::RefusedRecipients => {
            ("452 4.5.3", "reject", "RFC 5321 7.3", "refused recipients since the last accepted message")
        }
        Limit::TrivialCommands => (
            "421 4.7.0",
            "disconnect",
            "RFC 5321 7.8",
            "NOOP, RSET and the like since the last accepted message",
        ),
        Limit::HeaderTotal => ("554 5.6.0", "reject", "RFC 5321 7.8", "octets of a message's header"),
        Limit::HeaderLine => ("554 5.6.0", "report", "RFC 5322 2.1.1", "octets of a header line"),
        Limit::BodyLine => ("554 5.6.0", "report", "RFC 5322 2.1.1", "octets of a body line"),
        Limit::Received => ("554 5.4.6", "reject", "RFC 5321 6.3", "Received fields: more is a loop"),
        Limit::CommandWait => {
            ("421 4.4.2", "disconnect", "RFC 5321 4.5.3.2.7", "time for the first octet of a command")
        }
        Limit::LineTime => {
            ("421 4.4.2", "disconnect", "RFC 5321 7.8", "time from there to the end of its line")
        }
        Limit::DataWait => {
            ("421 4.4.2", "disconnect", "RFC 5321 4.5.3.2.5", "time for mail data, earned back by octets")
        }
        Limit::SessionTime => {
            ("421 4.7.0", "disconnect", "RFC 5321 7.8", "time of a session, looked at between transactions")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_check_is_listed_once() {
        let mut text = Vec::new();
        print(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let ids: Vec<_> = text
            .lines()
            .take_while(|line| !line.is_empty())
            .filter_map(|line| line.split(' ').next())
            .collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len());
        for id in [
            "relay",
            "clients",
            "limits.recipients",
            "verbs.NOOP",
            "framing.bare_lf",
            "violations.early_talker",
        ] {
            assert!(ids.contains(&id), "{id} is missing");
        }
    }
}
