//! The mirror of a rule file: what is written, in its types and with its places, nothing derived.

use super::Mode;
use super::auth::AuthTable;
use super::ban::BanWords;
use super::document::{Section, Word};
use super::limits::{Limits, Stress};
use super::rationing::LimitEntry;
use super::source::{Findings, Located, Place};
use super::tls::TlsTable;
use super::tree::{Date, Entry, Node, Table};
use super::verdict::Action;
use crate::smtp::mail_data::LineEnds;
use crate::smtp::violation::Response;
use std::net::IpAddr;
use std::time::Duration;

/// A profile as it stands after merging. What is missing was not written, or is wrong and has been reported.
#[derive(Debug)]
pub(super) struct RuleFile<'d> {
    pub(super) profile: Option<Located<String>>,
    pub(super) mode: Option<Mode>,
    pub(super) verbs: Vec<VerbEntry>,
    pub(super) offer: Vec<Located<String>>,
    pub(super) greeting: Greeting,
    pub(super) line_ends: LineEndsTable,
    pub(super) limits: Option<Limits>,
    pub(super) stress: Stress,
    pub(super) relay: RelayTable,
    pub(super) clients: ClientsTable,
    pub(super) tls: TlsTable,
    pub(super) auth: AuthTable,
    pub(super) lists: &'d [Entry],
    pub(super) violations: Vec<(Located<String>, Response)>,
    pub(super) replies: Replies,
    /// `[bans] never`
    pub(super) never_banned: Option<Located<Vec<Located<String>>>>,
    pub(super) rationed: Vec<LimitEntry<'d>>,
    pub(super) rules: Vec<RuleEntry<'d>>,
    pub(super) exempts: Vec<ExemptEntry<'d>>,
    pub(super) signatures: Vec<SignatureEntry<'d>>,
    pub(super) expects: Vec<ExpectEntry>,
}

/// `NAME = { ... }` in `[verbs]`.
#[derive(Debug)]
pub(super) struct VerbEntry {
    pub(super) name: Located<String>,
    pub(super) max_length: Option<Located<usize>>,
    pub(super) parameters: Vec<Located<String>>,
    pub(super) reply: Option<Located<String>>,
}

/// `[greeting]`
#[derive(Debug, Default)]
pub(super) struct Greeting {
    pub(super) banner: Option<Located<String>>,
    pub(super) wait: Option<Duration>,
}

/// `[line_ends]`
#[derive(Debug, Default)]
pub(super) struct LineEndsTable {
    pub(super) content: Option<LineEnds>,
    pub(super) lenient: Option<Located<Vec<Located<String>>>>,
}

/// `[relay]`
#[derive(Debug)]
pub(super) struct RelayTable {
    pub(super) to: Option<Located<Vec<Located<String>>>>,
    pub(super) always: Vec<Located<String>>,
    /// Whether `to` was written at all, rightly or not.
    pub(super) has_to: bool,
    pub(super) place: Option<Place>,
}

/// `[clients]`
#[derive(Debug, Default)]
pub(super) struct ClientsTable {
    pub(super) allow: Option<Located<Vec<Located<String>>>>,
    pub(super) deny: Option<Located<Vec<Located<String>>>>,
}

/// `[replies]`
#[derive(Debug, Default)]
pub(super) struct Replies {
    pub(super) reference: Option<bool>,
    pub(super) delay: Option<bool>,
    pub(super) footer: Option<Located<String>>,
}

/// When a rule speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Once,
    Recipient,
}

/// `[[rule]]`
#[derive(Debug)]
pub(super) struct RuleEntry<'d> {
    pub(super) place: &'d Place,
    pub(super) id: Option<Located<String>>,
    pub(super) on: Option<Located<String>>,
    pub(super) when: Option<&'d Node>,
    pub(super) then: Option<Action>,
    pub(super) reply: Option<Located<String>>,
    pub(super) tarpit: Option<Located<Duration>>,
    pub(super) ban: BanWords,
    pub(super) at: Option<At>,
    pub(super) mode: Option<Mode>,
    pub(super) until: Option<Located<Date>>,
}

/// `[[exempt]]`
#[derive(Debug)]
pub(super) struct ExemptEntry<'d> {
    pub(super) from: Vec<Located<String>>,
    pub(super) when: Option<&'d Node>,
}

