//! Allowances without a driver: counted in earnest, so that a dialogue shows what is left.

use crate::policy::Policy;
use crate::policy::allowance::{Allowance, Balance, Charge, Key};
use crate::session::Moment;
use std::collections::HashMap;
use std::sync::Arc;

/// What somebody has left.
#[derive(Clone, Copy, Debug)]
struct Account {
    /// In pieces of which a whole one fills up in the rate's time: nothing is rounded.
    level: u128,
    at: Moment,
}

/// The accounts of all limits.
#[derive(Debug)]
pub(super) struct Purse {
    policy: Arc<Policy>,
    /// What there is at the beginning, by id, where it is not all.
    scene: Vec<(String, u32)>,
    accounts: HashMap<(u32, Key), Account>,
}

/// Something that was counted, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The id of the limit.
    pub id: String,
    /// How much was asked for, or taken.
    pub amount: u32,
    /// Whose account it is, and how full.
    pub account: String,
    /// Whether it was enough.
    pub within: bool,
}

impl Purse {
    pub(super) fn new(policy: Arc<Policy>, scene: Vec<(String, u32)>) -> Self {
        Self { policy, scene, accounts: HashMap::new() }
    }

    /// Takes it, if there is enough.
    pub(super) fn ask(&mut self, now: Moment, charge: &Charge) -> (Balance, Counted) {
        self.take(now, charge, false)
    }

    /// Takes it, as far as there is.
    pub(super) fn charge(&mut self, now: Moment, charge: &Charge) -> Counted {
        self.take(now, charge, true).1
    }

    fn take(&mut self, now: Moment, charge: &Charge, all: bool) -> (Balance, Counted) {
        let place = usize::try_from(charge.limit).unwrap_or(usize::MAX);
        let Some(Allowance { id, rate, burst, .. }) = self.policy.allowances().get(place) else {
            let (balance, id) = (Balance { within: true, left: 0 }, String::new());
            return (balance, Counted { id, amount: 0, account: String::new(), within: true });
        };
        let whole = rate.per.as_nanos().max(1);
        let full = u128::from(*burst).saturating_mul(whole);
        let first = self.scene.iter().find(|(known, _)| known == id).map_or(*burst, |(_, left)| *left);
        let first = Account { level: u128::from(first).saturating_mul(whole).min(full), at: now };
        let account = self.accounts.entry((charge.limit, charge.key.clone())).or_insert(first);
        let earned = now.since(account.at).as_nanos().saturating_mul(rate.count.into());
        let level = account.level.saturating_add(earned).min(full);
        // To look is to ask whether a whole one is left.
        let wanted = whole.saturating_mul(charge.amount.max(1).into());
        let within = level >= wanted;
        let paid = if charge.amount == 0 || !(within || all) { 0 } else { wanted };
        *account = Account { level: level.saturating_sub(paid), at: now };
        let left = u32::try_from(account.level / whole).unwrap_or(u32::MAX);
        let balance = Balance { within, left };
        let (id, account) = (id.clone(), self.policy.account(charge, balance));
        (balance, Counted { id, amount: charge.amount, account, within })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::compile::compile;
    use std::time::Duration;

    #[test]
    fn it_fills_up_again_and_never_above_the_burst() {
        let rules = "profile = 't'\n[relay]\nto = 'example.com'\n[[limit]]\nid = 'l'\nkey = 'listener'\n\
                     count = 'messages'\nrate = '2/min'\nburst = 3\nmode = 'monitor'\n";
        let compiled = compile("t.toml", &mut |_| Ok(rules.to_owned()));
        let mut purse = Purse::new(Arc::new(compiled.policy.unwrap()), Vec::new());
        let after = |seconds| Moment::after_start(Duration::from_secs(seconds));
        let charge = |amount| Charge { limit: 0, key: Key { network: None, rest: "mx".into() }, amount };
        let mut ask = |seconds, amount| {
            let balance = purse.ask(after(seconds), &charge(amount)).0;
            (balance.within, balance.left)
        };
        assert_eq!(ask(0, 1), (true, 2));
        assert_eq!(ask(0, 2), (true, 0));
        assert_eq!(ask(0, 0), (false, 0));
        assert_eq!(ask(29, 1), (false, 0));
        assert_eq!(ask(30, 0), (true, 1));
        assert_eq!(ask(30, 2), (false, 1));
        assert_eq!(ask(30, 1), (true, 0));
        assert_eq!(ask(3600, 0), (true, 3));
        assert!(!purse.charge(after(3600), &charge(9)).within);
        assert_eq!(purse.ask(after(3600), &charge(0)).0.left, 0);
    }
}
