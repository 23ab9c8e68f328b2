//! The named lists of a profile. A list is typed by its use: the same name may stand for domains here and for
//! mailboxes there, and is read once for each.

use super::document::{FromNode, expected};
use super::field::{Kind, Seen};
use super::list::List;
use super::nearest::nearest;
use super::network::{self, NetworkSet};
use super::source::{Diagnostic, Findings, Located, Reader, Source};
use super::tree::{Entry, Node, Table, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Every named list, with what has been made of it so far.
#[derive(Debug)]
pub(super) struct Lists<'f> {
    written: Vec<Written>,
    typed: RefCell<HashMap<(String, Kind), Arc<List>>>,
    findings: &'f Findings,
}

/// A list as it was written.
#[derive(Debug)]
struct Written {
    name: String,
    entries: Vec<Located<String>>,
}

impl<'f> Lists<'f> {
    /// Reads `[lists]` and the files it names.
    pub(super) fn read(table: &[Entry], read: &mut Reader<'_>, findings: &'f Findings) -> Lists<'f> {
        let written = table.iter().filter_map(|entry| {
            let entries = entries(&entry.node, read, findings)?;
            if entries.is_empty() {
                findings.add(entry.place.warning(format!("the list `{}` is empty", entry.key)));
            }
            Some(Written { name: entry.key.clone(), entries })
        });
        Lists { written: written.collect(), typed: RefCell::default(), findings }
    }

    /// A list, read as what a field of this kind needs. `used` is what needs it, for messages.
    pub(super) fn typed(
        &self,
        name: &Located<String>,
        kind: Kind,
        used: &str,
    ) -> Result<Arc<List>, Diagnostic> {
        let Some(written) = self.written.iter().find(|list| list.name == name.value) else {
            let near = nearest(&name.value, self.written.iter().map(|list| list.name.as_str()));
            let finding =
                name.place.error(format!("there is no list `{}` in [lists]", name.value.escape_debug()));
            return Err(finding.with_nearest(near));
        };
        let key = (name.value.clone(), kind);
        if let Some(list) = self.typed.borrow().get(&key) {
            return Ok(Arc::clone(list));
        }
        let Some(list) = List::build(kind, &written.entries, self.findings) else {
            return Err(name.place.error(format!("a list cannot be used for `{used}`")));
        };
        let list = Arc::new(list);
        self.typed.borrow_mut().insert(key, Arc::clone(&list));
        Ok(list)
    }

    /// How many entries each list has, for a reload to compare.
    pub(super) fn sizes(&self) -> Vec<(String, usize)> {
        self.written.iter().map(|list| (list.name.clone(), list.entries.len())).collect()
    }

    /// Those that hold networks and nothing else: the deployment file may name them.
    pub(super) fn networks(&self) -> HashMap<String, NetworkSet> {
        let read = |list: &Written| {
            let networks = list.entries.iter().map(|entry| network::parse(&entry.value));
            Some((list.name.clone(), networks.collect::<Result<NetworkSet, _>>().ok()?))
        };
        self.written.iter().filter_map(read).collect()
    }

    /// Reads what stands where a list is wanted: entries, `@name`s, or both. They become one list each.
    pub(super) fn gather(&self, texts: &[Located<String>], kind: Kind, used: &str) -> Vec<Arc<List>> {
        let named = |text: &&Located<String>| text.value.starts_with('@');
        let plain: Vec<_> = texts.iter().filter(|text| !named(text)).cloned().collect();
        let mut gathered: Vec<_> = texts
            .iter()
            .filter(named)
            .filter_map(|text| {
                let name = text.clone().map(|name| name.trim_start_matches('@').to_owned());
                self.findings.check(self.typed(&name, kind, used))
            })
            .collect();
        if !plain.is_empty()
            && let Some(list) = List::build(kind, &plain, self.findings)
        {
            gathered.push(Arc::new(list));
        }
        gathered
    }
}

/// Networks written in one place: some by themselves, some as lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks(pub(super) Vec<Arc<List>>);

impl Networks {
    /// Whether an address is in any of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|list| list.contains(&Seen::Address(address)))
    }

    /// Each of them.
    pub(super) fn sets(&self) -> impl Iterator<Item = &NetworkSet> {
        self.0.iter().filter_map(|list| match &**list {
            List::Networks(set) => Some(set),
            _ => None,
        })
    }
}

fn entries(node: &Node, read: &mut Reader<'_>, findings: &Findings) -> Option<Vec<Located<String>>> {
    match &node.value {
        Value::Table(table) => entries_of_file(node, table, read, findings),
        Value::List(_) => Vec::from_node(node, findings),
        _ => {
            findings.add(expected(node, "a list, or { file = \"lists/name.txt\" }"));
            None
        }
    }
}

fn entries_of_file(
    node: &Node,
    table: &Table,
    read: &mut Reader<'_>,
    findings: &Findings,
) -> Option<Vec<Located<String>>> {
    let section = super::document::Section::new("lists", table, &node.place, findings);
    let file = section.require::<String>("file")?;
    let path = file.place.source().beside(&file.value);
    match read(&path) {
        Ok(text) => Some(Source::new(path, text).entries()),
        Err(reason) => {
            findings.add(file.place.error(format!("cannot read the list {path}: {reason}")));
            None
        }
    }
}
