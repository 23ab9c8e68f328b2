//! Which rules are worth asking. Each rule waits for one of its conditions, the one that holds most rarely, and a
//! command is looked up once for each field, whatever the number of rules: exact values in a hash map, addresses in
//! one search, patterns by one search for their needles. Rules that wait for a negation or a number are asked in
//! groups, one question for all that say the same.
//!
//! What is found is a little too much and never too little, so rules are asked in the order in which one after another
//! would have been asked, with the same answer. Nothing is allocated to look a command up.
//!
//! Memory: an index keeps the entries of every list by which rules are found a second time (their octets and some 30
//! more; 33 for a network), four octets a rule and condition, and an automaton of some 30 octets for each octet of a
//! needle. So it is of the size of the rule file with its lists, whatever stands in them. What remains are regular
//! expressions without a needle, for which [`SET_SIZE`] is the bound.

use super::condition::{Scene, holds};
use super::field::{Field, Kind, Seen};
use super::list::{DomainMap, List, MailboxMap, Names};
use super::needle::{AnyOf, Needle, worth};
use super::network::NetworkMap;
use super::pattern::{Clause, Key, shown};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use arrayvec::ArrayVec;
use regex::bytes::{RegexSet, RegexSetBuilder};
use std::collections::HashMap;
use std::num::NonZeroU32;

/// Groups that one command may find. Where it finds more, all rules are asked.
const HITS: usize = 32;
/// More rules than these make a condition a bad one to wait for.
const CROWD: usize = 8;
/// The most memory for the expressions without a needle of one field, and again for what each thread learns of them.
/// What does not fit is asked one by one.
const SET_SIZE: usize = 4 << 20;

/// A check's place in the order of its point.
pub(super) type Turn = u32;
/// What a check asks for: all clauses of any table. No table at all: it always fits.
pub(super) type Tables<'c> = Vec<&'c [Clause]>;
/// The place of rules that wait for the same condition.
type Group = u32;

/// The checks of one point, by what they wait for.
#[derive(Debug)]
pub(super) struct Index {
    fields: Vec<FieldIndex>,
    /// What a field finds.
    groups: Vec<Vec<Turn>>,
    links: Vec<Link>,
    /// What has to be asked, by the first turn that waits for it.
    loose: Vec<Loose>,
    all: Vec<Turn>,
}

/// Rules that wait for a condition which no look-up finds; or for none.
#[derive(Debug)]
struct Loose {
    first: Turn,
    clause: Option<Clause>,
    turns: Vec<Turn>,
}

/// One look-up.
#[derive(Debug)]
struct FieldIndex {
    field: Field,
    // A field has one type, so that all of these but one are empty.
    networks: NetworkMap<Chain>,
    domains: DomainMap<Chain>,
    mailboxes: MailboxMap<Chain>,
    texts: Names<Chain>,
    needles: Option<(AhoCorasick, Vec<Group>)>,
    expressions: Option<(RegexSet, Vec<Group>)>,
}

/// The groups that an entry finds: the first link of a chain. Entries with the same groups share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Chain(Option<NonZeroU32>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Link {
    group: Group,
    next: Chain,
}

/// The groups of a chain.
fn along(links: &[Link], chain: Chain) -> impl Iterator<Item = Group> + '_ {
    let link = |chain: Chain| links.get(usize::try_from(chain.0?.get()).ok()?.checked_sub(1)?);
    std::iter::successors(link(chain), move |known| link(known.next)).map(|link| link.group)
}

/// Chains in the making.
#[derive(Default)]
struct Chains {
    links: Vec<Link>,
    known: HashMap<Link, Chain>,
}

impl Chains {
    /// The chain with one more group.
    fn with(&mut self, chain: Chain, group: Group) -> Chain {
        if along(&self.links, chain).next() == Some(group) {
            return chain;
        }
        let link = Link { group, next: chain };
        *self.known.entry(link).or_insert_with(|| {
            self.links.push(link);
            // More links than that do not fit into memory.
            Chain(u32::try_from(self.links.len()).ok().and_then(NonZeroU32::new))
        })
    }
}

