//! The relay's side.

use super::{Asked, Client, Dialogue, Envelope, Reading, canonical, reply};
use crate::alike;
use crate::content::{self, no_end_inside, one_message};
use gatepost::smtp::command::{self, Argument};
use gatepost::smtp::verb::Verb;
use std::collections::VecDeque;

/// What a relay, or the rules, want of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demands {
    /// The link is in TLS, or there is none.
    pub(crate) tls: bool,
    /// Mail comes of who has authenticated.
    pub(crate) account: bool,
    /// The gate itself says who has.
    pub(crate) here: bool,
}

/// The relay's side of one link after the other: what it heard, and what it said that the session took.
#[derive(Debug)]
pub(crate) struct Relay {
    seen: Dialogue,
    offer: Vec<&'static str>,
    demands: Demands,
    /// Whether the link is in TLS.
    secured: bool,
    /// By which the last answer in an exchange of AUTH is judged.
    answered: usize,
    /// Replies that the session took before their question was asked.
    early: VecDeque<u16>,
    replies: Vec<u8>,
    /// How many of those asked were answered politely, taken or not.
    promised: usize,
    /// Whether the message on its way was announced as binary.
    binary: bool,
}

impl Relay {
    pub(crate) fn new(offer: Vec<&'static str>, demands: Demands) -> Self {
        Self {
            seen: Dialogue::new(),
            offer,
            demands,
            secured: false,
            answered: 0,
            early: VecDeque::new(),
            replies: Vec::new(),
            promised: 0,
            binary: false,
        }
    }

    /// A new link.
    pub(crate) fn connected(&mut self) {
        let acknowledged = std::mem::take(&mut self.seen.acknowledged);
        self.seen = Dialogue { acknowledged, ..Dialogue::new() };
        (self.early, self.replies, self.promised) = (VecDeque::new(), Vec::new(), 0);
        self.secured = false;
    }

    /// The session parts with a link that others may have: nothing of its own is left on it.
    pub(crate) fn is_free(&self) {
        let Dialogue { asked, waiting, open, known, .. } = &self.seen;
        assert!(asked.is_empty() && waiting.is_empty(), "handed on amid commands");
        assert!(open.mail.is_empty() && !known, "handed on with somebody's mail or account");
        assert_eq!(self.seen.reading, Reading::Lines);
    }

    /// A link on which others were before: the relay has greeted.
    pub(crate) fn handed_on(&mut self) {
        let secured = self.secured;
        self.connected();
        self.seen.asked.clear();
        self.secured = secured;
    }

    /// TLS holds on the link.
    pub(crate) fn secured(&mut self) {
        assert!(self.seen.asked.is_empty() && self.seen.waiting.is_empty(), "a handshake amid commands");
        self.seen.secured();
        (self.early, self.replies, self.promised) = (VecDeque::new(), Vec::new(), 0);
        self.secured = true;
    }

    /// The link is closed; what was not complete does not exist.
    pub(crate) fn hangs_up(&mut self) {
        if self.seen.reading == Reading::Data {
            no_end_inside(&self.seen.waiting);
        }
        self.connected();
    }

    /// It hears octets that leave in one go.
    pub(crate) fn hears(&mut self, octets: &[u8], client: &Client) {
        self.seen.waiting.extend_from_slice(octets);
        while self.step(client) {}
    }

    /// All that the session had to say was said: nothing may be in the middle but mail data.
    pub(crate) fn pauses(&self) {
        match self.seen.reading {
            Reading::Lines | Reading::Auth => {
                assert!(self.seen.waiting.is_empty(), "half a command: {:?}", self.seen.waiting);
            }
            Reading::Data => {}
            Reading::Chunk { left, .. } => assert_eq!(left, 0, "a chunk was announced that is not at hand"),
        }
    }