/// `[[signature]]`
#[derive(Debug)]
pub(super) struct SignatureEntry<'d> {
    pub(super) place: &'d Place,
    pub(super) id: Option<Located<String>>,
    pub(super) on: Option<Located<String>>,
    pub(super) field: Option<Located<String>>,
    pub(super) pattern: Option<&'d Node>,
    pub(super) matches: Vec<Located<String>>,
    pub(super) clean: Vec<Located<String>>,
    pub(super) tarpit: Option<Located<Duration>>,
    pub(super) ban: BanWords,
    pub(super) locked: bool,
}

/// `[[expect]]`
#[derive(Debug)]
pub(super) struct ExpectEntry {
    pub(super) place: Place,
    pub(super) name: Option<String>,
    pub(super) client: Option<IpAddr>,
    pub(super) tls: bool,
    pub(super) auth: Option<Located<String>>,
    pub(super) allowances: Vec<Located<String>>,
    pub(super) each: Option<Located<Vec<String>>>,
    pub(super) dialogue: Option<Located<String>>,
    pub(super) rule: Option<Located<String>>,
}

impl Word for Mode {
    const WORDS: &'static [(&'static str, Mode)] = &[("enforce", Mode::Enforce), ("monitor", Mode::Monitor)];
}
impl Word for Action {
    const WORDS: &'static [(&'static str, Action)] =
        &[("reject", Action::Reject), ("disconnect", Action::Disconnect)];
}
impl Word for LineEnds {
    const WORDS: &'static [(&'static str, LineEnds)] =
        &[("normalise", LineEnds::Normalise), ("reject", LineEnds::Reject)];
}
impl Word for At {
    const WORDS: &'static [(&'static str, At)] = &[("once", At::Once), ("recipient", At::Recipient)];
}

