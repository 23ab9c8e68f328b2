//! One line for each session and each refusal, for people, `grep` and `fail2ban`.
//!
//! logfmt in a fixed order: what Gatepost says comes first, what the peer says comes last and in quotes, so a prefix is
//! enough to match and cannot be forged. The first word says what it is: a refusal that was only observed does not
//! begin like one that was carried out, so that no word that a peer can write decides over a ban.

use super::Who;
use super::line::Line;
use super::security::of_side;
use crate::event::{
    Attempt, Ban, BanChange, Decision, Event, Excerpt, Force, LinkChange, Side, Summary, TlsChange,
};
use crate::policy::tls::TlsVersion;
use crate::policy::verdict::Action;
use std::time::SystemTime;

/// What the deployment file says of the sessions of a listener: the same on all their lines, and put into words once.
#[derive(Debug)]
pub(super) struct Place {
    words: String,
    relay: String,
}

impl Place {
    pub(super) fn new(listener: &str, profile: &str, relay: &str) -> Self {
        Self { words: format!(" listener={listener} profile={profile}"), relay: relay.to_owned() }
    }
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
pub(super) fn write(lines: &mut Vec<u8>, place: &Place, who: Who<'_>, event: &Event) {
    let line = &mut Line::behind(lines);
    match event {
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
        | Event::Link(LinkChange::Opened | LinkChange::Reused | LinkChange::Released) => {}
    }
}

fn verdict(line: &mut Line<'_>, place: &Place, who: Who<'_>, decision: &Decision) {
    let word = match decision.force {
        Force::Enforced => " verdict",
        Force::Observed => " observed",
    };
    let action = match decision.action {
        Action::Reject => "reject",
        Action::Disconnect => "disconnect",
    };
    line.time(now()).text(word).word(" action=", action).word(" reason=", &decision.id);
    peer(line, place, who)
        .word(" rule=", &decision.origin.replace(' ', "_"))
        .word(" verb=", decision.verb.map_or("-", |verb| verb.facts().name))
        .number(" code=", decision.code.get());
    if let Some(tarpit) = decision.tarpit {
        line.seconds(" tarpit=", tarpit);
    }
    if let Some(ban) = decision.ban {
        line.number(" ban=", ban.as_secs());
    }
    line.word(" detail=\"", decision.detail.as_str()).text("\"\n");
}

fn session(line: &mut Line<'_>, place: &Place, who: Who<'_>, summary: &Summary) {
    let naming = summary.naming.as_ref();
    line.time(now()).word(" session ending=", summary.ending.name());
    peer(line, place, who)
        .seconds(" duration=", summary.age)
        .number(" commands=", summary.commands)
        .number(" refusals=", summary.refusals)
        .number(" messages=", summary.messages)
        .number(" recipients=", summary.recipients)
        .number(" octets=", summary.octets)
        .word(" tls=", summary.tls.map_or("-", TlsVersion::name))
        .word(" inspected=", if summary.inspected { "yes" } else { "no" })
        // Of letters, digits, hyphens, underscores and dots: it forges nothing without quotes.
        .word(" name=", naming.and_then(|naming| naming.name.as_deref()).unwrap_or("-"))
        .word(" rdns=", naming.map_or("-", |naming| naming.verdict.name()))
        .word(" account=\"", summary.account.as_ref().map(Excerpt::as_str).unwrap_or_default())
        .word("\" hello=\"", summary.hello.as_str())
        .text("\"\n");
}

fn link(line: &mut Line<'_>, place: &Place, who: Who<'_>, what: &str) {
    line.time(now()).word(" link relay=", &place.relay).word(" result=", what);
    peer(line, place, who).text("\n");
}

/// What became of TLS: which side, what, and why.
fn tls(line: &mut Line<'_>, place: &Place, who: Who<'_>, (side, result, reason): (Side, &str, &str)) {
    line.time(now()).word(" tls result=", result).word(" reason=", reason).word(" side=", of_side(side));
    peer(line, place, who).text("\n");
}

/// The account stands last and in quotes: the peer has said it.
fn auth(line: &mut Line<'_>, place: &Place, who: Who<'_>, attempt: &Attempt) {
    let mechanism = attempt.mechanism.map_or("-", |mechanism| mechanism.facts().name);
    line.time(now()).word(" auth outcome=", attempt.outcome.name()).word(" mechanism=", mechanism);
    let account = attempt.account.as_ref().map(Excerpt::as_str).unwrap_or_default();
    peer(line, place, who).word(" account=\"", account).text("\"\n");
}

/// Who is banned and for how many seconds, by which check, in which session.
fn ban(line: &mut Line<'_>, place: &Place, who: Who<'_>, (change, ban): (BanChange, &Ban)) {
    let change = match change {
        BanChange::Placed => "placed",
        BanChange::Met => "met",
    };
    let Ban { network, left, check, reference } = ban;
    line.time(now()).word(" ban change=", change).word(" reason=", check).shown(" network=", network);
    line.number(" left=", left.as_secs()).word(" reference=", reference);
    peer(line, place, who).text("\n");
}

fn peer<'l, 'v>(line: &'l mut Line<'v>, place: &Place, who: Who<'_>) -> &'l mut Line<'v> {
    line.address(" client=", who.client.ip())
        .number(" port=", who.client.port())
        .word(" session=", who.session)
        .text(&place.words)
}

#[expect(clippy::disallowed_methods, reason = "a log line bears the time of day; nothing else depends on it")]
fn now() -> SystemTime {
    SystemTime::now()
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
    fn a_ban_is_told_with_its_reason_and_what_is_left_of_it() {
        let (place, mut line) = (Place::new("mx", "inbound", "exchange"), Vec::new());
        let who = Who { client: "[2001:db8::9]:51044".parse().unwrap(), session: "7K2M9QXT" };
        let ban = Ban {
            network: "2001:db8::/64".parse().unwrap(),
            left: Duration::from_millis(3_541_900),
            check: "harvesting".into(),
            reference: "7K2M9QXA".into(),
        };
        write(&mut line, &place, who, &Event::Ban(BanChange::Met, Box::new(ban)));
        let text = String::from_utf8(line).unwrap();
        assert_eq!(
            text.split_once(' ').unwrap().1,
            "ban change=met reason=harvesting network=2001:db8::/64 left=3541 reference=7K2M9QXA \
             client=2001:db8::9 port=51044 session=7K2M9QXT listener=mx profile=inbound\n"
        );
    }

    #[test]
    fn a_limit_says_whose_account_it_is_and_how_full() {
        let (place, mut line) = (Place::new("mx", "inbound", "exchange"), Vec::new());
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
        write(&mut line, &place, who, &Event::Verdict(Box::new(decision)));
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
        let (place, mut line) = (Place::new("mx", "inbound", "exchange"), Vec::new());
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
        write(&mut line, &place, who, &Event::Ended(Box::new(summary)));
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
