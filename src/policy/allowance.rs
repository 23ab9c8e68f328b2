//! `[[limit]]`: how much somebody may do in a time (GCRA). What was used up is the driver's to know; here stands who counts
//! as one, what is counted, and how much there is.

use super::quantity::Rate;
use ipnet::IpNet;
use std::fmt;

/// A `[[limit]]`: so much for each key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Its id.
    pub id: String,
    /// How fast it fills up again.
    pub rate: Rate,
    /// How much there is when nothing was taken for long; at least 1.
    pub burst: u32,
    /// Whether all instances that share a store share it.
    pub shared: bool,
}

/// Who counts as one: the values of a limit's key fields.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The client's network, if that is part of the key.
    pub network: Option<IpNet>,
    /// The other values, bounded, in the order of the file.
    pub rest: Box<str>,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.network, &*self.rest) {
            (Some(network), "") => write!(f, "{network}"),
            (Some(network), rest) => write!(f, "{network} {rest}"),
            (None, rest) => f.write_str(rest),
        }
    }
}

/// Something to be taken from an allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The place of the limit in [`Policy::allowances`](super::Policy::allowances).
    pub limit: u32,
    /// Whose.
    pub key: Key,
    /// How much; 0 only asks whether anything is left.
    pub amount: u32,
}

/// How an allowance stands after a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Whether it was enough. If not, nothing was taken.
    pub within: bool,
    /// How much is left.
    pub left: u32,
}
