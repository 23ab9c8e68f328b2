//! What DNS lists say of the client: asked when it has come, waited for at the first recipient who is to be protected.

use super::clock::Moment;
use super::exchange::Action as Do;
use super::noted::{Noted, PATIENCE};
use super::{Answer, Answered, Asking, Output, Question, Session};
use crate::policy::dnslist;
use crate::policy::verdict::{Check, Refusal, Verdict};
use crate::smtp::command::{Argument, Command};

impl Session {
    /// Asks the lists, if there are any and the client is somebody of whom they can know.
    pub(super) fn ask_lists(&mut self, now: Moment, out: &mut Output) {
        let asks = !self.setting.policy.dnslists().is_empty() && dnslist::is_public(self.setting.client.ip());
        if asks && !self.is_over() {
            let number = self.next_question();
            self.lists = Noted::Asked(number, now + PATIENCE);
            out.act(Do::Ask(Question { number, what: Asking::Lists }));
        }
    }

    /// A question was answered: one that was noted, or the one for which a command waits.
    pub(super) fn answered_to(&mut self, now: Moment, answer: Answer, out: &mut Output) {
        if !self.lists.is(answer.number) {
            return self.heed(now, &answer, out);
        }
        self.lists = Noted::Known(match answer.what {
            Answered::Lists(listings) => listings,
            // A list that nobody can ask has listed nobody.
            _ => Box::default(),
        });
    }

    /// Whether a command can be judged only when the lists have answered. Who is refused anyway need not wait, and those
    /// who hear every opinion of nobody need not either.
    pub(super) fn waits_for_lists(&self, command: &Command<'_>, verdict: &Verdict) -> bool {
        let Ok(Argument::Rcpt { path, .. }) = &command.argument else { return false };
        self.lists.until().is_some()
            && matches!(verdict, Verdict::Forward)
            && !self.setting.policy.always(path)
    }

    /// Until when something that was noted is waited for by a line that has come. (Where the line is not complete this is
    /// too much patience by some seconds, and no harm.)
    pub(super) fn noted_until(&self) -> Option<Moment> {
        self.line.and(self.lists.until())
    }

    /// Nobody has answered in time, and a list that says nothing has listed nobody.
    pub(super) fn give_up_noted(&mut self) {
        self.lists = Noted::Known(Box::default());
    }

    /// What a verdict is about: what the client said, behind what the lists did.
    pub(super) fn show_lists(&self, refusal: &Refusal, said: &[u8]) -> Option<Vec<u8>> {
        let listings = self.lists.known().filter(|_| refusal.check == Check::DnsLists)?;
        let shown = self.setting.policy.show_listings(listings);
        Some([b"listed: ", shown.as_bytes(), b"; ", said].concat())
    }
}
