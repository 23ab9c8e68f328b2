//! Asking a relay what it offers, by a session whose client says EHLO and QUIT: there is one machine that speaks SMTP.
//! A gate asks to know; operators ask to see, and are told all of it.

use super::config::{Addresses, Deployment};
use super::guise::Guise;
use super::link::{Link, NotOpened};
use super::means::Means;
use super::papers::Papers;
use super::relay::{Answer, Relay};
use super::reserve::Rank;
use crate::event::{Event, LinkChange, LinkFailure, Side, TlsChange};
use crate::policy::Policy;
use crate::policy::compile::compile;
use crate::session::{Action, Choice, Connect, Happening, Offer, Output, Session, Setting, Station};
use crate::telemetry::Metrics;
use std::net::Ipv4Addr;
use std::sync::{Arc, LazyLock};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// What the client of a probe may say.
const RULES: &str = "profile = \"probe\"\n[verbs]\nEHLO = {}\nQUIT = {}\n[relay]\nto = [\"probe.invalid\"]\n";

static POLICY: LazyLock<Option<Arc<Policy>>> = LazyLock::new(|| {
    let mut read = |path: &str| match path {
        "probe.toml" => Ok(RULES.to_owned()),
        _ => Err("it is no part of a probe".to_owned()),
    };
    compile("probe.toml", &mut read).policy.map(Arc::new)
});

/// What a relay said when an operator had it asked.
#[derive(Clone, Debug, Default)]
pub struct Interview {
    /// What it offers; none: it did not say so.
    pub offer: Option<Arc<Offer>>,
    /// The lines in which it said so, the first one its name, without their codes.
    pub lines: Vec<String>,
    /// Whether it said so in TLS.
    pub secured: bool,
    /// Why it did not, by the word of `gatepost_links_total`.
    pub failure: Option<&'static str>,
}

/// Asks each relay of a deployment what it offers, on the terms of the deployment, one after another.
pub fn interview(deployment: &Deployment) -> std::io::Result<Vec<(String, Interview)>> {
    let papers = Papers::read(deployment).map_err(std::io::Error::other)?;
    let metrics = Metrics::new();
    let means = Means::new(&metrics, deployment.buffer_memory, 0);
    let relays = deployment
        .relays
        .iter()
        // Whom clients call nobody can say before.
        .filter(|config| config.addresses != Addresses::Original)
        .map(|config| Relay::new(config.clone(), false, Arc::clone(&means), metrics.relay(&config.name)));
    let relays: Vec<_> = relays.collect();
    papers.post(&[], &relays);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let asked = relays.into_iter().map(|relay| {
        let station = Station {
            name: deployment.name.clone(),
            listener: String::new(),
            connect: Connect::Hello,
            when_down: relay.config().when_down,
            waits: relay.config().waits,
            relay_tls: relay.config().tls,
            identity: relay.config().identity,
            hands_on: false,
            started: means.started(),
        };
        let name = relay.config().name.clone();
        let probe = runtime.block_on(converse(relay, Arc::new(station), Arc::clone(&means)));
        (name, probe.map(|probe| probe.interview).unwrap_or_default())
    });
    Ok(asked.collect())
}

/// Asks, and lets the relay be known by its answer.
pub(super) async fn ask(relay: Arc<Relay>, station: Arc<Station>, means: Arc<Means>) {
    let answer = converse(Arc::clone(&relay), station, means).await.map(|probe| probe.answer);
    relay.asked(answer.unwrap_or(Answer::NotAsked));
}

async fn converse(relay: Arc<Relay>, station: Arc<Station>, means: Arc<Means>) -> Option<Probe> {
    let policy = POLICY.clone()?;
    let wait = station.waits.open;
    let station = Station {
        name: station.name.clone(),
        listener: "probe".to_owned(),
        connect: Connect::Hello,
        when_down: station.when_down,
        waits: station.waits,
        relay_tls: station.relay_tls,
        identity: station.identity,
        hands_on: false,
        started: station.started,
    };
    let hello = format!("EHLO {}\r\nQUIT\r\n", station.name);
    let setting = Setting {
        station: Arc::new(station),
        policy,
        // Of nobody nothing is told.
        client: Ipv4Addr::UNSPECIFIED.into(),
        port: 0,
        local: None,
        id: means.name(),
        learned: None,
        admission: Ok(()),
    };
    let (session, output) = (Session::new(setting), Output::default());
    let (heard, said, answer, interview) = (Vec::new(), Vec::new(), Answer::Nothing, Interview::default());
    let mut probe = Probe { session, output, link: None, heard, said, answer, interview, relay, means };
    // What did not come in time is as good as nothing: one that takes connections and is silent is no relay.
    let _ = timeout(wait, probe.run(hello)).await;
    Some(probe)
}

