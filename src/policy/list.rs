//! Lists of domains, mailboxes, networks and words: hash sets and intervals, so that their length costs nothing.

use super::field::{Kind, Seen};
use super::fold::Folded;
use super::network::{self, NetworkSet};
use super::source::{Diagnostic, Findings, Located};
use std::collections::HashSet;

type Names = HashSet<Box<[u8]>>;

/// Findings about one list; what is behind them is counted.
const SHOWN: usize = 10;

/// Domains: `example.com` is that name alone, `.example.com` its subdomains.
#[derive(Clone, Debug, Default)]
pub(super) struct DomainSet {
    names: Names,
    /// With their dot in front.
    parents: Names,
    /// The longest of `parents`: what is longer need not be looked up.
    longest: usize,
}

impl DomainSet {
    fn insert(&mut self, entry: &str) {
        match entry.strip_prefix('.') {
            None => {
                self.names.insert(Box::from(&*Folded::domain(entry.as_bytes())));
            }
            Some(parent) => {
                let mut name = b".".to_vec();
                name.extend_from_slice(&Folded::domain(parent.as_bytes()));
                self.longest = self.longest.max(name.len());
                self.parents.insert(name.into_boxed_slice());
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.parents.is_empty()
    }

    /// Whether a folded name is in it.
    fn contains_folded(&self, name: &[u8]) -> bool {
        if self.names.contains(name) {
            return true;
        }
        if self.parents.is_empty() {
            return false;
        }
        memchr::memchr_iter(b'.', name).filter_map(|dot| name.get(dot..)).any(|suffix| {
            suffix.len() < name.len() && suffix.len() <= self.longest && self.parents.contains(suffix)
        })
    }

    /// Whether a name, as it was written, is in it.
    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.contains_folded(&Folded::domain(name))
    }
}

/// Mailboxes: whole ones, `@example.com` for each mailbox there, `postmaster@` for that local part anywhere.
///
/// Local parts are compared without case. RFC 5321 2.4 leaves their case to the final host, but a list is read by
/// people, and no list tells `Root` from `root` on purpose.
#[derive(Clone, Debug, Default)]
pub(super) struct MailboxSet {
    whole: Names,
    domains: DomainSet,
    locals: Names,
}

impl MailboxSet {
    fn insert(&mut self, entry: &str) {
        match entry.rsplit_once('@') {
            Some(("", domain)) => self.domains.insert(domain),
            Some((local, "")) => {
                self.locals.insert(Box::from(&*Folded::text(local.as_bytes())));
            }
            Some((local, domain)) => {
                self.whole.insert(Box::from(&*Folded::mailbox(local.as_bytes(), domain.as_bytes())));
            }
            None => {}
        }
    }

    fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.domains.is_empty() && self.locals.is_empty()
    }

    fn contains(&self, local: &[u8], domain: Option<&[u8]>) -> bool {
        if !self.locals.is_empty() && self.locals.contains(&*Folded::text(local)) {
            return true;
        }
        let Some(domain) = domain else { return false };
        (!self.whole.is_empty() && self.whole.contains(&*Folded::mailbox(local, domain)))
            || (!self.domains.is_empty() && self.domains.contains(domain))
    }
}

/// A list, typed by the field it is used for.
#[derive(Clone, Debug)]
pub(super) enum List {
    Networks(NetworkSet),
    Domains(DomainSet),
    Mailboxes(MailboxSet),
    Texts(Names),
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
                let mut set = DomainSet::default();
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
                let mut set = MailboxSet::default();
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
            Kind::Text | Kind::Word => List::Texts(
                entries.iter().map(|entry| Box::from(&*Folded::text(entry.value.as_bytes()))).collect(),
            ),
            Kind::Number(_) | Kind::Truth => return None,
        };
        faults.say_how_many(entries);
        Some(list)
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            List::Networks(set) => set.is_empty(),
            List::Domains(set) => set.is_empty(),
            List::Mailboxes(set) => set.is_empty(),
            List::Texts(set) => set.is_empty(),
        }
    }

    /// Whether a value is in it.
    pub(super) fn contains(&self, seen: &Seen<'_>) -> bool {
        match (self, seen) {
            (List::Networks(set), Seen::Address(address)) => set.contains(*address),
            (List::Domains(set), Seen::Domain(name)) => set.contains(name),
            (List::Mailboxes(set), Seen::Mailbox(local, domain)) => set.contains(local, *domain),
            (List::Texts(set), Seen::Text(text)) => set.contains(&*Folded::text(text)),
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
