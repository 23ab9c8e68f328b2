//! `gatepost explain`: a dialogue, step by step, with who decided and what each side hears.

use super::{Exit, count, files};
use clap::Args;
use gatepost::event::{Decision, Event, Excerpt, Fate, Force, LinkChange};
use gatepost::policy::Policy;
use gatepost::policy::compile::{self, Compiled};
use gatepost::policy::names::Naming;
use gatepost::policy::verdict::Action;
use gatepost::replay::{Counted, Cuts, Dns, Player, Scene};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

/// In such steps time passes until a refusal is said that is made to wait.
const TICK: Duration = Duration::from_secs(1);

/// Arguments of `gatepost explain`.
#[derive(Args, Debug)]
pub(super) struct Flags {
    /// The rule file. Without it: the built-in `inbound`.
    #[arg(long, value_name = "FILE", default_value = "inbound")]
    rules: String,
    /// Where the client comes from.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)))]
    from: IpAddr,
    /// What reverse DNS says of it: `verified NAME`, `unverified` or `failed`.
    #[arg(long, value_name = "VERDICT", default_value = "unknown")]
    rdns: Naming,
    /// What the client says, a line each; or a dialogue in lanes, of which `C>` counts. `-`: standard input.
    dialogue: String,
}

/// Plays the dialogue against the rules and a polite relay.
pub(super) fn explain(flags: &Flags, out: &mut dyn Write) -> io::Result<Exit> {
    let Compiled { policy, diagnostics, .. } = compile::compile(&flags.rules, &mut files::read);
    let Some(policy) = policy.map(Arc::new) else {
        for finding in diagnostics {
            writeln!(out, "{finding}\n")?;
        }
        return Ok(Exit::Errors);
    };
    let dialogue = match dialogue(&flags.dialogue) {
        Ok(dialogue) => dialogue,
        Err(reason) => {
            writeln!(out, "cannot read {}: {reason}", flags.dialogue)?;
            return Ok(Exit::Usage);
        }
    };
    writeln!(out, "{} speaks, rules `{}` ({})\n", flags.from, policy.profile(), flags.rules)?;
    let scene = Scene { client: flags.from, dns: Dns::Says(flags.rdns.clone()), ..Scene::default() };
    play(&policy, &scene, &dialogue, out)?;
    Ok(Exit::Fine)
}

/// The text of a dialogue.
fn dialogue(path: &str) -> Result<String, String> {
    if path != "-" {
        return files::read(path);
    }
    let mut text = String::new();
    io::stdin().read_to_string(&mut text).map_err(|reason| reason.to_string())?;
    Ok(text)
}

fn play(policy: &Arc<Policy>, scene: &Scene, dialogue: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut player = Player::new(Arc::clone(policy), scene, Cuts::Whole);
    print(&mut player, out)?;
    for line in said(dialogue) {
        writeln!(out, "C> {line}")?;
        if player.client_closed {
            writeln!(out, "   = nobody listens any more")?;
            continue;
        }
        player.client_says(format!("{line}\r\n").as_bytes());
        print(&mut player, out)?;
        while player.session().is_held() {
            player.pass(TICK);
            print(&mut player, out)?;
        }
    }
    Ok(())
}

/// What the client says in a dialogue: every line, or where there are lanes, the lines of its own lane.
fn said(dialogue: &str) -> impl Iterator<Item = &str> {
    let lanes = ["C>", "C<", "R>", "R<"];
    let in_lanes = dialogue.lines().any(|line| lanes.iter().any(|lane| line.starts_with(lane)));
    dialogue.lines().filter_map(move |line| {
        if !in_lanes {
            return Some(line);
        }
        line.strip_prefix("C>").map(|text| text.strip_prefix(' ').unwrap_or(text))
    })
}

/// Prints what came of a step, in the lanes of an expectation, so that it can become one.
fn print(player: &mut Player, out: &mut dyn Write) -> io::Result<()> {
    for Counted { id, amount, account, within } in player.counted.drain(..) {
        let asks = if amount == 0 { "looks at".to_owned() } else { format!("counts {amount} for") };
        let enough = if within { "" } else { ": not enough" };
        writeln!(out, "   = {asks} `{id}` ({account}){enough}")?;
    }
    for line in player.events.drain(..).filter_map(|event| reason(&event)) {
        writeln!(out, "   = {line}")?;
    }
    for (lane, heard) in [("R<", &mut player.relay_heard), ("C<", &mut player.client_heard)] {
        for line in std::mem::take(heard).split_inclusive(|octet| *octet == b'\n') {
            // Octets that would speak to the terminal are written out.
            writeln!(out, "{lane} {}", Excerpt::of(line.strip_suffix(b"\r\n").unwrap_or(line)))?;
        }
    }
    Ok(())
}

/// What an event says of the why; none for what the lanes show anyway.
fn reason(event: &Event) -> Option<String> {
    match event {
        Event::Command { verb, length, fate } => {
            let fate = match fate {
                Fate::Forwarded => "goes to the relay",
                Fate::Answered => "is answered here",
                Fate::Refused => "is refused",
            };
            Some(format!("{}, {length} octets, {fate}", verb.facts().name))
        }
        Event::Verdict(decision) => Some(verdict(decision)),
        Event::Message(message) => {
            let recipients = usize::try_from(message.recipients).unwrap_or(usize::MAX);
            let (octets, outcome) = (message.octets, message.outcome.name());
            Some(format!("message of {octets} octets for {}: {outcome}", count(recipients, "recipient")))
        }
        Event::Link(LinkChange::Opened) => Some("the link to the relay is open".to_owned()),
        Event::Link(LinkChange::Reused) => Some("a link to the relay is used again".to_owned()),
        Event::Link(LinkChange::Failed(why)) => Some(format!("no link to the relay: {}", why.name())),
        Event::Link(LinkChange::Released) => Some("the relay has its link back".to_owned()),
        Event::Link(LinkChange::Lost) => Some("the link to the relay is lost".to_owned()),
        Event::Ended(summary) => Some(format!("the session is over: {}", summary.ending.name())),
        Event::Reply { .. } | Event::Recipient(_) | Event::Tls(..) | Event::Auth(_) | Event::Ban(..) => None,
    }
}

fn verdict(decision: &Decision) -> String {
    let Decision { id, origin, code, tarpit, ban, .. } = decision;
    let done = match (decision.force, decision.action) {
        (Force::Enforced, Action::Reject) => format!("rejected with {code} by"),
        (Force::Enforced, Action::Disconnect) => format!("disconnected with {code} by"),
        (Force::Observed, Action::Reject) => format!("would be rejected with {code}, were it enforced, by"),
        (Force::Observed, Action::Disconnect) => {
            format!("would be disconnected with {code}, were it enforced, by")
        }
    };
    let late = tarpit.map_or_else(String::new, |tarpit| format!(", {tarpit:?} late"));
    let kept_out = match (ban, decision.force) {
        (Some(ban), Force::Enforced) => format!("; the client is banned for {ban:?}"),
        (Some(ban), Force::Observed) => format!("; the client would be banned for {ban:?}"),
        (None, _) => String::new(),
    };
    format!("{done} `{id}` ({origin}){late}{kept_out}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialogue_is_plain_lines_or_the_client_s_lane() {
        assert_eq!(said("EHLO a\nQUIT\n").collect::<Vec<_>>(), ["EHLO a", "QUIT"]);
        assert_eq!(said("C> EHLO a\nC< 250*\nC>QUIT\nR< nothing\n").collect::<Vec<_>>(), ["EHLO a", "QUIT"]);
    }
}
