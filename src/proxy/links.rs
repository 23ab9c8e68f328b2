//! The links to a relay: so many at once, a part of them kept for partners, and a queue for whoever comes when they are
//! all in use. It is first come first served, bounded in number and time, and who waits in it costs a timer.

use super::lock;
use super::reserve::Rank;
use super::stress::Load;
use prometheus::IntGauge;
use slab::Slab;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long a command waits for its turn when all links are in use.
const TURN_WAIT: Duration = Duration::from_secs(20);
/// How many may wait for each link, of each rank: more would not have their turn in that time.
const WAITING_A_LINK: usize = 8;

/// All links to one relay.
#[derive(Debug)]
pub(super) struct Links {
    most: usize,
    /// How many of them are for whoever comes; the rest is for partners alone.
    open_to_all: usize,
    queue: Mutex<Queue>,
    /// Links that are waited for, and that anybody who does not need his may give up.
    wanted_of_all: AtomicUsize,
    /// Likewise, but a partner's would be of no use to the one who waits.
    wanted_of_strangers: AtomicUsize,
    /// Those who wait, for operators.
    gauge: IntGauge,
}

#[derive(Debug, Default)]
struct Queue {
    /// The number of the next one who waits.
    next: u64,
    strangers: Class,
    partners: Class,
    /// How whoever has a link is woken.
    holders: Slab<Waker>,
}

/// Those of one rank.
#[derive(Debug, Default)]
struct Class {
    used: usize,
    /// In the order in which they came.
    waiting: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    waker: Waker,
    turn: oneshot::Sender<Turn>,
}

/// One of the links is in use; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    links: Arc<Links>,
    rank: Rank,
    holder: u32,
}

/// A place in the queue.
struct Waiting<'l> {
    links: &'l Links,
    rank: Rank,
    number: u64,
}

/// What comes of asking for a link.
enum Asked {
    Given(Turn),
    Waits(u64, oneshot::Receiver<Turn>),
    Full,
}

impl Links {
    /// `kept` of `most` links are for partners alone.
    pub(super) fn new(most: usize, kept: usize, gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self {
            most,
            open_to_all: most.saturating_sub(kept),
            queue: Mutex::default(),
            wanted_of_all: AtomicUsize::new(0),
            wanted_of_strangers: AtomicUsize::new(0),
            gauge,
        })
    }

    /// Waits for a link. None: there was none in time, or too many wait already.
    pub(super) async fn turn(self: &Arc<Self>, rank: Rank) -> Option<Turn> {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        match self.ask(rank, waker) {
            Asked::Given(turn) => Some(turn),
            Asked::Full => None,
            Asked::Waits(number, turn) => {
                // Dropped before the receiver: what is given in between comes back with that.
                let _waiting = Waiting { links: self, rank, number };
                timeout(TURN_WAIT, turn).await.ok()?.ok()
            }
        }
    }

    fn ask(self: &Arc<Self>, rank: Rank, waker: Waker) -> Asked {
        let mut queue = lock(&self.queue);
        let free = queue.class(rank).waiting.is_empty() && self.has_room(&queue, rank);
        if free {
            queue.class(rank).used += 1;
            let holder = queue.hold(waker);
            return Asked::Given(Turn { links: Arc::clone(self), rank, holder });
        }
        if queue.class(rank).waiting.len() >= self.most.saturating_mul(WAITING_A_LINK) {
            return Asked::Full;
        }
        let number = queue.next;
        queue.next = number.wrapping_add(1);
        let (sender, receiver) = oneshot::channel();
        queue.class(rank).waiting.push_back(Waiter { number, waker, turn: sender });
        self.gauge.inc();
        let wanted = match rank {
            Rank::Stranger if queue.strangers.used >= self.open_to_all => &self.wanted_of_strangers,
            Rank::Stranger | Rank::Partner => &self.wanted_of_all,
        };
        // The first is made known to all who have one; later ones are found by whoever comes to need his no longer.
        if wanted.fetch_add(1, Ordering::AcqRel) == 0 {
            queue.holders.iter().for_each(|(_, waker)| waker.wake_by_ref());
        }
        Asked::Waits(number, receiver)
    }

    fn has_room(&self, queue: &Queue, rank: Rank) -> bool {
        let (strangers, partners) = (queue.strangers.used, queue.partners.used);
        let room = strangers.saturating_add(partners) < self.most;
        match rank {
            Rank::Partner => room,
            Rank::Stranger => room && strangers < self.open_to_all,
        }
    }

    /// Gives what is free to those who may have it, the one that came first first.
    fn serve(self: &Arc<Self>, queue: &mut Queue) -> Vec<(oneshot::Sender<Turn>, Turn)> {
        let mut served = Vec::new();
        loop {
            let first = |rank, class: &Class| {
                let number = class.waiting.front()?.number;
                self.has_room(queue, rank).then_some((number, rank))
            };
            let next = [first(Rank::Stranger, &queue.strangers), first(Rank::Partner, &queue.partners)];
            let Some((_, rank)) = next.into_iter().flatten().min_by_key(|(number, _)| *number) else {
                return served;
            };
            let class = queue.class(rank);
            let Some(waiter) = class.waiting.pop_front() else { return served };
            class.used += 1;
            let holder = queue.hold(waiter.waker);
            self.gauge.dec();
            served.push((waiter.turn, Turn { links: Arc::clone(self), rank, holder }));
        }
    }

    fn release(self: &Arc<Self>, rank: Rank, holder: u32) {
        let mut queue = lock(&self.queue);
        usize::try_from(holder).ok().and_then(|holder| queue.holders.try_remove(holder));
        let class = queue.class(rank);
        class.used = class.used.saturating_sub(1);
        let served = self.serve(&mut queue);
        self.forget_wishes(&queue);
        drop(queue);
        for (waiter, turn) in served {
            // Who has just gone away leaves it to the next: it is released when it is dropped.
            drop(waiter.send(turn));
        }
    }

    /// How crowded they are for whoever comes: it is too much when somebody has to wait.
    pub(super) fn load(&self) -> Load {
        let strangers = &lock(&self.queue).strangers;
        let used = strangers.used.saturating_add(strangers.waiting.len());
        Load { used, most: self.open_to_all, high: 100 }
    }

    /// Nobody waits: nobody is asked to give up what he has.
    fn forget_wishes(&self, queue: &Queue) {
        if queue.strangers.waiting.is_empty() && queue.partners.waiting.is_empty() {
            self.wanted_of_all.store(0, Ordering::Release);
            self.wanted_of_strangers.store(0, Ordering::Release);
        }
    }
}

