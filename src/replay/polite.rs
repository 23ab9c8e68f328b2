//! A relay that answers everything politely, and remembers what it heard.

use crate::session::Offer;
use crate::smtp::reply::{self, Read};

/// A message that arrived at the relay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The argument of MAIL.
    pub sender: Vec<u8>,
    /// The arguments of RCPT.
    pub recipients: Vec<Vec<u8>>,
    /// Content: dots as they were sent in DATA, as it is in chunks.
    pub content: Vec<u8>,
    /// Whether it came in TLS.
    pub secured: bool,
}

/// The relay. It takes exactly what a strict one would: lines end in CRLF, data in CRLF.CRLF, chunks by count.
#[derive(Debug)]
pub struct Polite {
    offer: Vec<String>,
    /// Whether the link is in TLS.
    secured: bool,
    /// How the AUTH exchange that is on is to be answered.
    auth: Vec<&'static str>,
    reading: Reading,
    waiting: Vec<u8>,
    open: Message,
    /// What arrived and nobody took note of yet.
    pub messages: Vec<Message>,
    /// How many messages arrived.
    pub arrived: usize,
    /// Lines that it took for commands, without CRLF: all that was neither mail data nor a chunk.
    pub commands: Vec<Vec<u8>>,
    /// Lines of AUTH exchanges, likewise.
    pub answers: Vec<Vec<u8>>,
}

#[derive(Clone, Copy, Debug)]
enum Reading {
    Lines,
    Data,
    Chunk { left: usize, last: bool },
}

impl Polite {
    /// A relay that offers these keywords.
    pub fn new(offer: &[String]) -> Self {
        Self {
            offer: offer.to_vec(),
            secured: false,
            auth: Vec::new(),
            reading: Reading::Lines,
            waiting: Vec::new(),
            open: Message::default(),
            messages: Vec::new(),
            arrived: 0,
            commands: Vec::new(),
            answers: Vec::new(),
        }
    }

    /// Its greeting: a new link.
    pub fn greet(&mut self) -> Vec<u8> {
        (self.reading, self.waiting, self.open) = (Reading::Lines, Vec::new(), Message::default());
        (self.secured, self.auth) = (false, Vec::new());
        b"220 relay.example ESMTP\r\n".to_vec()
    }

    /// The link is closed: what was not complete is forgotten.
    pub fn hang_up(&mut self) {
        self.open = Message::default();
    }

    /// Hears octets, gives what it says.
    pub fn hear(&mut self, octets: &[u8]) -> Vec<u8> {
        self.waiting.extend_from_slice(octets);
        let mut said = Vec::new();
        while self.step(&mut said) {}
        said
    }

    fn step(&mut self, said: &mut Vec<u8>) -> bool {
        match self.reading {
            Reading::Lines => {
                let Some(end) = memchr::memmem::find(&self.waiting, b"\r\n") else { return false };
                let line: Vec<u8> = self.waiting.drain(..end.saturating_add(2)).take(end).collect();
                let (answer, heard) = match self.auth.pop() {
                    Some(wanted) => (self.auth_goes_on(wanted, &line), &mut self.answers),
                    None => (self.answer(&line), &mut self.commands),
                };
                heard.push(line);
                said.extend_from_slice(answer.as_bytes());
            }
            Reading::Data => {
                let Some(end) = end_of_data(&self.waiting) else { return false };
                let content: Vec<u8> = self.waiting.drain(..end.saturating_add(3)).take(end).collect();
                self.open.content.extend_from_slice(&content);
                self.arrive(said);
            }
            Reading::Chunk { left, last } => {
                let here = left.min(self.waiting.len());
                self.open.content.extend(self.waiting.drain(..here));
                let left = left.saturating_sub(here);
                self.reading = Reading::Chunk { left, last };
                if left > 0 {
                    return false;
                }
                self.reading = Reading::Lines;
                if last { self.arrive(said) } else { said.extend_from_slice(b"250 2.0.0 chunk OK\r\n") }
            }
        }
        true
    }

    fn arrive(&mut self, said: &mut Vec<u8>) {
        self.reading = Reading::Lines;
        let secured = self.secured;
        self.messages.push(Message { secured, ..std::mem::take(&mut self.open) });
        self.arrived = self.arrived.saturating_add(1);
        said.extend_from_slice(format!("250 2.0.0 queued as {}\r\n", self.arrived).as_bytes());
    }

