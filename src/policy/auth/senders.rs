//! `senders = { file = "..." }`: a line an account, with the mailboxes and `@domains` it may send as.

use crate::policy::field::{Kind, Seen};
use crate::policy::fold::Folded;
use crate::policy::list::List;
use crate::policy::source::{Findings, Located, Place, Source};
use crate::smtp::path::Mailbox;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// What each account may send as. Accounts are compared without case, as people write them.
#[derive(Clone, Debug, Default)]
pub struct AccountSenders(HashMap<Box<[u8]>, Arc<List>>);

impl AccountSenders {
    /// How many accounts it names.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it names none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a mailbox is among those of an account.
    pub(super) fn permit(&self, account: &str, mailbox: &Mailbox<'_>) -> bool {
        let sender = Seen::Mailbox(mailbox.unquoted(), Some(mailbox.host.octets()));
        let account = Folded::text(account.as_bytes());
        self.0.get(&*account).is_some_and(|senders| senders.contains(&sender))
    }

    /// Reads the lines of a file.
    pub(super) fn read(source: &Arc<Source>, findings: &Findings) -> AccountSenders {
        let mut senders = HashMap::new();
        let mut places: HashMap<Box<[u8]>, Place> = HashMap::new();
        for line in source.entries() {
            let mut words = words(&line, source);
            let Some(account) = words.next() else { continue };
            let mailboxes: Vec<_> = words.collect();
            if mailboxes.is_empty() {
                let message = format!("`{}` may send as nobody", account.value.escape_debug());
                let finding = account.place.error(message);
                findings.add(
                    finding.with_help("name its mailboxes or domains: anna anna@example.com @example.net"),
                );
            }
            let key: Box<[u8]> = Box::from(&*Folded::text(account.value.as_bytes()));
            match places.entry(key.clone()) {
                Entry::Occupied(first) => {
                    let message = format!(
                        "`{}` is written twice, also at {}",
                        account.value.escape_debug(),
                        first.get()
                    );
                    findings.add(account.place.error(message).with_help("one line holds all of its senders"));
                }
                Entry::Vacant(place) => {
                    place.insert(account.place);
                }
            }
            senders
                .extend(List::build(Kind::Mailbox, &mailboxes, findings).map(|list| (key, Arc::new(list))));
        }
        AccountSenders(senders)
    }
}

/// Whether a mailbox lies in the domain of the account's own name. An account without one has no domain.
pub(super) fn of_own_domain(account: &str, mailbox: &Mailbox<'_>) -> bool {
    let domain = account.rsplit_once('@').map(|(_, domain)| Folded::domain(domain.as_bytes()));
    domain.is_some_and(|own| *own == *Folded::domain(mailbox.host.octets()))
}

/// The words of a line, each in its place.
fn words<'l>(
    line: &'l Located<String>,
    source: &'l Arc<Source>,
) -> impl Iterator<Item = Located<String>> + 'l {
    let start = line.place.span().start;
    let mut at = 0;
    line.value.split_inclusive([' ', '\t']).filter_map(move |piece| {
        let from = at;
        at += piece.len();
        let word = piece.trim_end();
        let place = Place::new(source, start + from..start + from + word.len());
        (!word.is_empty()).then(|| Located { value: word.to_owned(), place })
    })
}
