//! One line for each session and each refusal, for people, `grep` and `fail2ban`.
//!
//! logfmt in a fixed order: what Gatepost says comes first, what the peer says comes last and in quotes, so a prefix is
//! enough to match and cannot be forged. The first word says what it is: a refusal that was only observed does not
//! begin like one that was carried out, so that no word that a peer can write decides over a ban.

use super::Who;
use super::security::of_side;
use crate::event::{
    Attempt, Ban, BanChange, Decision, Event, Excerpt, Force, LinkChange, Side, Summary, TlsChange,
};
use crate::policy::tls::TlsVersion;
use crate::policy::verdict::Action;
use crate::smtp::date::civil;
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
        Event::Verdict(_)
        | Event::Ended(_)
        | Event::Link(LinkChange::Failed(_) | LinkChange::Lost)
        | Event::Tls(_, TlsChange::Failed(_) | TlsChange::Passed)
        | Event::Auth(_)
        | Event::Ban(..) => true,
        Event::Command { .. }
        | Event::Reply { .. }
        | Event::Recipient(_)
        | Event::Message(_)
        | Event::Tls(_, TlsChange::Started(_))
        | Event::Link(LinkChange::Opened | LinkChange::Reused | LinkChange::Released) => false,
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
        Event::Tls(side, TlsChange::Failed(why)) => tls(line, place, who, (*side, "failed", why.name())),
        // The rules ask for it, and it is said all the same: what passes here nobody has looked at.
        Event::Tls(side, TlsChange::Passed) => tls(line, place, who, (*side, "uninspected", "passthrough")),
        Event::Auth(attempt) => auth(line, place, who, attempt),
        Event::Ban(change, of) => ban(line, place, who, (*change, of)),
        Event::Command { .. }
        | Event::Reply { .. }
        | Event::Recipient(_)
        | Event::Message(_)
        | Event::Tls(_, TlsChange::Started(_))
        | Event::Link(LinkChange::Opened | LinkChange::Reused | LinkChange::Released) => Ok(()),
    };
}

fn verdict(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>, decision: &Decision) -> io::Result<()> {
    time(line, now());
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
    if let Some(ban) = decision.ban {
        write!(line, " ban={}", ban.as_secs())?;
    }
    writeln!(line, " detail=\"{}\"", decision.detail)
}

fn session(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>, summary: &Summary) -> io::Result<()> {
    time(line, now());
    write!(line, " session ending={}", summary.ending.name())?;
    peer(line, place, who)?;
    write!(line, " duration={}.{:03}", summary.age.as_secs(), summary.age.subsec_millis())?;
    let counts = [
        (" commands=", u64::from(summary.commands)),
        (" refusals=", u64::from(summary.refusals)),
        (" messages=", u64::from(summary.messages)),
        (" recipients=", u64::from(summary.recipients)),
        (" octets=", summary.octets),
    ];
    for (name, count) in counts {
        line.extend_from_slice(name.as_bytes());
        write_digits(line, count, digits(count));
    }
    let words = [
        (" tls=", summary.tls.map_or("-", TlsVersion::name)),
        (" inspected=", if summary.inspected { "yes" } else { "no" }),
        // Of letters, digits, hyphens, underscores and dots: it forges nothing without quotes.
        (" name=", summary.naming.as_ref().and_then(|naming| naming.name.as_deref()).unwrap_or("-")),
        (" rdns=", summary.naming.as_ref().map_or("-", |naming| naming.verdict.name())),
        (" account=\"", summary.account.as_ref().map(Excerpt::as_str).unwrap_or_default()),
        ("\" hello=\"", summary.hello.as_str()),
        ("\"\n", ""),
    ];
    write_words(line, &words);
    Ok(())
}

fn link(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>, what: &str) -> io::Result<()> {
    time(line, now());
    write!(line, " link relay={} result={what}", place.relay)?;
    peer(line, place, who)?;
    line.write_all(b"\n")
}

/// What became of TLS: which side, what, and why.
fn tls(
    line: &mut Vec<u8>,
    place: Place<'_>,
    who: Who<'_>,
    (side, result, reason): (Side, &str, &str),
) -> io::Result<()> {
    time(line, now());
    write!(line, " tls result={result} reason={reason} side={}", of_side(side))?;
    peer(line, place, who)?;
    line.write_all(b"\n")
}

/// The account stands last and in quotes: the peer has said it.
fn auth(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>, attempt: &Attempt) -> io::Result<()> {
    time(line, now());
    let mechanism = attempt.mechanism.map_or("-", |mechanism| mechanism.facts().name);
    write!(line, " auth outcome={} mechanism={mechanism}", attempt.outcome.name())?;
    peer(line, place, who)?;
    let account = attempt.account.as_ref().map(Excerpt::as_str).unwrap_or_default();
    writeln!(line, " account=\"{account}\"")
}

/// Who is banned and for how many seconds, by which check, in which session.
fn ban(
    line: &mut Vec<u8>,
    place: Place<'_>,
    who: Who<'_>,
    (change, ban): (BanChange, &Ban),
) -> io::Result<()> {
    time(line, now());
    let change = match change {
        BanChange::Placed => "placed",
        BanChange::Met => "met",
    };
    let Ban { network, left, check, reference } = ban;
    write!(line, " ban change={change} reason={check} network={network} left={}", left.as_secs())?;
    write!(line, " reference={reference}")?;
    peer(line, place, who)?;
    line.write_all(b"\n")
}