    fn answer(&mut self, line: &[u8]) -> String {
        let words: Vec<&[u8]> = line.split(|octet| *octet == b' ').collect();
        let verb = words.first().map(|verb| verb.to_ascii_uppercase()).unwrap_or_default();
        let argument = line.get(verb.len().saturating_add(1)..).unwrap_or_default().to_vec();
        match verb.as_slice() {
            b"EHLO" => ehlo(self.offer.iter().filter(|keyword| !self.secured || *keyword != "STARTTLS")),
            b"STARTTLS" if self.offer.iter().any(|keyword| keyword == "STARTTLS") && !self.secured => {
                self.secured = true;
                "220 2.0.0 go ahead\r\n".into()
            }
            b"HELO" => "250 relay.example\r\n".into(),
            b"XCLIENT" if self.offer.iter().any(|keyword| keyword.starts_with("XCLIENT ")) => {
                "220 relay.example ESMTP\r\n".into()
            }
            b"MAIL" => {
                self.open = Message { sender: argument, ..Message::default() };
                "250 2.1.0 sender OK\r\n".into()
            }
            b"RCPT" => {
                self.open.recipients.push(argument);
                "250 2.1.5 recipient OK\r\n".into()
            }
            b"DATA" => {
                self.reading = Reading::Data;
                "354 go ahead\r\n".into()
            }
            b"BDAT" => {
                let size = words.get(1).and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
                self.reading = Reading::Chunk { left: size.unwrap_or_default(), last: words.len() > 2 };
                String::new()
            }
            b"AUTH" => self.authenticate(&argument),
            b"RSET" => {
                self.open = Message::default();
                "250 2.0.0 forgotten\r\n".into()
            }
            b"NOOP" => "250 2.0.0 fine\r\n".into(),
            b"VRFY" => "252 2.5.0 try it\r\n".into(),
            b"EXPN" => "250 2.1.5 a@example.com\r\n".into(),
            b"HELP" => "214 2.0.0 none\r\n".into(),
            b"ETRN" => "250 2.0.0 queue started\r\n".into(),
            b"QUIT" => "221 2.0.0 bye\r\n".into(),
            _ => "500 5.5.2 what?\r\n".into(),
        }
    }
}

/// What it says to anna@example.com with the password `secret`, and to everybody else.
const RIGHT: &str = "235 2.7.0 welcome\r\n";
const WRONG: &str = "535 5.7.8 wrong\r\n";

/// What she says in PLAIN; in LOGIN, the last first.
const PLAIN: &str = "AGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0";
const LOGIN: [&str; 2] = ["c2VjcmV0", "YW5uYUBleGFtcGxlLmNvbQ=="];

impl Polite {
    fn authenticate(&mut self, argument: &[u8]) -> String {
        match argument.split_at_checked(b"PLAIN ".len()) {
            Some((b"PLAIN ", message)) if message == PLAIN.as_bytes() => RIGHT.into(),
            None if argument == b"PLAIN" => {
                self.auth = vec![PLAIN];
                "334 \r\n".into()
            }
            None if argument == b"LOGIN" => {
                self.auth = LOGIN.into();
                "334 VXNlcm5hbWU6\r\n".into()
            }
            _ => WRONG.into(),
        }
    }

    fn auth_goes_on(&mut self, wanted: &str, line: &[u8]) -> String {
        let sound = line == wanted.as_bytes();
        if sound && !self.auth.is_empty() {
            return "334 UGFzc3dvcmQ6\r\n".into();
        }
        self.auth.clear();
        match line {
            b"*" => "501 5.7.0 cancelled\r\n".into(),
            _ if sound => RIGHT.into(),
            _ => WRONG.into(),
        }
    }
}

/// Where the terminator's dot stands: at the very front, or behind CRLF.
fn end_of_data(octets: &[u8]) -> Option<usize> {
    if octets.starts_with(b".\r\n") {
        return Some(0);
    }
    memchr::memmem::find(octets, b"\r\n.\r\n").map(|at| at.saturating_add(2))
}

fn ehlo<'o>(offer: impl Iterator<Item = &'o String>) -> String {
    let lines: Vec<&str> = ["relay.example"].into_iter().chain(offer.map(String::as_str)).collect();
    let last = lines.len().saturating_sub(1);
    let line = |(at, text): (usize, &&str)| format!("250{}{text}\r\n", if at == last { ' ' } else { '-' });
    lines.iter().enumerate().map(line).collect()
}

/// The offer that such a relay makes.
pub(super) fn offer(keywords: &[String]) -> Offer {
    match reply::read(ehlo(keywords.iter()).as_bytes()) {
        Read::Reply { reply, .. } => Offer::of_ehlo(&reply),
        Read::Incomplete | Read::Broken(_) => Offer::default(),
    }
}