impl Interview {
    fn learn(&mut self, offer: &Arc<Offer>, said: &[u8]) {
        self.offer = Some(Arc::clone(offer));
        let said = String::from_utf8_lossy(said);
        // In front of each line stand its code and a sign.
        self.lines = said.lines().filter_map(|line| line.get(4..)).map(str::to_owned).collect();
    }
}

struct Probe {
    session: Session,
    output: Output,
    link: Option<Link>,
    /// What the relay said and the session has not taken.
    heard: Vec<u8>,
    /// What of it the session has just taken.
    said: Vec<u8>,
    answer: Answer,
    interview: Interview,
    relay: Arc<Relay>,
    means: Arc<Means>,
}

impl Probe {
    async fn run(&mut self, hello: String) {
        self.session.begin(self.means.now(), &mut self.output);
        self.carry_out().await;
        let mut script = hello.as_bytes();
        while !self.session.is_over() {
            let taken = self.session.receive(self.means.now(), Side::Client, script, &mut self.output);
            script = script.get(taken..).unwrap_or_default();
            if self.carry_out().await || taken > 0 {
                continue;
            }
            let Some(link) = &mut self.link else { return };
            match link.wire.stream().read_buf(&mut self.heard).await {
                Ok(octets) if octets > 0 && self.answer == Answer::Nothing => self.answer = Answer::Other,
                Ok(octets) if octets > 0 => {}
                Ok(_) | Err(_) => return,
            }
            let taken = self.session.receive(self.means.now(), Side::Relay, &self.heard, &mut self.output);
            // It is what the relay offers, if the session learns that from it.
            self.said = self.heard.drain(..taken).collect();
            self.carry_out().await;
        }
    }

    /// Does what the session says to do, as far as it concerns the relay. True: a link or TLS came of it, or not, and
    /// the session has more to say.
    async fn carry_out(&mut self) -> bool {
        let (mut to_relay, mut opens, mut secures) = (Vec::new(), false, false);
        let (actions, scratch) = self.output.parts();
        for action in actions {
            match action {
                Action::Send { to: Side::Relay, what } => {
                    to_relay.extend_from_slice(Output::octets(scratch, &[], &what));
                }
                Action::OpenLink(_) => {
                    self.interview.secured = false;
                    opens = true;
                }
                Action::StartTls(Side::Relay) => secures = true,
                Action::Learn(offer) => {
                    self.interview.learn(&offer, &self.said);
                    self.relay.learn(offer);
                    self.answer = Answer::Offer;
                }
                Action::Tell(Event::Link(LinkChange::Failed(why))) => {
                    self.interview.failure = Some(why.name());
                    if matches!(why, LinkFailure::IdentityAbsent | LinkFailure::IdentityRefused) {
                        self.answer = Answer::NotTold;
                    }
                }
                Action::Tell(Event::Tls(Side::Relay, TlsChange::Started(_))) => self.interview.secured = true,
                Action::Send { to: Side::Client, .. }
                | Action::CloseLink
                | Action::HandOn(_)
                | Action::CloseClient(_)
                | Action::StartTls(Side::Client)
                | Action::PassThrough
                | Action::Ask(_)
                | Action::Charge(_)
                | Action::Ban(_)
                | Action::Tell(_) => {}
            }
        }
        self.output.clear();
        if let Some(link) = &mut self.link {
            // A relay that breaks off is found out when it is read.
            let _ = link.wire.stream().write_all(&to_relay).await;
            let _ = link.wire.stream().flush().await;
        }
        if opens {
            self.open().await;
        }
        if secures {
            self.secure().await;
        }
        opens || secures
    }

    async fn open(&mut self) {
        let guise = Guise::of_gate(self.relay.config().identity);
        match Arc::clone(&self.relay).open(Choice::New, Rank::Partner, guise, None).await {
            Ok((link, news)) => {
                self.link = Some(link);
                news.into_iter().for_each(|what| self.tell(what));
            }
            Err(why) => {
                if why == NotOpened::Link(LinkFailure::NoTurn) {
                    self.answer = Answer::NotAsked;
                }
                self.tell(why.into());
            }
        }
    }

    /// The handshake of the link, to its end.
    async fn secure(&mut self) {
        // What came before the handshake is not the relay's word.
        self.heard.clear();
        let Some(link) = &mut self.link else { return };
        match link.secure_now().await {
            Ok(secured) => self.tell(Happening::Secured(Side::Relay, secured)),
            Err(why) => {
                self.link = None;
                self.tell(why.into());
            }
        }
    }

    fn tell(&mut self, happening: Happening) {
        self.session.happened(self.means.now(), happening, &mut self.output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_a_probe_are_sound() {
        assert!(POLICY.is_some());
    }
}