    fn step(&mut self, client: &Client) -> bool {
        let waiting = &mut self.seen.waiting;
        match self.seen.reading {
            Reading::Lines => {
                let Some(end) = waiting.iter().position(|octet| *octet == b'\n') else { return false };
                let line: Vec<u8> = waiting.drain(..=end).collect();
                self.line(&line, client);
            }
            Reading::Auth => {
                let Some(end) = waiting.iter().position(|octet| *octet == b'\n') else { return false };
                let line: Vec<u8> = waiting.drain(..=end).collect();
                let body = line.strip_suffix(b"\r\n").expect("a line with CRLF");
                let said = body == b"*" || client.answered(body);
                assert!(said && (body == b"*" || command::is_base64(body)), "nobody answered {body:?}");
                self.seen.reading = Reading::Lines;
                // An asterisk is never good news.
                self.answered = if body == b"*" { 0 } else { body.len() / 4 };
                self.ask(Asked::Answer);
            }
            Reading::Data => {
                let Some(data) = content::definition(waiting, false) else { return false };
                assert_eq!(data.taken, waiting.len(), "something follows an end that was not answered");
                let arrived = &waiting[..data.taken - 3];
                one_message(arrived);
                no_end_inside(arrived);
                same(arrived, client.sent.as_deref());
                waiting.clear();
                self.seen.reading = Reading::Lines;
                self.ask(Asked::Data);
            }
            Reading::Chunk { left, last } => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(waiting.len());
                let chunk: Vec<u8> = waiting.drain(..here).collect();
                let left = left - here as u64;
                self.seen.content.extend_from_slice(&chunk);
                self.seen.reading = Reading::Chunk { left, last };
                if left > 0 {
                    return false;
                }
                self.seen.reading = Reading::Lines;
                if last {
                    self.last_chunk(client);
                }
                self.ask(Asked::Chunk { last });
            }
        }
        true
    }

    fn last_chunk(&mut self, client: &Client) {
        let sent = client.sent.as_deref();
        if self.binary {
            return same(&self.seen.content, sent);
        }
        assert!(!content::has_bare(&self.seen.content), "a CR or LF alone in chunks");
        assert!(!self.seen.content.contains(&0), "a NUL in chunks that are no binary ones");
        same(&self.seen.content, sent.map(content::chunks).as_deref());
    }

    fn line(&mut self, line: &[u8], client: &Client) {
        let shown = line.escape_ascii();
        let body = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("a line without CRLF: {shown}"));
        assert!(!body.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)), "{shown}");
        let (verb, bare, whole) = canonical(body);
        alike(line, &whole, "not canonical");
        let own = match verb {
            Verb::Rset | Verb::Quit | Verb::Bdat => true,
            Verb::StartTls => !self.secured,
            Verb::Ehlo | Verb::Helo => {
                let name = body.get(4..).unwrap_or_default();
                name == b" gate.example" || client.called_itself(name)
            }
            _ => client.spoke(body),
        };
        assert!(own, "nobody said {shown}");
        self.sequence(verb, client);
        self.trust(verb, client);
        if verb == Verb::Mail {
            self.binary = whole.windows(15).any(|word| word.eq_ignore_ascii_case(b"BODY=BINARYMIME"));
        }
        if let Ok(Argument::Chunk { size, last }) = command::parse(body).argument {
            self.seen.reading = Reading::Chunk { left: size, last };
            return;
        }
        self.ask(Asked::Line(verb, bare));
    }

    /// What must be in TLS is, and mail of somebody who must be known is his, on the link on which he is.
    fn trust(&self, verb: Verb, client: &Client) {
        let first = matches!(verb, Verb::Ehlo | Verb::Helo | Verb::StartTls | Verb::Quit);
        assert!(self.secured || first || !self.demands.tls, "{verb:?} in clear");
        if verb == Verb::Mail {
            assert!(client.seen.known || !self.demands.account, "mail of nobody");
            assert!(
                self.seen.known || !client.seen.known || self.demands.here,
                "mail of nobody on this link"
            );
        }
    }

    /// What a strict relay would refuse is never said to it: commands out of their order, and together with others what
    /// waits for a reply (RFC 2920 3.1).
    fn sequence(&self, verb: Verb, client: &Client) {
        let in_flight = &self.seen.asked;
        let group = |asked: &Asked| matches!(asked, Asked::Line(Verb::Mail | Verb::Rcpt, _));
        let joins = match verb {
            Verb::Rcpt => in_flight.iter().all(group),
            Verb::Bdat => in_flight.iter().all(|asked| *asked == Asked::Chunk { last: false }),
            _ => in_flight.is_empty(),
        };
        assert!(joins, "{verb:?} together with {in_flight:?}");
        let pipelines = self.offer.contains(&"PIPELINING") || !client.polite;
        assert!(in_flight.is_empty() || pipelines, "a group to a relay that takes none");
        let open = &self.seen.open;
        let there = !open.mail.is_empty() || in_flight.iter().any(group);
        let in_order = match verb {
            Verb::Mail => !there,
            Verb::Rcpt => there,
            Verb::Data | Verb::Bdat => !open.recipients.is_empty(),
            _ => true,
        };
        assert!(in_order, "{verb:?} in {open:?} with {in_flight:?}");
    }

    fn ask(&mut self, asked: Asked) {
        self.seen.asked.push_back(asked);
        self.settle();
    }

    /// The session took these octets of what it said.
    pub(crate) fn said(&mut self, octets: &[u8]) {
        self.replies.extend_from_slice(octets);
        while let Some((code, size)) = reply(&self.replies) {
            self.replies.drain(..size);
            self.early.push_back(code);
        }
        self.settle();
    }

    fn settle(&mut self) {
        while !self.early.is_empty() && !self.seen.asked.is_empty() {
            let (Some(code), Some(asked)) = (self.early.pop_front(), self.seen.asked.pop_front()) else {
                return;
            };
            self.promised = self.promised.saturating_sub(1);
            self.seen.answered(&asked, code);
            if let Asked::Data | Asked::Chunk { last: true } = asked {
                self.seen.open = Envelope::default();
            }
        }
    }

    /// Envelopes of the messages that it acknowledged.
    pub(crate) fn acknowledged(&self) -> &[Envelope] {
        &self.seen.acknowledged
    }

    /// What a polite relay says next; nothing, if nothing was asked.
    pub(crate) fn polite(&mut self) -> Vec<u8> {
        let Some(asked) = self.seen.asked.get(self.promised) else { return Vec::new() };
        self.promised += 1;
        match asked {
            Asked::Greeting => b"220 relay.example ESMTP\r\n".to_vec(),
            Asked::Line(Verb::Ehlo, _) => {
                let words = ["relay.example"].into_iter().chain(self.offer.iter().copied());
                let words = words.filter(|word| !self.secured || *word != "STARTTLS");
                let lines = words.fold(String::new(), |lines, word| lines + "250-" + word + "\r\n");
                (lines + "250 ENHANCEDSTATUSCODES\r\n").into_bytes()
            }
            Asked::Line(Verb::Mail, _) => b"250 2.1.0 sender fine\r\n".to_vec(),
            Asked::Line(Verb::Rcpt, _) => b"250 2.1.5 recipient fine\r\n".to_vec(),
            Asked::Line(Verb::Data, _) => b"354 go ahead\r\n".to_vec(),
            Asked::Line(Verb::Rset, _) => b"250 2.0.0 nothing forgotten\r\n".to_vec(),
            Asked::Line(Verb::StartTls, _) => b"220 2.0.0 go ahead\r\n".to_vec(),
            Asked::Line(Verb::Auth, line) if line.split(|octet| *octet == b' ').count() < 3 => {
                b"334 \r\n".to_vec()
            }
            // Whatever they are: half of all credentials are right.
            Asked::Line(Verb::Auth, line) if line.len() % 8 < 4 => b"235 2.7.0 fine\r\n".to_vec(),
            Asked::Answer if self.answered % 3 == 1 => b"235 2.7.0 fine\r\n".to_vec(),
            Asked::Answer if self.answered % 3 == 2 => b"334 UGFzc3dvcmQ6\r\n".to_vec(),
            Asked::Line(Verb::Auth, _) | Asked::Answer => b"535 5.7.8 wrong\r\n".to_vec(),
            Asked::Line(Verb::Quit, _) => b"221 2.0.0 bye\r\n".to_vec(),
            Asked::Data | Asked::Chunk { last: true } => b"250 2.0.0 message fine\r\n".to_vec(),
            Asked::Line(..) | Asked::Chunk { last: false } => b"250 2.0.0 fine\r\n".to_vec(),
        }
    }
}

/// What arrived is what was sent.
fn same(arrived: &[u8], sent: Option<&[u8]>) {
    let sent = sent.unwrap_or_else(|| panic!("a message that nobody sent: {}", arrived.escape_ascii()));
    alike(arrived, sent, "another content");
}
