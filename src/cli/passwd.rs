//! `gatepost passwd`: accounts with their passwords, as hashes that cannot be turned back (argon2id).
//!
//! A line of the file is `user:hash`; lines that begin with `#` stay as they are. It is replaced as a whole, so whoever
//! reads it meanwhile sees the old one or the new one.

use super::{Exit, files};
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use clap::Args;
use gatepost::smtp::mechanism::LONGEST_ACCOUNT;
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::termios::{LocalModes, OptionalActions, isatty, tcgetattr, tcsetattr};
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// What a password may have.
const LONGEST: usize = 1024;

/// 19 MiB, twice, one lane: what OWASP recommends, and what the gate compares unknown accounts with.
const MEMORY: u32 = 19 * 1024;
const TIMES: u32 = 2;
const LANES: u32 = 1;

/// Nobody else is to read hashes, whatever the file was open to before.
const OWNER_AND_GROUP: u32 = 0o660;

/// Arguments of `gatepost passwd`.
#[derive(Args, Debug)]
pub(super) struct Flags {
    /// The file with the accounts; it is made if it is not there.
    file: PathBuf,
    /// The account.
    user: String,
    /// Take the account out.
    #[arg(long)]
    delete: bool,
}

/// Does it.
pub(super) fn set(flags: &Flags, out: &mut dyn Write) -> io::Result<Exit> {
    let told = match change(flags) {
        Ok(told) => told,
        Err(reason) => {
            eprintln!("gatepost: {reason}");
            return Ok(Exit::Errors);
        }
    };
    writeln!(out, "{told}")?;
    Ok(Exit::Fine)
}

fn change(flags: &Flags) -> Result<String, String> {
    let user = flags.user.as_str();
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | '#');
    if user.is_empty() || user.len() > LONGEST_ACCOUNT || !user.chars().all(plain) {
        return Err(format!("`{}` is no name for an account", user.escape_debug()));
    }
    let path = flags.file.to_str().ok_or("the name of the file is not UTF-8")?;
    let before = if flags.file.exists() { files::read(path)? } else { String::new() };
    let hash = if flags.delete { None } else { Some(hash(&password()?)?) };
    let (after, known) = edited(&before, user, hash.as_deref());
    if flags.delete && !known {
        return Err(format!("there is no account `{user}` in {path}"));
    }
    replace(&flags.file, &after).map_err(|error| format!("cannot write {path}: {error}"))?;
    let what = match (flags.delete, known) {
        (true, _) => "is gone",
        (false, true) => "has another password",
        (false, false) => "is new",
    };
    Ok(format!("{user} {what}; the gate knows after a reload"))
}

/// The text with this hash for this account, or without it; and whether it was there.
fn edited(before: &str, user: &str, hash: Option<&str>) -> (String, bool) {
    // As the gate reads it: without case, and what stands behind `#` is a comment.
    let of_user = |line: &str| {
        let written = line.split('#').next().and_then(|line| line.split_once(':'));
        written.is_some_and(|(name, _)| name.trim().eq_ignore_ascii_case(user))
    };
    let mut known = false;
    let mut after = String::with_capacity(before.len().saturating_add(LONGEST_ACCOUNT));
    let line = hash.map(|hash| format!("{user}:{hash}\n"));
    for old in before.lines() {
        if !of_user(old) {
            after.push_str(old);
            after.push('\n');
        } else if !known {
            known = true;
            after.push_str(line.as_deref().unwrap_or_default());
        }
    }
    if !known {
        after.push_str(line.as_deref().unwrap_or_default());
    }
    (after, known)
}

/// Asks twice where somebody types, and reads a line where nobody does.
fn password() -> Result<Secret, String> {
    let typed = isatty(io::stdin());
    if !typed {
        return line().and_then(checked);
    }
    let first = silently("Password: ").and_then(checked)?;
    let second = silently("Once more: ")?;
    if first.0 == second.0 { Ok(first) } else { Err("these are not the same".to_owned()) }
}

fn checked(secret: Secret) -> Result<Secret, String> {
    match secret.0.len() {
        0 => Err("a password of nothing is none".to_owned()),
        1..=LONGEST if !secret.0.contains(&0) => Ok(secret),
        _ => Err(format!("a password has at most {LONGEST} octets, and no NUL")),
    }
}

