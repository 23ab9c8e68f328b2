//! `[[rule]]`, `[[signature]]` and `[[exempt]]`, compiled, and the order in which they are asked.

use super::Mode;
use super::condition::{Point, Scene, When};
use super::pattern::Clause;
use super::source::Place;
use super::tree::Date;
use super::verdict::{Action, Check};
use crate::smtp::reply::Reply;
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

    /// Whether a check is excepted now.
    pub(super) fn hold(&self, check: Check, scene: &Scene<'_>) -> bool {
        self.by_check.get(&check).is_some_and(|all| all.iter().any(|when| when.holds(scene)))
    }
}

/// Signatures and rules, found by the point at which they are asked.
///
/// Whatever makes matching faster belongs behind [`RuleIndex::fitting`].
#[derive(Debug, Default)]
pub(super) struct RuleIndex {
    signatures: Vec<Signature>,
    rules: Vec<Rule>,
    at: HashMap<Point, Vec<Check>>,
}

impl RuleIndex {
    /// Sorts them by point: signatures first, both in file order.
    pub(super) fn new(signatures: Vec<Signature>, rules: Vec<Rule>) -> RuleIndex {
        let mut at: HashMap<Point, Vec<Check>> = HashMap::new();
        for (place, signature) in (0..).zip(&signatures) {
            at.entry(signature.on).or_default().push(Check::Signature(place));
        }
        for (place, rule) in (0..).zip(&rules) {
            at.entry(rule.on).or_default().push(Check::Rule(place));
        }
        RuleIndex { signatures, rules, at }
    }

    /// What fits a scene, in the order in which it decides.
    pub(super) fn fitting<'i>(
        &'i self,
        point: Point,
        scene: &'i Scene<'i>,
    ) -> impl Iterator<Item = Check> + 'i {
        let candidates = self.at.get(&point).map(Vec::as_slice).unwrap_or_default();
        candidates.iter().copied().filter(|check| match check {
            Check::Signature(_) => self.signature(*check).is_some_and(|signature| signature.fits(scene)),
            _ => self.rule(*check).is_some_and(|rule| rule.when.holds(scene)),
        })
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

    /// How many there are, signatures and all.
    pub(super) fn count(&self) -> usize {
        self.signatures.len().saturating_add(self.rules.len())
    }

    /// All rules, in order.
    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }
}
