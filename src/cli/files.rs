//! What is read from disk, and what kind of file it is.

use gatepost::policy::source::{Diagnostic, Source};
use gatepost::policy::tree;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// More than any list of recipients needs, and less than what a wrong path such as `/dev/zero` gives.
const MOST: u64 = 256 * 1024 * 1024;

/// What a file is for. It is told by what stands in it, not by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It has `profile`.
    Rules,
    /// It has `[[listener]]`.
    Deployment,
    /// It has neither: it is part of the rule files that include it.
    Fragment,
}

impl Kind {
    /// Looks into a file. The errors are those of TOML; they say where.
    pub(super) fn of(path: &str) -> Result<Kind, Vec<Diagnostic>> {
        let text = read(path)
            .map_err(|reason| vec![Diagnostic::about_file(path, format!("cannot read it: {reason}"))])?;
        let table = tree::parse(&Source::new(path, text))?;
        Ok(match (table.get("profile"), table.get("listener")) {
            (Some(_), _) => Kind::Rules,
            (None, Some(_)) => Kind::Deployment,
            (None, None) => Kind::Fragment,
        })
    }
}

/// Reads a file as the policy's compiler asks for it.
pub(super) fn read(path: &str) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|reason| reason.to_string())?;
    let length = file.take(MOST + 1).read_to_string(&mut text).map_err(|reason| match reason.kind() {
        io::ErrorKind::InvalidData => "it is not UTF-8".to_owned(),
        _ => reason.to_string(),
    })?;
    if u64::try_from(length).unwrap_or(u64::MAX) > MOST {
        return Err("it is larger than 256 MiB".to_owned());
    }
    Ok(text)
}

/// The rule files that stand in `rules/`, in the order of their names; none if there is no such folder.
pub(super) fn standing() -> Vec<String> {
    let entries = std::fs::read_dir("rules").into_iter().flatten().flatten();
    let is_rules = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
    let paths = entries.map(|entry| entry.path()).filter(is_rules);
    let mut paths: Vec<_> = paths.filter_map(|path| path.into_os_string().into_string().ok()).collect();
    paths.sort();
    paths
}