impl<'d> RuleFile<'d> {
    /// Reads a merged profile.
    pub(super) fn read(table: &'d Table, place: &'d Place, findings: &'d Findings) -> RuleFile<'d> {
        let top = Section::new("", table, place, findings);
        for key in ["names", "dnslists", "dnslist"] {
            top.not_yet(key);
        }
        let (_, _) = (top.node("extends"), top.node("include"));
        RuleFile {
            profile: top.take("profile"),
            mode: top.take("mode").map(|mode| mode.value),
            verbs: verbs(&top),
            offer: top.section("extensions").map(|section| many(&section, "offer")).unwrap_or_default(),
            greeting: top.section("greeting").map(|section| greeting(&section)).unwrap_or_default(),
            line_ends: top.section("line_ends").map(|section| line_ends(&section)).unwrap_or_default(),
            limits: top.section("limits").and_then(|section| Limits::read(&section)),
            stress: top.section("stress").map(|section| Stress::read(&section)).unwrap_or_default(),
            relay: relay(&top),
            clients: top.section("clients").map(|section| clients(&section)).unwrap_or_default(),
            tls: top.section("tls").map(|section| TlsTable::read(&section)).unwrap_or_default(),
            auth: top.section("auth").map(|section| AuthTable::read(&section)).unwrap_or_default(),
            lists: top.section("lists").map(|section| section.entries()).unwrap_or_default(),
            violations: violations(&top),
            replies: top.section("replies").map(|section| replies(&section)).unwrap_or_default(),
            never_banned: top.section("bans").and_then(|section| section.take("never")),
            rationed: top.list("limit").iter().map(LimitEntry::read).collect(),
            rules: top.list("rule").iter().map(rule).collect(),
            exempts: top.list("exempt").iter().map(exempt).collect(),
            signatures: top.list("signature").iter().map(signature).collect(),
            expects: top.list("expect").iter().map(expect).collect(),
        }
    }
}

/// A list of strings; none if the key is missing.
fn many(section: &Section<'_>, key: &str) -> Vec<Located<String>> {
    section.take::<Vec<Located<String>>>(key).map(|list| list.value).unwrap_or_default()
}

fn verbs(top: &Section<'_>) -> Vec<VerbEntry> {
    let names = top.sections("verbs").into_iter();
    let read = |(name, section): (Located<String>, Section<'_>)| VerbEntry {
        name,
        max_length: section.take("max_length"),
        parameters: many(&section, "parameters"),
        reply: section.take("reply"),
    };
    names.map(read).collect()
}

fn greeting(section: &Section<'_>) -> Greeting {
    Greeting { banner: section.take("banner"), wait: section.take("wait").map(|wait| wait.value) }
}

fn line_ends(section: &Section<'_>) -> LineEndsTable {
    LineEndsTable {
        content: section.take("content").map(|content| content.value),
        lenient: section.take("lenient"),
    }
}

fn relay(top: &Section<'_>) -> RelayTable {
    let Some(section) = top.section("relay") else {
        return RelayTable { to: None, always: Vec::new(), has_to: false, place: None };
    };
    RelayTable {
        has_to: section.node("to").is_some(),
        to: section.take("to"),
        always: many(&section, "always"),
        place: Some(section.place().clone()),
    }
}

fn clients(section: &Section<'_>) -> ClientsTable {
    ClientsTable { allow: section.take("allow"), deny: section.take("deny") }
}

fn violations(top: &Section<'_>) -> Vec<(Located<String>, Response)> {
    let Some(section) = top.section("violations") else { return Vec::new() };
    let read = |entry: &Entry| {
        let response = section.take::<Response>(&entry.key)?.value;
        Some((Located { value: entry.key.clone(), place: entry.place.clone() }, response))
    };
    section.entries().iter().filter_map(read).collect()
}

fn replies(section: &Section<'_>) -> Replies {
    Replies {
        reference: section.take("reference").map(|truth| truth.value),
        delay: section.take("delay").map(|truth| truth.value),
        footer: section.take("footer"),
    }
}

fn rule<'d>(section: &Section<'d>) -> RuleEntry<'d> {
    // Words for people; the profile is printed with them, nothing else is made of them.
    let _: Option<Located<String>> = section.take("because");
    RuleEntry {
        place: section.place(),
        id: section.require("id"),
        on: section.require("on"),
        when: section.node("when"),
        then: section.require("then").map(|then| then.value),
        reply: section.take("reply"),
        tarpit: section.take("tarpit"),
        ban: ban(section),
        at: section.take("at").map(|at| at.value),
        mode: section.take("mode").map(|mode| mode.value),
        until: section.take("until"),
    }
}

fn ban(section: &Section<'_>) -> BanWords {
    BanWords { span: section.take("ban"), private: section.take("private") }
}

fn exempt<'d>(section: &Section<'d>) -> ExemptEntry<'d> {
    let from = section.require::<Vec<Located<String>>>("from").map(|from| from.value);
    ExemptEntry { from: from.unwrap_or_default(), when: section.node("when") }
}

fn signature<'d>(section: &Section<'d>) -> SignatureEntry<'d> {
    let _: Option<Located<String>> = section.require("title");
    let id = section.require("id");
    let on = section.require("on");
    let field = section.require("field");
    let pattern = section.node("pattern");
    if pattern.is_none() {
        section.findings().add(section.place().error("`pattern` is missing in [[signature]]"));
    }
    let tarpit = section.take("tarpit");
    let locked = section.take("locked").is_some_and(|locked| locked.value);
    SignatureEntry {
        place: section.place(),
        id,
        on,
        field,
        pattern,
        matches: many(section, "matches"),
        clean: many(section, "clean"),
        tarpit,
        ban: ban(section),
        locked,
    }
}

fn expect(section: &Section<'_>) -> ExpectEntry {
    let dialogue = section.require::<Located<String>>("dialogue").map(|dialogue| dialogue.value);
    if let Some(dialogue) = dialogue.as_ref().filter(|dialogue| dialogue.value.trim().is_empty()) {
        section.findings().add(dialogue.place.error("an empty dialogue expects nothing"));
    }
    ExpectEntry {
        place: section.place().clone(),
        name: section.require("name").map(|name| name.value),
        client: section.take("client").map(|client| client.value),
        tls: section.take("tls").is_some_and(|tls| tls.value),
        auth: section.take("auth"),
        allowances: many(section, "allowances"),
        each: section.take("each"),
        dialogue,
        rule: section.take("rule"),
    }
}
