//! What Gatepost says in its own words, but for violations, whose table has theirs.

use crate::event::NoService;
use crate::smtp::reply::{Code, Reply};
use std::borrow::Cow;

const fn own(code: Code, subject: u16, detail: u16, text: &'static str) -> Reply {
    Reply::own(code, subject, detail, Cow::Borrowed(text))
}

pub(super) const READY_FOR_TLS: Reply = own(Code::READY, 0, 0, "Ready to start TLS");
pub(super) const AUTHENTICATED: Reply = own(Code::AUTHENTICATED, 7, 0, "Authentication succeeded");
pub(super) const SENDER_OK: Reply = own(Code::OK, 1, 0, "Sender OK");
pub(super) const RESET: Reply = own(Code::OK, 0, 0, "Forgotten");
pub(super) const NOTHING_DONE: Reply = own(Code::OK, 0, 0, "OK");
pub(super) const BYE: Reply = own(Code::BYE, 0, 0, "Bye");
pub(super) const HELP: Reply = own(Code::HELP, 0, 0, "See RFC 5321");
pub(super) const CANNOT_VERIFY: Reply = own(Code::UNVERIFIED, 5, 0, "Cannot VRFY, try RCPT");

pub(super) const RELAY_NOT_REACHED: Reply =
    own(Code::NOT_NOW, 4, 1, "The mail relay cannot be reached, try again later");
pub(super) const RELAY_BUSY: Reply = own(Code::NOT_NOW, 3, 2, "The mail relay is busy, try again later");
pub(super) const RELAY_GARBLED: Reply =
    own(Code::NOT_NOW, 3, 0, "The mail relay is out of order, try again later");
pub(super) const RELAY_NOT_SECURE: Reply =
    own(Code::NOT_NOW, 7, 4, "The mail relay cannot be reached in TLS, try again later");
pub(super) const RELAY_NOT_TOLD: Reply =
    own(Code::NOT_NOW, 3, 5, "The mail relay cannot be told who you are, try again later");
pub(super) const TLS_NOT_NOW: Reply = own(Code::CANNOT_NOW, 7, 0, "TLS cannot be started now");
pub(super) const RELAY_CHANGED: Reply =
    own(Code::NOT_NOW, 3, 5, "The mail relay no longer offers this, say EHLO anew");
pub(super) const RELAY_LOST: Reply =
    own(Code::CLOSING, 4, 2, "Connection to the mail relay lost, try again later");
pub(super) const RELAY_LOST_AFTER_END: Reply =
    own(Code::NOT_NOW, 4, 2, "Connection to the mail relay lost, send the message again");
pub(super) const RELAY_IMPOSSIBLE: Reply =
    own(Code::CLOSING, 3, 0, "The mail relay is out of order, try again later");
pub(super) const NO_RELAY: Reply = own(Code::CLOSING, 3, 2, "No mail relay can be reached, try another");
pub(super) const COME_BACK: Reply = own(Code::CLOSING, 3, 2, "What was offered has changed, come back");

pub(super) const AUTH_NOT_NOW: Reply =
    own(Code::CANNOT_NOW, 7, 0, "Authentication is not possible now, try again later");
pub(super) const BAD_CREDENTIALS: Reply = own(Code::CREDENTIALS, 7, 8, "Account or password is wrong");
pub(super) const NO_MECHANISM: Reply = own(Code::PARAMETER, 5, 4, "This mechanism is not offered here now");
pub(super) const NO_INITIAL: Reply = own(Code::ARGUMENT, 7, 0, "This mechanism begins with a challenge");
pub(super) const TLS_FIRST: Reply = own(Code::FIRST, 7, 0, "STARTTLS is needed first");
/// What nobody hears: there is no TLS to say it in (RFC 3207 4.1).
pub(super) const NO_CERTIFICATE: Reply = own(Code::NO_SERVICE, 7, 0, "No TLS without a certificate");
pub(super) const AUTH_FIRST: Reply = own(Code::FIRST, 7, 0, "Authentication is needed first");
pub(super) const NOT_YOURS: Reply = own(Code::MAILBOX, 7, 1, "This sender is not one of your account's");
pub(super) const TOO_MANY_FAILURES: Reply = own(Code::CLOSING, 7, 0, "Too many failed authentications");

pub(super) const TOO_SLOW: Reply = own(Code::CLOSING, 4, 2, "Timeout, closing");
pub(super) const DRAINING: Reply = own(Code::CLOSING, 3, 2, "Going away, try again later");
pub(super) const TIME_UP: Reply = own(Code::CLOSING, 7, 0, "This session has lasted long enough, come back");
pub(super) const NO_MEMORY: Reply = own(Code::CLOSING, 3, 2, "Too busy, try again later");

pub(super) const RELAY_DENIED: Reply = own(Code::DENIED, 7, 1, "Relaying denied");
pub(super) const CLIENT_DENIED: Reply = own(Code::NO_SERVICE, 7, 1, "No SMTP service for you here");
pub(super) const TOO_MANY_RECIPIENTS: Reply =
    own(Code::NO_ROOM, 5, 3, "Too many recipients, send the rest in another message");
pub(super) const TOO_MANY_REFUSED: Reply = own(Code::NO_ROOM, 5, 3, "Too many refused recipients");
pub(super) const TOO_MANY_TRANSACTIONS: Reply =
    own(Code::CLOSING, 5, 3, "Too many messages in one session, come back");
pub(super) const TOO_MANY_ERRORS: Reply = own(Code::CLOSING, 7, 0, "Too many errors");
pub(super) const TOO_MANY_TRIVIAL: Reply = own(Code::CLOSING, 7, 0, "Too many commands without mail");

/// In place of a greeting.
pub(super) const fn no_service(why: NoService) -> Reply {
    match why {
        NoService::Draining => DRAINING,
        NoService::Sessions => own(Code::CLOSING, 3, 2, "Too many sessions, try again later"),
        NoService::SessionsOfPeer => own(Code::CLOSING, 7, 0, "Too many sessions from you, try again later"),
        NoService::Memory | NoService::Descriptors => NO_MEMORY,
        NoService::RelayDown => NO_RELAY,
        NoService::Banned => own(Code::CLOSING, 7, 0, "Too much was refused to you, come back later"),
    }
}
