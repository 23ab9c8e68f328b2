//! Who may use whom: the rooms keep the direction that the tour in `src/lib.rs` and the README draw.

use std::fs;
use std::path::{Path, PathBuf};

/// A room and what it may use; the binary's rooms are clients of the library and use nothing by `crate::`.
const DIRECTION: &[(&str, &[&str])] = &[
    ("smtp", &[]),
    ("message", &[]),
    ("proxy_header", &[]),
    ("policy", &["smtp", "message"]),
    ("event", &["policy", "smtp"]),
    ("session", &["event", "policy", "message", "smtp"]),
    ("replay", &["session", "event", "policy", "message", "smtp"]),
    ("telemetry", &["event", "policy", "smtp"]),
    ("proxy", &["telemetry", "session", "event", "policy", "proxy_header"]),
    ("cli", &[]),
    ("main", &[]),
];

#[test]
fn no_room_uses_one_to_its_right() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in sources(&top) {
        let room = room(path.strip_prefix(&top).unwrap());
        if room == "lib" {
            continue;
        }
        let (_, allowed) =
            DIRECTION.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("{room} is no room"));
        let text = fs::read_to_string(&path).unwrap();
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in used(line).filter(|used| *used != room && !allowed.contains(used)) {
                wrong.push(format!("{}: {room} uses {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The rooms behind each `crate::` of a line. A group at the root would hide them, so there is none.
fn used(line: &str) -> impl Iterator<Item = &str> {
    line.split("crate::").skip(1).map(move |rest| {
        assert!(!rest.starts_with('{'), "one `use` a room: {line}");
        rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
    })
}

/// The first part of a path below `src`.
fn room(path: &Path) -> String {
    let first = path.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
