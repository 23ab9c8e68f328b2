//! What is left of each `[[limit]]`, and to whom. It is counted by the profile's name and the limit's id: listeners with the
//! same rules share it, and so do sessions from before a reload and after it, unless rate or burst have changed.
//!
//! All threads share it. What a charge waits for is a lock that is held for some ten microseconds at most.

mod book;
mod entries;
#[cfg(test)]
mod tests;

use super::lock;
use crate::policy::allowance::{Allowance, Balance, Charge};
use crate::policy::quantity::Rate;
use crate::telemetry::Metrics;
use book::{Book, Room, Watch};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// All books of the process.
#[derive(Debug)]
pub struct Ledger {
    /// How many keys of a limit are known at a time.
    keys: usize,
    watch: Watch,
    books: Mutex<HashMap<Title, Arc<Book>>>,
}

/// What a book is about. Where one of these changes, it is another book.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Title {
    profile: String,
    limit: String,
    rate: Rate,
    burst: u32,
}

impl Title {
    fn of(profile: &str, limit: &Allowance) -> Self {
        let Allowance { id, rate, burst, .. } = limit;
        Self { profile: profile.to_owned(), limit: id.clone(), rate: *rate, burst: *burst }
    }
}

/// The books of a policy, in the order of its limits. Every connection has a pointer to them, and it is a thin one.
#[derive(Clone, Debug, Default)]
pub struct Books(Arc<Vec<Arc<Book>>>);

impl Ledger {
    /// With room for so many keys of each limit.
    pub fn new(keys: usize) -> Self {
        Self { keys, watch: Watch::start(), books: Mutex::default() }
    }

    /// From now on there are these profiles, with these limits; what was counted of others is forgotten. What is given are
    /// the books of each.
    pub fn open<'p>(
        &self,
        metrics: &Metrics,
        profiles: impl IntoIterator<Item = (&'p str, &'p [Allowance])>,
    ) -> Vec<Books> {
        let profiles: Vec<(_, Vec<_>)> = profiles
            .into_iter()
            .map(|(profile, limits)| (limits, limits.iter().map(|limit| Title::of(profile, limit)).collect()))
            .collect();
        let mut books = lock(&self.books);
        // They leave the metrics before others with the same names come into them.
        books.retain(|title, _| {
            let stays = profiles.iter().any(|(_, titles)| titles.contains(title));
            if !stays {
                metrics.forget_allowance(&title.profile, &title.limit);
            }
            stays
        });
        let mut open = |(limit, title): (&Allowance, Title)| {
            let figures = metrics.allowance(&title.profile, &title.limit);
            let new = || Arc::new(Book::new(limit, self.keys, self.watch.clone(), figures));
            Arc::clone(books.entry(title).or_insert_with(new))
        };
        let of_profile = |(limits, titles): (&[Allowance], Vec<_>)| {
            Books(Arc::new(limits.iter().zip(titles).map(&mut open).collect()))
        };
        profiles.into_iter().map(of_profile).collect()
    }

    /// Forgets some of the keys that have everything again. It is to be called several times a second.
    pub fn sweep(&self) {
        let books: Vec<_> =
            lock(&self.books).iter().map(|(title, book)| (title.clone(), Arc::clone(book))).collect();
        for (Title { profile, limit, .. }, book) in books {
            match book.sweep() {
                None => {}
                Some(Room::None) => tracing::warn!(
                    profile,
                    limit,
                    keys = self.keys,
                    "a limit knows as many clients as it may: those that come now are counted by wider networks"
                ),
                Some(Room::Again) => tracing::info!(profile, limit, "a limit has room for new clients again"),
            }
        }
    }
}

impl Books {
    /// Takes what is asked for, if there is so much.
    pub fn ask(&self, charge: &Charge) -> Balance {
        let plenty = Balance { within: true, left: u32::MAX };
        self.book(charge).map_or(plenty, |book| book.ask(&charge.key, charge.amount))
    }

    /// Takes what is asked for, or what there is of it.
    pub fn spend(&self, charge: &Charge) {
        if let Some(book) = self.book(charge) {
            book.spend(&charge.key, charge.amount);
        }
    }

    /// There is one for each limit of the policy that the charge is about.
    fn book(&self, charge: &Charge) -> Option<&Book> {
        self.0.get(usize::try_from(charge.limit).ok()?).map(|book| &**book)
    }
}
