//! Golden conversations: every file below `tests/transcripts` is played whole, octet by octet and at random cuts.

use gatepost::policy::{Policy, compile};
use gatepost::replay::{Cuts, Scene, Transcript};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The parent of the rules that stand in a transcript.
const PARENT: &str = include_str!("../transcripts/scene.toml");

/// The accounts of a backend that is a file; what the hashes are of is nobody's business here.
const USERS: &str = include_str!("../transcripts/users");

/// What accounts may send as.
const SENDERS: &str = include_str!("../transcripts/senders");

fn transcripts(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder of transcripts");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut found: Vec<PathBuf> = paths
        .flat_map(|path| if path.is_dir() { transcripts(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "smtp"))
        .collect();
    found.sort();
    found
}

/// The rules of a transcript, under the parent of all.
pub(crate) fn policy(rules: &str) -> Result<Arc<Policy>, String> {
    let own = format!("profile = \"transcript\"\nextends = \"scene\"\n{rules}");
    let compiled = compile::compile("transcript.toml", &mut |path| match path {
        "transcript.toml" => Ok(own.clone()),
        "scene.toml" => Ok(PARENT.to_owned()),
        "users" => Ok(USERS.to_owned()),
        "senders" => Ok(SENDERS.to_owned()),
        other => Err(format!("no {other} here")),
    });
    let errors: Vec<String> = compiled.diagnostics.iter().map(ToString::to_string).collect();
    compiled.policy.map(Arc::new).ok_or_else(|| errors.join("\n"))
}

fn play(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let transcript =
        Transcript::read(&text, Scene::default()).map_err(|difference| difference.to_string())?;
    let policy = policy(&transcript.rules)?;
    let cuts = [Cuts::Whole, Cuts::Octets].into_iter().chain((1..=5).map(Cuts::Random));
    for cut in cuts {
        transcript.play(&policy, cut).map_err(|difference| format!("{cut:?}: {difference}"))?;
    }
    Ok(())
}

#[test]
fn every_transcript_is_the_same_conversation_however_it_is_cut() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let paths = transcripts(&root);
    let mut failures = String::new();
    for path in &paths {
        if let Err(text) = play(path) {
            let name = path.strip_prefix(&root).unwrap_or(path).display();
            let _ = writeln!(failures, "{name}: {text}");
        }
    }
    assert!(failures.is_empty(), "{} transcripts, of which these differ:\n{failures}", paths.len());
    assert!(paths.len() >= 150, "only {} transcripts", paths.len());
}
