//! Files to one profile: fragments, then the parent, by one merge rule.
//!
//! Tables merge by key, `KEY_add` lengthens a list, an entry of `[[...]]` with an id that the parent has replaces it,
//! and `{ id = "x", off = true }` removes it. A profile that extends nothing still stands on the built-in base, but for
//! what base permits: its verbs, its extensions, its lists and its `[[...]]`. So every key has a value somewhere.

use super::nearest::nearest;
use super::source::{Diagnostic, Findings, Place, Reader, Source};
use super::tree::{self, Entry, Node, Table, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Parents above parents, and fragments in fragments.
const DEEPEST: usize = 8;

/// The profiles that are part of the program; base is what the others stand on.
const PROFILES: &[(&str, &str)] = &[
    ("base", include_str!("../../rules/base.toml")),
    ("inbound", include_str!("../../rules/inbound.toml")),
    ("outbound", include_str!("../../rules/outbound.toml")),
    ("submission", include_str!("../../rules/submission.toml")),
    ("hybrid", include_str!("../../rules/hybrid.toml")),
    ("legacy", include_str!("../../rules/legacy.toml")),
];

/// The fragments that they include.
const FRAGMENTS: &[(&str, &str)] = &[("signatures", include_str!("../../rules/signatures.toml"))];

/// The `[[...]]`, and the key by which an entry of each is known (exemptions have none).
const LISTS_OF_TABLES: &[(&str, Option<&str>)] = &[
    ("rule", Some("id")),
    ("signature", Some("id")),
    ("limit", Some("id")),
    ("dnslist", Some("id")),
    ("exempt", None),
    ("expect", Some("name")),
];

/// What base says that nobody gets without asking.
const PERMITS: &[&str] = &["profile", "extends", "verbs", "extensions", "lists"];

/// A profile with all that it stands on.
#[derive(Debug)]
pub(super) struct Merged {
    /// Everything, the profile's own words last.
    pub(super) table: Table,
    /// The profile's own text.
    pub(super) source: Arc<Source>,
    /// What was replaced or removed, for people.
    pub(super) notes: Vec<String>,
}

/// Reads a profile and all that it stands on. None: some of it cannot be read at all.
pub(super) fn load(path: &str, read: &mut Reader<'_>, findings: &Findings) -> Option<Merged> {
    let (source, chain) = read_chain(path, read, findings)?;
    Merged::new(source, chain, findings)
}

/// A profile among the lists of its nearest built-in parent, of which that one's dialogues speak: a child has domains
/// and networks of its own. None: it has no such parent, or is one itself.
pub(super) fn load_among_lists_of_parent(
    path: &str,
    read: &mut Reader<'_>,
    findings: &Findings,
) -> Option<Merged> {
    let (source, mut chain) = read_chain(path, read, findings)?;
    let built_in =
        |table: &Table| table.get("profile").is_some_and(|entry| entry.place.source().is_built_in());
    let first = chain.iter().position(built_in).filter(|first| *first > 0)?;
    let (children, parents) = chain.split_at_mut(first);
    let known =
        |key: &str| parents.iter().any(|parent| lists(parent).is_some_and(|it| it.get(key).is_some()));
    for child in children {
        if let Some(Value::Table(lists)) = child.get_mut("lists").map(|entry| &mut entry.node.value) {
            lists.retain(|key| !known(key.strip_suffix("_add").unwrap_or(key)));
        }
    }
    Merged::new(source, chain, findings)
}

fn lists(profile: &Table) -> Option<&Table> {
    match &profile.get("lists")?.node.value {
        Value::Table(lists) => Some(lists),
        _ => None,
    }
}

/// A profile's own text; and it, its parent, and so on upwards.
fn read_chain(path: &str, read: &mut Reader<'_>, findings: &Findings) -> Option<(Arc<Source>, Vec<Table>)> {
    let source = open(path, path, read).or_else(|reason| {
        built_in(PROFILES, path)
            .ok_or_else(|| Diagnostic::about_file(path, format!("cannot read it: {reason}")))
    });
    let source = findings.check(source)?;
    let chain = Loader { read, findings, open: Vec::new() }.chain(&source)?;
    Some((source, chain))
}

fn open(path: &str, name: &str, read: &mut Reader<'_>) -> Result<Arc<Source>, String> {
    read(path).map(|text| Source::new(name, text))
}

fn built_in(texts: &[(&str, &str)], name: &str) -> Option<Arc<Source>> {
    texts.iter().find(|(known, _)| *known == name).map(|(name, text)| Source::built_in(name, text))
}

/// The names of the profiles that are part of the program.
pub(super) fn profiles() -> impl Iterator<Item = &'static str> + Clone {
    PROFILES.iter().map(|(name, _)| *name)
}

