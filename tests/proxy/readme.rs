//! The rule files of the README, as whoever pastes them has them: `gatepost check` says what the README says that it says.

use crate::examples::GATEPOST;
use crate::secure::Folder;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

/// What stands between `cat > NAME <<'END'` and END, with the name and what follows it.
fn files(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    text.split("\ncat > ").skip(1).filter_map(|from| {
        let (name, rest) = from.split_once(" <<'END'\n")?;
        let (file, behind) = rest.split_once("\nEND\n")?;
        Some((name, file, behind))
    })
}

#[test]
fn each_rule_file_of_the_readme_is_one_and_check_says_of_it_what_stands_there() {
    let (text, folder) = (fs::read_to_string(README).unwrap(), Folder::new());
    let mut passwd = Command::new(GATEPOST);
    passwd.arg("passwd").arg(folder.path().join("users")).arg("anna@example.com");
    let mut passwd = passwd.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    writeln!(passwd.stdin.take().unwrap(), "open sesame").unwrap();
    assert!(passwd.wait().unwrap().success());
    let (mut found, mut told) = (0, 0);
    for (name, file, behind) in files(&text) {
        let path = folder.path().join(name);
        fs::write(&path, format!("{file}\n")).unwrap();
        let done = Command::new(GATEPOST).arg("check").arg(&path).output().unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success(), "{name}\n{said}");
        let last = said.lines().last().unwrap();
        // Not behind each is what it says; what is, is so.
        let section = behind.split("\n## ").next().unwrap().split("\ncat > ").next().unwrap();
        if let Some(promised) = section.lines().find(|line| line.starts_with("1 profile, ")) {
            assert_eq!(promised, last, "{name}");
            told += 1;
        }
        found += 1;
    }
    assert!(found >= 5 && told >= 3, "{found} files, {told} with what check says");
}