/// A line that the terminal does not show.
fn silently(prompt: &str) -> Result<Secret, String> {
    let terminal = io::stdin();
    let wrong = |error: rustix::io::Errno| format!("the terminal cannot be silenced: {error}");
    let shown = tcgetattr(&terminal).map_err(wrong)?;
    let mut silent = shown.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    eprint!("{prompt}");
    tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(wrong)?;
    let read = line();
    tcsetattr(&terminal, OptionalActions::Flush, &shown).map_err(wrong)?;
    eprintln!();
    read
}

fn line() -> Result<Secret, String> {
    let mut secret = Secret(Vec::with_capacity(LONGEST + 2));
    let mut input = io::stdin().lock().take(u64::try_from(LONGEST).unwrap_or(u64::MAX) + 2);
    input.read_until(b'\n', &mut secret.0).map_err(|error| format!("cannot read the password: {error}"))?;
    if secret.0.ends_with(b"\n") {
        secret.0.pop();
    }
    if secret.0.ends_with(b"\r") {
        secret.0.pop();
    }
    Ok(secret)
}

/// A password on its way; what held it is overwritten.
struct Secret(Vec<u8>);

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without this the writes to memory that nobody reads again may be left out.
        std::hint::black_box(&self.0);
    }
}

/// The PHC string of a password.
fn hash(password: &Secret) -> Result<String, String> {
    let mut salt = [0_u8; 16];
    let wanted = salt.len();
    let random = getrandom(&mut salt, GetRandomFlags::empty());
    if random != Ok(wanted) {
        return Err("there is no randomness for a salt".to_owned());
    }
    let wrong = |error: argon2::Error| format!("cannot hash: {error}");
    let params = Params::new(MEMORY, TIMES, LANES, None).map_err(wrong)?;
    let mut digest = [0_u8; 32];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    argon2.hash_password_into(&password.0, &salt, &mut digest).map_err(wrong)?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(&params).map_err(|error| error.to_string())?,
        salt: Some(Salt::new(&salt).map_err(|error| error.to_string())?),
        hash: Some(Output::new(&digest).map_err(|error| error.to_string())?),
    };
    Ok(hash.to_string())
}

/// Puts a file in the place of another at one stroke. It belongs to whom the other belonged to, or the gate, which is
/// not root, could not read it any more; a new one may be read by nobody but its owner.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Over a link to what it leads to: the link stays.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut beside = target.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        if let Ok(old) = fs::metadata(&target) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
            file.set_permissions(Permissions::from_mode(old.mode() & OWNER_AND_GROUP))?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &target)
    };
    let done = write();
    if done.is_err() {
        // What is half written is of no use to anybody; that it cannot be removed is no worse than the error itself.
        let _ = fs::remove_file(&beside);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordVerifier;

    #[test]
    fn other_lines_stay_as_they_are() {
        let before = "# staff\nann:x\nbob:y\n";
        assert_eq!(edited(before, "bob", Some("z")), ("# staff\nann:x\nbob:z\n".to_owned(), true));
        assert_eq!(edited(before, "eve", Some("z")), ("# staff\nann:x\nbob:y\neve:z\n".to_owned(), false));
        assert_eq!(edited(before, "ann", None), ("# staff\nbob:y\n".to_owned(), true));
        assert_eq!(edited("Ann : x  # since May\n", "ann", Some("z")), ("ann:z\n".to_owned(), true));
        assert_eq!(edited("", "ann", Some("z")), ("ann:z\n".to_owned(), false));
    }

    #[test]
    fn a_hash_is_that_of_its_password_with_the_cost_that_was_chosen() {
        let hash = hash(&Secret(b"open sesame".to_vec())).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let parsed = PasswordHash::new(&hash).unwrap();
        assert!(Argon2::default().verify_password(b"open sesame", &parsed).is_ok());
        assert!(Argon2::default().verify_password(b"open", &parsed).is_err());
    }

    #[test]
    fn the_file_stays_its_owners_and_is_nobody_elses_to_read() {
        let path = std::env::temp_dir().join(format!("gatepost-passwd-{}", std::process::id()));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        replace(&path, "a:1\n").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let group = fs::metadata(&path).unwrap().gid();
        replace(&path, "a:2\n").unwrap();
        assert_eq!((mode(&path), fs::metadata(&path).unwrap().gid()), (0o640, group));
        assert_eq!(files::read(path.to_str().unwrap()).unwrap(), "a:2\n");
        fs::remove_file(&path).unwrap();
    }
}
