//! The tests of a rule file.

use super::player::Cuts;
use super::scene::{Allowances, Scene};
use super::transcript::Transcript;
use crate::event::{Event, Force};
use crate::policy::{Expectation, Policy};
use std::sync::Arc;

/// What came of one dialogue of an `[[expect]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `name` of the expectation.
    pub name: String,
    /// File and line of it.
    pub origin: String,
    /// What was not as it should be; none: all is well.
    pub failure: Option<String>,
}

/// Plays all expectations of a policy against a polite relay.
pub fn expectations(policy: &Arc<Policy>) -> Vec<Outcome> {
    let outcome = |expectation: &Expectation, dialogue: &str| Outcome {
        name: expectation.name.clone(),
        origin: expectation.origin.clone(),
        failure: play(policy, expectation, dialogue).err(),
    };
    policy
        .expectations()
        .iter()
        .flat_map(|expectation| {
            expectation.dialogues.iter().map(move |dialogue| outcome(expectation, dialogue))
        })
        .collect()
}

fn play(policy: &Arc<Policy>, expectation: &Expectation, dialogue: &str) -> Result<(), String> {
    // Dialogues begin behind the greeting, unless they name it.
    let greeted = dialogue
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .is_some_and(|line| line.starts_with("C<"));
    let text = if greeted { dialogue.to_owned() } else { format!("C< 220*\n{dialogue}") };
    let added = usize::from(!greeted);
    let scene = Scene {
        client: expectation.client,
        tls: expectation.tls,
        auth: expectation.auth.clone(),
        allowances: Allowances::Left(expectation.allowances.clone()),
        ..Scene::default()
    };
    let place = |difference: super::Difference| {
        format!("line {} of the dialogue: {}", difference.line.saturating_sub(added), difference.text)
    };
    let transcript = Transcript::read(&text, scene).map_err(place)?;
    // What is heard behind the last line of a dialogue is not its business: EHLO replies have many lines.
    let player = transcript.skim(policy, Cuts::Whole).map_err(place)?;
    let Some(rule) = &expectation.rule else { return Ok(()) };
    let decided: Vec<&str> = player
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Verdict(decision) if decision.force == Force::Enforced => Some(decision.id.as_str()),
            _ => None,
        })
        .collect();
    if decided.contains(&rule.as_str()) {
        Ok(())
    } else {
        Err(format!("`{rule}` should have decided, but it was {decided:?}"))
    }
}
