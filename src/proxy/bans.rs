//! Bans: networks that are not let in for a time, whatever listener they come to.
//!
//! Whom a listener's rules except is let in there all the same: they are asked each time, so whoever is put on the list
//! later is let in with the next reload.

mod book;
mod file;
#[cfg(test)]
mod tests;

use super::lock;
use super::means::{Means, time_of_day};
use crate::event::Ban;
use crate::policy::Policy;
use crate::session::Moment;
use crate::telemetry::OfBans;
use book::{Book, Entered, Entry, LONGEST, is_whole, network};
use file::{Clocks, Ledger, is_word, print, scan};
use ipnet::IpNet;
use std::fmt::Write;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The most bans at a time: some ten megabytes.
const MOST: usize = 100_000;
/// How often the file is written at most.
pub(super) const SAVE: Duration = Duration::from_secs(3);
/// By how much the time of day may go its own way before the file is wrong about it.
const ASTRAY: Duration = Duration::from_secs(2);

/// All bans of the process.
#[derive(Debug)]
pub(super) struct Bans {
    means: Arc<Means>,
    figures: OfBans,
    /// Where they are kept, if anywhere.
    ledger: Option<Ledger>,
    within: Mutex<Within>,
    /// Whether the last writing failed; whoever writes has it.
    unkept: Mutex<bool>,
}

#[derive(Debug)]
struct Within {
    book: Book,
    /// Whether the file says something else.
    changed: bool,
    /// What the clocks said when it was written.
    saved: Option<Clocks>,
}

impl Bans {
    /// With what was kept in the folder `state`. The error: nothing can be kept there.
    pub(super) fn open(state: Option<&str>, means: Arc<Means>, figures: OfBans) -> io::Result<Arc<Self>> {
        let mut book = Book::new(MOST);
        let ledger = state.map(Ledger::new);
        if let Some(ledger) = &ledger {
            let about = |error: io::Error| {
                io::Error::new(error.kind(), format!("state: {}: {error}", ledger.path().display()))
            };
            let clocks = clocks(&means);
            let wrong = scan(&ledger.read(MOST).map_err(about)?, clocks, &mut book);
            if wrong > 0 {
                tracing::warn!(file = %ledger.path().display(), wrong, "lines that are no bans were passed over");
            }
            ledger.write(&print(&book, clocks)).map_err(about)?;
        }
        figures.standing().set(i64::try_from(book.len()).unwrap_or(i64::MAX));
        let within = Mutex::new(Within { book, changed: false, saved: Some(clocks(&means)) });
        Ok(Arc::new(Self { means, figures, ledger, within, unkept: Mutex::default() }))
    }

    /// The ban that a client meets.
    pub(super) fn meet(&self, client: IpAddr) -> Option<Ban> {
        // Most of the time there is none at all.
        if self.figures.standing().get() == 0 {
            return None;
        }
        let (network, now) = (network(client), self.means.now());
        lock(&self.within).book.get(network, now).map(|entry| told(network, entry, now))
    }

    /// Bans a client. None: it is banned for as long already, or there is no room.
    pub(super) fn place(&self, client: IpAddr, span: Duration, check: &str, reference: &str) -> Option<Ban> {
        let (network, now) = (network(client), self.means.now());
        let entry =
            Entry { until: now + span.min(LONGEST), check: check.into(), reference: reference.into() };
        let ban = told(network, &entry, now);
        self.enter(network, entry).then_some(ban)
    }

    /// Whether it stands now.
    fn enter(&self, network: IpNet, entry: Entry) -> bool {
        let mut within = lock(&self.within);
        let entered = within.book.enter(network, entry);
        within.changed |= entered.stands();
        self.show(&within.book);
        if matches!(entered, Entered::InPlaceOfAnother | Entered::NoRoom) {
            self.figures.displaced().inc();
        }
        entered.stands()
    }

