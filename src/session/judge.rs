//! What the policy says of a command: verb, length, grammar, sequence, parameters, tables, signatures, opinions, in
//! this order; the first refusal wins, and nothing permits.

mod tables;
mod view;

use super::clock::Moment;
use super::counsel::Halt;
use super::hello::Hello;
use super::offer::{self, Announced, Offer};
use super::phase::Place;
use super::transaction::Transaction;
use super::{Session, replies};
use crate::policy::allowance::Charge;
use crate::policy::condition::{CommandScene, HelloScene, MailScene, Point, Scene};
use crate::policy::limits::Limit;
use crate::policy::verdict::{Action, Check, Refusal, Verdict};
use crate::policy::{Mode, Weight};
use crate::smtp::base64::LONGEST_LINE;
use crate::smtp::command::{Argument, Command};
use crate::smtp::extension::Extensions;
use crate::smtp::parameter::{Body, Gist, Parameters};
use crate::smtp::path::{ForwardPath, ReversePath};
use crate::smtp::reply::Reply;
use crate::smtp::verb::Verb;
use crate::smtp::violation::{Kind, Response, Violation};
use view::View;

/// A judgement with what it leaves behind.
#[derive(Debug)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    /// What is only to be observed.
    pub(super) observed: Vec<Refusal>,
    /// An opinion that waits for the first recipient.
    pub(super) held: Option<Box<Refusal>>,
}

/// A command line with its measure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken<'a> {
    pub(super) command: &'a Command<'a>,
    /// Octets of the line, CRLF included.
    pub(super) length: usize,
    /// The line without it.
    pub(super) line: &'a [u8],
    /// Whether more came with it.
    pub(super) followed: bool,
}

/// The verbs that the session can carry out; no rule can allow another.
const CARRIED: [Verb; 15] = [
    Verb::Ehlo,
    Verb::Helo,
    Verb::Mail,
    Verb::Rcpt,
    Verb::Data,
    Verb::Bdat,
    Verb::Rset,
    Verb::Noop,
    Verb::Quit,
    Verb::Vrfy,
    Verb::Expn,
    Verb::Help,
    Verb::Etrn,
    Verb::StartTls,
    Verb::Auth,
];

/// One judgement in the making.
pub(super) struct Judge<'s> {
    pub(super) session: &'s Session,
    pub(super) view: View<'s>,
    pub(super) observed: Vec<Refusal>,
}

impl<'s> Judge<'s> {
    /// Of a command, or of the connection.
    pub(super) fn new(session: &'s Session, now: Moment, spoken: Option<Spoken<'s>>) -> Self {
        Self { session, view: View::new(session, now, spoken), observed: Vec::new() }
    }
}

impl Session {
    /// Judges one command. Nothing is counted or told here: a command may be judged again when it had to wait. Err: this
    /// has to be asked first.
    pub(super) fn judge(
        &self,
        now: Moment,
        spoken: Spoken<'_>,
        place: Place,
    ) -> Result<Judgement, Vec<Charge>> {
        let mut judge = Judge::new(self, now, Some(spoken));
        let (verdict, held) = match judge.decide(spoken, place) {
            Ok(held) => (Verdict::Forward, held),
            Err(Halt::Refused(refusal)) => (Verdict::Refuse(refusal), None),
            Err(Halt::Asks(charges)) => return Err(charges),
        };
        Ok(Judgement { verdict, observed: judge.observed, held })
    }

