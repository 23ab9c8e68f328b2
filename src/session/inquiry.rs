//! Questions about the client that are asked as soon as it is let in, and waited for by what depends on the answer alone.

use super::clock::Moment;
use super::exchange::Action as Do;
use super::{Answer, Asking, Output, Question, Session};
use crate::policy::dnslist::Listing;
use crate::policy::names::Naming;
use std::time::Duration;

/// How long a command waits for an answer, counted from the question on. (The driver has bounds of its own, and they are
/// closer.)
const LONGEST: Duration = Duration::from_secs(20);

/// What is known.
#[derive(Debug, Default)]
pub(super) enum Inquiry<T> {
    /// Nobody wants to know.
    #[default]
    Unasked,
    /// The question of this number is open.
    Asked(u32),
    /// And a command waits for the answer.
    Awaited(u32),
    /// The answer, or what is made of none.
    Known(T),
}

impl<T> Inquiry<T> {
    /// The answer, as far as it is there.
    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(answer) => Some(answer),
            Self::Unasked | Self::Asked(_) | Self::Awaited(_) => None,
        }
    }

    /// Whether anybody wanted to know.
    pub(super) fn is_asked(&self) -> bool {
        !matches!(self, Self::Unasked)
    }

    /// Whether a command waits.
    pub(super) fn is_awaited(&self) -> bool {
        matches!(self, Self::Awaited(_))
    }

    /// Whether the question is open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Asked(_) | Self::Awaited(_))
    }

    /// Whether it is open, and has this number.
    fn is(&self, number: u32) -> bool {
        matches!(self, Self::Asked(asked) | Self::Awaited(asked) if *asked == number)
    }

    /// A command waits for the answer from now on. False: none is to come.
    fn wait(&mut self) -> bool {
        if let Self::Asked(number) = *self {
            *self = Self::Awaited(number);
        }
        self.is_awaited()
    }
}

/// What is asked about a client. Apart, because where nobody wants to know it is a pointer to nothing.
#[derive(Debug, Default)]
pub(super) struct About {
    /// What reverse DNS says.
    pub(super) naming: Inquiry<Naming>,
    /// What DNS lists say.
    pub(super) lists: Inquiry<Box<[Listing]>>,
}

/// Which of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Name,
    Lists,
}

impl Session {
    /// Asks all that anybody wants to know.
    pub(super) fn inquire(&mut self, out: &mut Output) {
        let (name, lists) = (self.wants_name(), self.wants_lists());
        if self.is_over() || !(name || lists) {
            return;
        }
        let mut about = Box::<About>::default();
        if name {
            about.naming = Inquiry::Asked(self.ask_early(Asking::Name, out));
        }
        if lists {
            about.lists = Inquiry::Asked(self.ask_early(Asking::Lists, out));
        }
        self.about = Some(about);
    }

    fn ask_early(&mut self, what: Asking, out: &mut Output) -> u32 {
        let number = self.next_question();
        out.act(Do::Ask(Question { number, what }));
        number
    }

    /// The number of a question that is about to be asked.
    pub(super) fn next_question(&mut self) -> u32 {
        self.questions = self.questions.wrapping_add(1);
        self.questions
    }

    /// Whether a command has to wait for the client's name, or for what lists say of it; from now on it does.
    pub(super) fn waits_for(&mut self, now: Moment, which: Which) -> bool {
        if now >= self.longest() {
            self.give_up(now);
        }
        self.about.as_mut().is_some_and(|about| match which {
            Which::Name => about.naming.wait(),
            Which::Lists => about.lists.wait(),
        })
    }

    /// Until when a command waits, if one does.
    pub(super) fn awaited_until(&self) -> Option<Moment> {
        let about = self.about.as_ref()?;
        (about.naming.is_awaited() || about.lists.is_awaited()).then(|| self.longest())
    }

    fn longest(&self) -> Moment {
        self.tally.began + LONGEST
    }

    /// Nobody has answered in time.
    pub(super) fn give_up(&mut self, now: Moment) {
        if self.awaited_until().is_some() {
            self.turn = now;
        }
        let Some(about) = &mut self.about else { return };
        if about.naming.is_open() {
            about.naming = Inquiry::Known(Self::unnamed());
        }
        if about.lists.is_open() {
            about.lists = Inquiry::Known(Self::unlisted());
        }
    }

    /// A question was answered. One that nobody waits for any more is of no interest.
    pub(super) fn answered_to(&mut self, now: Moment, answer: Answer, out: &mut Output) {
        let awaited = match &mut self.about {
            Some(about) if about.naming.is(answer.number) => {
                let awaited = about.naming.is_awaited();
                about.naming = Inquiry::Known(Self::named(answer.what));
                awaited
            }
            Some(about) if about.lists.is(answer.number) => {
                let awaited = about.lists.is_awaited();
                about.lists = Inquiry::Known(Self::listed_by(answer.what));
                awaited
            }
            _ => return self.heed(now, &answer, out),
        };
        if awaited {
            self.turn = now;
        }
    }
}