    /// Enters a ban of another gate: its network, the milliseconds that it had left at `then`, and check and reference.
    /// What is none is passed over.
    pub(super) fn adopt(&self, (network, left, said): (&str, &str, &str), then: Moment) {
        let read = || {
            let network: IpNet = network.parse().ok().filter(|network| is_whole(*network))?;
            let left = Duration::from_millis(left.parse().ok()?).min(LONGEST);
            let (check, reference) = said.split_once(' ')?;
            let words = is_word(check, 64) && is_word(reference, 16);
            let entry = Entry { until: then + left, check: check.into(), reference: reference.into() };
            words.then_some((network, entry))
        };
        if let Some((network, entry)) = read() {
            self.enter(network, entry);
        }
    }

    /// Strikes out those whose time is over.
    pub(super) fn lapse(&self) {
        let mut within = lock(&self.within);
        within.changed |= within.book.lapse(self.means.now());
        self.show(&within.book);
    }

    /// Strikes out those that `lifted` names, and tells operators which.
    pub(super) fn lift(&self, lifted: impl Fn(IpNet) -> bool) {
        let mut within = lock(&self.within);
        let found = within.book.lift(lifted);
        within.changed |= !found.is_empty();
        self.show(&within.book);
        drop(within);
        for network in found {
            tracing::info!(%network, "the ban is lifted: the rules except this network now");
        }
    }

    /// Those that stand, a line each: network, seconds left, check, reference.
    pub(super) fn page(&self, spared: impl Fn(IpNet) -> bool) -> String {
        let now = self.means.now();
        let standing: Vec<_> = {
            let within = lock(&self.within);
            let standing = within.book.iter().filter(|(_, entry)| entry.until > now);
            standing.map(|(network, entry)| told(network, entry, now)).collect()
        };
        let mut text = String::new();
        for Ban { network, left, check, reference } in standing.iter().filter(|ban| !spared(ban.network)) {
            // Writing to a String cannot fail. Less than a second is the last one.
            let _ = writeln!(text, "{network} {} {check} {reference}", left.as_secs().max(1));
        }
        text
    }

    /// Writes the file, if it says something else than what is so.
    pub(super) fn keep(&self) {
        let Some(ledger) = &self.ledger else { return };
        let mut unkept = lock(&self.unkept);
        let clocks = clocks(&self.means);
        let text = {
            let mut within = lock(&self.within);
            let adrift = within.saved.is_some_and(|saved| went_astray(saved, clocks));
            if !within.changed && !adrift && !*unkept {
                return;
            }
            within.changed = false;
            within.saved = Some(clocks);
            print(&within.book, clocks)
        };
        let written = ledger.write(&text);
        let failed_before = std::mem::replace(&mut *unkept, written.is_err());
        match written {
            Err(error) if !failed_before => {
                tracing::error!(file = %ledger.path().display(), %error, "bans are not kept over a restart");
            }
            Ok(()) if failed_before => tracing::info!("bans are kept again"),
            Ok(()) | Err(_) => {}
        }
    }

    fn show(&self, book: &Book) {
        self.figures.standing().set(i64::try_from(book.len()).unwrap_or(i64::MAX));
    }
}

/// Whether the rules of a listener except a network from bans. Whether one of the house may be banned was decided when it was.
pub(super) fn spares(policy: &Policy, network: IpNet) -> bool {
    !policy.may_ban(network.addr(), true)
}

fn told(network: IpNet, entry: &Entry, now: Moment) -> Ban {
    let Entry { until, check, reference } = entry.clone();
    Ban { network, left: until.since(now), check, reference }
}

fn clocks(means: &Means) -> Clocks {
    Clocks { now: means.now(), day: time_of_day() }
}

/// Whether the time of day was put forward or back since then.
fn went_astray(then: Clocks, now: Clocks) -> bool {
    let expected = then.day.saturating_add(now.now.since(then.now));
    now.day.abs_diff(expected) > ASTRAY
}
