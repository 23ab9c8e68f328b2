//! What a client and a relay see of a session, each by the octets on its own side alone.
//!
//! Neither knows of the other, nor of the session between them; the properties compare what they saw.

mod relay;

use crate::content;
use gatepost::smtp::command::{self, Argument};
use gatepost::smtp::verb::Verb;
pub(crate) use relay::{Demands, Relay};
use std::collections::VecDeque;

/// Who and for whom, as canonical lines without parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Envelope {
    mail: Vec<u8>,
    recipients: Vec<Vec<u8>>,
}

/// What a reply is awaited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The connection: a greeting.
    Greeting,
    /// A command, with its canonical line without parameters (nothing, if it has none).
    Line(Verb, Vec<u8>),
    /// A chunk, the last one or not.
    Chunk { last: bool },
    /// The end of mail data.
    Data,
    /// An answer in an exchange of AUTH.
    Answer,
}

/// How the next octets are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    Lines,
    Data,
    Chunk {
        left: u64,
        last: bool,
    },
    /// The next line is an answer to a challenge.
    Auth,
}

/// The canonical line without parameters, and with them.
fn canonical(body: &[u8]) -> (Verb, Vec<u8>, Vec<u8>) {
    let (command, mut bare, mut whole) = (command::parse(body), Vec::new(), Vec::new());
    let _ = command.encode(|_| false, &mut bare);
    let _ = command.encode(|_| true, &mut whole);
    (command.verb, bare, whole)
}

/// What one side of a session sees: whose command is answered by which reply, and what became of messages.
#[derive(Debug)]
struct Dialogue {
    reading: Reading,
    waiting: Vec<u8>,
    asked: VecDeque<Asked>,
    open: Envelope,
    /// Content of the message on its way, before any line end is repaired.
    content: Vec<u8>,
    /// Envelopes of the messages that were acknowledged.
    acknowledged: Vec<Envelope>,
    /// Whether the client has authenticated, as far as is known here.
    known: bool,
}

impl Dialogue {
    fn new() -> Self {
        Self {
            reading: Reading::Lines,
            waiting: Vec::new(),
            asked: VecDeque::from([Asked::Greeting]),
            open: Envelope::default(),
            content: Vec::new(),
            acknowledged: Vec::new(),
            known: false,
        }
    }

    /// TLS holds: nothing is left but what has happened.
    fn secured(&mut self) {
        let acknowledged = std::mem::take(&mut self.acknowledged);
        *self = Self { acknowledged, asked: VecDeque::new(), ..Self::new() };
    }

    /// Whether what comes next depends on an answer that is still to come.
    fn waits(&self) -> bool {
        self.asked.iter().any(|asked| matches!(asked, Asked::Line(Verb::Auth, _) | Asked::Answer))
    }

    /// Commands move to and fro by their replies alone.
    fn answered(&mut self, asked: &Asked, code: u16) {
        match (asked, code / 100) {
            (Asked::Line(Verb::Mail, line), 2) => {
                self.open = Envelope { mail: line.clone(), recipients: Vec::new() };
            }
            (Asked::Line(Verb::Rcpt, line), 2) => self.open.recipients.push(line.clone()),
            (Asked::Line(Verb::Auth, _) | Asked::Answer, 3) => self.reading = Reading::Auth,
            (Asked::Line(Verb::Auth, _) | Asked::Answer, 2) => self.known = true,
            (Asked::Line(Verb::Data, _), 3) if code == 354 => {
                self.content.clear();
                self.reading = Reading::Data;
            }
            (Asked::Data | Asked::Chunk { last: true }, 2) => {
                self.acknowledged.push(std::mem::take(&mut self.open));
                self.content.clear();
            }
            // What was refused is no part of a message. Whose it was may still hold: the next MAIL forgets it.
            (Asked::Data | Asked::Chunk { .. }, class) if class != 2 => self.content.clear(),
            (Asked::Line(Verb::Rset | Verb::Ehlo | Verb::Helo, _), 2) => {
                self.open = Envelope::default();
                self.content.clear();
            }
            _ => {}
        }
    }
}

/// Code and octets of the reply at the front; none if it is not whole. A line of a reply is printable.
fn reply(octets: &[u8]) -> Option<(u16, usize)> {
    let mut taken = 0;
    loop {
        let rest = &octets[taken..];
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line = &rest[..end];
        taken += end + 2;
        let code = line.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u16>().ok());
        match line.get(3) {
            Some(b'-') => {}
            None | Some(b' ') => return Some((code.unwrap_or_default(), taken)),
            _ => return Some((0, taken)),
        }
    }
}