/// The built-in base without what it permits.
fn ground(findings: &Findings) -> Option<Table> {
    let mut table = parse(&built_in(PROFILES, "base")?, findings)?;
    table.retain(|key| !PERMITS.contains(&key) && LISTS_OF_TABLES.iter().all(|(list, _)| *list != key));
    Some(table)
}

fn parse(source: &Arc<Source>, findings: &Findings) -> Option<Table> {
    tree::parse(source).map_err(|found| findings.extend(found)).ok()
}

/// Reads files that name files.
struct Loader<'l, 'r> {
    read: &'l mut Reader<'r>,
    findings: &'l Findings,
    /// Those being read, to find circles.
    open: Vec<String>,
}

impl Loader<'_, '_> {
    /// The profile with its fragments, its parent with its own, and so on upwards.
    fn chain(&mut self, source: &Arc<Source>) -> Option<Vec<Table>> {
        let mut chain = Vec::new();
        let mut next = Some(Arc::clone(source));
        while let Some(source) = next.take() {
            self.open.push(source.path().to_owned());
            let mut table = parse(&source, self.findings)?;
            if table.get("profile").is_none() {
                let message = "this is no profile: `profile = \"...\"` is missing";
                self.findings.add(Place::new(&source, 0..0).error(message));
            }
            self.include(&mut table, 0)?;
            let parent = match table.get("extends").map(|entry| entry.node.clone()) {
                None => None,
                Some(node) => Some((self.parent(&node)?, node.place)),
            };
            chain.push(table);
            if let Some((parent, place)) = parent {
                if self.open.iter().any(|path| path == parent.path()) {
                    let message = format!("a circle: {} extends itself", parent.path());
                    self.findings.add(place.error(message));
                    return None;
                }
                if chain.len() >= DEEPEST {
                    self.findings.add(place.error(format!("more than {DEEPEST} profiles above each other")));
                    return None;
                }
                next = Some(parent);
            }
        }
        Some(chain)
    }

    /// The parent that `extends` names: a file in the same folder, or else one that is built in.
    fn parent(&mut self, node: &Node) -> Option<Arc<Source>> {
        let Value::Text(name) = &node.value else {
            self.findings.add(super::document::expected(node, "the name of one profile"));
            return None;
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            let finding = node.place.error(format!("`{}` is no name of a profile", name.escape_debug()));
            let known = profiles().collect::<Vec<_>>().join(", ");
            let help = format!(
                "a profile in the same folder, without path and `.toml`, or one that is built in: {known}"
            );
            self.findings.add(finding.with_help(help));
            return None;
        }
        let path = node.place.source().beside(&format!("{name}.toml"));
        let found = open(&path, &path, self.read).or_else(|reason| {
            let missing = || node.place.error(format!("cannot read the parent {path}: {reason}"));
            let near = || nearest(name, profiles());
            built_in(PROFILES, name).ok_or_else(|| missing().with_nearest(near()))
        });
        self.findings.check(found)
    }

