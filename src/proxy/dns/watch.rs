//! Which DNS lists are worth asking. Lists end, lose their domains, or have enough of their askers, and some of them then list
//! everybody. Each is tried at the start, and again each hour (RFC 5782 5); one that fails is put aside until it passes.

use super::Dns;
use super::memory::Subject;
use super::resolver::Said;
use crate::policy::Policy;
use crate::policy::dnslist::{DnsList, Sense};
use crate::proxy::listener::Door;
use crate::proxy::lock;
use crate::session::Moment;
use crate::telemetry::{Metrics, OfList};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;

/// How often it is looked which lists there are, and whether one is to be tried.
const BEAT: Duration = Duration::from_secs(1);
/// How often a list is tried that has passed, and one that has not.
const AGAIN: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_mins(1);

/// Every list has this entry (RFC 5782 5), and none has that.
const LISTED: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const CLEAN: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The lists of all policies, by id and zone.
#[derive(Debug, Default)]
pub(super) struct Watch(Mutex<HashMap<(String, String), Arc<Watched>>>);

/// A list.
#[derive(Debug)]
pub(super) struct Watched {
    id: String,
    zone: Arc<str>,
    pub(super) figures: OfList,
    standing: Mutex<Standing>,
}

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It was never tried.
    New,
    /// It passed, then.
    Usable(Moment),
    /// It did not.
    Aside(Moment),
}

impl Standing {
    fn is_due(self, now: Moment) -> bool {
        match self {
            Self::New => true,
            Self::Usable(at) => now.since(at) >= AGAIN,
            Self::Aside(at) => now.since(at) >= SOON,
        }
    }
}

impl Watched {
    fn new(list: &DnsList, metrics: &Metrics) -> Self {
        Self {
            id: list.id.clone(),
            zone: list.zone.as_str().into(),
            figures: metrics.list(&list.id),
            standing: Mutex::new(Standing::New),
        }
    }

    /// What is remembered of it and a client.
    pub(super) fn subject(&self, client: IpAddr) -> Subject {
        Subject::Listing(Arc::clone(&self.zone), client)
    }

    /// What came of a test.
    fn settle(&self, tried: Result<(), &'static str>, now: Moment) {
        let stands = if tried.is_ok() { Standing::Usable(now) } else { Standing::Aside(now) };
        let before = std::mem::replace(&mut *lock(&self.standing), stands);
        self.figures.usable().set(tried.is_ok().into());
        let (list, zone) = (&self.id, &*self.zone);
        match (before, tried) {
            (Standing::New | Standing::Usable(_), Err(reason)) => {
                tracing::warn!(list, zone, reason, "a DNS list is put aside, and tried again each minute");
            }
            (Standing::New | Standing::Aside(_), Ok(())) => {
                tracing::info!(list, zone, "a DNS list is usable");
            }
            (Standing::Aside(_), Err(_)) | (Standing::Usable(_), Ok(())) => {}
        }
    }
}

impl Watch {
    /// The list, if it may be asked.
    pub(super) fn usable(&self, list: &DnsList) -> Option<Arc<Watched>> {
        let known = lock(&self.0).get(&(list.id.clone(), list.zone.clone())).map(Arc::clone)?;
        let usable = matches!(*lock(&known.standing), Standing::Usable(_));
        usable.then_some(known)
    }

    /// Takes note of the lists that there are now. Gives those that are to be tried.
    pub(super) fn look(&self, policies: &[Arc<Policy>], now: Moment, metrics: &Metrics) -> Vec<Arc<Watched>> {
        let lists: HashMap<_, _> = policies
            .iter()
            .flat_map(|policy| policy.dnslists())
            .map(|list| ((list.id.clone(), list.zone.clone()), list))
            .collect();
        let mut known = lock(&self.0);
        let gone: Vec<_> =
            known.extract_if(|key, _| !lists.contains_key(key)).map(|(key, _)| key.0).collect();
        for (key, list) in lists {
            known.entry(key).or_insert_with(|| Arc::new(Watched::new(list, metrics)));
        }
        for id in gone.iter().filter(|id| known.keys().all(|(known, _)| known != *id)) {
            metrics.forget_list(id);
        }
        known.values().filter(|list| lock(&list.standing).is_due(now)).map(Arc::clone).collect()
    }
}

