//! `[relay.NAME]`

use super::security::{self, Named};
use super::some;
use gatepost::policy::document::{Section, Word};
use gatepost::policy::source::Located;
use gatepost::proxy::config::{Address, Addresses, Balance, Relay};
use gatepost::session::{Connect, Identity, WhenDown};
use std::time::Duration;

/// The address of whomever a client called.
const ORIGINAL: &str = "original";

/// Reads one.
pub(super) fn read(name: &str, section: &Section<'_>, named: &Named<'_>) -> Option<Relay> {
    let identity = identity(section);
    let (tls, terms) = security::of_relay(section, named);
    let addresses = addresses(section);
    let time = |key| section.take::<Duration>(key).map(|read| read.value);
    let (connect_wait, open) = (time("connect_wait"), time("open_within"));
    let (reply, last, idle) = (time("reply_wait"), time("final_wait"), time("link_idle"));
    let balance = section.take::<Order>("balance");
    let connect = section.take::<When>("connect");
    let when_down = section.take::<Down>("when_down");
    let links = some(section, "links", Relay::LINKS);
    let greeting = connect.as_ref().is_some_and(|when| when.value.0 == Connect::Accept);
    let sessions_per_link = sessions_per_link(section, addresses.as_ref(), identity, greeting);
    if let (Some(Addresses::Original), Some(written)) = (&addresses, &connect)
        && written.value.0 != Connect::Accept
    {
        let finding = written.place.error("address = \"original\" needs connect = \"accept\"");
        section
            .findings()
            .add(finding.with_help("what one of them offers, nobody knows before it was asked"));
    }
    let usual = Relay::new(name, Vec::new());
    let addresses = addresses?;
    let usually = if addresses == Addresses::Original { Connect::Accept } else { usual.connect };
    let mut waits = usual.waits;
    waits.open = open.unwrap_or(waits.open);
    waits.reply = reply.unwrap_or(waits.reply);
    waits.last = last.unwrap_or(waits.last);
    waits.idle = idle.unwrap_or(waits.idle);
    Some(Relay {
        balance: balance.map_or(usual.balance, |order| order.value.0),
        connect: connect.map_or(usually, |when| when.value.0),
        addresses,
        links,
        sessions_per_link,
        connect_wait: connect_wait.unwrap_or(usual.connect_wait),
        waits,
        when_down: when_down.map_or(usual.when_down, |down| down.value.0),
        tls,
        terms,
        identity: identity.unwrap_or_default(),
        ..usual
    })
}

/// How the relay learns who the client is. It must be written: what nobody decided would be an open relay one day.
fn identity(section: &Section<'_>) -> Option<Identity> {
    let findings = section.findings();
    if section.node("identity").is_none() {
        let finding = section.place().error(format!("`identity` is missing in [{}]", section.name()));
        findings.add(finding.with_help(
            "how the relay learns who the client is; \"none\" says that it need not, and trusts the gate's address \
             with nothing",
        ));
    }
    section.take::<Told>("identity").map(|told| told.value.0)
}

/// How many sessions a link may serve. What a relay was told of one client is not true of the next, and where its greeting
/// decides each needs a new one.
fn sessions_per_link(
    section: &Section<'_>,
    addresses: Option<&Addresses>,
    identity: Option<Identity>,
    greeting: bool,
) -> u32 {
    let usual = Relay::new("", Vec::new()).sessions_per_link;
    let Some(number) = section.take::<u32>("sessions_per_link") else { return usual };
    let told = identity.is_some_and(Identity::is_told);
    let wrong = match number.value {
        0 => Some(("`sessions_per_link` of zero lets no mail pass", "1 is a link for each session")),
        1 => None,
        _ if told => Some((
            "`sessions_per_link` above 1 needs identity = \"none\"",
            "the relay would take the next client for the first, of which it was told",
        )),
        _ if addresses == Some(&Addresses::Original) => Some((
            "`sessions_per_link` above 1 needs an address",
            "with address = \"original\" the next client may call another relay",
        )),
        _ if greeting => Some((
            "`sessions_per_link` above 1 does nothing with connect = \"accept\"",
            "the greeting that decides is said on a new link alone: connect at \"recipient\", or leave this out",
        )),
        _ => None,
    };
    if let Some((what, why)) = wrong {
        section.findings().add(number.place.error(what).with_help(why));
    }
    number.value
}

fn addresses(section: &Section<'_>) -> Option<Addresses> {
    section.require::<Vec<Located<String>>>("address").and_then(|written| {
        if matches!(written.value.as_slice(), [one] if one.value == ORIGINAL) {
            return Some(Addresses::Original);
        }
        let read = |text: &Located<String>| {
            let wrong = || {
                let finding = text.place.error(format!("`{}` is no address", text.value.escape_debug()));
                finding.with_help(
                    "a host and a port like \"10.0.0.5:25\", \"[::1]:25\" or \"mail.corp.test:25\"",
                )
            };
            section.findings().check(Address::read(&text.value).ok_or_else(wrong))
        };
        let read: Vec<_> = written.value.iter().filter_map(read).collect();
        if written.value.is_empty() {
            section.findings().add(written.place.error("a relay without an address takes no mail"));
        }
        (!read.is_empty()).then_some(Addresses::Known(read))
    })
}

/// `identity`
#[derive(Clone, Copy)]
struct Told(Identity);

impl Word for Told {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self(Identity::None)),
        ("proxy-v1", Self(Identity::ProxyV1)),
        ("proxy-v2", Self(Identity::ProxyV2)),
        ("xclient", Self(Identity::Xclient)),
        ("transparent", Self(Identity::Transparent)),
    ];
}

/// `connect`
#[derive(Clone, Copy)]
struct When(Connect);

impl Word for When {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("accept", Self(Connect::Accept)),
        ("hello", Self(Connect::Hello)),
        ("transaction", Self(Connect::Transaction)),
        ("recipient", Self(Connect::Recipient)),
    ];
}

/// `balance`
#[derive(Clone, Copy)]
struct Order(Balance);

impl Word for Order {
    const WORDS: &'static [(&'static str, Self)] =
        &[("first", Self(Balance::First)), ("spread", Self(Balance::Spread))];
}

/// `when_down`
#[derive(Clone, Copy)]
struct Down(WhenDown);

impl Word for Down {
    const WORDS: &'static [(&'static str, Self)] =
        &[("refuse", Self(WhenDown::Refuse)), ("greet", Self(WhenDown::Greet))];
}
