//! `[[expect]]`: a rule file's own tests, as data. `replay` plays them.

use super::auth::AuthPolicy;
use super::compile::Compiler;
use super::file::ExpectEntry;
use super::source::Located;
use super::verdict::Check;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// Where an expectation's client comes from if it does not say (RFC 5737).
const SOMEBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

/// One `[[expect]]`.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// What it says.
    pub name: String,
    /// From where the client comes.
    pub client: IpAddr,
    /// Whether it speaks TLS from the first line of the dialogue on.
    pub tls: bool,
    /// The account as which it has authenticated.
    pub auth: Option<String>,
    /// Limits of which so much is left, by their ids.
    pub allowances: Vec<(String, u32)>,
    /// One dialogue for each value of `each`, `$each` replaced (one, if there is no `each`).
    pub dialogues: Vec<String>,
    /// Who decided.
    pub rule: Option<String>,
    /// `rules/inbound.toml:71`
    pub origin: String,
}

impl Compiler<'_> {
    /// What an entry means. What is wrong is reported.
    pub(super) fn expectation(
        &self,
        entry: &ExpectEntry,
        ids: &HashMap<String, Check>,
    ) -> Option<Expectation> {
        if let Some(account) = &entry.auth
            && self.auth.policy == AuthPolicy::Refuse
        {
            let finding = account.place.error("nobody authenticates here: [auth] policy is \"refuse\"");
            self.findings.add(finding);
        }
        if let Some(rule) = entry.rule.as_ref().filter(|rule| !ids.contains_key(&rule.value)) {
            let known = ids.keys().map(String::as_str);
            let near = super::nearest::nearest(&rule.value, known);
            let message = format!("there is no check `{}`", rule.value.escape_debug());
            self.findings.add(rule.place.error(message).with_nearest(near));
        }
        let allowances = entry.allowances.iter().filter_map(|text| self.left(text, ids)).collect();
        let dialogue = entry.dialogue.as_ref()?;
        let uses = dialogue.value.contains("$each");
        let dialogues = match &entry.each {
            Some(each) if uses => {
                each.value.iter().map(|value| dialogue.value.replace("$each", value)).collect()
            }
            Some(each) => {
                self.findings.add(each.place.error("`each` is given, but the dialogue has no `$each`"));
                return None;
            }
            None if uses => {
                self.findings.add(dialogue.place.error("the dialogue has `$each`, but `each` is not given"));
                return None;
            }
            None => vec![dialogue.value.clone()],
        };
        Some(Expectation {
            name: entry.name.clone()?,
            client: entry.client.unwrap_or(SOMEBODY),
            tls: entry.tls,
            auth: entry.auth.as_ref().map(|account| account.value.clone()),
            allowances,
            dialogues,
            rule: entry.rule.as_ref().map(|rule| rule.value.clone()),
            origin: entry.place.to_string(),
        })
    }

    /// `allowances = "harvesting 0"`: so much is left of a limit.
    fn left(&self, text: &Located<String>, ids: &HashMap<String, Check>) -> Option<(String, u32)> {
        let read = text.value.split_once(' ').and_then(|(id, left)| Some((id, left.trim().parse().ok()?)));
        let Some((id, left)) = read else {
            let finding = text.place.error("this says of no limit how much is left");
            self.findings.add(finding.with_help("a limit's id and a number: \"harvesting 0\""));
            return None;
        };
        let limits = ids.iter().filter(|(_, check)| matches!(check, Check::Allowance(_)));
        if !limits.clone().any(|(known, _)| known == id) {
            let near = super::nearest::nearest(id, limits.map(|(known, _)| known.as_str()));
            let message = format!("there is no limit `{}`", id.escape_debug());
            self.findings.add(text.place.error(message).with_nearest(near));
        }
        Some((id.to_owned(), left))
    }
}
