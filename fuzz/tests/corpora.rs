//! Every input that was kept is played: seeds, and what was found.

use std::path::Path;

#[expect(clippy::disallowed_methods, reason = "this is no room of the core")]
fn play(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        println!("{}", path.display());
        property(&std::fs::read(&path).expect("a file"));
    }
}

#[test]
fn commands_hold() {
    play("command", gatepost_fuzz::command);
}

#[test]
fn replies_hold() {
    play("reply", gatepost_fuzz::reply);
}

#[test]
fn mail_data_holds() {
    play("mail_data", gatepost_fuzz::mail_data);
}

#[test]
fn chunks_hold() {
    play("chunk", gatepost_fuzz::chunk);
}

#[test]
fn rule_files_hold() {
    play("rule_file", gatepost_fuzz::rule_file);
}

#[test]
fn headers_hold() {
    play("header", gatepost_fuzz::header);
}

#[test]
fn conversations_hold() {
    play("conversation", gatepost_fuzz::conversation);
}
