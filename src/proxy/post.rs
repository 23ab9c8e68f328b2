//! A thread's post: short words are not said one by one, but together, when every connection that had something to hear has
//! heard it, which is when the thread would rest. First those to clients, then those to relays.
//!
//! Nothing is said later for it, for all that came at once is dealt with at once; but whoever is spoken to is woken once for
//! many words, where it would wake, find one, and sleep again. That is the dearest part of a short message: a wakeup of a
//! processor that rests costs more than the rest of a system call. Words to one side that follow each other leave in one
//! segment.

use super::socket::{Letter, Next, Socket};
use crate::event::Side;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::IoSlice;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// Words that are longer are said at once: to keep them costs more than it saves.
const LONGEST: usize = 8 * 1024;
/// More than this in all is not kept.
const BAG: usize = 32 * 1024;
/// How long a peer may take for words whose connection is over.
const LAST_WORDS: Duration = Duration::from_secs(10);

thread_local! {
    static POST: RefCell<Post> = RefCell::default();
}

#[derive(Debug, Default)]
struct Post {
    /// Whether anybody delivers on this thread. Where nobody does, nothing is posted.
    open: bool,
    to_clients: Vec<Item>,
    to_relays: Vec<Item>,
    text: Vec<u8>,
    /// What could not be delivered: hardly ever anything.
    returned: Vec<(Arc<Socket>, Vec<u8>)>,
}

/// A letter.
#[derive(Debug)]
struct Item {
    to: Arc<Socket>,
    text: Range<usize>,
    next: Next,
}

impl Post {
    fn open(&mut self) {
        self.open = true;
        self.text.reserve_exact(BAG);
    }

    fn post(
        &mut self,
        (side, to): (Side, &Arc<Socket>),
        pieces: &[&[u8]],
        next: Next,
        cx: &Context<'_>,
    ) -> bool {
        let length = pieces.iter().fold(0_usize, |sum, piece| sum.saturating_add(piece.len()));
        let begin = self.text.len();
        let end = begin.saturating_add(length);
        if !self.open || length > LONGEST || end > BAG {
            return false;
        }
        for piece in pieces {
            self.text.extend_from_slice(piece);
        }
        let letters = match side {
            Side::Client => &mut self.to_clients,
            Side::Relay => &mut self.to_relays,
        };
        match letters.last_mut() {
            Some(last) if last.text.end == begin && Arc::ptr_eq(&last.to, to) => {
                (last.text.end, last.next) = (end, next);
            }
            _ => letters.push(Item { to: Arc::clone(to), text: begin..end, next }),
        }
        to.post(cx);
        true
    }

    fn deliver(&mut self) {
        let Self { to_clients, to_relays, text, returned, .. } = self;
        for Item { to, text: range, next } in to_clients.drain(..).chain(to_relays.drain(..)) {
            let text = text.get(range).unwrap_or_default();
            let before = returned.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &to));
            let rest = if before.is_some() { text } else { to.say(text, next) };
            if rest.is_empty() {
                to.set_letter(Letter::None);
                continue;
            }
            to.give_back();
            match before {
                // What came back is not overtaken.
                Some((_, before)) => before.extend_from_slice(rest),
                None => returned.push((to, rest.to_vec())),
            }
        }
        text.clear();
        // Nobody comes for the last words of a connection that is over.
        for (to, words) in returned.extract_if(.., |(to, _)| Arc::strong_count(to) == 1) {
            say_last(to, words);
        }
    }

    fn take_returned(&mut self, to: &Arc<Socket>) -> Vec<u8> {
        to.set_letter(Letter::None);
        let place = self.returned.iter().position(|(other, _)| Arc::ptr_eq(other, to));
        place.map(|place| self.returned.swap_remove(place).1).unwrap_or_default()
    }
}

/// Says the last words to a peer that had no room for them, and has some time to take them.
fn say_last(to: Arc<Socket>, words: Vec<u8>) {
    // Where the runtime itself ends there is no time either.
    let Ok(runtime) = Handle::try_current() else { return };
    runtime.spawn(timeout(LAST_WORDS, async move {
        let mut left = words.as_slice();
        while !left.is_empty() {
            match poll_fn(|cx| to.poll_write(cx, &[IoSlice::new(left)], Next::End)).await {
                Ok(said) if said > 0 => left = left.get(said..).unwrap_or_default(),
                _ => break,
            }
        }
    }));
}

/// Posts these words to the peer of a side. False: they are to be said at once.
pub(super) fn post(to: (Side, &Arc<Socket>), pieces: &[&[u8]], next: Next, cx: &Context<'_>) -> bool {
    POST.with_borrow_mut(|post| post.post(to, pieces, next, cx))
}

/// Delivers what is posted on this thread. Whose words come back is woken.
pub(super) fn deliver() {
    POST.with_borrow_mut(Post::deliver);
}

/// The same, where a thread does so whenever it would rest: from now on there is something to deliver.
pub(super) fn attend() {
    POST.with_borrow_mut(|post| if post.open { post.deliver() } else { post.open() });
}

/// What is posted is delivered, and nothing more is.
pub(super) fn close() {
    POST.with_borrow_mut(|post| {
        post.deliver();
        mem::take(post);
    });
}

/// Gives back what could not be delivered to this peer.
pub(super) fn take_returned(to: &Arc<Socket>) -> Vec<u8> {
    POST.with_borrow_mut(|post| post.take_returned(to))
}

#[cfg(test)]
mod tests;
