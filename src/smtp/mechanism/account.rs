//! The name of an account in what a client answers.

use super::Account;
use std::borrow::Cow;
use std::fmt;

/// The most octets of a name that is taken (RFC 4616 2).
pub const LONGEST_ACCOUNT: usize = 255;

/// What ends a pair of XOAUTH2 and OAUTHBEARER (RFC 7628 3.1).
const PAIR_END: u8 = 0x01;

/// The message of PLAIN (RFC 4616 2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Plain<'a> {
    /// As whom the client wants to act; empty: as itself.
    pub authzid: &'a str,
    /// Whose password it is.
    pub authcid: &'a str,
    /// The password.
    pub password: &'a [u8],
}

impl fmt::Debug for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Plain");
        shown.field("authzid", &self.authzid).field("authcid", &self.authcid).finish_non_exhaustive()
    }
}

/// `message = [authzid] NUL authcid NUL passwd` (RFC 4616 2), decoded.
pub fn plain(message: &[u8]) -> Option<Plain<'_>> {
    let mut parts = message.split(|octet| *octet == 0);
    let (acting, account, password) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || password.is_empty() {
        return None;
    }
    let authzid = if acting.is_empty() { "" } else { name(acting)? };
    Some(Plain { authzid, authcid: name(account)?, password })
}

/// Reads an answer of this form.
pub(super) fn read(form: Account, answer: &[u8]) -> Option<Cow<'_, str>> {
    match form {
        Account::Hidden => None,
        Account::BetweenNuls => plain(answer).map(|message| Cow::Borrowed(message.authcid)),
        Account::Whole => name(answer).map(Cow::Borrowed),
        Account::BeforeSpace => {
            let space = memchr::memrchr(b' ', answer)?;
            name(answer.get(..space)?).map(Cow::Borrowed)
        }
        // `gs2-header client-first-message-bare`, of which the user name stands first (RFC 5802 7).
        Account::Scram => saslname(answer.split(|octet| *octet == b',').nth(2)?.strip_prefix(b"n=")?),
        // `gs2-header = gs2-cbind-flag "," [authzid] ","` (RFC 5801 4)
        Account::Gs2 => saslname(answer.split(|octet| *octet == b',').nth(1)?.strip_prefix(b"a=")?),
        Account::Pairs => {
            let mut pairs = answer.split(|octet| *octet == PAIR_END);
            name(pairs.find_map(|pair| pair.strip_prefix(b"user="))?).map(Cow::Borrowed)
        }
    }
}

/// `saslname`: a comma is `=2C` and an equals sign `=3D` (RFC 5802 7).
fn saslname(written: &[u8]) -> Option<Cow<'_, str>> {
    let written = name(written)?;
    let mut pieces = written.split('=');
    let first = pieces.next()?;
    if first.len() == written.len() {
        return Some(Cow::Borrowed(written));
    }
    let mut meant = first.to_owned();
    for piece in pieces {
        let (letter, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            _ => return None,
        };
        meant.push(letter);
        meant.push_str(rest);
    }
    Some(Cow::Owned(meant))
}

/// What can be a name: text without control characters, neither empty nor long.
fn name(octets: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(octets).ok()?;
    let sound = (1..=LONGEST_ACCOUNT).contains(&text.len()) && !text.chars().any(char::is_control);
    sound.then_some(text)
}