/// The client's side: what it said that the session took, and what it heard.
#[derive(Debug)]
pub(crate) struct Client {
    seen: Dialogue,
    lenient: bool,
    /// Canonical lines of all that it said.
    spoken: Vec<Vec<u8>>,
    /// And its answers in exchanges of AUTH.
    answers: Vec<Vec<u8>>,
    /// The last message whose end it said, as it may arrive.
    sent: Option<Vec<u8>>,
    /// What was shown behind it and not taken: a hello is said to the relay before it is taken.
    shown: Vec<u8>,
    /// Whether it heard a greeting.
    pub(crate) greeted: bool,
    /// Whether all replies of the relay were polite ones so far.
    pub(crate) polite: bool,
}

impl Client {
    pub(crate) fn new(lenient: bool) -> Self {
        Self {
            seen: Dialogue::new(),
            lenient,
            spoken: Vec::new(),
            answers: Vec::new(),
            sent: None,
            shown: Vec::new(),
            greeted: false,
            polite: true,
        }
    }

    /// The session did not take these octets.
    pub(crate) fn goes_on(&mut self, octets: &[u8]) {
        self.shown = octets.to_vec();
    }

    /// The session took these octets.
    pub(crate) fn said(&mut self, octets: &[u8]) {
        self.seen.waiting.extend_from_slice(octets);
        while self.step() {}
    }

    fn step(&mut self) -> bool {
        if self.seen.waits() {
            return false;
        }
        let waiting = &mut self.seen.waiting;
        match self.seen.reading {
            Reading::Lines => {
                let Some(end) = waiting.iter().position(|octet| *octet == b'\n') else { return false };
                let line: Vec<u8> = waiting.drain(..=end).collect();
                let body = line.strip_suffix(b"\r\n").unwrap_or(&line[..end]);
                self.line(body);
            }
            Reading::Auth => {
                let Some(end) = waiting.iter().position(|octet| *octet == b'\n') else { return false };
                let line: Vec<u8> = waiting.drain(..=end).collect();
                self.answers.push(line.strip_suffix(b"\r\n").unwrap_or(&line[..end]).to_vec());
                self.seen.reading = Reading::Lines;
                self.seen.asked.push_back(Asked::Answer);
            }
            Reading::Data => {
                let Some(data) = content::definition(waiting, self.lenient) else { return false };
                waiting.drain(..data.taken);
                self.seen.reading = Reading::Lines;
                self.seen.asked.push_back(Asked::Data);
                self.sent = Some(data.released);
            }
            Reading::Chunk { left, last } => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(waiting.len());
                self.seen.content.extend(waiting.drain(..here));
                let left = left - here as u64;
                self.seen.reading = Reading::Chunk { left, last };
                if left > 0 {
                    return false;
                }
                self.seen.reading = Reading::Lines;
                self.seen.asked.push_back(Asked::Chunk { last });
                if last {
                    self.sent = Some(self.seen.content.clone());
                }
            }
        }
        true
    }

    fn line(&mut self, body: &[u8]) {
        let (verb, bare, whole) = canonical(body);
        self.spoken.push(whole);
        if let Ok(Argument::Chunk { size, last }) = command::parse(body).argument {
            self.seen.reading = Reading::Chunk { left: size, last };
            return;
        }
        self.seen.asked.push_back(Asked::Line(verb, bare));
    }

    /// It hears a reply. Gives its code.
    pub(crate) fn hears(&mut self, octets: &[u8], over: bool) {
        let mut rest = octets;
        while !rest.is_empty() {
            let Some((code, size)) = reply(rest) else { panic!("half a reply: {}", rest.escape_ascii()) };
            let (said, behind) = rest.split_at(size);
            rest = behind;
            printable(code, said);
            self.hears_reply(code, said, over && behind.is_empty());
        }
    }

    fn hears_reply(&mut self, code: u16, said: &[u8], last_word: bool) {
        let shown = said.escape_ascii().to_string();
        let Some(asked) = self.seen.asked.pop_front() else {
            return assert!(last_word && code / 100 >= 4, "nobody asked for {shown}");
        };
        if asked == Asked::Greeting {
            self.greeted = true;
        }
        if !last_word {
            fits(&asked, code, &shown);
            if self.polite {
                names(&asked, &shown);
            }
        }
        // A last word answers whatever is asked; it is good news only as what it is meant for.
        self.seen.answered(&asked, code);
        while self.seen.reading != Reading::Data && self.step() {}
        if self.seen.reading == Reading::Data {
            assert!(self.seen.asked.is_empty() && self.seen.waiting.is_empty(), "354 came too late: {shown}");
        }
    }

    /// Commands that it said and that were not answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.seen.asked.len()
    }

    /// TLS holds: what was said before was said by anybody.
    pub(crate) fn secured(&mut self) {
        assert!(self.seen.waiting.is_empty(), "octets in clear, taken in TLS: {:?}", self.seen.waiting);
        self.seen.secured();
        self.spoken.clear();
        self.answers.clear();
        self.shown.clear();
    }

    /// Envelopes of the messages that it was told had arrived.
    pub(crate) fn acknowledged(&self) -> &[Envelope] {
        &self.seen.acknowledged
    }

    /// What was taken and not read yet, because a reply decides how: line by line.
    fn unread(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.seen.waiting.split(|octet| *octet == b'\n');
        lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Canonical lines of all that it said.
    fn all_spoken(&self) -> impl Iterator<Item = Vec<u8>> {
        self.spoken.iter().cloned().chain(self.unread().map(|line| canonical(line).2))
    }

    /// Whether it gave this answer in an exchange of AUTH.
    fn answered(&self, answer: &[u8]) -> bool {
        self.answers.iter().map(Vec::as_slice).chain(self.unread()).any(|given| given == answer)
    }

    /// Whether it said hello with this name.
    fn called_itself(&self, name: &[u8]) -> bool {
        let named = |line: &[u8]| line.get(4..).and_then(|said| said.strip_suffix(b"\r\n")) == Some(name);
        let line = self.shown.split(|octet| *octet == b'\n').next().unwrap_or_default();
        let (_, _, whole) = canonical(line.strip_suffix(b"\r").unwrap_or(line));
        named(&whole) || self.all_spoken().any(|line| named(&line))
    }

    /// Whether each word of a line stood in one and the same line that it said.
    fn spoke(&self, line: &[u8]) -> bool {
        self.all_spoken().any(|spoken| {
            let mut words = spoken.strip_suffix(b"\r\n").unwrap_or(&spoken).split(|octet| *octet == b' ');
            line.split(|octet| *octet == b' ').all(|word| words.any(|other| other == word))
        })
    }
}

