//! The one asynchronous thing that a session may ask: it waits for the answer, and only its own number is heeded.

use crate::policy::allowance::{Balance, Charge};
use crate::policy::dnslist::Listing;
use crate::policy::names::Naming;
use std::fmt;

/// A question to the driver. A late answer is known by its number, and ignored.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// Which one of this session's.
    pub number: u32,
    /// What is asked.
    pub what: Asking,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub enum Asking {
    /// Whether these credentials are those of an account of the policy's file.
    Credentials {
        /// The account.
        user: Box<str>,
        /// Its password, as the client says.
        password: Secret,
    },
    /// What reverse DNS says of the client's address. It is asked early, and waited for late or never.
    Name,
    /// What the policy's DNS lists say of it. Likewise.
    Lists,
    /// Whether all of these may be taken; the answer is [`Answered::Allowances`], in the same order.
    Allowances(Box<[Charge]>),
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Which question it answers.
    pub number: u32,
    /// What it is.
    pub what: Answered,
}

/// What the answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// Yes.
    Yes,
    /// No.
    No,
    /// Nobody can say now.
    Unknown,
    /// What reverse DNS says.
    Name(Box<Naming>),
    /// What the lists said; lists that said nothing are absent.
    Lists(Box<[Listing]>),
    /// How the allowances stand.
    Allowances(Box<[Balance]>),
}

/// A password: it is never shown, and what held it is overwritten.
#[derive(PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Keeps it.
    pub fn new(octets: &[u8]) -> Self {
        Self(octets.into())
    }

    /// Room to write to.
    pub(super) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// The password itself.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without this the writes to memory that nobody reads again may be left out.
        std::hint::black_box(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
