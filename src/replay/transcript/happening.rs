//! What happens in a transcript that nobody says.

use crate::event::{Side, TlsFailure};
use crate::policy::names::Naming;
use crate::replay::player::Player;
use crate::session::{Answered, Happening};
use std::time::Duration;

/// What may become of a handshake.
pub(super) const HANDSHAKES: [&str; 5] = [
    "client secured",
    "client handshake fails",
    "client shows no certificate",
    "relay secured",
    "relay handshake fails",
];

/// What may be said to a question.
const ANSWERS: [(&str, Answered); 3] =
    [("answer yes", Answered::Yes), ("answer no", Answered::No), ("answer unknown", Answered::Unknown)];

/// Lets it happen, or looks whether it has happened.
pub(super) fn happens(player: &mut Player, what: &str) -> Result<(), String> {
    match what {
        "client ends" => player.happens(Happening::Ended(Side::Client)),
        "relay ends" => player.happens(Happening::Ended(Side::Relay)),
        "relay goes" => player.relay_goes(),
        "client secured" => return player.handshake_holds(Side::Client),
        "relay secured" => return player.handshake_holds(Side::Relay),
        "client handshake fails" => return player.handshake_fails(Side::Client, TlsFailure::Alert),
        "client shows no certificate" => {
            return player.handshake_fails(Side::Client, TlsFailure::Certificate);
        }
        "relay handshake fails" => return player.handshake_fails(Side::Relay, TlsFailure::Alert),
        "uninspected" if player.is_passing() => {}
        "inspected" if !player.is_passing() => {}
        "stress" => player.happens(Happening::Stressed),
        "relief" => player.happens(Happening::Relieved),
        "tarpit full" => player.happens(Happening::TarpitFull),
        "link recalled" => player.happens(Happening::LinkRecalled),
        "drain" => player.happens(Happening::Draining),
        "drain over" => player.happens(Happening::DrainOver),
        "memory short" => player.happens(Happening::MemoryShort),
        "client closed" if player.client_closed => {}
        "client not closed" if !player.client_closed => {}
        "link closed" if !player.linked() => {}
        "link open" if player.linked() => {}
        "link handed on" if player.has_handed_on() => {}
        "link not handed on" if !player.has_handed_on() => {}
        "offer learned" if player.learned.is_some() => {}
        "offer not learned" if player.learned.is_none() => {}
        "client closed" | "client not closed" | "offer learned" | "offer not learned" | "link closed"
        | "link open" | "link handed on" | "link not handed on" | "uninspected" | "inspected" => {
            return Err(format!("it is not so that: {what}"));
        }
        _ if what.starts_with("lists ") => {
            return player.lists_answer(what.strip_prefix("lists ").unwrap_or_default());
        }
        _ if what.starts_with("ban ") || what == "no ban" => return ban(player, what),
        _ if what.starts_with("count") => return counted(player, what),
        "late answer yes" => player.answers_late(Answered::Yes),
        "late answer exhausted" => player.answers_late(player.nothing_left()),
        "answer exhausted" if player.answers(player.nothing_left()) => {}
        "rdns gives up" if player.is_named(Answered::Unknown) => {}
        _ if naming(what).is_some_and(|naming| player.is_named(Answered::Name(Box::new(naming)))) => {}
        _ if answer(what).is_some_and(|what| player.answers(what)) => {}
        _ => {
            let span = what.strip_suffix(" pass").and_then(duration);
            player.pass(span.ok_or_else(|| format!("`{what}` cannot happen"))?);
        }
    }
    Ok(())
}

/// The next ban, or none: `ban 60s`.
fn ban(player: &mut Player, what: &str) -> Result<(), String> {
    let wanted = what.strip_prefix("ban ").and_then(duration);
    let found = (!player.bans.is_empty()).then(|| player.bans.remove(0));
    if found == wanted { Ok(()) } else { Err(format!("the ban is {found:?}, not `{what}`")) }
}

/// The next thing that was counted, or nothing: `counts 1 harvesting client.net=..., 99 of 100 left, 100/h`; where that
/// much was not left, `counts in vain`.
fn counted(player: &mut Player, what: &str) -> Result<(), String> {
    let found = if player.counted.is_empty() { None } else { Some(player.counted.remove(0)) };
    let told = found.map_or_else(
        || "counts nothing".to_owned(),
        |it| {
            format!(
                "{} {} {} {}",
                if it.within { "counts" } else { "counts in vain" },
                it.amount,
                it.id,
                it.account
            )
        },
    );
    if told == what { Ok(()) } else { Err(format!("it `{told}`, not `{what}`")) }
}

/// What a line says to a question.
pub(super) fn answer(words: &str) -> Option<Answered> {
    ANSWERS.iter().find(|(known, _)| *known == words).map(|(_, what)| what.clone())
}

/// What a line says of the client's name.
fn naming(words: &str) -> Option<Naming> {
    words.strip_prefix("rdns ")?.parse().ok()
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.find(|c: char| !c.is_ascii_digit())?)?;
    let number = number.parse().ok()?;
    Some(match unit {
        "s" => Duration::from_secs(number),
        "m" => Duration::from_mins(number),
        "h" => Duration::from_hours(number),
        _ => return None,
    })
}