fn peer(line: &mut Vec<u8>, place: Place<'_>, who: Who<'_>) -> io::Result<()> {
    write!(line, " client={}", who.client.ip())?;
    line.extend_from_slice(b" port=");
    let port = u64::from(who.client.port());
    write_digits(line, port, digits(port));
    let words = [(" session=", who.session), (" listener=", place.listener), (" profile=", place.profile)];
    write_words(line, &words);
    Ok(())
}

/// Names, each with what is said of it.
fn write_words(line: &mut Vec<u8>, words: &[(&str, &str)]) {
    for (name, word) in words {
        line.extend_from_slice(name.as_bytes());
        line.extend_from_slice(word.as_bytes());
    }
}

#[expect(clippy::disallowed_methods, reason = "a log line bears the time of day; nothing else depends on it")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// RFC 3339, in UTC, to the millisecond.
fn time(line: &mut Vec<u8>, at: SystemTime) {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let milli = u64::from(since.subsec_millis());
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (second / 3600, 2, b':'),
        (second / 60 % 60, 2, b':'),
        (second % 60, 2, b'.'),
        (milli, 3, b'Z'),
    ];
    for (number, digits, behind) in parts {
        write_digits(line, number, digits);
        line.push(behind);
    }
}

/// How many digits a number has.
fn digits(number: u64) -> u32 {
    number.checked_ilog10().unwrap_or_default().saturating_add(1)
}

/// The last `digits` of a number. (It stands on every line, and the way through `write!` is twenty times as long.)
fn write_digits(line: &mut Vec<u8>, number: u64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = number / 10_u64.pow(place) % 10;
        line.push(u8::try_from(digit).map_or(b'?', |digit| b'0' + digit));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Ending, NoService};
    use crate::policy::verdict::Check;
    use crate::smtp::reply::Code;
    use crate::smtp::verb::Verb;
    use std::time::Duration;

    #[test]
    fn the_time_of_day_is_written_as_rfc_3339_has_it() {
        let mut line = Vec::new();
        time(&mut line, UNIX_EPOCH + Duration::from_millis(951_827_696_007));
        assert_eq!(line, b"2000-02-29T12:34:56.007Z");
    }

    #[test]
    fn a_ban_is_told_with_its_reason_and_what_is_left_of_it() {
        let (place, mut line) = (Place { listener: "mx", profile: "inbound", relay: "exchange" }, Vec::new());
        let who = Who { client: "[2001:db8::9]:51044".parse().unwrap(), session: "7K2M9QXT" };
        let ban = Ban {
            network: "2001:db8::/64".parse().unwrap(),
            left: Duration::from_millis(3_541_900),
            check: "harvesting".into(),
            reference: "7K2M9QXA".into(),
        };
        write(&mut line, place, who, &Event::Ban(BanChange::Met, Box::new(ban)));
        let text = String::from_utf8(line).unwrap();
        assert_eq!(
            text.split_once(' ').unwrap().1,
            "ban change=met reason=harvesting network=2001:db8::/64 left=3541 reference=7K2M9QXA \
             client=2001:db8::9 port=51044 session=7K2M9QXT listener=mx profile=inbound\n"
        );
    }

    #[test]
    fn a_limit_says_whose_account_it_is_and_how_full() {
        let (place, mut line) = (Place { listener: "mx", profile: "inbound", relay: "exchange" }, Vec::new());
        let who = Who { client: "203.0.113.9:51044".parse().unwrap(), session: "7K2M9QXT" };
        let decision = Decision {
            check: Check::Allowance(0),
            id: "harvesting".to_owned(),
            origin: "rules/inbound.toml:52".to_owned(),
            force: Force::Enforced,
            action: Action::Reject,
            verb: Some(Verb::Rcpt),
            code: Code::NOT_NOW,
            tarpit: Some(Duration::from_secs(5)),
            ban: Some(Duration::from_hours(1)),
            detail: Excerpt::of(b"client.net=203.0.113.0/24, 0 of 100 left, 100/h"),
        };
        write(&mut line, place, who, &Event::Verdict(Box::new(decision)));
        let text = String::from_utf8(line).unwrap();
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(
            rest,
            "verdict action=reject reason=harvesting client=203.0.113.9 port=51044 session=7K2M9QXT listener=mx \
             profile=inbound rule=rules/inbound.toml:52 verb=RCPT code=451 tarpit=5.000 ban=3600 \
             detail=\"client.net=203.0.113.0/24, 0 of 100 left, 100/h\"\n"
        );
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
            tls: Some(TlsVersion::V1_3),
            inspected: true,
            account: None,
            naming: "verified mx.example.org".parse().ok(),
        };
        write(&mut line, place, who, &Event::Ended(Box::new(summary)));
        let text = String::from_utf8(line).unwrap();
        let (_, rest) = text.split_once(' ').unwrap();
        assert_eq!(
            rest,
            "session ending=not_admitted_sessions client=203.0.113.9 port=51044 session=7K2M9QXT listener=mx \
             profile=inbound duration=1.500 commands=1 refusals=2 messages=3 recipients=4 octets=5 \
             tls=1.3 inspected=yes name=mx.example.org rdns=verified account=\"\" hello=\"x\\\" client=198.51.100.1\\x0d\\x0averdict\"\n"
        );
    }
}
