//! `from`: whose listener it is, where two have one address.

use super::security::Named;
use crate::cli::files;
use gatepost::policy::document::FromNode;
use gatepost::policy::network::{self, WrongNetwork};
use gatepost::policy::source::{Findings, Located, Place, Source};
use gatepost::policy::tree::Node;
use ipnet::IpNet;

/// Networks, or a file with one in each line.
pub(super) fn networks(node: &Node, named: &Named<'_>, findings: &Findings) -> Option<Vec<IpNet>> {
    let written = Vec::<Located<String>>::from_node(node, findings)?;
    let networks: Vec<_> = match written.as_slice() {
        [one] if matches!(network::parse(&one.value), Err(WrongNetwork::Form(_))) => {
            in_file(one, named, findings)?
        }
        all => {
            let read = |one: &Located<String>| {
                findings.check(network::parse(&one.value).map_err(|wrong| wrong.at(&one.place)))
            };
            all.iter().filter_map(read).collect()
        }
    };
    if networks.is_empty() {
        findings.add(node.place.error("there is no network in it: nobody would come here"));
    }
    Some(networks)
}

fn in_file(path: &Located<String>, named: &Named<'_>, findings: &Findings) -> Option<Vec<IpNet>> {
    let beside = named.source.beside(&path.value);
    let unread = |reason| {
        let finding = path.place.error(format!("cannot read {beside}: {reason}"));
        finding.with_help("networks like \"192.0.2.0/24\", or a file with one in each line")
    };
    let source = Source::new(&beside, findings.check(files::read(&beside).map_err(unread))?);
    let mut start = 0;
    let mut networks = Vec::new();
    for line in source.text().split_inclusive('\n') {
        let written = line.split('#').next().unwrap_or_default().trim();
        if !written.is_empty() {
            let place = Place::new(&source, start..start.saturating_add(line.trim_end().len()));
            networks.extend(findings.check(network::parse(written).map_err(|wrong| wrong.at(&place))));
        }
        start = start.saturating_add(line.len());
    }
    Some(networks)
}
