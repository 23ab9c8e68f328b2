//! The tables of a rule file that are no opinions: `[tls]`, `[auth]`, `[relay]`, `[limits]`, in this order.

use super::{Judge, refusal};
use crate::policy::auth::AuthPolicy;
use crate::policy::limits::Limit;
use crate::policy::verdict::{Action, AuthCheck, Check, Refusal, TlsCheck};
use crate::session::offer::{self, Announced};
use crate::session::replies;
use crate::smtp::command::{Argument, Command};
use crate::smtp::mechanism::Mechanism;
use crate::smtp::path::{ForwardPath, ReversePath};
use crate::smtp::verb::Verb;

/// What a client may say before it has authenticated (RFC 4954 6), and what may bring it there.
const BEFORE_AUTH: [Verb; 7] =
    [Verb::Auth, Verb::Ehlo, Verb::Helo, Verb::Noop, Verb::Rset, Verb::Quit, Verb::StartTls];

impl Judge<'_> {
    pub(super) fn tables(&mut self, command: &Command<'_>, announced: &Announced) -> Result<(), Refusal> {
        let session = self.session;
        self.tls(command.verb)?;
        self.auth(command, announced)?;
        let limits = session.limits();
        let tally = &session.tally;
        if command.verb.facts().trivial && tally.trivial >= limits.trivial_commands {
            let words = replies::TOO_MANY_TRIVIAL;
            self.find(refusal(Check::Limit(Limit::TrivialCommands), Action::Disconnect, words))?;
        }
        match &command.argument {
            Ok(Argument::Mail { .. }) if tally.transactions >= announced.transactions => {
                let words = replies::TOO_MANY_TRANSACTIONS;
                self.find(refusal(Check::Limit(Limit::Transactions), Action::Disconnect, words))
            }
            Ok(Argument::Rcpt { path, .. }) => self.recipient(path, announced),
            _ => Ok(()),
        }
    }

    fn recipient(&mut self, path: &ForwardPath<'_>, announced: &Announced) -> Result<(), Refusal> {
        let session = self.session;
        if !session.setting.policy.relays_to(path) {
            let denied = refusal(Check::Relay, Action::Reject, replies::RELAY_DENIED);
            if !session.setting.station.identity.is_told() {
                // In no mode an opinion: the relay knows only the gate's address, and may trust it.
                return Err(denied);
            }
            self.find(denied)?;
        }
        let asked = session.phase.transaction().map_or(0, |mail| mail.asked);
        if asked >= announced.recipients {
            let words = replies::TOO_MANY_RECIPIENTS;
            self.find(refusal(Check::Limit(Limit::Recipients), Action::Reject, words))?;
        }
        if session.tally.refused_recipients >= session.limits().refused_recipients {
            let words = replies::TOO_MANY_REFUSED;
            self.find(refusal(Check::Limit(Limit::RefusedRecipients), Action::Reject, words))?;
        }
        Ok(())
    }

    /// `[tls] require_for` (RFC 3207 4)
    fn tls(&mut self, verb: Verb) -> Result<(), Refusal> {
        let session = self.session;
        if session.proven.tls.is_some() || !session.setting.policy.tls().require_for.contains(&verb) {
            return Ok(());
        }
        self.find(refusal(Check::Tls(TlsCheck::RequireFor), Action::Reject, replies::TLS_FIRST))
    }

    /// `[auth]`
    fn auth(&mut self, command: &Command<'_>, announced: &Announced) -> Result<(), Refusal> {
        let session = self.session;
        let required = session.setting.policy.auth().policy == AuthPolicy::Required;
        if required && session.proven.account.is_none() && !BEFORE_AUTH.contains(&command.verb) {
            self.find(refusal(Check::Auth(AuthCheck::Policy), Action::Reject, replies::AUTH_FIRST))?;
        }
        match &command.argument {
            Ok(Argument::Auth { mechanism, initial }) if offer::gives_auth(&session.setting.policy) => {
                self.attempt(mechanism, initial.is_some(), announced)
            }
            Ok(Argument::Mail { path, .. }) => self.sender(path),
            _ => Ok(()),
        }
    }

    /// Which mechanism, and how often.
    fn attempt(&mut self, mechanism: &[u8], initial: bool, announced: &Announced) -> Result<(), Refusal> {
        let session = self.session;
        let refused = |words| Err(refusal(Check::Auth(AuthCheck::Credentials), Action::Reject, words));
        if session.tally.failures >= session.setting.policy.auth().attempts {
            let words = replies::TOO_MANY_FAILURES;
            self.find(refusal(Check::Auth(AuthCheck::Attempts), Action::Disconnect, words))?;
        }
        match Mechanism::from_wire(mechanism).filter(|known| announced.mechanisms.contains(*known)) {
            None => refused(replies::NO_MECHANISM),
            // RFC 4954 4: whom the server challenges first may not answer before.
            Some(known) if initial && !known.facts().initial => refused(replies::NO_INITIAL),
            Some(_) => Ok(()),
        }
    }

    /// `senders`: an account whose name is not known may send as nobody.
    fn sender(&mut self, path: &ReversePath<'_>) -> Result<(), Refusal> {
        let session = self.session;
        let Some(account) = &session.proven.account else { return Ok(()) };
        let user = account.user.as_deref().unwrap_or_default();
        if session.setting.policy.auth().may_send(user, path) {
            return Ok(());
        }
        self.find(refusal(Check::Auth(AuthCheck::Senders), Action::Reject, replies::NOT_YOURS))
    }
}