/// What rules wait for, with the rules.
struct Waiting<'c> {
    clause: Option<&'c Clause>,
    turns: Vec<Turn>,
}

impl Index {
    /// Sorts checks by what they wait for. They are given in order.
    pub(super) fn new<'c>(order: &[Tables<'c>]) -> Index {
        let waiting = waiting(order);
        let mut keyed: Vec<(Field, Vec<(Group, Key<'c>)>)> = Vec::new();
        for (group, known) in (0..).zip(&waiting) {
            let Some((field, keys)) = known.clause.and_then(|clause| Some((clause.field(), clause.keys()?)))
            else {
                continue;
            };
            let keys = keys.into_iter().map(|key| (group, key));
            match keyed.iter_mut().find(|(known, _)| *known == field) {
                Some((_, known)) => known.extend(keys),
                None => keyed.push((field, keys.collect())),
            }
        }
        let mut chains = Chains::default();
        let mut lost = Vec::new();
        let fields = keyed
            .into_iter()
            .map(|(field, keys)| FieldIndex::new(field, keys, &mut chains, &mut lost))
            .collect();
        let is_loose = |(group, known): &(Group, &Waiting<'c>)| {
            lost.contains(group) || known.clause.is_none_or(|clause| clause.keys().is_none())
        };
        let loose = (0..).zip(&waiting).filter(is_loose).filter_map(|(_, known)| {
            let turns = known.turns.clone();
            Some(Loose { first: *turns.first()?, clause: known.clause.cloned(), turns })
        });
        let mut loose: Vec<Loose> = loose.collect();
        loose.sort_by_key(|known| known.first);
        Index {
            fields,
            loose,
            links: chains.links,
            all: (0..).zip(order).map(|(turn, _)| turn).collect(),
            groups: waiting.into_iter().map(|known| known.turns).collect(),
        }
    }

    /// The checks that may fit, once they are [looked up](Candidates::look_up), in order; all that do are among them.
    pub(super) fn candidates<'i>(&'i self, scene: &'i Scene<'i>) -> Candidates<'i> {
        Candidates { index: self, scene, loose: &self.loose, hits: ArrayVec::new() }
    }
}

/// For each table the clause that its check waits for, those that say the same together.
fn waiting<'c>(order: &[Tables<'c>]) -> Vec<Waiting<'c>> {
    let mut crowds: HashMap<&str, usize> = HashMap::new();
    for clause in order.iter().flatten().copied().flatten() {
        *crowds.entry(clause.written()).or_default() += 1;
    }
    let crowd = |clause: &Clause| crowds.get(clause.written()).copied().unwrap_or_default();
    let mut all: Vec<Waiting<'c>> = Vec::new();
    let mut places: HashMap<Option<&str>, usize> = HashMap::new();
    for (turn, tables) in (0..).zip(order) {
        let rarest = |table: &&'c [Clause]| table.iter().min_by_key(|clause| breadth(clause, crowd(clause)));
        let always = tables.is_empty().then_some(None);
        for clause in tables.iter().map(rarest).chain(always) {
            let place = *places.entry(clause.map(Clause::written)).or_insert(all.len());
            match all.get_mut(place) {
                Some(known) if known.turns.last() == Some(&turn) => {}
                Some(known) => known.turns.push(turn),
                None => all.push(Waiting { clause, turns: vec![turn] }),
            }
        }
    }
    all
}

/// How often a condition will hold, in the order of what to wait for: better a rare one.
fn breadth(clause: &Clause, crowd: usize) -> impl Ord {
    let of_key = |key: &Key<'_>| match key {
        _ if clause.field().kind() == Kind::Word => (3, 0),
        Key::Listed(List::Networks(set)) => (1, set.len()),
        Key::Listed(list) => (0, list.len()),
        Key::Needles(_) => (2, 0),
        Key::Expression(_) => (3, 0),
    };
    match clause.keys() {
        Some(keys) => (false, crowd > CROWD, keys.iter().map(of_key).max(), crowd),
        // What has to be asked is best asked once for many.
        None => (true, false, None, usize::MAX - crowd),
    }
}

