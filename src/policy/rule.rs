//! `[[rule]]`, `[[signature]]` and `[[exempt]]`, compiled, and the order in which they are asked.

#[cfg(test)]
mod tests;

use super::ban::Ban;
use super::condition::{Point, Scene, When};
use super::field::Field;
use super::index::{Index, Tables};
use super::names::Readers;
use super::pattern::Clause;
use super::source::Place;
use super::tree::Date;
use super::verdict::{Action, Check};
use super::{Mode, Policy};
use crate::smtp::reply::Reply;
use crate::smtp::verb::Verb;
use std::collections::HashMap;
use std::time::Duration;

/// A `[[rule]]`: an opinion.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) on: Point,
    pub(super) when: When,
    pub(super) action: Action,
    pub(super) reply: Reply,
    pub(super) tarpit: Option<Duration>,
    pub(super) ban: Option<Ban>,
    pub(super) at_once: bool,
    pub(super) mode: Mode,
    pub(super) until: Option<(Date, Place)>,
}

/// A `[[signature]]`: a known attack.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) id: String,
    pub(super) place: Place,
    pub(super) on: Point,
    pub(super) clause: Clause,
    pub(super) reply: Reply,
    pub(super) tarpit: Option<Duration>,
    pub(super) ban: Option<Ban>,
    pub(super) locked: bool,
}

impl Signature {
    fn fits(&self, scene: &Scene<'_>) -> bool {
        self.clause.field().seen(scene).is_some_and(|seen| self.clause.fits(Some(&seen)))
    }
}

/// The `[[exempt]]`, by what they except.
#[derive(Debug, Default)]
pub(super) struct Exemptions {
    by_check: HashMap<Check, Vec<When>>,
}

impl Exemptions {
    /// Excepts a check where `when` holds.
    pub(super) fn add(&mut self, check: Check, when: When) {
        self.by_check.entry(check).or_default().push(when);
    }

    /// Where an exemption looks at what reverse DNS says: where its rule is asked, or wherever a built-in check may be.
    pub(super) fn name_readers(&self, index: &RuleIndex, readers: &mut Readers) {
        let looks = |all: &Vec<When>| all.iter().any(|when| when.reads(Field::is_of_name));
        for (check, _) in self.by_check.iter().filter(|(_, all)| looks(all)) {
            match (index.point(*check), check) {
                (Some(on), _) => asked(on).for_each(|point| readers.add(point)),
                // It is asked where the name is weighed, and nowhere else.
                (None, Check::Names(_)) => {}
                (None, _) => readers.add_everywhere(),
            }
        }
    }

    /// Whether a check is excepted now.
    pub(super) fn hold(&self, check: Check, scene: &Scene<'_>) -> bool {
        self.by_check.get(&check).is_some_and(|all| all.iter().any(|when| when.holds(scene)))
    }
}

/// Signatures and rules, found by the point at which they are asked.
#[derive(Debug, Default)]
pub(super) struct RuleIndex {
    signatures: Vec<Signature>,
    rules: Vec<Rule>,
    /// In the places of the points.
    at: Vec<Option<Box<Order>>>,
}

/// The checks of one point, in the order in which they decide.
#[derive(Debug)]
struct Order {
    checks: Vec<Check>,
    index: Index,
}

/// Where a rule is asked. What a file says of EHLO it says of HELO (RFC 5321 3.2: both tell who the client is), or
/// whoever knows the older word would go round it; `hello.verb` tells them apart.
fn asked(on: Point) -> impl Iterator<Item = Point> {
    let older = (on == Point::Command(Verb::Ehlo)).then_some(Point::Command(Verb::Helo));
    std::iter::once(on).chain(older)
}

impl Policy {
    /// Whether any signature or rule is asked at this point.
    pub fn asks(&self, point: Point) -> bool {
        self.index.order(point).is_some()
    }
}

impl RuleIndex {
    /// Sorts them by point: signatures first, both in file order.
    pub(super) fn new(signatures: Vec<Signature>, rules: Vec<Rule>) -> RuleIndex {
        let mut at: HashMap<Point, (Vec<Check>, Vec<Tables<'_>>)> = HashMap::new();
        for (place, signature) in (0..).zip(&signatures) {
            for point in asked(signature.on) {
                let (checks, tables) = at.entry(point).or_default();
                checks.push(Check::Signature(place));
                tables.push(vec![std::slice::from_ref(&signature.clause)]);
            }
        }
        for (place, rule) in (0..).zip(&rules) {
            for point in asked(rule.on) {
                let (checks, tables) = at.entry(point).or_default();
                checks.push(Check::Rule(place));
                tables.push(rule.when.tables().iter().map(Vec::as_slice).collect());
            }
        }
        let order = |(checks, tables): (_, Vec<Tables<'_>>)| Order { checks, index: Index::new(&tables) };
        let at = Point::all().map(|point| at.remove(&point).map(order).map(Box::new)).collect();
        RuleIndex { signatures, rules, at }
    }

    fn order(&self, point: Point) -> Option<&Order> {
        self.at.get(point.index())?.as_deref()
    }

    /// What `decide` makes of what fits a scene, in the order in which it decides: the first that comes of it.
    pub(super) fn decide<T>(
        &self,
        point: Point,
        scene: &Scene<'_>,
        decide: impl FnMut(Check) -> Option<T>,
    ) -> Option<T> {
        let order = self.order(point)?;
        let mut candidates = order.index.candidates(scene);
        candidates.look_up();
        let check = |turn| order.checks.get(usize::try_from(turn).ok()?).copied();
        let mut fitting = candidates.by_ref().filter_map(check).filter(|check| self.fits(*check, scene));
        fitting.find_map(decide)
    }

    fn fits(&self, check: Check, scene: &Scene<'_>) -> bool {
        match check {
            Check::Signature(_) => self.signature(check).is_some_and(|signature| signature.fits(scene)),
            _ => self.rule(check).is_some_and(|rule| rule.when.holds(scene)),
        }
    }

    /// The rule behind a check.
    pub(super) fn rule(&self, check: Check) -> Option<&Rule> {
        match check {
            Check::Rule(place) => self.rules.get(usize::try_from(place).ok()?),
            _ => None,
        }
    }

    /// The signature behind a check.
    pub(super) fn signature(&self, check: Check) -> Option<&Signature> {
        match check {
            Check::Signature(place) => self.signatures.get(usize::try_from(place).ok()?),
            _ => None,
        }
    }

    /// Where a rule or a signature is asked.
    pub(super) fn point(&self, check: Check) -> Option<Point> {
        let rule = self.rule(check).map(|rule| rule.on);
        rule.or_else(|| self.signature(check).map(|signature| signature.on))
    }

    /// Where a rule or a signature looks at what reverse DNS says.
    pub(super) fn name_readers(&self, readers: &mut Readers) {
        let signatures = self.signatures.iter().filter(|it| it.clause.field().is_of_name()).map(|it| it.on);
        let rules = self.rules.iter().filter(|it| it.when.reads(Field::is_of_name)).map(|it| it.on);
        signatures.chain(rules).flat_map(asked).for_each(|point| readers.add(point));
    }

    /// How many there are, signatures and all.
    pub(super) fn count(&self) -> usize {
        self.signatures.len().saturating_add(self.rules.len())
    }

    /// All rules, in order.
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }
}
