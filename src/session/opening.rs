//! How the link is opened, secured, and given up.

use super::clock::Moment;
use super::exchange::{Action as Do, Choice, Own, Words};
use super::link::{self, Age, Footing, Introduction, Leg, Link, Manners, Progress, Step, Telling};
use super::{Connect, Identity, Offer, Output, RelayTls, Session};
use crate::event::{Ending, Event, LinkChange, LinkFailure, Secured, Side, TlsChange, TlsFailure};
use crate::policy::tls::StartTls;
use crate::smtp::reply::{Class, Heard};
use crate::smtp::verb::Verb;
use std::sync::Arc;

/// What the link says to a command that needs it.
pub(super) enum Need {
    Ready,
    Waits,
    Failed(LinkFailure, Words),
}

impl Session {
    /// Asks for the link. Its hello is the client's own: `hello`, or the one that was accepted.
    pub(super) fn need_link(&mut self, now: Moment, hello: Option<Box<[u8]>>, out: &mut Output) -> Need {
        match std::mem::replace(&mut self.link, Link::Closed) {
            open @ Link::Open { .. } => {
                self.link = open;
                Need::Ready
            }
            opening @ Link::Opening { .. } => {
                self.link = opening;
                Need::Waits
            }
            Link::Failed(why, words) => Need::Failed(why, *words),
            Link::Greeted(footing) => {
                let by = now + self.setting.station.waits.open;
                let hello = hello.unwrap_or_else(|| self.own_hello());
                self.say_step(now, Step::hello(hello, footing), footing, by, out);
                Need::Waits
            }
            Link::Closed => {
                let hello = hello.unwrap_or_else(|| self.own_hello());
                self.open_link(now, Some(hello), out);
                Need::Waits
            }
        }
    }

    /// Asks the driver for a link; once the relay has greeted this hello is said, if there is one.
    pub(super) fn open_link(&mut self, now: Moment, hello: Option<Box<[u8]>>, out: &mut Output) {
        // Where the relay's own greeting decides, or TLS is the client's to start, only a new one will do.
        let choice = if hello.is_some() && !self.passes_tls() { Choice::Any } else { Choice::New };
        let by = now + self.setting.station.waits.open;
        self.call(choice, hello, self.wanted_tls(), by, out);
    }

    fn call(
        &mut self,
        choice: Choice,
        hello: Option<Box<[u8]>>,
        tls: RelayTls,
        by: Moment,
        out: &mut Output,
    ) {
        out.act(Do::OpenLink(choice));
        let footing = self.footing(Leg::Clear(tls));
        self.link = Link::Opening { step: Step::Connecting(hello), footing, by };
    }

    /// What is wanted of STARTTLS on a new link.
    fn wanted_tls(&self) -> RelayTls {
        match self.setting.station.relay_tls {
            // TLS is the client's to start, with the relay itself.
            RelayTls::Opportunistic if self.passes_tls() => RelayTls::None,
            wanted => wanted,
        }
    }

    /// That of a link on which nothing was said.
    fn footing(&self, leg: Leg) -> Footing {
        let introduction = match self.setting.station.identity {
            Identity::None | Identity::Transparent => Introduction::Made,
            Identity::ProxyV1 | Identity::ProxyV2 => Introduction::InHeader,
            Identity::Xclient => Introduction::Due,
        };
        Footing { leg, introduction, age: Age::New }
    }

    /// The hello for a link: the client's, or the gate's for a client that has said none.
    fn own_hello(&self) -> Box<[u8]> {
        match self.phase.hello() {
            Some(hello) => link::spoken(hello.verb, hello.name()),
            None => link::spoken(Verb::Ehlo, self.setting.station.name.as_bytes()),
        }
    }

    /// Says what a step of the opening asks.
    fn say_step(&mut self, now: Moment, step: Step, footing: Footing, by: Moment, out: &mut Output) {
        match &step {
            Step::Ehlo(hello) => self.exchange.say(now, Own::Ehlo(link::name(hello)), out),
            Step::Helo(hello) => self.exchange.say(now, Own::Helo(link::name(hello)), out),
            Step::StartTls(_) => self.exchange.say(now, Own::StartTls, out),
            Step::Xclient(telling) => {
                let line = telling.lines.last().map(|line| &**line).unwrap_or_default();
                self.exchange.say(now, Own::Xclient(line), out);
            }
            Step::Connecting(_) | Step::Greeting(_) | Step::Securing(_) => {}
        }
        self.link = Link::Opening { step, footing, by };
    }