    /// The scene without a command.
    pub(super) fn bare_scene(&self, now: Moment) -> Scene<'_> {
        Scene {
            client: self.client(),
            listener: &self.setting.station.listener,
            name: self.name_scene(),
            hello: self.phase.hello().map(Hello::scene),
            tls: self.proven.tls_scene(),
            auth: self.proven.auth_scene(),
            mail: self.phase.transaction().map(Transaction::scene),
            rcpt: None,
            rcpt_count: self.phase.transaction().map_or(0, |mail| mail.accepted),
            parameters: None,
            command: None,
            message_octets: None,
            errors: self.tally.errors,
            messages: self.tally.messages,
            age: now.since(self.tally.began),
        }
    }

    pub(super) fn scene<'s>(&'s self, now: Moment, spoken: Spoken<'s>) -> Scene<'s> {
        let mut scene = self.bare_scene(now);
        let command = spoken.command;
        let argument = spoken.line.get(command.spoken.len()..).unwrap_or_default().trim_ascii_start();
        scene.command = Some(CommandScene { verb: command.verb, length: spoken.length, argument });
        scene.parameters = self.phase.transaction().map(Transaction::parameters);
        match &command.argument {
            Ok(Argument::Hello(name)) => scene.hello = Some(HelloScene { verb: command.verb, name: *name }),
            Ok(Argument::Mail { path, parameters }) => {
                scene.mail = Some(MailScene { path: *path, size: parameters.gist().declared.size });
                scene.parameters = Some(*parameters);
            }
            Ok(Argument::Rcpt { path, parameters }) => {
                scene.rcpt = Some(*path);
                scene.parameters = Some(*parameters);
            }
            _ => {}
        }
        scene
    }

    /// What the relay offers, as far as we know.
    pub(super) fn offer(&self) -> &Offer {
        Offer::known(&self.link, &self.setting)
    }

    /// The extensions among it.
    pub(super) fn offered(&self) -> Extensions {
        self.offer().extensions
    }

    /// Which verb may come, by what is neither stage nor transaction.
    fn admits(&self, verb: Verb) -> Result<(), Violation> {
        match (verb, self.phase.hello().map(|hello| hello.verb)) {
            // What EHLO offers HELO does not (RFC 5321 3.2).
            (Verb::StartTls | Verb::Auth, Some(Verb::Helo)) => Err(Violation::BadSequence),
            _ => self.proven.admits(verb),
        }
    }

    /// What a client is offered now.
    pub(super) fn announces(&self) -> Announced {
        Announced::of(&self.setting.policy, self.offer(), &self.proven)
    }

    /// The limits in force, also before a hello.
    pub(super) fn announced(&self) -> Announced {
        match self.phase.hello() {
            Some(hello) => hello.announced,
            None => Announced::before_hello(&self.setting.policy, self.offer()),
        }
    }
}

/// A refusal by a violation, in the words of its row.
pub(super) fn violation(violation: Violation, response: Response) -> Refusal {
    let action = if response == Response::Disconnect { Action::Disconnect } else { Action::Reject };
    let reply = Reply::to_violation(violation);
    Refusal { check: Check::Violation(violation), action, reply, tarpit: None, ban: None, at_once: true }
}

/// A refusal by a built-in table.
pub(super) fn refusal(check: Check, action: Action, reply: Reply) -> Refusal {
    Refusal { check, action, reply, tarpit: None, ban: None, at_once: true }
}