    /// Reads the fragments that a table includes into it, as if they were written there.
    fn include(&mut self, table: &mut Table, depth: usize) -> Option<()> {
        let Some(entry) = table.get("include").cloned() else { return Some(()) };
        let nodes = match &entry.node.value {
            Value::List(nodes) => nodes.clone(),
            _ => vec![entry.node.clone()],
        };
        for node in nodes {
            let Value::Text(name) = &node.value else {
                self.findings.add(super::document::expected(&node, "the path of a fragment"));
                continue;
            };
            let path = node.place.source().beside(name);
            if self.open.contains(&path) || depth >= DEEPEST {
                self.findings.add(node.place.error(format!("a circle: {path} includes itself")));
                return None;
            }
            let source = open(&path, &path, self.read).or_else(|reason| {
                let missing = || node.place.error(format!("cannot read the fragment {path}: {reason}"));
                let fragment = name.strip_suffix(".toml").and_then(|name| built_in(FRAGMENTS, name));
                fragment.ok_or_else(missing)
            });
            let mut fragment = parse(&self.findings.check(source)?, self.findings)?;
            self.open.push(path);
            self.include(&mut fragment, depth + 1)?;
            self.open.pop();
            self.absorb(table, fragment);
        }
        Some(())
    }

    /// Writes a fragment into the table that includes it. Nothing may be said twice: which of them would hold?
    fn absorb(&self, table: &mut Table, fragment: Table) {
        for entry in fragment {
            if matches!(entry.key.as_str(), "profile" | "extends") {
                let message = format!("a fragment has no `{}`: it is read as part of a profile", entry.key);
                self.findings.add(entry.place.error(message));
                continue;
            }
            match (table.get_mut(&entry.key).map(|old| &mut old.node.value), entry.node.value) {
                (_, _) if entry.key == "include" => {}
                (Some(Value::Table(old)), Value::Table(new)) => {
                    for entry in new {
                        self.put_once(old, entry);
                    }
                }
                (Some(Value::List(old)), Value::List(new)) if is_list_of_tables(&entry.key) => {
                    old.extend(new);
                }
                (_, value) => {
                    let node = Node { value, place: entry.node.place };
                    self.put_once(table, Entry { key: entry.key, place: entry.place, node });
                }
            }
        }
    }

    fn put_once(&self, table: &mut Table, entry: Entry) {
        match table.get(&entry.key) {
            Some(old) => {
                let message = format!("`{}` is written twice, also at {}", entry.key, old.place);
                self.findings.add(entry.place.error(message));
            }
            None => table.put(entry),
        }
    }
}

fn is_list_of_tables(key: &str) -> bool {
    LISTS_OF_TABLES.iter().any(|(list, _)| *list == key)
}

impl Merged {
    /// All of a chain, the profile's own words last.
    fn new(source: Arc<Source>, chain: Vec<Table>, findings: &Findings) -> Option<Merged> {
        let mut merged = Merged { table: ground(findings)?, source, notes: Vec::new() };
        for table in chain.into_iter().rev() {
            merged.lay(table, findings);
        }
        Some(merged)
    }

    /// Lays a profile's own words over what it stands on.
    fn lay(&mut self, table: Table, findings: &Findings) {
        for entry in table {
            let identity =
                LISTS_OF_TABLES.iter().find(|(list, _)| *list == entry.key).map(|(_, identity)| *identity);
            let old = self.table.get_mut(&entry.key).map(|old| &mut old.node.value);
            match (old, entry.node.value, identity) {
                (_, _, _) if matches!(entry.key.as_str(), "extends" | "include") => {}
                (Some(Value::Table(old)), Value::Table(new), _) => {
                    lay_table(old, new, &entry.key, &mut self.notes);
                }
                (old, Value::List(new), Some(identity)) => {
                    let mut items = match old {
                        Some(Value::List(items)) => std::mem::take(items),
                        _ => Vec::new(),
                    };
                    lay_list(&mut items, new, (&entry.key, identity), &mut self.notes, findings);
                    let node = Node { value: Value::List(items), place: entry.node.place };
                    self.table.put(Entry { key: entry.key, place: entry.place, node });
                }
                (_, Value::Table(new), _) => {
                    let mut fresh = Table::default();
                    lay_table(&mut fresh, new, &entry.key, &mut self.notes);
                    let node = Node { value: Value::Table(fresh), place: entry.node.place };
                    self.table.put(Entry { key: entry.key, place: entry.place, node });
                }
                (_, value, _) => {
                    let node = Node { value, place: entry.node.place };
                    self.table.put(Entry { key: entry.key, place: entry.place, node });
                }
            }
        }
    }
}

