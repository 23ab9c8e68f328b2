//! Conversations in four lanes.
//!
//! ```text
//! % client 198.51.100.7              the scene: see `Scene`
//! | [limits]                         rules for this conversation, under a parent
//! | recipients = 1
//! C> EHLO client.example.org         the client says (CRLF is added)
//! C< 250*                            the client hears (a `*` at the end: anything more; `nothing`: nothing so far)
//! R< MAIL FROM:<a@example.org>       the relay hears (`nothing`: nothing so far)
//! R= Subject: hello                  a message arrived at a polite relay, with this content (`nothing`: none)
//! R> 250 2.1.0 OK                    the relay says
//! !! reject relay                    a verdict: reject, disconnect or observe, and who decided
//! == client ends                     something happens, or has happened
//! # why it must be so
//! ```
//!
//! Consecutive `C>` lines leave in one segment, consecutive `R=` lines are one message. In all lanes `\r`, `\n`, `\0`, `\t`, `\\` and `\xNN` stand for octets, a
//! `\` at the end of a line leaves out its CRLF; `C< 250*` takes a whole reply, however many lines it has; and `{{a*500}}` is 500 times `a`.

mod happening;

use super::player::{Cuts, Player};
use super::scene::{Backend, Handshakes, RelayScene, Scene};
use crate::event::{Event, Force};
use crate::policy::Policy;
use crate::policy::verdict::Action;
use happening::{HANDSHAKES, answer, happens};
use std::fmt;
use std::sync::Arc;

/// A conversation, read.
#[derive(Clone, Debug)]
pub struct Transcript {
    scene: Scene,
    /// The rules that stand in it.
    pub rules: String,
    steps: Vec<(usize, Step)>,
}

#[derive(Clone, Debug)]
enum Step {
    ClientSays(Vec<u8>),
    ClientHears(Pattern),
    ClientHeardNothing,
    RelaySays(Vec<u8>),
    RelayHears(Pattern),
    RelayHeardNothing,
    Arrived(Vec<u8>),
    NothingArrived,
    Verdict(String),
    Happens(String),
}

#[derive(Clone, Debug)]
struct Pattern {
    octets: Vec<u8>,
    prefix: bool,
}

/// Where what happened is not what stands in the transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Line of the transcript, 1-based.
    pub line: usize,
    /// What should have been, and what was.
    pub text: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl std::error::Error for Difference {}

impl Transcript {
    /// Reads a transcript. `scene` is what its head may change.
    pub fn read(text: &str, scene: Scene) -> Result<Self, Difference> {
        let mut transcript = Self { scene, rules: String::new(), steps: Vec::new() };
        for (at, line) in text.lines().enumerate() {
            let number = at.saturating_add(1);
            transcript.read_line(number, line).map_err(|text| Difference { line: number, text })?;
        }
        let scripted = transcript.steps.iter().any(|(_, step)| matches!(step, Step::RelaySays(_)));
        if scripted && transcript.scene.relay == RelayScene::Polite {
            transcript.scene.relay = RelayScene::Scripted;
        }
        let awaited =
            |step: &Step| matches!(step, Step::Happens(what) if HANDSHAKES.contains(&what.as_str()));
        if transcript.steps.iter().any(|(_, step)| awaited(step)) {
            transcript.scene.handshakes = Handshakes::Awaited;
        }
        let answers = |step: &Step| matches!(step, Step::Happens(what) if answer(what).is_some());
        if transcript.steps.iter().any(|(_, step)| answers(step)) {
            transcript.scene.backend = Backend::Awaited;
        }
        Ok(transcript)
    }

