//! A set of mechanisms.

use super::Mechanism;

/// A set of mechanisms, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mechanisms(u64);

const _: () = assert!(Mechanism::COUNT <= 64, "a set has a bit for each row");

impl Mechanisms {
    /// None of them.
    pub const NONE: Mechanisms = Mechanisms(0);

    const fn bit(mechanism: Mechanism) -> u64 {
        1 << mechanism.index()
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it is in.
    pub const fn contains(self, mechanism: Mechanism) -> bool {
        self.0 & Self::bit(mechanism) != 0
    }

    /// With it.
    #[must_use]
    pub const fn with(self, mechanism: Mechanism) -> Mechanisms {
        Mechanisms(self.0 | Self::bit(mechanism))
    }

    /// In table order.
    pub fn iter(self) -> impl Iterator<Item = Mechanism> {
        Mechanism::ALL.iter().copied().filter(move |mechanism| self.contains(*mechanism))
    }
}

impl FromIterator<Mechanism> for Mechanisms {
    fn from_iter<I: IntoIterator<Item = Mechanism>>(mechanisms: I) -> Self {
        mechanisms.into_iter().fold(Self::NONE, Mechanisms::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_list_in_table_order() {
        let set: Mechanisms = [Mechanism::Ntlm, Mechanism::Plain].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Mechanism::Plain, Mechanism::Ntlm]);
        assert!(!set.contains(Mechanism::Login) && !set.is_empty() && Mechanisms::NONE.is_empty());
    }
}
