//! Rule file to [`Policy`], or all errors at once.

use super::agreement::Offerable;
use super::auth::{AuthPolicy, AuthRules};
use super::field::Kind;
use super::file::{ClientsTable, RuleFile, VerbEntry};
use super::lists::Lists;
use super::merge::{self, Merged};
use super::names::NamesRules;
use super::opinion::Opinions;
use super::source::{Diagnostic, Findings, Located, Place, Reader};
use super::tls::TlsRules;
use super::tree::{Table, Value};
use super::verdict::{AuthCheck, Check, NamesCheck, TlsCheck};
use super::{
    Banner, Networks, Policy, Relay, Replies, VerbRule, agreement, effective, limits, list, suspicion,
};
use crate::smtp::line::HARD_CAP;
use crate::smtp::reply::Reply;
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Kind as ViolationKind, Response, Violation};
use std::collections::HashMap;

/// What came of compiling.
#[derive(Debug)]
pub struct Compiled {
    /// None if any diagnostic is an error.
    pub policy: Option<Policy>,
    /// By file and line.
    pub diagnostics: Vec<Diagnostic>,
    /// The merged profile, one line a value with its origin, for `check --effective`.
    pub effective: String,
}

/// The profiles that are built in and stand by themselves.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    merge::profiles().filter(|name| *name != "base")
}

/// Compiles the rule file at `path`, reading it, its parent, fragments and lists through `read`. The profiles `base` and
/// those of [`built_in`] are part of the program, and so is what they include; a file of that name in the same folder
/// goes before them.
pub fn compile(path: &str, read: &mut Reader<'_>) -> Compiled {
    let findings = Findings::new();
    match merge::load(path, read, &findings) {
        Some(merged) => compile_merged(&merged, Promises::Own, read, findings),
        None => Compiled { policy: None, diagnostics: findings.into_sorted(), effective: String::new() },
    }
}

/// What a profile has inherited of promises from its nearest built-in parent: the profile among the parent's lists, with
/// the parent's dialogues, which speak of those. It is to be played like the profile's own, and otherwise not to be used.
/// None: it inherits none.
pub fn inherited(path: &str, read: &mut Reader<'_>) -> Option<Compiled> {
    let findings = Findings::new();
    let merged = merge::load_among_lists_of_parent(path, read, &findings)?;
    Some(compile_merged(&merged, Promises::Inherited, read, findings))
}

/// Whose `[[expect]]` are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promises {
    /// Those of whoever wrote the profile.
    Own,
    /// Those of a built-in parent.
    Inherited,
}

fn compile_merged(
    merged: &Merged,
    promises: Promises,
    read: &mut Reader<'_>,
    findings: Findings,
) -> Compiled {
    let place = Place::new(&merged.source, 0..0);
    let file = RuleFile::read(&merged.table, &place, &findings);
    let lists = Lists::read(file.lists, read, &findings);
    let auth = file.auth.compile(read, &findings);
    let tls = file.tls.compile(&findings);
    let (tls, auth, lists) = (&tls, &auth, &lists);
    let compiler = Compiler { merged, promises, file: &file, lists, tls, auth, findings: &findings };
    let policy = compiler.policy();
    let effective = effective::print(merged);
    let policy = policy.filter(|_| !findings.has_errors());
    Compiled { policy, diagnostics: findings.into_sorted(), effective }
}

/// What compiling looks at.
pub(super) struct Compiler<'c> {
    pub(super) merged: &'c Merged,
    promises: Promises,
    pub(super) file: &'c RuleFile<'c>,
    pub(super) lists: &'c Lists<'c>,
    pub(super) tls: &'c TlsRules,
    pub(super) auth: &'c AuthRules,
    pub(super) findings: &'c Findings,
}

