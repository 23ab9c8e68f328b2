//! `backend = { file = "users" }`: a line an account, `name:$argon2id$...`, as `gatepost passwd` writes it.
//!
//! A finding shows the line it is about, and this file holds what nobody is to see: findings are about a copy in which
//! stars stand for whatever follows the name.

use crate::policy::source::{Diagnostic, Findings, Place, Source};
use crate::smtp::mechanism::LONGEST_ACCOUNT;
use base64ct::{Base64Unpadded, Encoding};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

/// More accounts than that are no file's business.
const MOST: usize = 100_000;
/// The most memory that one password may cost, in KiB, and the most passes and lanes: a hash is computed for whoever
/// asks.
const MEMORY: u32 = 1 << 20;
const PASSES: u32 = 64;
const LANES: u32 = 16;
/// The longest salt and hash, in octets.
const LONGEST: usize = 64;
/// What stands for a hash where a line is shown.
const STARS: &str = "***";

const HELP: &str = "`gatepost passwd` writes such lines: name:$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH";

/// Accounts with their argon2id hashes (PHC strings). What they hold is never shown.
#[derive(Default)]
pub struct Accounts(HashMap<Box<str>, Box<str>>);

impl Accounts {
    /// The hash of an account's password. Names are compared without case, as people write them.
    pub fn hash(&self, user: &str) -> Option<&str> {
        self.0.get(&*folded(user)).map(|hash| &**hash)
    }