impl Judge<'_> {
    fn decide(&mut self, spoken: Spoken<'_>, place: Place) -> Result<Option<Box<Refusal>>, Halt> {
        let command = spoken.command;
        let announced = self.session.announced();
        self.verb(command.verb, announced.extensions)?;
        self.length(spoken, announced.extensions)?;
        self.grammar(command)?;
        // Out of sequence is no opinion: what a verb means depends on where it stands.
        place
            .admits(command.verb)
            .and_then(|()| self.session.admits(command.verb))
            .map_err(|fault| violation(fault, Response::Reject))?;
        let body = self.session.phase.transaction().map(|mail| mail.declared().body);
        if command.verb == Verb::Data && body == Some(Body::BinaryMime) {
            // RFC 3030 3: what has no lines cannot end in one.
            return Err(violation(Violation::BadSequence, Response::Reject).into());
        }
        self.parameters(command, &announced)?;
        self.tables(command, &announced)?;
        self.allowances(Point::Command(command.verb), place)?;
        let held = self.opinions(command)?;
        let begins_tls =
            command.verb == Verb::StartTls && offer::gives_starttls(&self.session.setting.policy);
        if begins_tls && spoken.followed {
            self.break_rule(Violation::StartTlsInjection)?;
        }
        Ok(held)
    }

    /// `[clients]`, `[[limit]]`, then the rules on CONNECT.
    pub(super) fn connection(&mut self) -> Result<Option<Refusal>, Halt> {
        let session = self.session;
        let policy = &session.setting.policy;
        if !policy.admits_client(session.setting.client) {
            self.find(refusal(Check::Clients, Action::Disconnect, replies::CLIENT_DENIED))?;
        }
        self.allowances(Point::Connect, Place::Greeted)?;
        Ok(self.asked(Point::Connect))
    }

    /// Weighs a finding: refuses, notes, or passes over it.
    pub(super) fn find(&mut self, refusal: Refusal) -> Result<(), Refusal> {
        match self.session.setting.policy.weigh(refusal.check, self.view.scene()) {
            Weight::Enforce => Err(refusal),
            Weight::Observe => {
                self.observed.push(refusal);
                Ok(())
            }
            Weight::Nothing => Ok(()),
        }
    }

    fn break_rule(&mut self, fault: Violation) -> Result<(), Refusal> {
        let found = violation(fault, self.session.setting.policy.response(fault));
        if fault.facts().kind == Kind::Conduct { self.find(found) } else { Err(found) }
    }

    fn verb(&mut self, verb: Verb, offered: Extensions) -> Result<(), Refusal> {
        let policy = &self.session.setting.policy;
        if verb == Verb::Unknown {
            return self.break_rule(Violation::UnknownVerb);
        }
        let rule = policy.verb(verb);
        if rule.is_some_and(|rule| rule.reply.is_some()) {
            return Ok(());
        }
        let locked = match verb {
            Verb::StartTls => !offer::gives_starttls(policy),
            Verb::Auth => !offer::gives_auth(policy),
            _ => verb.facts().unlocked_by.is_some_and(|extension| !offered.contains(extension)),
        };
        let refused =
            || refusal(Check::Verb(verb), Action::Reject, Reply::to_violation(Violation::VerbNotPermitted));
        match rule {
            _ if locked || !CARRIED.contains(&verb) => Err(refused()),
            None => self.find(refused()),
            Some(_) => Ok(()),
        }
    }

    fn length(&mut self, spoken: Spoken<'_>, offered: Extensions) -> Result<(), Refusal> {
        let verb = spoken.command.verb;
        let rule = self.session.setting.policy.verb(verb).and_then(|rule| rule.max_length);
        if verb == Verb::Auth {
            // By the letter 512 (RFC 4954 4), but a token alone has more, and a line of the exchange may.
            let long = spoken.length > rule.unwrap_or(LONGEST_LINE);
            return if long { self.break_rule(Violation::AuthLineTooLong) } else { Ok(()) };
        }
        // RFC 5321 4.5.3.1.4: 512, and what each extension offered in this session adds.
        let long = match rule {
            Some(most) => spoken.length > most,
            None => spoken.length > 512 && spoken.length > 512_usize.saturating_add(offered.octets_for(verb)),
        };
        if long { self.break_rule(Violation::LineTooLong) } else { Ok(()) }
    }

    fn grammar(&mut self, command: &Command<'_>) -> Result<(), Refusal> {
        if let Err(fault) = &command.argument {
            return Err(violation(*fault, self.session.setting.policy.response(*fault)));
        }
        command.sloppy.iter().try_for_each(|sloppy| self.break_rule(sloppy))
    }

    fn parameters(&mut self, command: &Command<'_>, announced: &Announced) -> Result<(), Refusal> {
        match &command.argument {
            Ok(Argument::Mail { path, parameters }) => {
                self.offered(parameters, announced.extensions)?;
                let declared = parameters.gist().declared;
                let eight_bit = matches!(path, ReversePath::Mailbox(mailbox) if mailbox.is_eight_bit());
                if eight_bit && !declared.smtputf8 {
                    return self.break_rule(Violation::EightBitReversePath);
                }
                if declared.size.is_some_and(|size| size > announced.size) {
                    let words = Reply::to_violation(Violation::MessageTooBig);
                    return self.find(refusal(Check::Limit(Limit::MessageSize), Action::Reject, words));
                }
                Ok(())
            }
            Ok(Argument::Rcpt { path, parameters }) => {
                self.offered(parameters, announced.extensions)?;
                let eight_bit = matches!(path, ForwardPath::Mailbox(mailbox) if mailbox.is_eight_bit());
                let utf8 = self.session.phase.transaction().is_some_and(|mail| mail.declared().smtputf8);
                if eight_bit && !utf8 { self.break_rule(Violation::EightBitForwardPath) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Each parameter must be known, offered in this session and permitted.
    fn offered(&mut self, parameters: &Parameters<'_>, offered: Extensions) -> Result<(), Refusal> {
        let policy = &self.session.setting.policy;
        let Gist { keywords, needs, .. } = parameters.gist();
        let permitted = policy.mode() == Mode::Monitor || policy.permits_parameters(keywords);
        let known = permitted && needs.is_some_and(|needs| needs.are_among(offered));
        if known { Ok(()) } else { self.break_rule(Violation::ParameterUnknown) }
    }

    /// Signatures and opinions. Those that may wait for the first recipient are given back.
    fn opinions(&mut self, command: &Command<'_>) -> Result<Option<Box<Refusal>>, Halt> {
        let session = self.session;
        let policy = &session.setting.policy;
        let found = self.asked(Point::Command(command.verb));
        if let Some(signature) = found.as_ref().filter(|refusal| !is_opinion(refusal.check)) {
            return Err(signature.clone().into());
        }
        let Ok(Argument::Rcpt { path, .. }) = &command.argument else {
            return match self.name(command.verb, || false).or(found) {
                Some(refusal) if waits(&refusal, command.verb, policy.delay()) => Ok(Some(refusal.into())),
                Some(refusal) => Err(refusal.into()),
                None => Ok(None),
            };
        };
        // RFC 5321 4.5.1: postmaster hears no opinions.
        let always = || policy.always(path);
        let named = self.name(command.verb, always);
        let held = [
            session.held.as_deref(),
            session.phase.hello().and_then(|hello| hello.held.as_deref()),
            session.phase.transaction().and_then(|mail| mail.held.as_deref()),
        ];
        if let Some(refusal) = named {
            return Err(refusal.into());
        }
        let refused = held.into_iter().flatten().chain(found.iter()).next();
        // Most recipients have nothing to hear, whoever they are.
        let silent = refused.is_none() && session.listings().is_none();
        if silent || always() {
            return Ok(None);
        }
        self.listed()?;
        refused.map_or(Ok(None), |refusal| Err(refusal.clone().into()))
    }

    /// What DNS lists say. What is only to be observed is told with the first recipient of a message.
    fn listed(&mut self) -> Result<(), Refusal> {
        let session = self.session;
        let Some(listings) = session.listings() else { return Ok(()) };
        match session.setting.policy.judge_listings(listings, self.view.scene()) {
            Some((Weight::Enforce, refusal)) => Err(refusal),
            Some((_, refusal)) if session.phase.transaction().is_some_and(|mail| mail.asked == 0) => {
                self.observed.push(refusal);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// `[names]`, where it is said: refusals of a recipient, reports of a message.
    fn name(&mut self, verb: Verb, always: impl Fn() -> bool) -> Option<Refusal> {
        let session = self.session;
        let goes_on = session.phase.content().is_some();
        let found = session.setting.policy.judge_name(verb, session.name_scene().verdict);
        let found = found.filter(|_| !goes_on && !always())?;
        self.find(found).err()
    }
}

fn is_opinion(check: Check) -> bool {
    matches!(check, Check::Rule(_) | Check::Names(_))
}

/// Whether an opinion waits for the first recipient.
fn waits(refusal: &Refusal, verb: Verb, delay: bool) -> bool {
    delay
        && !refusal.at_once
        && refusal.action == Action::Reject
        && is_opinion(refusal.check)
        && matches!(verb, Verb::Ehlo | Verb::Helo | Verb::Mail)
}
