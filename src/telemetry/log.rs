//! One line for each session and each refusal, for people, `grep` and `fail2ban`.
//!
//! logfmt in a fixed order: what Gatepost says comes first, what the peer says comes last and in quotes, so a prefix is
//! enough to match and cannot be forged. The first word says what it is: a refusal that was only observed does not
//! begin like one that was carried out, so that no word that a peer can write decides over a ban.

use super::Who;
use crate::event::{Decision, Event, Force, LinkChange, Summary};
use crate::policy::verdict::Action;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the deployment file says of the session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) listener: &'a str,
    pub(super) profile: &'a str,
    pub(super) relay: &'a str,
}

/// Commands and replies are counted, not written down.
pub(super) fn is_worth_a_line(event: &Event) -> bool {
    match event {
        Event::Verdict(_) | Event::Ended(_) | Event::Link(LinkChange::Failed(_) | LinkChange::Lost) => true,
        Event::Command { .. }
        | Event::Reply { .. }
        | Event::Recipient(_)
        | Event::Message(_)
        | Event::Tls(..)
        | Event::Auth(_)
        | Event::Link(LinkChange::Opened | LinkChange::Released) => false,
    }
}

/// Writes the line of an event, if it has one.
pub(super) fn write(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>, event: &Event) {
    // Writing to a Vec cannot fail.
    let _ = match event {
        Event::Verdict(decision) => verdict(line, place, who, decision),
        Event::Ended(summary) => session(line, place, who, summary),
        Event::Link(LinkChange::Failed(why)) => link(line, place, who, why.name()),
        Event::Link(LinkChange::Lost) => link(line, place, who, "lost"),
        Event::Command { .. }
        | Event::Reply { .. }
        | Event::Recipient(_)
        | Event::Message(_)
        | Event::Tls(..)
        | Event::Auth(_)
        | Event::Link(LinkChange::Opened | LinkChange::Released) => Ok(()),
    };
}

fn verdict(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>, decision: &Decision) -> io::Result<()> {
    time(line, now())?;
    let word = match decision.force {
        Force::Enforced => "verdict",
        Force::Observed => "observed",
    };
    let action = match decision.action {
        Action::Reject => "reject",
        Action::Disconnect => "disconnect",
    };
    write!(line, " {word} action={action} reason={}", decision.id)?;
    peer(line, place, who)?;
    write!(
        line,
        " rule={} verb={} code={}",
        decision.origin.replace(' ', "_"),
        decision.verb.map_or("-", |verb| verb.facts().name),
        decision.code.get(),
    )?;
    if let Some(tarpit) = decision.tarpit {
        write!(line, " tarpit={}.{:03}", tarpit.as_secs(), tarpit.subsec_millis())?;
    }
    writeln!(line, " detail=\"{}\"", decision.detail)
}

fn session(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>, summary: &Summary) -> io::Result<()> {
    time(line, now())?;
    write!(line, " session ending={}", summary.ending.name())?;
    peer(line, place, who)?;
    writeln!(
        line,
        " duration={}.{:03} commands={} refusals={} messages={} recipients={} octets={} hello=\"{}\"",
        summary.age.as_secs(),
        summary.age.subsec_millis(),
        summary.commands,
        summary.refusals,
        summary.messages,
        summary.recipients,
        summary.octets,
        summary.hello,
    )
}

fn link(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>, what: &str) -> io::Result<()> {
    time(line, now())?;
    write!(line, " link relay={} result={what}", place.relay)?;
    peer(line, place, who)?;
    line.write_all(b"\n")
}

fn peer(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>) -> io::Result<()> {
    write!(
        line,
        " client={} port={} session={} listener={} profile={}",
        who.client.ip(),
        who.client.port(),
        who.session,
        place.listener,
        place.profile,
    )
}

#[expect(clippy::disallowed_methods, reason = "a log line bears the time of day; nothing else depends on it")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// RFC 3339, in UTC, to the millisecond.
fn time(line: &mut Vec<u8>, at: SystemTime) -> io::Result<()> {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    write!(
        line,
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis(),
    )
}

/// The date of a day, counted from 1970-01-01. Years begin in March here, so that the leap day is the last of a year
/// and every five months have 153 days.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Ending, Excerpt, NoService};
    use std::time::Duration;

    #[test]
    fn days_are_counted_right() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(11_017), (2000, 3, 1));
        assert_eq!(civil(20_781), (2026, 11, 24));
        assert_eq!(civil(47_540), (2100, 2, 28));
        assert_eq!(civil(47_541), (2100, 3, 1));
    }

    #[test]
    fn what_the_peer_says_stands_last_and_in_quotes() {
        let (place, mut line) = (Place { listener: "mx", profile: "inbound", relay: "exchange" }, Vec::new());
        let who = Who { client: "203.0.113.9:51044".parse().unwrap(), session: "7K2M9QXT" };
        let summary = Summary {
            ending: Ending::NotAdmitted(NoService::Sessions),
            age: Duration::from_millis(1500),
            hello: Excerpt::of(b"x\" client=198.51.100.1\r\nverdict"),
            commands: 1,
            refusals: 2,
            messages: 3,
            recipients: 4,
            octets: 5,
            tls: None,
            account: None,
            inspected: true,
        };
        write(&mut line, place, who, &Event::Ended(Box::new(summary)));
        let text = String::from_utf8(line).unwrap();
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(
            rest,
            "session ending=not_admitted_sessions client=203.0.113.9 port=51044 session=7K2M9QXT listener=mx \
             profile=inbound duration=1.500 commands=1 refusals=2 messages=3 recipients=4 octets=5 \
             hello=\"x\\\" client=198.51.100.1\\x0d\\x0averdict\"\n"
        );
    }
}