fn lay_table(old: &mut Table, new: Table, name: &str, notes: &mut Vec<String>) {
    for entry in new {
        if let Some(key) = entry.key.strip_suffix("_add") {
            lengthen(old, key.to_owned(), entry);
        } else if is_off(&entry.node) {
            if let Some(gone) = old.get(&entry.key) {
                notes.push(format!("{name}.{} ({}) is removed at {}", entry.key, gone.place, entry.place));
            }
            old.retain(|key| key != entry.key);
        } else {
            old.put(entry);
        }
    }
}

/// `KEY_add`. A value that is no list is one of one entry.
fn lengthen(table: &mut Table, key: String, entry: Entry) {
    let items = |value| match value {
        Value::List(items) => items,
        value => vec![Node { value, place: entry.node.place.clone() }],
    };
    let mut longer = match table.get(&key).map(|old| old.node.clone()) {
        Some(Node { value: Value::List(items), .. }) => items,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    longer.extend(items(entry.node.value));
    let node = Node { value: Value::List(longer), place: entry.node.place.clone() };
    table.put(Entry { key, place: entry.place, node });
}

/// `{ off = true }`, with or without an id.
fn is_off(node: &Node) -> bool {
    match &node.value {
        Value::Table(table) => table.get("off").is_some_and(|off| off.node.value == Value::Boolean(true)),
        _ => false,
    }
}

fn identity_of<'n>(node: &'n Node, identity: Option<&str>) -> Option<&'n str> {
    match &node.value {
        Value::Table(table) => table.text(identity?),
        _ => None,
    }
}

fn lay_list(
    old: &mut Vec<Node>,
    new: Vec<Node>,
    (name, identity): (&str, Option<&str>),
    notes: &mut Vec<String>,
    findings: &Findings,
) {
    let mut own: HashMap<String, Place> = HashMap::new();
    // What the parent has stands first; its own entries are not searched, there may be thousands.
    let mut inherited = old.len();
    for node in new {
        let Some(id) = identity_of(&node, identity).map(str::to_owned) else {
            old.push(node);
            continue;
        };
        if let Some(first) = own.get(&id) {
            let message = format!("[[{name}]] `{}` is written twice, also at {first}", id.escape_debug());
            findings.add(node.place.error(message));
            continue;
        }
        own.insert(id.clone(), node.place.clone());
        let place = old.iter().take(inherited).position(|known| identity_of(known, identity) == Some(&id));
        let replaced = place.and_then(|place| old.get_mut(place));
        match (replaced, is_off(&node)) {
            (Some(known), false) => {
                notes.push(format!("{name} {id} ({}) is replaced at {}", known.place, node.place));
                *known = node;
            }
            (Some(known), true) => {
                notes.push(format!("{name} {id} ({}) is removed at {}", known.place, node.place));
                old.retain(|known| identity_of(known, identity) != Some(&id));
                inherited -= 1;
            }
            (None, false) => old.push(node),
            (None, true) => {
                let near = nearest(&id, old.iter().filter_map(|known| identity_of(known, identity)));
                let message = format!("no parent has a [[{name}]] `{}` to remove", id.escape_debug());
                findings.add(node.place.error(message).with_nearest(near));
            }
        }
    }
}
