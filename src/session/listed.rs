//! What DNS lists say of the client: asked when it has come, waited for at the first recipient who is to be protected.

use super::{Answered, Session};
use crate::policy::dnslist::{self, Listing};
use crate::policy::verdict::{Check, Refusal, Verdict};
use crate::smtp::command::{Argument, Command};

impl Session {
    /// Whether there are any, and the client is somebody of whom they can know.
    pub(super) fn wants_lists(&self) -> bool {
        !self.setting.policy.dnslists().is_empty() && dnslist::is_public(self.setting.client)
    }

    /// What is made of an answer.
    pub(super) fn listed_by(answer: Answered) -> Box<[Listing]> {
        match answer {
            Answered::Lists(listings) => listings,
            // Nobody can say, or says something else.
            _ => Self::unlisted(),
        }
    }

    /// What is made of none: a list that says nothing has listed nobody.
    pub(super) fn unlisted() -> Box<[Listing]> {
        Box::default()
    }

    /// Whether a command can be judged only when the lists have answered. Who is refused anyway need not wait, and those
    /// who hear every opinion of nobody need not either.
    pub(super) fn depends_on_lists(&self, command: &Command<'_>, verdict: &Verdict) -> bool {
        let Ok(Argument::Rcpt { path, .. }) = &command.argument else { return false };
        self.about.as_ref().is_some_and(|about| about.lists.is_open())
            && matches!(verdict, Verdict::Forward)
            && !self.setting.policy.always(path)
    }

    /// The answer, if it is there.
    pub(super) fn listings(&self) -> Option<&[Listing]> {
        self.about.as_ref()?.lists.known().map(|listings| &**listings)
    }

    /// What a verdict is about: what the client said, behind what the lists did.
    pub(super) fn show_lists(&self, refusal: &Refusal, said: &[u8]) -> Option<Vec<u8>> {
        let listings = self.listings().filter(|_| refusal.check == Check::DnsLists)?;
        let shown = self.setting.policy.show_listings(listings);
        Some([b"listed: ", shown.as_bytes(), b"; ", said].concat())
    }
}