    /// The driver has connected.
    pub(super) fn link_opened(&mut self) {
        if let Link::Opening { step, .. } = &mut self.link
            && let Step::Connecting(hello) = step
        {
            *step = Step::Greeting(hello.take());
        }
    }

    /// There is one on which others were served. The relay has greeted, and each client has its own hello, which also
    /// makes the relay forget whatever it may have kept (RFC 5321 4.1.4). In clear it is no better than a new one: what was
    /// wanted of STARTTLS was those others' business.
    pub(super) fn link_handed_on(&mut self, now: Moment, leg: Leg, out: &mut Output) {
        let leg = match leg {
            Leg::Clear(_) => Leg::Clear(self.wanted_tls()),
            Leg::Secured | Leg::Verified => leg,
        };
        if let Link::Opening { step, by, .. } = &mut self.link
            && let Step::Connecting(Some(hello)) = step
        {
            let (hello, by) = (std::mem::take(hello), *by);
            let footing = Footing { leg, introduction: Introduction::Made, age: Age::HandedOn };
            self.say_step(now, Step::hello(hello, footing), footing, by, out);
        }
    }

    /// The relay answered a step of the opening.
    pub(super) fn opening_answered(&mut self, now: Moment, heard: &Heard<'_>, out: &mut Output) {
        if let Link::Opening { footing: Footing { age: Age::HandedOn, .. }, .. } = self.link
            && heard.code.class() != Class::Positive
        {
            // It was about to end anyway, or the relay takes one hello and no other (OpenSMTPD: 503). What it says to this
            // client it says on a new one.
            return self.link_broke_off(now, LinkFailure::NotNow, out);
        }
        let (step, footing, by) = match std::mem::replace(&mut self.link, Link::Closed) {
            Link::Opening { step, footing, by } => (step, footing, by),
            other => return self.link = other,
        };
        match step.hear(footing, heard) {
            Progress::Say(step, footing) => self.say_step(now, step, footing, by, out),
            Progress::Introduce(taken, hello) => {
                if let Some(lines) = self.introduction(&taken, &hello) {
                    let telling = Box::new(Telling { lines, hello });
                    return self.say_step(now, Step::Xclient(telling), footing, by, out);
                }
                out.act(Do::CloseLink);
                let why = LinkFailure::IdentityAbsent;
                self.link_failed(now, why, link::words(why), out);
            }
            Progress::Secure(hello) => {
                out.act(Do::StartTls(Side::Relay));
                self.link = Link::Opening { step: Step::Securing(hello), footing, by };
            }
            Progress::Greeted => {
                self.link = Link::Greeted(footing);
                let text = heard.lines().next().unwrap_or_default();
                self.greet(now, Some(text), out);
            }
            Progress::Open(offer, hello) => {
                let offer = self.learn(offer, &hello, out);
                out.tell(Event::Link(match footing.age {
                    Age::New => LinkChange::Opened,
                    Age::HandedOn => LinkChange::Reused,
                }));
                self.link = Link::Open { offer, hello, leg: footing.leg, manners: Manners::Faultless };
            }
            Progress::Failed(why, words) => {
                out.act(Do::CloseLink);
                self.link_failed(now, why, words, out);
            }
        }
    }

    /// TLS holds on the link: what was heard before it is forgotten (RFC 3207 4.2).
    pub(super) fn relay_secured(&mut self, now: Moment, secured: Box<Secured>, out: &mut Output) {
        let Link::Opening { step, footing, by } = &mut self.link else { return };
        footing.leg = Leg::of(&secured);
        let again = match step {
            Step::Securing(hello) => Some(Step::hello(std::mem::take(hello), *footing)),
            _ => None,
        };
        let (footing, by) = (*footing, *by);
        out.tell(Event::Tls(Side::Relay, TlsChange::Started(secured)));
        if let Some(step) = again {
            self.say_step(now, step, footing, by, out);
        }
    }

    /// The handshake with the relay came to nothing.
    pub(super) fn relay_not_secured(&mut self, now: Moment, why: TlsFailure, out: &mut Output) {
        if matches!(self.link, Link::Opening { .. }) {
            out.tell(Event::Tls(Side::Relay, TlsChange::Failed(why)));
            self.link_broke_off(now, LinkFailure::TlsFailed, out);
        }
    }

