//! Rule files with what comes of them, to the letter: `tests/policies/wrong` with their errors, `tests/policies/right`
//! with the profile they make and the warnings they draw. `GATEPOST_BLESS=1` writes what was found.

use gatepost::policy::compile::{Compiled, compile};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/policies").join(name)
}

/// The rule files of a folder, by name.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries
        .filter_map(|name| name.to_str().and_then(|name| name.strip_suffix(".toml")).map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// Compiles a file as if its folder were the working directory, so that what is printed does not depend on the machine.
fn compiled(folder: &Path, path: &str) -> Compiled {
    compile(path, &mut |path| {
        std::fs::read_to_string(folder.join(path)).map_err(|_| "no such file".to_owned())
    })
}

fn printed(compiled: &Compiled) -> String {
    compiled.diagnostics.iter().fold(String::new(), |mut text, finding| {
        writeln!(text, "{finding}\n").unwrap();
        text
    })
}

/// Compares with a golden file, or writes it. A file that is not there is an empty one.
fn golden(path: &Path, found: &str, differing: &mut Vec<String>) {
    let wanted = std::fs::read_to_string(path).unwrap_or_default();
    if wanted == found {
        return;
    }
    if std::env::var_os("GATEPOST_BLESS").is_none() {
        differing.push(format!("{}\n--- wanted\n{wanted}\n--- found\n{found}", path.display()));
    } else if found.is_empty() {
        std::fs::remove_file(path).unwrap();
    } else {
        std::fs::write(path, found).unwrap();
    }
}

#[test]
fn wrong_files_are_refused_with_all_their_errors() {
    let folder = folder("wrong");
    let mut differing = Vec::new();
    for name in files(&folder) {
        let compiled = compiled(&folder, &format!("{name}.toml"));
        if compiled.policy.is_some() {
            differing.push(format!("{name} was accepted"));
        }
        golden(&folder.join(format!("{name}.errors")), &printed(&compiled), &mut differing);
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

#[test]
fn right_files_become_the_profile_they_say() {
    let folder = folder("right");
    let mut differing = Vec::new();
    for name in files(&folder) {
        let compiled = compiled(&folder, &format!("{name}.toml"));
        if compiled.policy.is_none() {
            differing.push(format!("{name} was refused:\n{}", printed(&compiled)));
        }
        golden(&folder.join(format!("{name}.effective")), &compiled.effective, &mut differing);
        golden(&folder.join(format!("{name}.warnings")), &printed(&compiled), &mut differing);
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
