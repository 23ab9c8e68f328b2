//! What Gatepost says in its own words, but for violations, whose table has theirs.

use crate::event::NoService;
use crate::smtp::reply::{Enhanced, Reply};

type Own = Reply;

const fn own(code: u16, subject: u16, detail: u16, text: &'static str) -> Own {
    // RFC 3463 2: the class of an enhanced code is the first digit of the reply code.
    let class = match code / 100 {
        2 | 3 => 2,
        4 => 4,
        _ => 5,
    };
    Reply::new(code, Enhanced(class, subject, detail), text)
}

pub(super) const SENDER_OK: Own = own(250, 1, 0, "Sender OK");
pub(super) const RESET: Own = own(250, 0, 0, "Forgotten");
pub(super) const NOTHING_DONE: Own = own(250, 0, 0, "OK");
pub(super) const BYE: Own = own(221, 0, 0, "Bye");
pub(super) const HELP: Own = own(214, 0, 0, "See RFC 5321");
pub(super) const CANNOT_VERIFY: Own = own(252, 5, 0, "Cannot VRFY, try RCPT");

pub(super) const RELAY_NOT_REACHED: Own = own(451, 4, 1, "The mail relay cannot be reached, try again later");
pub(super) const RELAY_BUSY: Own = own(451, 3, 2, "The mail relay is busy, try again later");
pub(super) const RELAY_GARBLED: Own = own(451, 3, 0, "The mail relay is out of order, try again later");
pub(super) const RELAY_CHANGED: Own = own(451, 3, 5, "The mail relay no longer offers this, say EHLO anew");
pub(super) const RELAY_LOST: Own = own(421, 4, 2, "Connection to the mail relay lost, try again later");
pub(super) const RELAY_LOST_AFTER_END: Own =
    own(451, 4, 2, "Connection to the mail relay lost, send the message again");
pub(super) const RELAY_IMPOSSIBLE: Own = own(421, 3, 0, "The mail relay is out of order, try again later");
pub(super) const NO_RELAY: Own = own(421, 3, 2, "No mail relay can be reached, try another");
pub(super) const COME_BACK: Own = own(421, 3, 2, "What was offered has changed, come back");

pub(super) const TOO_SLOW: Own = own(421, 4, 2, "Timeout, closing");
pub(super) const DRAINING: Own = own(421, 3, 2, "Going away, try again later");
pub(super) const TIME_UP: Own = own(421, 7, 0, "This session has lasted long enough, come back");
pub(super) const NO_MEMORY: Own = own(421, 3, 2, "Too busy, try again later");

pub(super) const RELAY_DENIED: Own = own(550, 7, 1, "Relaying denied");
pub(super) const CLIENT_DENIED: Own = own(554, 7, 1, "No SMTP service for you here");
pub(super) const TOO_MANY_RECIPIENTS: Own =
    own(452, 5, 3, "Too many recipients, send the rest in another message");
pub(super) const TOO_MANY_REFUSED: Own = own(452, 5, 3, "Too many refused recipients");
pub(super) const TOO_MANY_TRANSACTIONS: Own = own(421, 5, 3, "Too many messages in one session, come back");
pub(super) const TOO_MANY_ERRORS: Own = own(421, 7, 0, "Too many errors");
pub(super) const TOO_MANY_TRIVIAL: Own = own(421, 7, 0, "Too many commands without mail");

/// In place of a greeting.
pub(super) const fn no_service(why: NoService) -> Own {
    match why {
        NoService::Draining => DRAINING,
        NoService::Sessions => own(421, 3, 2, "Too many sessions, try again later"),
        NoService::SessionsOfPeer => own(421, 7, 0, "Too many sessions from you, try again later"),
        NoService::Memory | NoService::Descriptors => NO_MEMORY,
        NoService::RelayDown => NO_RELAY,
    }
}