    /// A link that was being opened is closed from the other side. One that was handed on makes place for a new one.
    /// Where TLS was only tried, one more is opened, on which it is not.
    pub(super) fn link_broke_off(&mut self, now: Moment, why: LinkFailure, out: &mut Output) {
        out.act(Do::CloseLink);
        match std::mem::replace(&mut self.link, Link::Closed) {
            Link::Opening { step, footing: Footing { age: Age::HandedOn, .. }, by } => {
                self.call(Choice::New, step.into_hello(), self.wanted_tls(), by, out);
            }
            Link::Opening {
                step: Step::StartTls(hello) | Step::Securing(hello),
                footing: Footing { leg: Leg::Clear(RelayTls::Opportunistic), .. },
                by,
            } => self.call(Choice::New, Some(hello), RelayTls::None, by, out),
            _ => self.link_failed(now, why, link::words(why), out),
        }
    }

    /// There is no link. The command that asked for it hears why.
    pub(super) fn link_failed(&mut self, now: Moment, why: LinkFailure, words: Words, out: &mut Output) {
        out.tell(Event::Link(LinkChange::Failed(why)));
        self.link = Link::Failed(why, Box::new(words));
        if self.greets() {
            self.no_relay(now, out);
        }
    }

    /// When the link is opened. Where the client starts TLS with the relay itself, what it is offered must be what the
    /// relay says on this very link, in clear: what others learned of it may have been said in TLS.
    pub(super) fn connect(&self) -> Connect {
        match (self.setting.station.connect, self.passes_tls()) {
            (Connect::Transaction | Connect::Recipient, true) => Connect::Hello,
            (connect, _) => connect,
        }
    }

    /// Whether STARTTLS is between the client and the relay.
    fn passes_tls(&self) -> bool {
        self.setting.policy.tls().starttls == StartTls::Passthrough
    }

    /// What the relay offers is remembered, here for as long as no link is open and for sessions to come; but what it
    /// says to HELO is no offer. (One that refused EHLO and took HELO has made none, and that is remembered.) Gives it
    /// back: where it was known already it is the one that all sessions share.
    pub(super) fn learn(&mut self, offer: Arc<Offer>, hello: &[u8], out: &mut Output) -> Arc<Offer> {
        if link::is_helo(hello) {
            return offer;
        }
        let offer = self.setting.learned.take().filter(|known| *known == offer).unwrap_or(offer);
        self.setting.learned = Some(Arc::clone(&offer));
        // To one that it knows a relay may offer less: AUTH is not for who is in (RFC 4954 4).
        if !self.passes_tls() && !self.proven.is_pinned() {
            out.act(Do::Learn(Arc::clone(&offer)));
        }
        offer
    }

    /// Lets others have the link, if it is not needed now.
    pub(super) fn give_up_link(&mut self, now: Moment, out: &mut Output) {
        if matches!(self.link, Link::Open { .. }) && self.is_between() && !self.proven.is_pinned() {
            self.release_link(now, out);
        }
    }

    /// The link is free again; the next command that needs one opens another.
    pub(super) fn release_link(&mut self, now: Moment, out: &mut Output) {
        out.tell(Event::Link(LinkChange::Released));
        self.part_with_link(now, out);
    }

    /// Parts with a link on which no reply is awaited: another session has it, or the relay has it back.
    pub(super) fn part_with_link(&mut self, now: Moment, out: &mut Output) {
        match self.link {
            Link::Open { leg, manners: Manners::Faultless, .. } if self.hands_on() => {
                out.act(Do::HandOn(leg));
                self.link = Link::Closed;
            }
            _ => {
                self.exchange.say(now, Own::Quit, out);
                self.drop_link(out);
            }
        }
    }

    /// Whether another may have the link: not with a mail transaction on it, nor where the relay knows whose it was.
    fn hands_on(&self) -> bool {
        let free = !self.phase.relay_has_mail() && !self.proven.is_pinned();
        self.setting.station.hands_on && free && self.reason != Ending::Drained
    }

    /// Closes the link as it stands.
    pub(super) fn drop_link(&mut self, out: &mut Output) {
        if !matches!(self.link, Link::Closed | Link::Failed(..)) {
            out.act(Do::CloseLink);
        }
        self.link = Link::Closed;
    }
}