impl Compiler<'_> {
    /// All tables are compiled before any of them is missed, so that all errors are found.
    fn policy(&self) -> Option<Policy> {
        let verbs = self.verbs();
        let parameters = self.parameters();
        let offer = self.offer();
        agreement::check(self, offer, parameters);
        suspicion::of_secrecy(self, offer);
        let responses = self.responses();
        let (allow, deny) = self.clients();
        let relay = self.relay(allow.as_ref());
        let lenient = self.lenient();
        let never_banned = self.never_banned();
        let Opinions { index, exemptions, ids, allowances, rations, dnslists, readers } =
            Opinions::compile(self);
        let dnslist_rules = self.dnslists(&dnslists);
        let own = self.promises == Promises::Own;
        let meant = self.file.expects.iter().filter(|entry| self.is_own(&entry.place) == own);
        let expectations: Vec<_> =
            meant.filter_map(|entry| self.expectation(entry, &ids, &dnslists)).collect();
        if own {
            // The same rules among other lists are no more suspicious.
            suspicion::check(self, &index, (&allowances, &rations), &expectations);
        }
        let (banner, footer) = (self.banner(), self.footer());
        let file = self.file;
        Some(Policy {
            profile: file.profile.clone()?.value,
            mode: file.mode?,
            offerable: Offerable::new(file.mode?, offer, &verbs),
            verbs,
            parameters,
            offer,
            banner: banner?,
            greeting_wait: file.greeting.wait?,
            line_ends: file.line_ends.content?,
            lenient,
            limits: file.limits?,
            stressed: file.stress.tighten(file.limits?),
            responses,
            replies: Replies { reference: file.replies.reference?, delay: file.replies.delay?, footer },
            allow,
            deny,
            relay: relay?,
            index,
            exemptions,
            origins: self.origins(),
            expectations,
            list_sizes: self.lists.sizes().into_iter().chain(self.auth.sizes()).collect(),
            networks: self.lists.networks(),
            tls: self.tls.clone(),
            auth: self.auth.clone(),
            names: self.names(),
            readers,
            dnslists,
            dnslist_rules: dnslist_rules?,
            allowances,
            rations,
            never_banned,
        })
    }

    /// Whether it was written by those who wrote the profile.
    pub(super) fn is_own(&self, place: &Place) -> bool {
        !place.source().is_built_in() || self.merged.source.is_built_in()
    }

    fn verbs(&self) -> Vec<Option<VerbRule>> {
        let mut rules = vec![None; Verb::COUNT];
        for entry in &self.file.verbs {
            let place = agreement::verb(entry, self.findings).and_then(|verb| rules.get_mut(verb.index()));
            if let Some(place) = place {
                *place = self.verb_rule(entry);
            }
        }
        rules
    }

    fn verb_rule(&self, entry: &VerbEntry) -> Option<VerbRule> {
        if let Some(length) = &entry.max_length {
            if !(6..=HARD_CAP).contains(&length.value) {
                let message = format!("`max_length` lies between 6 and {HARD_CAP} octets, CRLF included");
                self.findings.add(length.place.error(message));
            } else if length.value < 512 {
                let finding = length.place.warning("`max_length` is less than the 512 that the RFC asks for");
                self.findings.add(finding.with_help("see RFC 5321 4.5.3.1.4; CRLF counts"));
            }
        }
        let reply = match &entry.reply {
            Some(text) => Some(self.reply(text)?),
            None => None,
        };
        Some(VerbRule { max_length: entry.max_length.as_ref().map(|length| length.value), reply })
    }

    /// A reply as operators write it.
    pub(super) fn reply(&self, text: &Located<String>) -> Option<Reply> {
        let wrong = |reason: &str| {
            let finding = text.place.error(format!("this is no reply: {reason}"));
            finding.with_help(
                "a code, an enhanced code of the same class, a text: \"550 5.7.1 Not accepted here\"",
            )
        };
        self.findings.check(Reply::from_text(&text.value).map_err(wrong))
    }

    fn responses(&self) -> HashMap<Violation, Response> {
        let conduct = || {
            let all = Violation::ALL.iter().map(|violation| violation.facts());
            all.filter(|facts| facts.kind == ViolationKind::Conduct).map(|facts| facts.name)
        };
        let refuse = |name: &Located<String>, why: &str, help: &str| {
            let finding = name.place.error(format!("`{}` {why}", name.value));
            self.findings.add(finding.with_help(help));
        };
        let read = |(name, response): &(Located<String>, Response)| {
            let Some(violation) = Violation::from_name(&name.value) else {
                let known = conduct().collect::<Vec<_>>();
                let finding =
                    super::document::unknown_word(&name.place, "violation", &name.value, known.into_iter());
                self.findings.add(finding);
                return None;
            };
            if let Some(limit) = limits::Limit::of(violation) {
                refuse(name, "is about a limit", &format!("see `{}` in [limits]", limit.name()));
                return None;
            }
            if violation == Violation::VerbNotPermitted {
                refuse(name, "is about a verb", "what [verbs] does not list is refused; list it there");
                return None;
            }
            let why = match violation.facts().kind {
                ViolationKind::Conduct => return Some((violation, *response)),
                ViolationKind::Framing => {
                    "is framing: two parsers would read two conversations, which is no opinion"
                }
                ViolationKind::Grammar => "is grammar: what cannot be parsed cannot be forwarded",
                ViolationKind::Relay => {
                    "is the relay's: a reply that cannot be understood cannot be handed on"
                }
            };
            refuse(name, why, "remove it; [violations] names conduct only");
            None
        };
        self.file.violations.iter().filter_map(read).collect()
    }

    pub(super) fn networks(&self, written: Option<&Located<Vec<Located<String>>>>, used: &str) -> Networks {
        Networks(
            written.map(|texts| self.lists.gather(&texts.value, Kind::Address, used)).unwrap_or_default(),
        )
    }

    fn clients(&self) -> (Option<Networks>, Networks) {
        let ClientsTable { allow, deny } = &self.file.clients;
        let deny = self.networks(deny.as_ref(), "clients.deny");
        let Some(written) = allow else { return (None, deny) };
        let allow = self.networks(Some(written), "clients.allow");
        if allow.sets().all(super::NetworkSet::is_empty) {
            let finding = written.place.error("`allow` names nobody, so nobody could connect");
            self.findings.add(finding.with_help("leave it off to admit everybody"));
        }
        (Some(allow), deny)
    }

    fn lenient(&self) -> Networks {
        let lenient = self.networks(self.file.line_ends.lenient.as_ref(), "line_ends.lenient");
        if lenient.sets().any(super::NetworkSet::is_everybody)
            && let Some(written) = &self.file.line_ends.lenient
        {
            let finding = written.place.error("`lenient` for everybody would let anyone smuggle mail");
            self.findings.add(finding.with_help("name the networks of the devices that need it"));
        }
        lenient
    }

    /// Whether recipients may be anywhere.
    pub(super) fn relays_for_all(&self) -> bool {
        self.file.relay.to.iter().flat_map(|to| &to.value).any(|to| to.value == "any")
    }

    fn relay(&self, allow: Option<&Networks>) -> Option<Relay> {
        let table = &self.file.relay;
        if !table.has_to {
            let place = Place::new(&self.merged.source, 0..0);
            let finding = table.place.as_ref().unwrap_or(&place).error("`to` is missing in [relay]");
            self.findings.add(finding.with_help("say which domains are ours: to = \"@local_domains\""));
        }
        let always = list::List::build(Kind::Text, &table.always, self.findings)?;
        let written = table.to.as_ref()?;
        if let [only] = written.value.as_slice()
            && only.value == "any"
        {
            let bounded = allow.is_some_and(|allow| !allow.sets().any(super::NetworkSet::is_everybody));
            let authenticated =
                self.file.auth.policy.as_ref().is_none_or(|it| it.value == AuthPolicy::Required);
            if !bounded && !authenticated {
                let finding = written.place.error("`to = \"any\"` for everybody is an open relay");
                self.findings.add(finding.with_help(
                    "name the networks that may send anywhere in [clients] allow, or set [auth] policy = \"required\"",
                ));
            }
            return Some(Relay { to: None, always });
        }
        if let Some(any) = written.value.iter().find(|text| text.value == "any") {
            self.findings.add(any.place.error("`any` stands alone, or not at all"));
        }
        if written.value.is_empty() {
            self.findings.add(written.place.warning("`to` names no domain, so every recipient is refused"));
        }
        Some(Relay { to: Some(self.lists.gather(&written.value, Kind::Domain, "relay.to")), always })
    }

    /// `[names]`: whoever sends anywhere is one of ours.
    fn names(&self) -> NamesRules {
        let ours = self.relays_for_all() || self.auth.policy == AuthPolicy::Required;
        self.file.names.compile(ours, self.findings)
    }

    fn banner(&self) -> Option<Banner> {
        match &self.file.greeting.banner {
            None => Some(Banner::Name),
            Some(text) if text.value == "relay" => Some(Banner::Relay),
            Some(text) => self.one_line(text, "banner").map(Banner::Text),
        }
    }

    fn footer(&self) -> Option<String> {
        self.file.replies.footer.as_ref().and_then(|text| self.one_line(text, "footer"))
    }

    /// A text that becomes part of a reply line.
    fn one_line(&self, text: &Located<String>, key: &str) -> Option<String> {
        let printable = text.value.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        if text.value.trim().is_empty() || text.value.len() > 400 || !printable {
            let message = format!("`{key}` is one line of at most 400 printable ASCII characters");
            self.findings.add(text.place.error(message));
            return None;
        }
        Some(text.value.clone())
    }

    /// Where the checks of the tables were written.
    fn origins(&self) -> HashMap<Check, Place> {
        let mut origins = HashMap::new();
        for limit in limits::Limit::ALL {
            origins.extend(self.written("limits", limit.name()).map(|place| (Check::Limit(*limit), place)));
        }
        for entry in &self.file.verbs {
            let verb = Verb::from_wire(entry.name.value.as_bytes());
            origins.insert(Check::Verb(verb), entry.name.place.clone());
        }
        for (name, _) in &self.file.violations {
            let violation = Violation::from_name(&name.value);
            origins.extend(violation.map(|violation| (Check::Violation(violation), name.place.clone())));
        }
        origins.extend(self.written("relay", "to").map(|place| (Check::Relay, place)));
        let tls =
            [("require_for", TlsCheck::RequireFor), ("client_certificate", TlsCheck::ClientCertificate)];
        for (key, check) in tls {
            origins.extend(self.written("tls", key).map(|place| (Check::Tls(check), place)));
        }
        let auth = [
            ("backend", AuthCheck::Credentials),
            ("policy", AuthCheck::Policy),
            ("attempts", AuthCheck::Attempts),
            ("senders", AuthCheck::Senders),
        ];
        for (key, check) in auth {
            origins.extend(self.written("auth", key).map(|place| (Check::Auth(check), place)));
        }
        origins.extend(self.written("dnslists", "reject").map(|place| (Check::DnsLists, place)));
        let lists = (0..).zip(&self.file.dnslists);
        origins.extend(lists.map(|(place, entry)| (Check::DnsList(place), entry.place.clone())));
        let names = [("unverified", NamesCheck::Unverified), ("failed", NamesCheck::Failed)];
        for (key, check) in names {
            origins.extend(self.written("names", key).map(|place| (Check::Names(check), place)));
        }
        let clients = self.written("clients", "allow").or_else(|| self.written("clients", "deny"));
        origins.extend(clients.map(|place| (Check::Clients, place)));
        origins
    }

    fn written(&self, table: &str, key: &str) -> Option<Place> {
        let table: &Table = match &self.merged.table.get(table)?.node.value {
            Value::Table(table) => table,
            _ => return None,
        };
        table.get(key).map(|entry| entry.place.clone())
    }
}