impl FieldIndex {
    /// `lost` is told the groups that cannot be found by their keys.
    fn new(
        field: Field,
        keys: Vec<(Group, Key<'_>)>,
        chains: &mut Chains,
        lost: &mut Vec<Group>,
    ) -> FieldIndex {
        let mut networks = Vec::new();
        let mut domains = DomainMap::default();
        let mut mailboxes = MailboxMap::default();
        let mut texts = Names::default();
        let mut needles = Vec::new();
        let mut expressions = Vec::new();
        for (group, key) in keys {
            let mut meet = |chain: &mut Chain| *chain = chains.with(*chain, group);
            match key {
                Key::Listed(List::Networks(set)) => {
                    networks.extend(set.networks().map(|(first, last)| (first, last, group)));
                }
                Key::Listed(List::Domains(set)) => domains.learn(set, &mut meet),
                Key::Listed(List::Mailboxes(set)) => mailboxes.learn(set, &mut meet),
                Key::Listed(List::Texts(set)) => texts.learn(set, &mut meet),
                Key::Needles(choice) => needles.push((group, choice)),
                Key::Expression(text) => expressions.push((group, text)),
            }
        }
        FieldIndex {
            field,
            networks: NetworkMap::new(networks, |around, group| chains.with(around, group)),
            domains,
            mailboxes,
            texts,
            needles: haystack(&needles, lost),
            expressions: set(expressions, lost),
        }
    }

    /// Tells the groups that the field's value finds, until `enough` says so.
    fn look_up(&self, scene: &Scene<'_>, links: &[Link], enough: &mut impl FnMut(Group) -> bool) -> bool {
        let Some(seen) = self.field.seen(scene) else { return false };
        let mut follow = |chain: &Chain| along(links, *chain).any(&mut *enough);
        let listed = match &seen {
            Seen::Address(address) => follow(&self.networks.get(*address)),
            Seen::Domain(name) => self.domains.any(name, follow),
            Seen::Mailbox(local, domain) => self.mailboxes.any(local, *domain, follow),
            Seen::Text(text) => self.texts.get_text(text).is_some_and(follow),
            Seen::Number(_) | Seen::Truth(_) => false,
        };
        listed || self.match_patterns(&seen, enough)
    }

    fn match_patterns(&self, seen: &Seen<'_>, enough: &mut impl FnMut(Group) -> bool) -> bool {
        if self.needles.is_none() && self.expressions.is_none() {
            return false;
        }
        let Some(octets) = shown(seen) else { return false };
        let by_needle = self.needles.as_ref().is_some_and(|(automaton, groups)| {
            let found = automaton.find_overlapping_iter(&*octets);
            found.filter_map(|found| groups.get(found.pattern().as_usize())).any(|group| enough(*group))
        });
        by_needle
            || self.expressions.as_ref().is_some_and(|(set, groups)| {
                // Which of them match is asked, and paid for, only where one does.
                set.is_match(&octets)
                    && set
                        .matches(&octets)
                        .iter()
                        .filter_map(|place| groups.get(place))
                        .any(|group| enough(*group))
            })
    }
}

/// One automaton for the needles of a field. Of what a pattern could be found by, what the fewest others have is best,
/// then what says most: of `list-17-*@example.com` the first half.
fn haystack(patterns: &[(Group, Vec<AnyOf>)], lost: &mut Vec<Group>) -> Option<(AhoCorasick, Vec<Group>)> {
    let mut others: HashMap<&Needle, usize> = HashMap::new();
    for needle in patterns.iter().flat_map(|(_, choice)| choice).flatten() {
        *others.entry(needle).or_default() += 1;
    }
    let crowd = |any: &AnyOf| any.iter().filter_map(|needle| others.get(needle)).max().copied();
    let rarest = |choice: &'_ Vec<AnyOf>| {
        choice.iter().min_by_key(|any| (crowd(any), usize::MAX - worth(any))).cloned().unwrap_or_default()
    };
    let chosen =
        patterns.iter().flat_map(|(group, choice)| rarest(choice).into_iter().map(|needle| (needle, *group)));
    let (needles, groups): (Vec<Needle>, Vec<Group>) = chosen.unzip();
    if needles.is_empty() {
        return None;
    }
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        // It would make few patterns cheaper, and none the dearer: here the cost of many is the cost of few.
        .prefilter(false)
        .build(needles);
    automaton.map_err(|_| lost.extend(&groups)).ok().map(|automaton| (automaton, groups))
}

