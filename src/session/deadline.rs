//! The one timer: for whom the session waits, and how long.

use super::client::Reading;
use super::clock::{Budget, Moment};
use super::exchange::Asked;
use super::link::Link;
use super::phase::{Phase, Stage};
use super::{Action, Output, Session, link, replies};
use crate::event::{Ending, LinkFailure, TlsFailure};
use crate::policy::limits::{Limits, Pressure};

impl Session {
    /// When to say [`Happening::DeadlinePassed`](super::Happening). A deadline runs against a side only while octets would
    /// be taken from it.
    pub fn deadline(&self) -> Option<Moment> {
        let waits = &self.setting.station.waits;
        if self.is_over() {
            return None;
        }
        if let Some(until) = self.counsel_deadline() {
            return Some(until);
        }
        match self.phase {
            Phase::Connecting(Some(until)) | Phase::Passing(until) => return Some(until),
            Phase::Securing(since) => return Some(since + self.limits().line_time),
            _ => {}
        }
        if let Some(until) = self.exchange.held_until() {
            return Some(until);
        }
        if let Link::Opening { by, .. } = self.link {
            return Some(by);
        }
        if self.asks() {
            // As long as a link may take that another command waits for.
            return Some(self.turn + waits.open);
        }
        let relay = self.exchange.asked().map(|asked| {
            let wait = if matches!(asked, Asked::Message) { waits.last } else { waits.reply };
            self.exchange.since() + wait
        });
        // A recipient may wait for a name while those before it are on their way.
        if let Some(until) = Moment::earlier(relay, self.awaited_until()) {
            return Some(until);
        }
        Some(self.client_deadline().min(self.link_deadline()))
    }

    /// Until when an open link is kept for a client that is between mail transactions. A second is longer than any way
    /// there and back, and what a link costs the relay is a process.
    fn link_deadline(&self) -> Moment {
        let idle = !self.proven.is_pinned()
            && matches!(self.link, Link::Open { .. })
            && matches!(self.phase, Phase::Greeted | Phase::Introduced(_, Stage::Idle));
        if idle { self.turn + self.setting.station.waits.idle } else { Moment::NEVER }
    }

    /// The limits that hold now.
    pub(super) fn limits(&self) -> &Limits {
        self.setting.policy.limits_under(self.pressure)
    }

    /// From now on other limits hold; what is left of a budget for mail data is none that stress would not give.
    pub(super) fn press(&mut self, pressure: Pressure) {
        self.pressure = pressure;
        let full = self.limits().data_wait;
        if let Some(budget) = self.budget_mut() {
            budget.tighten(full);
        }
    }

    fn client_deadline(&self) -> Moment {
        let limits = self.limits();
        if let Some(budget) = self.budget() {
            return budget.deadline();
        }
        match self.line {
            Some(since) => since + limits.line_time,
            None => self.turn + limits.command_wait,
        }
    }

    /// The time up to `now` was spent by the relay, not by the client: it took no octets.
    pub fn forgive(&mut self, now: Moment) {
        if let Some(budget) = self.budget_mut() {
            budget.forgive(now);
        }
    }

    fn budget(&self) -> Option<&Budget> {
        match (&self.reading, &self.phase) {
            (Reading::Swallow(chunk), _) => Some(&chunk.budget),
            (Reading::Lines, Phase::Introduced(_, Stage::Data(_, content))) => Some(&content.budget),
            (Reading::Lines, Phase::Introduced(_, Stage::Chunks(_, content))) if content.in_chunk() => {
                Some(&content.budget)
            }
            (Reading::Lines, _) => None,
        }
    }

    fn budget_mut(&mut self) -> Option<&mut Budget> {
        match (&mut self.reading, &mut self.phase) {
            (Reading::Swallow(chunk), _) => Some(&mut chunk.budget),
            (Reading::Lines, Phase::Introduced(_, Stage::Data(_, content))) => Some(&mut content.budget),
            (Reading::Lines, Phase::Introduced(_, Stage::Chunks(_, content))) if content.in_chunk() => {
                Some(&mut content.budget)
            }
            (Reading::Lines, _) => None,
        }
    }

    pub(super) fn deadline_passed(&mut self, now: Moment, out: &mut Output) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        if self.asks_allowances() {
            return self.without_counsel(now, out);
        }
        match self.phase {
            Phase::Connecting(Some(_)) => return self.welcome(now, out),
            Phase::Passing(_) => return self.end(now, Ending::TimeUp, out),
            Phase::Securing(_) => return self.tls_failed(now, TlsFailure::TimedOut, out),
            _ => {}
        }
        if self.exchange.held_until().is_some() {
            self.turn = now;
            return self.flush(now, out);
        }
        if matches!(self.link, Link::Opening { .. }) {
            out.act(Action::CloseLink);
            return self.link_failed(now, LinkFailure::Silent, link::words(LinkFailure::Silent), out);
        }
        if self.asks() {
            return self.unanswered(now, out);
        }
        if self.awaited_until().is_some_and(|until| until <= now) {
            return self.give_up(now);
        }
        if self.exchange.asked().is_some() {
            return self.relay_lost(now, out);
        }
        if self.link_deadline() <= now {
            return self.release_link(now, out);
        }
        self.disconnect(now, &replies::TOO_SLOW, Ending::Timeout, out);
    }
}
