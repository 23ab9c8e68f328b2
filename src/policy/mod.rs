//! What the operator says: opinions as data; no connection, no I/O.
//!
//! A rule file is read into a tree in which everything knows its place ([`tree`]), laid over its parent ([`merge`]),
//! read key by key ([`document`], [`file`](mod@file)) and compiled ([`compile`](mod@compile)) into a [`Policy`], which `session`
//! asks one command at a time. Which rules are worth asking is looked up ([`index`]), so that their number costs nothing.
//! A `Policy` is immutable.

mod agreement;
pub mod allowance;
pub mod auth;
mod ban;
pub mod compile;
pub mod condition;
pub mod count;
pub mod dnslist;
pub mod document;
mod effective;
mod expectation;
mod field;
mod file;
mod fold;
mod index;
pub mod limits;
mod list;
mod lists;
mod merge;
pub mod names;
pub mod nearest;
mod needle;
pub mod network;
mod opinion;
mod pattern;
pub mod quantity;
mod ration;
mod rationing;
mod reach;
mod rule;
pub mod source;
mod suspicion;
pub mod tls;
pub mod tree;
pub mod verdict;
mod wildcard;

use crate::smtp::extension::{Extension, Extensions};
use crate::smtp::parameter::Keywords;
use crate::smtp::reply::Reply;
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Kind, Response, Violation};
use condition::{Point, Scene};
use limits::{Limits, Pressure};
use list::List;
use lists::Networks;
use network::NetworkSet;
use ration::Ration;
use rule::{Exemptions, RuleIndex};
use source::{Diagnostic, Place};
use std::cell::LazyCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tree::Date;
use verdict::{Action, AuthCheck, Check, Refusal};

/// Enforce, or only observe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// What is refused is refused.
    #[default]
    Enforce,
    /// What would be refused is counted and passes.
    Monitor,
}

/// A rule file's meaning: compiled, complete, immutable.
#[derive(Debug)]
pub struct Policy {
    profile: String,
    mode: Mode,
    /// By the place of the verb in its table.
    verbs: Vec<Option<VerbRule>>,
    parameters: Keywords,
    offer: Extensions,
    offerable: agreement::Offerable,
    banner: Banner,
    greeting_wait: Duration,
    line_ends: LineEnds,
    lenient: Networks,
    limits: Limits,
    stressed: Limits,
    responses: HashMap<Violation, Response>,
    replies: Replies,
    allow: Option<Networks>,
    deny: Networks,
    relay: Relay,
    index: RuleIndex,
    exemptions: Exemptions,
    origins: HashMap<Check, Place>,
    expectations: Vec<Expectation>,
    list_sizes: Vec<(String, usize)>,
    networks: HashMap<String, NetworkSet>,
    tls: tls::TlsRules,
    auth: auth::AuthRules,
    names: names::NamesRules,
    readers: names::Readers,
    dnslists: Vec<dnslist::DnsList>,
    dnslist_rules: dnslist::DnsListRules,
    allowances: Vec<allowance::Allowance>,
    /// What is counted for each of them, in the same order.
    rations: Vec<Ration>,
    never_banned: Networks,
}

/// `[replies]`
#[derive(Debug)]
struct Replies {
    reference: bool,
    delay: bool,
    footer: Option<String>,
}

/// `[relay]`
#[derive(Debug)]
struct Relay {
    /// None is "any".
    to: Option<Vec<Arc<List>>>,
    always: List,
}

/// `[verbs] NAME = { ... }`
#[derive(Clone, Debug)]
pub struct VerbRule {
    /// CRLF counts; none = 512 + what the offered extensions add.
    pub max_length: Option<usize>,
    /// Answered here with this, never forwarded.
    pub reply: Option<Reply>,
}

/// `[greeting] banner`
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Banner {
    /// The gate's name and ESMTP.
    Name,
    /// This text.
    Text(String),
    /// The relay's own.
    Relay,
}

pub use crate::smtp::mail_data::LineEnds;
/// `[line_ends] content`
pub use agreement::LATER_EXTENSIONS;
pub use expectation::Expectation;
pub use verdict::Weight;

impl Policy {
    /// `profile = "..."`
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// `mode`
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// None: absent, so refused. (In monitor mode the session forwards it all the same if it can parse it.)
    pub fn verb(&self, verb: Verb) -> Option<&VerbRule> {
        self.verbs.get(verb.index())?.as_ref()
    }

