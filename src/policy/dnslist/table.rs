//! `[[dnslist]]` and `[dnslists]` as they are written, and what they mean.

use super::{DnsList, DnsListRules, Listing, Sense};
use crate::policy::Mode;
use crate::policy::compile::Compiler;
use crate::policy::document::{Section, unknown_word};
use crate::policy::source::{Diagnostic, Findings, Located, Place};
use crate::smtp::reply::Reply;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

/// The most lists: each of them is asked about each client.
const MOST: usize = 32;
/// What an answer must look like.
const ANSWERS: &str = "an address like \"127.0.0.2\" or a range like \"127.0.0.2..127.0.0.11\"";

/// `[[dnslist]]` as it is written.
#[derive(Debug)]
pub(in crate::policy) struct DnsListEntry<'d> {
    pub(in crate::policy) place: &'d Place,
    pub(in crate::policy) id: Option<Located<String>>,
    zone: Option<Located<String>>,
    listed: Option<Located<Vec<Located<String>>>>,
    weight: Option<Located<u32>>,
    mode: Option<Mode>,
}

impl<'d> DnsListEntry<'d> {
    pub(in crate::policy) fn read(section: &Section<'d>) -> Self {
        Self {
            place: section.place(),
            id: section.require("id"),
            zone: section.require("zone"),
            listed: section.require("listed"),
            weight: section.take("weight"),
            mode: section.take("mode").map(|mode| mode.value),
        }
    }

    /// What it means. What is wrong is reported.
    pub(in crate::policy) fn compile(&self, findings: &Findings) -> Option<DnsList> {
        let zone = self.zone.as_ref().and_then(|zone| findings.check(read_zone(zone)));
        let listed = self.listed.as_ref().and_then(|written| read_listed(written, findings));
        if let Some(weight) = self.weight.as_ref().filter(|weight| weight.value == 0) {
            let finding = weight.place.error("a list of weight zero is asked for nothing");
            findings.add(finding.with_help("mode = \"monitor\" watches a list without a consequence"));
        }
        let (id, zone) = (self.id.as_ref()?.value.clone(), zone?);
        let words = format!("550 5.7.1 Your address is listed: {id}, see {zone}");
        let reply = findings.check(Reply::from_text(&words).map_err(|reason| self.place.error(reason)))?;
        let weight = self.weight.as_ref().map_or(1, |weight| weight.value);
        Some(DnsList { id, zone, listed: listed?, weight, mode: self.mode.unwrap_or_default(), reply })
    }
}

/// A zone that can be asked: four octets or 32 nibbles stand in front of it (RFC 5782 2.4).
fn read_zone(written: &Located<String>) -> Result<String, Diagnostic> {
    const IN_FRONT: usize = 64;
    let zone = written.value.strip_suffix('.').unwrap_or(&written.value);
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(plain);
    if zone.len() + IN_FRONT <= 253 && zone.contains('.') && zone.split('.').all(label) {
        return Ok(zone.to_owned());
    }
    let finding = written.place.error(format!("`{}` is no zone of a list", written.value.escape_debug()));
    Err(finding.with_help("the domain that its operator names, such as \"zen.example.net\""))
}

fn read_listed(
    written: &Located<Vec<Located<String>>>,
    findings: &Findings,
) -> Option<Vec<RangeInclusive<Ipv4Addr>>> {
    if written.value.is_empty() {
        let finding = written.place.error("`listed` names no answer, so nobody would be listed");
        findings.add(finding.with_help("the list's operator says which answers mean what"));
        return None;
    }
    let read = written.value.iter().filter_map(|answers| findings.check(read_answers(answers)));
    let read: Vec<_> = read.collect();
    (read.len() == written.value.len()).then_some(read)
}