/// One automaton for the regular expressions of a field that have no needle.
fn set(expressions: Vec<(Group, &str)>, lost: &mut Vec<Group>) -> Option<(RegexSet, Vec<Group>)> {
    let (groups, texts): (Vec<Group>, Vec<&str>) = expressions.into_iter().unzip();
    if groups.is_empty() {
        return None;
    }
    let set =
        RegexSetBuilder::new(texts).unicode(false).size_limit(SET_SIZE).dfa_size_limit(SET_SIZE).build();
    set.map_err(|_| lost.extend(&groups)).ok().map(|set| (set, groups))
}

/// Checks that may fit a scene, in order.
#[derive(Debug)]
pub(super) struct Candidates<'i> {
    index: &'i Index,
    scene: &'i Scene<'i>,
    /// What has not been asked yet.
    loose: &'i [Loose],
    /// Of each group that was found, the turns that have not come yet.
    hits: ArrayVec<&'i [Turn], HITS>,
}

impl<'i> Candidates<'i> {
    /// Looks up what waits for a condition that holds. (Apart, because they are large: whoever has them does not move
    /// them.)
    pub(super) fn look_up(&mut self) {
        let Self { index, scene, .. } = *self;
        let mut overflows = |group: Group| {
            let turns = usize::try_from(group).ok().and_then(|group| index.groups.get(group));
            turns.is_some_and(|turns| !self.wait_for(turns))
        };
        if index.fields.iter().any(|field| field.look_up(scene, &index.links, &mut overflows)) {
            self.ask_all(0);
        }
    }

    /// Adds the turns of a group; false: there is no room for them.
    fn wait_for(&mut self, turns: &'i [Turn]) -> bool {
        let known = self.hits.iter().any(|known| std::ptr::eq(*known, turns));
        known || self.hits.try_push(turns).is_ok()
    }

    /// Takes every check from this turn on for a candidate.
    fn ask_all(&mut self, from: Turn) {
        self.loose = &[];
        self.hits.clear();
        let rest = usize::try_from(from).ok().and_then(|from| self.index.all.get(from..));
        self.hits.extend(rest);
    }

    /// The next turn, asking what has to be asked before it is known.
    fn nearest(&mut self) -> Option<Turn> {
        loop {
            let found = self.hits.iter().filter_map(|turns| turns.first()).min().copied();
            let Some((next, rest)) = self.loose.split_first() else { return found };
            if found.is_some_and(|found| found < next.first) {
                return found;
            }
            self.loose = rest;
            let fits = next.clause.as_ref().is_none_or(|clause| holds(clause, self.scene));
            if fits && !self.wait_for(&next.turns) {
                self.ask_all(next.first);
            }
        }
    }
}

impl Iterator for Candidates<'_> {
    type Item = Turn;
    fn next(&mut self) -> Option<Turn> {
        let turn = self.nearest()?;
        for turns in &mut self.hits {
            if let Some((first, rest)) = turns.split_first()
                && *first == turn
            {
                *turns = rest;
            }
        }
        self.hits.retain(|turns| !turns.is_empty());
        Some(turn)
    }
}