    /// `[extensions] offer`
    pub fn offer(&self) -> Extensions {
        self.offer
    }

    /// Whether `[verbs] MAIL/RCPT parameters` lists all of these keywords (BODY etc.).
    pub fn permits_parameters(&self, keywords: Keywords) -> bool {
        keywords.are_among(self.parameters)
    }

    /// `[tls]`
    pub fn tls(&self) -> &tls::TlsRules {
        &self.tls
    }

    /// Whether clients are offered STARTTLS, and the gate ends TLS.
    pub fn ends_tls(&self) -> bool {
        self.tls.starttls == tls::StartTls::Inspect
            && self.offer().contains(Extension::StartTls)
            && self.verb(Verb::StartTls).is_some()
    }

    /// `[auth]`
    pub fn auth(&self) -> &auth::AuthRules {
        &self.auth
    }

    /// `[names]`
    pub fn names(&self) -> &names::NamesRules {
        &self.names
    }

    /// The `[[limit]]`, in file order.
    pub fn allowances(&self) -> &[allowance::Allowance] {
        &self.allowances
    }

    /// `[greeting] banner`
    pub fn banner(&self) -> &Banner {
        &self.banner
    }

    /// `[greeting] wait`
    pub fn greeting_wait(&self) -> Duration {
        self.greeting_wait
    }

    /// `[line_ends]` for this client (Lenient for its networks).
    pub fn line_ends(&self, client: IpAddr) -> LineEnds {
        if self.lenient.contains(client) { LineEnds::Lenient } else { self.line_ends }
    }

    /// `[limits]`
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What holds of it, and of `[stress]`, now.
    pub fn limits_under(&self, pressure: Pressure) -> &Limits {
        match pressure {
            Pressure::Calm => &self.limits,
            Pressure::Stressed => &self.stressed,
        }
    }

    /// `[violations]`: what to do about this one (framing: always disconnect; grammar: always reject).
    pub fn response(&self, violation: Violation) -> Response {
        let facts = violation.facts();
        let limit = limits::Limit::of(violation).and_then(|limit| self.limits.response(limit));
        match facts.kind {
            Kind::Framing | Kind::Relay | Kind::Grammar => facts.response,
            Kind::Conduct => {
                limit.or_else(|| self.responses.get(&violation).copied()).unwrap_or(facts.response)
            }
        }
    }

    /// `[replies] reference`
    pub fn reference(&self) -> bool {
        self.replies.reference
    }

    /// `[replies] delay`
    pub fn delay(&self) -> bool {
        self.replies.delay
    }

    /// `[replies] footer`
    pub fn footer(&self) -> Option<&str> {
        self.replies.footer.as_deref()
    }

    /// Weighs a built-in check: exemptions (`[[exempt]]`), then the file's own word, then mode.
    ///
    /// Framing, grammar and impossible replies are no opinions: they weigh the same in every mode. So does who may relay
    /// by authenticating, and, where mail goes anywhere, who may connect: the relay trusts the gate. `relay` is observed
    /// in monitor mode; where `identity` is `"none"` the session must enforce it all the same, or monitoring would make
    /// an open relay.
    pub fn weigh(&self, check: Check, scene: &Scene<'_>) -> Weight {
        let check = check.canonical();
        if let Check::Violation(violation) = check
            && violation.facts().kind != Kind::Conduct
        {
            return Weight::Enforce;
        }
        if matches!(check, Check::Auth(AuthCheck::Credentials | AuthCheck::Policy)) {
            return Weight::Enforce;
        }
        let word = match check {
            Check::Violation(violation) => self.response(violation),
            Check::Limit(limit) => self.limits.response(limit).unwrap_or(Response::Reject),
            Check::Names(check) => self.names.response(check),
            _ => Response::Reject,
        };
        let relays_for_all = check == Check::Clients && self.relay.to.is_none();
        let monitored = (self.mode == Mode::Monitor && !relays_for_all)
            || self.index.rule(check).is_some_and(|rule| rule.mode == Mode::Monitor)
            || self.ration(check).is_some_and(|ration| ration.mode == Mode::Monitor);
        match word {
            _ if self.is_exempt(check, scene) => Weight::Nothing,
            Response::Tolerate => Weight::Nothing,
            Response::Report => Weight::Observe,
            Response::Reject | Response::Disconnect if monitored => Weight::Observe,
            Response::Reject | Response::Disconnect => Weight::Enforce,
        }
    }