/// A reply is lines of printable text, with a code and one end.
fn printable(code: u16, said: &[u8]) {
    let shown = said.escape_ascii();
    assert!((200..600).contains(&code), "no reply: {shown}");
    let lines: Vec<&[u8]> = said.split_inclusive(|octet| *octet == b'\n').collect();
    for (at, line) in lines.iter().enumerate() {
        let body = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("a line without CRLF: {shown}"));
        assert!(!body.iter().any(|octet| octet.is_ascii_control() && *octet != b'\t'), "{shown}");
        assert!(body.starts_with(code.to_string().as_bytes()), "two codes in {shown}");
        assert_eq!(body.get(3) == Some(&b'-'), at + 1 < lines.len(), "{shown}");
        assert!(line.len() <= gatepost::smtp::reply::REPLY_LINE_CAP + 1, "a line too long: {shown}");
    }
}

/// Replies come in the order of the commands: 354 answers DATA and nothing else, 334 AUTH and what follows it.
fn fits(asked: &Asked, code: u16, shown: &str) {
    let verb = match asked {
        Asked::Line(verb, _) => Some(*verb),
        _ => None,
    };
    let challenged = matches!(asked, Asked::Answer) || verb == Some(Verb::Auth);
    if code / 100 == 3 && challenged {
        return assert_eq!(code, 334, "{shown} answers {asked:?}");
    }
    if code / 100 == 3 {
        assert_eq!((verb, code), (Some(Verb::Data), 354), "{shown} answers {asked:?}");
    }
}

/// A polite relay names in its reply what it answers.
fn names(asked: &Asked, shown: &str) {
    let verb = match asked {
        Asked::Line(verb, _) => Some(*verb),
        _ => None,
    };
    let named =
        [("sender fine", Verb::Mail), ("recipient fine", Verb::Rcpt), ("nothing forgotten", Verb::Rset)];
    for (words, owner) in named.iter().filter(|(words, _)| shown.contains(words)) {
        assert_eq!(verb, Some(*owner), "{words} answers {asked:?}");
    }
    let message = matches!(asked, Asked::Data | Asked::Chunk { last: true });
    assert!(message || !shown.contains("message fine"), "{shown} answers {asked:?}");
}
