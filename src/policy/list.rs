//! Lists of domains, mailboxes, networks and words: hash sets and intervals, so that their length costs nothing.

use super::field::{Kind, Seen};
use super::fold::Folded;
use super::network::{self, NetworkSet};
use super::source::{Diagnostic, Findings, Located};
use std::collections::HashMap;

/// Folded names, each with what it stands for. A set, where that is nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Names<V>(HashMap<Box<[u8]>, V>);

impl Names<()> {
    fn insert(&mut self, name: &[u8]) {
        self.0.insert(Box::from(name), ());
    }
}

impl<V> Names<V> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a folded name stands for.
    fn get(&self, name: &[u8]) -> Option<&V> {
        self.0.get(name)
    }

    /// Likewise, of a text as it was written.
    pub(super) fn get_text(&self, text: &[u8]) -> Option<&V> {
        self.get(&Folded::text(text))
    }
}

impl<V: Default> Names<V> {
    /// Takes all names of a set in, and tells `meet` of each.
    pub(super) fn learn(&mut self, set: &Names<()>, meet: &mut impl FnMut(&mut V)) {
        for name in set.0.keys() {
            meet(self.0.entry(name.clone()).or_default());
        }
    }
}

/// Findings about one list; what is behind them is counted.
const SHOWN: usize = 10;

/// Domains: `example.com` is that name alone, `.example.com` its subdomains. A set, where `V` says nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct DomainMap<V> {
    names: Names<V>,
    /// With their dot in front.
    parents: Names<V>,
    /// The most labels that one of `parents` has: what has more need not be looked up.
    deepest: usize,
}

impl DomainMap<()> {
    fn insert(&mut self, entry: &str) {
        match entry.strip_prefix('.') {
            None => {
                self.names.insert(&Folded::domain(entry.as_bytes()));
            }
            Some(parent) => {
                let mut name = b".".to_vec();
                name.extend_from_slice(&Folded::domain(parent.as_bytes()));
                self.deepest = self.deepest.max(memchr::memchr_iter(b'.', &name).count());
                self.parents.insert(&name);
            }
        }
    }
}

impl<V> DomainMap<V> {
    fn len(&self) -> usize {
        self.names.len() + self.parents.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks about every entry under which a name, as it was written, falls, until one is wanted.
    pub(super) fn any(&self, name: &[u8], mut wanted: impl FnMut(&V) -> bool) -> bool {
        let name = Folded::domain(name);
        if self.names.get(&name).is_some_and(&mut wanted) {
            return true;
        }
        if self.parents.is_empty() {
            return false;
        }
        memchr::memrchr_iter(b'.', &name)
            .take(self.deepest)
            .filter_map(|dot| name.get(dot..))
            .filter(|suffix| suffix.len() < name.len())
            .filter_map(|suffix| self.parents.get(suffix))
            .any(wanted)
    }
}

impl<V: Default> DomainMap<V> {
    /// Takes all entries of a set in, and tells `meet` of each.
    pub(super) fn learn(&mut self, set: &DomainMap<()>, meet: &mut impl FnMut(&mut V)) {
        self.names.learn(&set.names, meet);
        self.parents.learn(&set.parents, meet);
        self.deepest = self.deepest.max(set.deepest);
    }
}

/// Mailboxes: whole ones, `@example.com` for each mailbox there, `postmaster@` for that local part anywhere.
///
/// Local parts are compared without case. RFC 5321 2.4 leaves their case to the final host, but a list is read by
/// people, and no list tells `Root` from `root` on purpose.
#[derive(Clone, Debug, Default)]
pub(super) struct MailboxMap<V> {
    whole: Names<V>,
    domains: DomainMap<V>,
    locals: Names<V>,
}

impl MailboxMap<()> {
    fn insert(&mut self, entry: &str) {
        match entry.rsplit_once('@') {
            Some(("", domain)) => self.domains.insert(domain),
            Some((local, "")) => {
                self.locals.insert(&Folded::text(local.as_bytes()));
            }
            Some((local, domain)) => {
                self.whole.insert(&Folded::mailbox(local.as_bytes(), domain.as_bytes()));
            }
            None => {}
        }
    }
}

impl<V> MailboxMap<V> {
    fn len(&self) -> usize {
        self.whole.len() + self.domains.len() + self.locals.len()
    }