    /// Whether an `[[exempt]]` excepts this check here.
    pub fn is_exempt(&self, check: Check, scene: &Scene<'_>) -> bool {
        // Compiling refuses exemptions from `relay` and from locked signatures, so none of them is found here.
        self.exemptions.hold(check, scene)
    }

    /// Signatures, then opinions (`[[rule]]` in file order, parent first), for this point. The first that is to be
    /// enforced is returned; those only to be observed are told to `observed` (id by `check`). Exemptions are applied
    /// inside, and so is [`Policy::always`] where the scene has a recipient.
    pub fn judge(
        &self,
        point: Point,
        scene: &Scene<'_>,
        observed: &mut dyn FnMut(Refusal),
    ) -> Option<Refusal> {
        // Asked once a rule fits: most commands fit none.
        let always = LazyCell::new(|| scene.rcpt.is_some_and(|path| self.always(&path)));
        self.index.decide(point, scene, |check| {
            if matches!(check, Check::Rule(_)) && *always {
                return None;
            }
            match (self.weigh(check, scene), self.refusal(check, scene.client.ip())) {
                (Weight::Enforce, refusal) => return refusal,
                (Weight::Observe, Some(refusal)) => observed(refusal),
                _ => {}
            }
            None
        })
    }

    fn refusal(&self, check: Check, client: IpAddr) -> Option<Refusal> {
        if let Some(rule) = self.index.rule(check) {
            return Some(Refusal {
                check,
                action: rule.action,
                reply: rule.reply.clone(),
                tarpit: rule.tarpit,
                ban: self.ban(rule.ban, client),
                at_once: rule.at_once || !self.replies.delay,
            });
        }
        let signature = self.index.signature(check)?;
        let (reply, tarpit) = (signature.reply.clone(), signature.tarpit);
        let ban = self.ban(signature.ban, client);
        Some(Refusal { check, action: Action::Reject, reply, tarpit, ban, at_once: true })
    }

    /// The id of a check as logs and `[[exempt]]` spell it.
    pub fn id(&self, check: Check) -> String {
        let rule = self.index.rule(check).map(|rule| &rule.id);
        let written = rule.or_else(|| self.index.signature(check).map(|signature| &signature.id));
        let written = written.or_else(|| self.dnslist(check).map(|list| &list.id));
        let written = written.or_else(|| self.ration_id(check));
        written.cloned().or_else(|| check.built_in_id()).unwrap_or_default()
    }

    /// Where a check was written: `rules/inbound.toml:52`, or `built in`.
    pub fn origin(&self, check: Check) -> String {
        let check = check.canonical();
        let rule = self.index.rule(check).map(|rule| &rule.place);
        let written = rule.or_else(|| self.index.signature(check).map(|signature| &signature.place));
        let written = written.or_else(|| self.ration(check).map(|ration| &ration.place));
        written.or_else(|| self.origins.get(&check)).map_or_else(|| "built in".to_owned(), Place::to_string)
    }

    /// The `[[expect]]` dialogues.
    pub fn expectations(&self) -> &[Expectation] {
        &self.expectations
    }

    /// How many rules and signatures it has.
    pub fn rules(&self) -> usize {
        self.index.count()
    }

    /// How many entries each named list has. (A reload in which a list shrinks by more than half is refused.)
    pub fn list_sizes(&self) -> &[(String, usize)] {
        &self.list_sizes
    }

    /// A list of networks, by its name; none: there is no such list, or it holds something else.
    pub fn networks(&self, list: &str) -> Option<&NetworkSet> {
        self.networks.get(list)
    }

    /// Warns of rules that are still in monitor mode behind their `until`. The core has no clock: the caller says what
    /// day it is.
    pub fn warn_expired(&self, today: Date) -> Vec<Diagnostic> {
        let rules = self.index.rules().iter().map(|rule| ("rule", &rule.id, rule.mode, &rule.until));
        let limits = self.allowances.iter().zip(&self.rations);
        let limits = limits.map(|(known, ration)| ("limit", &known.id, ration.mode, &ration.until));
        let watched = rules.chain(limits).filter(|(_, _, mode, _)| *mode == Mode::Monitor);
        let expired = watched.filter_map(|(what, id, _, until)| {
            let (until, place) = until.as_ref().filter(|(until, _)| *until < today)?;
            let message = format!("{what} `{id}` was to be monitored until {until}, and still is");
            Some(place.warning(message).with_help("decide: enforce it, give it more time, or delete it"))
        });
        expired.collect()
    }
}