fn read_answers(written: &Located<String>) -> Result<RangeInclusive<Ipv4Addr>, Diagnostic> {
    let (from, to) = written.value.split_once("..").unwrap_or((&written.value, &written.value));
    let (Ok(from), Ok(to)) = (from.parse::<Ipv4Addr>(), to.parse::<Ipv4Addr>()) else {
        let found = written.value.escape_debug();
        return Err(written.place.error(format!("expected {ANSWERS}, found \"{found}\"")));
    };
    if from > to {
        return Err(written.place.error("this range ends before it begins"));
    }
    if Sense::of(from) == Sense::Foreign || Sense::of(to) == Sense::Foreign {
        let finding = written.place.error("a list says nothing outside of 127.0.0.0/8 (RFC 5782 2.1)");
        return Err(finding.with_help("whoever gets another answer asks a domain that has changed hands"));
    }
    if to >= Ipv4Addr::new(127, 255, 255, 0) {
        let finding = written.place.error("127.255.255.0/24 is how a list refuses to answer, and no listing");
        return Err(finding.with_help("a list that has enough of its askers would cost you all mail"));
    }
    Ok(from..=to)
}

/// `[dnslists]` as it is written.
#[derive(Debug, Default)]
pub(in crate::policy) struct DnsListsTable {
    report: Option<Located<u32>>,
    reject: Option<Located<u32>>,
    reply: Option<Located<String>>,
}

impl DnsListsTable {
    pub(in crate::policy) fn read(section: &Section<'_>) -> Self {
        Self { report: section.take("report"), reject: section.take("reject"), reply: section.take("reply") }
    }
}

impl Compiler<'_> {
    /// `[dnslists]`, and the lists, which are given in order.
    pub(in crate::policy) fn dnslists(&self, lists: &[DnsList]) -> Option<DnsListRules> {
        let DnsListsTable { report, reject, reply } = &self.file.dnslist_rules;
        let reply = reply.as_ref().and_then(|text| self.refusing(text));
        let (report, reject) = (report.as_ref()?, reject.as_ref()?);
        for (written, key) in [(report, "report"), (reject, "reject")] {
            if written.value == 0 {
                let message = format!("`{key}` of zero is reached by who is on no list");
                self.findings.add(written.place.error(message));
            }
        }
        if report.value > reject.value {
            let message = "who is refused is reported, too: `report` is not above `reject`";
            self.findings.add(report.place.error(message));
        }
        let enforced = lists.iter().filter(|list| list.mode == Mode::Enforce).map(|list| list.weight);
        let reached = enforced.fold(0_u32, u32::saturating_add);
        if let Some(last) = self.file.dnslists.last().filter(|_| lists.len() == self.file.dnslists.len())
            && reached < reject.value
        {
            let message = format!("these lists refuse nobody: all together they weigh {reached}");
            let finding = last.place.warning(message);
            let help = format!("`reject` in [dnslists] is {}; give a list more `weight`", reject.value);
            self.findings.add(finding.with_help(help));
        }
        if let Some(entry) = self.file.dnslists.get(MOST) {
            let message = format!("there are more than {MOST} lists, and each is asked about each client");
            self.findings.add(entry.place.error(message));
        }
        Some(DnsListRules { report: report.value, reject: reject.value, reply })
    }
}

/// What an expectation says that a list said: `zen 127.0.0.2`.
pub(in crate::policy) fn listing(
    written: &Located<String>,
    lists: &[DnsList],
) -> Result<Listing, Diagnostic> {
    let (id, answer) = written.value.split_once(' ').unwrap_or((&written.value, ""));
    let known = lists.iter().map(|list| list.id.as_str());
    let (place, _) = (0..)
        .zip(lists)
        .find(|(_, list)| list.id == id)
        .ok_or_else(|| unknown_word(&written.place, "list", id, known))?;
    let answer = answer.trim().parse().map_err(|_| {
        let finding = written.place.error(format!("`{}` is no answer", written.value.escape_debug()));
        finding.with_help("a list's id and the address that it gives: \"zen 127.0.0.2\"")
    })?;
    Ok(Listing { list: place, answer })
}