impl Queue {
    /// Whoever is woken so has a link; gives the number under which that is known.
    fn hold(&mut self, waker: Waker) -> u32 {
        u32::try_from(self.holders.insert(waker)).unwrap_or(u32::MAX)
    }

    fn class(&mut self, rank: Rank) -> &mut Class {
        match rank {
            Rank::Stranger => &mut self.strangers,
            Rank::Partner => &mut self.partners,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut queue = lock(&self.links.queue);
        let waiting = &mut queue.class(self.rank).waiting;
        if let Ok(at) = waiting.binary_search_by_key(&self.number, |waiter| waiter.number) {
            waiting.remove(at);
            self.links.gauge.dec();
            self.links.forget_wishes(&queue);
        }
    }
}

impl Turn {
    /// Whether it is for the holder of this one, who does not need it now, to give it up to somebody who waits. Each who
    /// waits is granted one, so a yes is to be acted on.
    pub(super) fn take_recall(&self) -> bool {
        let wishes = match self.rank {
            Rank::Partner => &[&self.links.wanted_of_all][..],
            Rank::Stranger => &[&self.links.wanted_of_strangers, &self.links.wanted_of_all],
        };
        let grant = |wish: &AtomicUsize| {
            let one_less = |wanted: usize| wanted.checked_sub(1);
            wish.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_ok()
        };
        wishes.iter().any(|wish| grant(wish))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.links.release(self.rank, self.holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::Context;

    fn links(most: usize, kept: usize) -> Arc<Links> {
        Links::new(most, kept, IntGauge::new("waiting", "Waiting.").unwrap())
    }

    type Wish<'w> = Pin<Box<dyn Future<Output = Option<Turn>> + 'w>>;

    fn wish(links: &Arc<Links>, rank: Rank) -> Wish<'_> {
        Box::pin(links.turn(rank))
    }

    /// Some(turn): it was given.
    fn poll(wish: &mut Wish<'_>) -> Option<Turn> {
        match pin!(wish).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => turn,
            Poll::Pending => None,
        }
    }

    #[tokio::test]
    async fn strangers_have_what_is_open_to_all_and_partners_have_the_rest_too() {
        let links = links(3, 1);
        let _strangers =
            [links.turn(Rank::Stranger).await.unwrap(), links.turn(Rank::Stranger).await.unwrap()];
        let mut third = wish(&links, Rank::Stranger);
        assert!(poll(&mut third).is_none());
        let partner = links.turn(Rank::Partner).await;
        assert!(partner.is_some());
        // What a partner gives back is no stranger's.
        drop(partner);
        assert!(poll(&mut third).is_none());
        assert_eq!(links.gauge.get(), 1);
    }

    #[tokio::test]
    async fn who_came_first_is_served_first_and_who_left_is_passed_over() {
        let links = links(1, 0);
        let held = links.turn(Rank::Stranger).await.unwrap();
        let (mut first, mut second, mut third) =
            (wish(&links, Rank::Partner), wish(&links, Rank::Stranger), wish(&links, Rank::Stranger));
        for wish in [&mut first, &mut second, &mut third] {
            assert!(poll(wish).is_none());
        }
        assert_eq!(links.gauge.get(), 3);
        drop(second);
        drop(held);
        let given = poll(&mut first).unwrap();
        assert!(poll(&mut third).is_none());
        drop(given);
        assert!(poll(&mut third).is_some());
        assert_eq!(links.gauge.get(), 0);
    }

    #[tokio::test]
    async fn a_turn_that_was_given_and_never_taken_comes_back() {
        let links = links(1, 0);
        let held = links.turn(Rank::Stranger).await.unwrap();
        let mut gone = wish(&links, Rank::Stranger);
        assert!(poll(&mut gone).is_none());
        drop(held);
        drop(gone);
        assert!(links.turn(Rank::Stranger).await.is_some());
    }

    #[tokio::test]
    async fn the_queue_has_an_end() {
        let links = links(1, 0);
        let _held = links.turn(Rank::Stranger).await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING_A_LINK).map(|_| wish(&links, Rank::Stranger)).collect();
        assert!(waiting.iter_mut().all(|wish| poll(wish).is_none()));
        assert!(links.turn(Rank::Stranger).await.is_none());
    }

    #[tokio::test]
    async fn a_link_is_given_up_once_for_each_that_waits() {
        let links = links(2, 1);
        let (stranger, partner) =
            (links.turn(Rank::Stranger).await.unwrap(), links.turn(Rank::Partner).await.unwrap());
        assert!(!stranger.take_recall());
        let mut other = wish(&links, Rank::Stranger);
        assert!(poll(&mut other).is_none());
        assert!(!partner.take_recall());
        assert!(stranger.take_recall());
        assert!(!stranger.take_recall());
    }
}