impl Dns {
    /// Looks after the lists, as long as it is let.
    pub(in crate::proxy) async fn watch(self: Arc<Self>, doors: Arc<[Arc<Door>]>) {
        let mut beat = tokio::time::interval(BEAT);
        loop {
            beat.tick().await;
            let mut tests = JoinSet::new();
            let policies: Vec<_> = doors.iter().map(|door| door.policy()).collect();
            for list in self.watch.look(&policies, self.means.now(), self.metrics()) {
                let dns = Arc::clone(&self);
                tests.spawn(async move { dns.test(&list).await });
            }
            tests.join_all().await;
        }
    }

    pub(super) async fn test(&self, list: &Watched) {
        let tried = self.within(async { Some(self.try_list(&list.zone).await) }).await;
        list.settle(tried.unwrap_or(Err(SILENT)), self.means.now());
    }

    async fn try_list(&self, zone: &str) -> Result<(), &'static str> {
        let Some(resolver) = self.resolver() else { return Err(SILENT) };
        let listed = resolver.listings_now(zone, LISTED).await;
        judge(&listed, &resolver.listings_now(zone, CLEAN).await)
    }
}

const SILENT: &str = "it does not answer";

/// What a list is worth that says this of the address that every list has, and that of the one that none has.
fn judge(listed: &Said<Ipv4Addr>, clean: &Said<Ipv4Addr>) -> Result<(), &'static str> {
    let means = |said: &Said<Ipv4Addr>, sense| matches!(said, Said::These(answers) if answers.iter().any(|answer| Sense::of(*answer) == sense));
    match (listed, clean) {
        (Said::Failed, _) | (_, Said::Failed) => Err(SILENT),
        _ if means(listed, Sense::Refused) || means(clean, Sense::Refused) => {
            Err("it refuses to answer whoever asks by this resolver")
        }
        (_, Said::These(_)) => Err("it lists 127.0.0.1, so everybody"),
        _ if means(listed, Sense::Listing) => Ok(()),
        (Said::Nothing | Said::These(_), Said::Nothing) => Err("it does not list 127.0.0.2, so nobody"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(answer: &str) -> Said<Ipv4Addr> {
        Said::These(vec![answer.parse().unwrap()])
    }

    #[test]
    fn a_list_is_usable_that_lists_what_it_must_and_not_what_it_must_not() {
        assert_eq!(judge(&these("127.0.0.2"), &Said::Nothing), Ok(()));
        for (listed, clean) in [
            (these("127.0.0.2"), these("127.0.0.2")),
            (Said::Nothing, Said::Nothing),
            (these("127.255.255.254"), Said::Nothing),
            (these("127.255.255.254"), these("127.255.255.254")),
            (these("192.0.2.1"), Said::Nothing),
            (these("192.0.2.1"), these("192.0.2.1")),
            (Said::Failed, Said::Nothing),
            (these("127.0.0.2"), Said::Failed),
        ] {
            assert!(judge(&listed, &clean).is_err(), "{listed:?} {clean:?}");
        }
    }

    #[test]
    fn a_list_that_failed_is_tried_sooner() {
        let at = |seconds| Moment::after_start(Duration::from_secs(seconds));
        assert!(Standing::New.is_due(at(0)));
        assert_eq!(
            (Standing::Aside(at(0)).is_due(at(59)), Standing::Aside(at(0)).is_due(at(60))),
            (false, true)
        );
        assert_eq!(
            (Standing::Usable(at(0)).is_due(at(3599)), Standing::Usable(at(0)).is_due(at(3600))),
            (false, true)
        );
    }
}