    /// The hash of one or another of them. A password for an account that is not there is compared with it, so that the
    /// answer takes as long.
    pub fn any_hash(&self) -> Option<&str> {
        self.0.values().next().map(|hash| &**hash)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads the lines of a file.
    pub(super) fn read(path: &str, text: &str, findings: &Findings) -> Accounts {
        let masked = Source::new(path, masked(text));
        let mut accounts = HashMap::new();
        let mut places: HashMap<Box<str>, Place> = HashMap::new();
        // The copy has the lines of the file, one for one.
        let hashes = text.lines().filter_map(|line| split(without_comment(line)));
        for (entry, (name, hash)) in masked.entries().into_iter().zip(hashes) {
            if let Err(finding) = check(name, hash, &entry.place) {
                findings.add(finding);
            }
            if name.is_empty() {
                continue;
            }
            let key = folded(name);
            match places.entry(key.clone()) {
                Entry::Occupied(first) => {
                    let message =
                        format!("`{}` is written twice, also at {}", name.escape_debug(), first.get());
                    findings.add(entry.place.error(message));
                }
                Entry::Vacant(place) => {
                    place.insert(entry.place);
                }
            }
            accounts.insert(key, Box::from(hash));
        }
        if accounts.len() > MOST {
            findings.add(Diagnostic::about_file(path, format!("it has more than {MOST} accounts")));
        }
        Accounts(accounts)
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("count", &self.0.len()).finish_non_exhaustive()
    }
}

fn folded(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into_boxed_str()
}

fn without_comment(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

/// Name and hash; a line without a colon is taken for a hash without a name, which shows least of it.
fn split(line: &str) -> Option<(&str, &str)> {
    let named = line.split_once(':').map(|(name, hash)| (name.trim(), hash.trim()));
    (!line.is_empty()).then_some(named.unwrap_or(("", line)))
}

/// The text as it may be shown.
fn masked(text: &str) -> String {
    let shown = |line: &str| match split(without_comment(line)) {
        Some((name, _)) => format!("{name}:{STARS}\n"),
        None => "\n".to_owned(),
    };
    text.lines().map(shown).collect()
}

/// Whether a line can be an account.
fn check(name: &str, hash: &str, place: &Place) -> Result<(), Diagnostic> {
    let wrong = |message: &str| Err(place.error(message).with_help(HELP));
    if name.is_empty() {
        return wrong("a line names an account, and behind a colon the hash of its password");
    }
    if name.len() > LONGEST_ACCOUNT || name.chars().any(char::is_control) {
        return wrong("this is no name of an account: at most 255 octets, without control characters");
    }
    match phc(hash) {
        Some(cost) if cost.is_bearable() => Ok(()),
        Some(_) => wrong("the hash of this account costs more than 1 GiB, 64 passes or 16 lanes"),
        None => wrong("the hash of this account is no argon2id hash"),
    }
}

/// What computing a hash takes (RFC 9106 3.1).
struct Cost {
    memory: u32,
    passes: u32,
    lanes: u32,
}

impl Cost {
    fn is_bearable(&self) -> bool {
        self.memory <= MEMORY && self.passes <= PASSES && self.lanes <= LANES
    }
}

/// `$argon2id$v=19$m=...,t=...,p=...$salt$hash`
fn phc(text: &str) -> Option<Cost> {
    let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
    let (costs, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    let mut costs = costs.split(',');
    let mut cost = |name: &str| costs.next()?.strip_prefix(name)?.strip_prefix('=')?.parse::<u32>().ok();
    let cost = Cost { memory: cost("m")?, passes: cost("t")?, lanes: cost("p")? };
    // RFC 9106 3.1: eight KiB a lane at the least, one pass, one lane.
    let sound = cost.passes > 0 && cost.lanes > 0 && cost.memory / 8 >= cost.lanes;
    let octets = |text: &str| Base64Unpadded::decode(text, &mut [0; LONGEST]).map_or(0, <[u8]>::len);
    let long = octets(salt) >= 8 && octets(hash) >= 16;
    (sound && long && parts.next().is_none() && costs.next().is_none()).then_some(cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzYWx0$Wm9sZXJ0IGlzIG5vIHBhc3N3b3JkIGF0IGFsbCE";

    fn read(text: &str) -> (Accounts, Vec<Diagnostic>) {
        let findings = Findings::new();
        let accounts = Accounts::read("users", text, &findings);
        (accounts, findings.into_sorted())
    }

    #[test]
    fn accounts_are_found_in_any_case_and_never_shown() {
        let (accounts, found) =
            read(&format!("# ours\n\nanna@example.com:{HASH} # since May\n  bert : {HASH}\n"));
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(accounts.len(), 2);
        assert_eq!(accounts.hash("Anna@Example.COM"), Some(HASH));
        assert_eq!(accounts.hash("bert"), Some(HASH));
        assert_eq!(accounts.hash("carl"), None);
        assert_eq!(format!("{accounts:?}"), "Accounts { count: 2, .. }");
    }

    #[test]
    fn no_finding_shows_a_hash() {
        let wrong = [
            HASH.to_owned(),
            format!("anna:{HASH}$x"),
            format!(":{HASH}"),
            "anna:secret".to_owned(),
            "anna:".to_owned(),
            format!("anna:{}", HASH.replace("argon2id", "argon2i")),
            format!("anna:{}", HASH.replace("v=19", "v=16")),
            format!("anna:{}", HASH.replace("m=19456", "m=7")),
            format!("anna:{}", HASH.replace("m=19456", "m=4194304")),
            format!("anna:{}", HASH.replace("t=2", "t=0")),
            format!("anna:{}", HASH.replace("p=1", "p=1,x=1")),
            format!("anna:{}", HASH.replace("$c29tZXNhbHRzYWx0", "$c2E")),
            format!("{}:{HASH}", "a".repeat(256)),
            format!("anna:{HASH}\nANNA:{HASH}"),
        ];
        for text in wrong {
            let (_, found) = read(&text);
            assert_eq!(found.len(), 1, "{text}");
            let shown = found[0].to_string();
            for secret in ["c29tZX", "Wm9sZX", "secret", "argon2id$v=19$m=19456,t=2,p=1$c29"] {
                assert!(!shown.contains(secret), "{shown}");
            }
            assert_eq!(found[0].line, text.lines().count(), "{shown}");
        }
    }
}