    fn read_line(&mut self, number: usize, line: &str) -> Result<(), String> {
        let line = line.trim_start();
        let (mark, behind) = line.split_at_checked(2).unwrap_or((line, ""));
        let rest = behind.strip_prefix(' ').unwrap_or(behind);
        let step = match mark {
            "" => return Ok(()),
            "% " | "%" => {
                let words = line.get(1..).unwrap_or_default().trim();
                let (key, value) = words.split_once(' ').unwrap_or((words, ""));
                return self.scene.set(key, value.trim());
            }
            "| " | "|" => {
                self.rules.push_str(line.get(1..).unwrap_or_default().trim_start());
                self.rules.push('\n');
                return Ok(());
            }
            _ if line.starts_with('#') => return Ok(()),
            "C>" => {
                self.lengthen(number, Step::ClientSays(said(rest)?));
                return Ok(());
            }
            "R=" if rest == "nothing" => Step::NothingArrived,
            "R=" => {
                self.lengthen(number, Step::Arrived(said(rest)?));
                return Ok(());
            }
            "R>" => Step::RelaySays(said(rest)?),
            "C<" if rest == "nothing" => Step::ClientHeardNothing,
            "C<" => Step::ClientHears(Pattern::read(rest)?),
            "R<" if rest == "nothing" => Step::RelayHeardNothing,
            "R<" => Step::RelayHears(Pattern::read(rest)?),
            "!!" => Step::Verdict(rest.to_owned()),
            "==" => Step::Happens(rest.to_owned()),
            _ => return Err(format!("`{mark}` is no lane")),
        };
        self.steps.push((number, step));
        Ok(())
    }

    /// Consecutive lines of what is one are one step.
    fn lengthen(&mut self, number: usize, step: Step) {
        match (self.steps.last_mut(), step) {
            (Some((_, Step::ClientSays(before))), Step::ClientSays(more))
            | (Some((_, Step::Arrived(before))), Step::Arrived(more)) => before.extend_from_slice(&more),
            (_, step) => self.steps.push((number, step)),
        }
    }

    /// Plays it, whatever is heard besides; gives the player as it stands at the end.
    pub(super) fn skim(&self, policy: &Arc<Policy>, cuts: Cuts) -> Result<Player, Difference> {
        let cuts = self.scene.cuts.unwrap_or(cuts);
        let mut player = Player::new(Arc::clone(policy), &self.scene, cuts);
        for (line, step) in &self.steps {
            take(&mut player, step).map_err(|text| Difference { line: *line, text })?;
        }
        Ok(player)
    }

    /// Plays it; nothing may be heard that does not stand in it. Gives the player as it stands at the end.
    pub fn play(&self, policy: &Arc<Policy>, cuts: Cuts) -> Result<Player, Difference> {
        let player = self.skim(policy, cuts)?;
        let relay_counts = self.steps.iter().any(|(_, step)| matches!(step, Step::RelayHears(_)));
        let end = self.steps.last().map_or(0, |(line, _)| *line);
        let left = |what: &str, octets: &[u8]| Difference {
            line: end,
            text: format!("{what} also heard `{}`", octets.escape_ascii()),
        };
        if !player.client_heard.is_empty() {
            return Err(left("the client", &player.client_heard));
        }
        if relay_counts && !player.relay_heard.is_empty() && player.relay_heard != b"QUIT\r\n" {
            return Err(left("the relay", &player.relay_heard));
        }
        Ok(player)
    }
}

fn take(player: &mut Player, step: &Step) -> Result<(), String> {
    match step {
        Step::ClientSays(octets) => player.client_says(octets),
        Step::RelaySays(octets) => player.relay_says(octets),
        Step::ClientHears(pattern) => pattern.expect("the client", &mut player.client_heard)?,
        Step::RelayHears(pattern) => pattern.expect("the relay", &mut player.relay_heard)?,
        Step::ClientHeardNothing => nothing("the client", &player.client_heard)?,
        Step::RelayHeardNothing => nothing("the relay", &player.relay_heard)?,
        Step::Arrived(content) => arrived(player, content)?,
        Step::NothingArrived if player.relay.messages.is_empty() => {}
        Step::NothingArrived => return Err("a message arrived".into()),
        Step::Verdict(words) => return verdict(player, words),
        Step::Happens(what) => return happens(player, what),
    }
    Ok(())
}

fn nothing(who: &str, heard: &[u8]) -> Result<(), String> {
    if heard.is_empty() { Ok(()) } else { Err(format!("{who} heard `{}`", heard.escape_ascii())) }
}

/// The next message that arrived.
fn arrived(player: &mut Player, content: &[u8]) -> Result<(), String> {
    if player.relay.messages.is_empty() {
        return Err("no message arrived".into());
    }
    let message = player.relay.messages.remove(0);
    if message.content == content {
        return Ok(());
    }
    Err(format!("`{}` arrived, not `{}`", message.content.escape_ascii(), content.escape_ascii()))
}