    /// Asks about every entry under which a mailbox falls, until one is wanted.
    pub(super) fn any(
        &self,
        local: &[u8],
        domain: Option<&[u8]>,
        mut wanted: impl FnMut(&V) -> bool,
    ) -> bool {
        if !self.locals.is_empty() && self.locals.get_text(local).is_some_and(&mut wanted) {
            return true;
        }
        let Some(domain) = domain else { return false };
        let whole = (!self.whole.is_empty()).then(|| Folded::mailbox(local, domain));
        whole.and_then(|mailbox| self.whole.get(&mailbox)).is_some_and(&mut wanted)
            || (!self.domains.is_empty() && self.domains.any(domain, wanted))
    }
}

impl<V: Default> MailboxMap<V> {
    /// Takes all entries of a set in, and tells `meet` of each.
    pub(super) fn learn(&mut self, set: &MailboxMap<()>, meet: &mut impl FnMut(&mut V)) {
        self.whole.learn(&set.whole, meet);
        self.domains.learn(&set.domains, meet);
        self.locals.learn(&set.locals, meet);
    }
}

/// A list, typed by the field it is used for.
#[derive(Clone, Debug)]
pub(super) enum List {
    Networks(NetworkSet),
    Domains(DomainMap<()>),
    Mailboxes(MailboxMap<()>),
    Texts(Names<()>),
}

impl List {
    /// Reads entries as what a field of this kind needs. None: a list cannot be used there at all.
    pub(super) fn build(kind: Kind, entries: &[Located<String>], findings: &Findings) -> Option<List> {
        let mut faults = Faults { findings, found: 0 };
        let list = match kind {
            Kind::Address => List::Networks(
                entries
                    .iter()
                    .filter_map(|entry| {
                        network::parse(&entry.value).map_err(|wrong| faults.add(wrong.at(&entry.place))).ok()
                    })
                    .collect(),
            ),
            Kind::Domain => {
                let mut set = DomainMap::default();
                for entry in entries {
                    if is_domain(&entry.value) {
                        set.insert(&entry.value);
                    } else {
                        faults.add(not_a(entry, "a domain like \"example.com\" or \".example.com\""));
                    }
                }
                List::Domains(set)
            }
            Kind::Mailbox => {
                let mut set = MailboxMap::default();
                for entry in entries {
                    if is_mailbox(&entry.value) {
                        set.insert(&entry.value);
                    } else {
                        faults.add(not_a(
                            entry,
                            "a mailbox like \"a@example.com\", \"@example.com\" or \"postmaster@\"",
                        ));
                    }
                }
                List::Mailboxes(set)
            }
            Kind::Text | Kind::Word => {
                let mut set = Names::default();
                for entry in entries {
                    set.insert(&Folded::text(entry.value.as_bytes()));
                }
                List::Texts(set)
            }
            Kind::Number(_) | Kind::Truth => return None,
        };
        faults.say_how_many(entries);
        Some(list)
    }

    /// How many entries it has. Networks that touch are one.
    pub(super) fn len(&self) -> usize {
        match self {
            List::Networks(set) => set.len(),
            List::Domains(set) => set.len(),
            List::Mailboxes(set) => set.len(),
            List::Texts(set) => set.len(),
        }
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a value is in it.
    pub(super) fn contains(&self, seen: &Seen<'_>) -> bool {
        match (self, seen) {
            (List::Networks(set), Seen::Address(address)) => set.contains(*address),
            (List::Domains(set), Seen::Domain(name)) => set.any(name, |()| true),
            (List::Mailboxes(set), Seen::Mailbox(local, domain)) => set.any(local, *domain, |()| true),
            (List::Texts(set), Seen::Text(text)) => set.get_text(text).is_some(),
            // Lists are built for the kind of their field, so nothing else meets here.
            _ => false,
        }
    }
}

/// Counts the findings about one list, so that a file of another kind does not print a line for each of its lines.
struct Faults<'f> {
    findings: &'f Findings,
    found: usize,
}

impl Faults<'_> {
    fn add(&mut self, finding: Diagnostic) {
        self.found += 1;
        if self.found <= SHOWN {
            self.findings.add(finding);
        }
    }

    fn say_how_many(&self, entries: &[Located<String>]) {
        if let (true, Some(last)) = (self.found > SHOWN, entries.last()) {
            self.findings
                .add(last.place.error(format!("and {} more entries like these", self.found - SHOWN)));
        }
    }
}

fn not_a(entry: &Located<String>, what: &str) -> Diagnostic {
    entry.place.error(format!("expected {what}, found \"{}\"", entry.value.escape_debug()))
}

/// Whether it can be a domain, a parent of domains, or an address literal. Underscores are legal in names (RFC 2181 11).
pub(super) fn is_domain(text: &str) -> bool {
    if let Some(literal) = text.strip_prefix('[') {
        return literal.ends_with(']');
    }
    let name = text.strip_prefix('.').unwrap_or(text);
    let name = name.strip_suffix('.').unwrap_or(name);
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii();
    text.len() <= 255 && name.split('.').all(|label| !label.is_empty() && label.chars().all(sound))
}

fn is_mailbox(text: &str) -> bool {
    match text.rsplit_once('@') {
        Some((local, "")) => !local.is_empty(),
        Some((_, domain)) => is_domain(domain),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::source::{Place, Source};

    fn list(kind: Kind, entries: &[&str]) -> List {
        let place = Place::new(&Source::new("list", ""), 0..0);
        let entries: Vec<_> = entries
            .iter()
            .map(|entry| Located { value: (*entry).to_owned(), place: place.clone() })
            .collect();
        let findings = Findings::new();
        let list = List::build(kind, &entries, &findings).unwrap();
        assert!(!findings.has_errors());
        list
    }

    #[test]
    fn a_domain_is_itself_and_a_dot_in_front_means_its_subdomains() {
        let list = list(Kind::Domain, &["example.com", ".example.net", "bücher.example", "[192.0.2.1]"]);
        let has = |name: &str| list.contains(&Seen::Domain(name.as_bytes()));
        assert!(has("Example.COM."));
        assert!(!has("a.example.com"));
        assert!(has("a.b.example.net"));
        assert!(!has("example.net"));
        assert!(!has("badexample.net"));
        assert!(has("xn--bcher-kva.example"));
        assert!(has("BÜCHER.example"));
        assert!(has("[192.0.2.1]"));
        assert!(!has(""));
        assert!(!has("."));
    }

    #[test]
    fn a_mailbox_may_be_whole_or_either_half() {
        let list = list(Kind::Mailbox, &["a@example.com", "@example.net", "postmaster@", "@.example.org"]);
        let has = |local: &str, domain: Option<&str>| {
            list.contains(&Seen::Mailbox(local.as_bytes().into(), domain.map(str::as_bytes)))
        };
        assert!(has("A", Some("example.com")));
        assert!(!has("b", Some("example.com")));
        assert!(has("b", Some("EXAMPLE.net")));
        assert!(has("Postmaster", Some("elsewhere.test")));
        assert!(has("postmaster", None));
        assert!(has("x", Some("sub.example.org")));
        assert!(!has("x", Some("example.org")));
    }
}