/// The next verdict that was told.
fn verdict(player: &mut Player, words: &str) -> Result<(), String> {
    let told = |event: &Event| match event {
        Event::Verdict(decision) => {
            let action = match (decision.force, decision.action) {
                (Force::Observed, _) => "observe",
                (Force::Enforced, Action::Reject) => "reject",
                (Force::Enforced, Action::Disconnect) => "disconnect",
            };
            Some(format!("{action} {}", decision.id))
        }
        _ => None,
    };
    let next = player.events.iter().enumerate().find_map(|(at, event)| told(event).map(|text| (at, text)));
    let Some((at, text)) = next else { return Err(format!("no verdict `{words}`")) };
    player.events.drain(..=at);
    if text == words { Ok(()) } else { Err(format!("the verdict is `{text}`, not `{words}`")) }
}

impl Pattern {
    fn read(text: &str) -> Result<Self, String> {
        match text.strip_suffix('*') {
            Some(start) => Ok(Self { octets: octets(start)?, prefix: true }),
            None => Ok(Self { octets: octets(text)?, prefix: false }),
        }
    }

    /// Compares with the next line that was heard, and takes it; a bare code (`250*`) takes the whole reply.
    fn expect(&self, who: &str, heard: &mut Vec<u8>) -> Result<(), String> {
        let bare = self.prefix && self.octets.len() == 3 && self.octets.iter().all(u8::is_ascii_digit);
        loop {
            let line = self.expect_line(who, heard)?;
            if !bare || line.get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }

    fn expect_line(&self, who: &str, heard: &mut Vec<u8>) -> Result<Vec<u8>, String> {
        let end = memchr::memmem::find(heard, b"\r\n").map(|at| at.saturating_add(2));
        let line: Vec<u8> = heard.drain(..end.unwrap_or(heard.len())).collect();
        let body = line.strip_suffix(b"\r\n").unwrap_or(&line);
        let fits = if self.prefix { body.starts_with(&self.octets) } else { body == self.octets.as_slice() };
        let want = self.octets.escape_ascii();
        let more = if self.prefix { "*" } else { "" };
        match line.as_slice() {
            [] => Err(format!("{who} heard nothing, not `{want}{more}`")),
            _ if fits => Ok(line),
            _ => Err(format!("{who} heard `{}`, not `{want}{more}`", body.escape_ascii())),
        }
    }
}

/// A line as it is said: with CRLF, unless it ends in a backslash.
fn said(text: &str) -> Result<Vec<u8>, String> {
    match text.strip_suffix('\\').filter(|rest| !rest.ends_with('\\')) {
        Some(bare) => octets(bare),
        None => Ok([octets(text)?, b"\r\n".to_vec()].concat()),
    }
}

/// Escapes and repetitions.
fn octets(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix("{{") {
            let (what, behind) = inner.split_once("}}").ok_or("`{{` without `}}`")?;
            let (what, times) = what.rsplit_once('*').ok_or("`{{what*times}}`")?;
            let times = times.parse().map_err(|_| format!("`{times}` is no number"))?;
            out.extend(octets(what)?.repeat(times));
            rest = behind;
        } else if c == '\\' {
            rest = escape(rest, &mut out)?;
        } else {
            let (one, behind) = rest.split_at(c.len_utf8());
            out.extend_from_slice(one.as_bytes());
            rest = behind;
        }
    }
    Ok(out)
}

fn escape<'t>(text: &'t str, out: &mut Vec<u8>) -> Result<&'t str, String> {
    let bad = || format!("`{}` is no escape", text.chars().take(4).collect::<String>());
    let simple = [("\\r", b'\r'), ("\\n", b'\n'), ("\\0", 0), ("\\t", b'\t'), ("\\\\", b'\\')];
    for (form, octet) in simple {
        if let Some(rest) = text.strip_prefix(form) {
            out.push(octet);
            return Ok(rest);
        }
    }
    let digits = text.strip_prefix("\\x").ok_or_else(bad)?;
    let (digits, rest) = digits.split_at_checked(2).ok_or_else(bad)?;
    out.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
    Ok(rest)
}
