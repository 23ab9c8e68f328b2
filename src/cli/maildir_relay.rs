//! A polite relay that keeps mail in a Maildir folder: for trying out, and for nothing else.
//!
//! It takes whatever comes for whomever, delivers to nobody, and listens on the loopback address alone. Content is kept
//! exact to the octet, CRLF included, so that it shows what Gatepost sent. It is built from the library's own parsers.

use super::kept_mail::{MOST_OCTETS, Mail};
use super::maildir::Maildir;
use gatepost::smtp::command::{self, Argument, Command};
use gatepost::smtp::line::{self, Cut};
use gatepost::smtp::mail_data::{LineEnds, Scanner};
use gatepost::smtp::verb::Verb;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Connections at a time; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 256;
/// RFC 5321 4.5.3.2.7.
const PATIENCE: Duration = Duration::from_mins(5);

const GREETING: &str = "220 tryout.invalid ESMTP, keeps mail in a folder";
const EHLO: &str = "250-tryout.invalid\r\n250-PIPELINING\r\n250-SIZE 67108864\r\n250-8BITMIME\r\n250-CHUNKING\r\n\
                    250-SMTPUTF8\r\n250-DSN\r\n250 ENHANCEDSTATUSCODES";

/// Serves for as long as the process lives.
pub(super) async fn serve(listener: TcpListener, maildir: Maildir) {
    let (maildir, places) = (Arc::new(maildir), Arc::new(Semaphore::new(MOST_CONNECTIONS)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let maildir = Arc::clone(&maildir);
                tokio::spawn(async move {
                    // Whoever breaks off has what he wanted; a message that was not finished is gone with its draft.
                    let _ = converse(stream, &maildir).await;
                    drop(place);
                });
            }
            // No descriptor is left, say: it would fail again at once.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(mut stream: TcpStream, maildir: &Maildir) -> io::Result<()> {
    let mut relay = Relay::new(maildir);
    let (mut waiting, mut out) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; 32 * 1024];
    say(GREETING, &mut out);
    while !relay.over {
        stream.write_all(&out).await?;
        out.clear();
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut buffer)).await??;
        if read == 0 {
            return Ok(());
        }
        waiting.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let taken = relay.hear(&waiting, &mut out);
        waiting.drain(..taken);
    }
    stream.write_all(&out).await?;
    stream.shutdown().await
}

/// One session, without its socket.
struct Relay<'m> {
    maildir: &'m Maildir,
    introduced: bool,
    mail: Option<Mail<'m>>,
    reading: Reading,
    over: bool,
}

/// How the next octets are to be read.
enum Reading {
    Commands,
    Data(Scanner),
    Chunk { size: u64, left: u64, last: bool },
}

impl<'m> Relay<'m> {
    fn new(maildir: &'m Maildir) -> Self {
        Self { maildir, introduced: false, mail: None, reading: Reading::Commands, over: false }
    }

    /// Takes what it can, says what there is to say.
    fn hear(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut taken = 0;
        while !self.over
            && let Some(rest) = input.get(taken..).filter(|rest| !rest.is_empty())
        {
            let step = match self.reading {
                Reading::Commands => self.line(rest, out),
                Reading::Data(_) => self.data(rest, out),
                Reading::Chunk { .. } => self.chunk(rest, out),
            };
            if step == 0 {
                break;
            }
            taken += step;
        }
        taken
    }

    fn line(&mut self, rest: &[u8], out: &mut Vec<u8>) -> usize {
        match line::cut(rest, false) {
            Cut::Incomplete => 0,
            Cut::Broken(fault) => {
                self.over = true;
                say(&format!("500 5.5.2 {}", fault.facts().text), out);
                rest.len()
            }
            Cut::Line { body, taken } => {
                let reply = self.command(&command::parse(body));
                say(reply, out);
                taken
            }
        }
    }

    fn command(&mut self, command: &Command<'_>) -> &'static str {
        let argument = match &command.argument {
            Ok(argument) => argument,
            Err(_) if command.verb == Verb::Unknown => return "500 5.5.2 Unknown command",
            Err(_) => return "501 5.5.4 That argument is not understood",
        };
        match (command.verb, argument) {
            (Verb::Ehlo, _) => self.hello(EHLO),
            (Verb::Helo, _) => self.hello("250 tryout.invalid"),
            (_, Argument::Mail { path, parameters }) => {
                if !self.introduced || self.mail.is_some() {
                    return "503 5.5.1 Out of sequence";
                }
                if parameters.gist().declared.size.is_some_and(|size| size > MOST_OCTETS) {
                    return "552 5.3.4 Too large";
                }
                let mut sender = Vec::new();
                path.encode(&mut sender);
                self.mail = Some(Mail::new(self.maildir, sender));
                "250 2.1.0 OK"
            }
            (_, Argument::Rcpt { path, .. }) => match &mut self.mail {
                None => "503 5.5.1 MAIL first",
                Some(mail) => {
                    let mut recipient = Vec::new();
                    path.encode(&mut recipient);
                    mail.add(recipient)
                }
            },
            (Verb::Data, _) => self.begin_data(),
            (_, Argument::Chunk { size, last }) => {
                self.reading = Reading::Chunk { size: *size, left: *size, last: *last };
                // Octets may follow that nobody asked for: they are taken all the same (RFC 3030 2).
                if *size == 0 { self.chunk_end(0, *last) } else { "" }
            }
            (Verb::Rset, _) => {
                self.mail = None;
                "250 2.0.0 Forgotten"
            }
            (Verb::Noop, _) => "250 2.0.0 OK",
            (Verb::Vrfy, _) => "252 2.5.0 Cannot VRFY, try RCPT",
            (Verb::Quit, _) => {
                self.over = true;
                "221 2.0.0 Bye"
            }
            _ => "502 5.5.1 Not here",
        }
    }

    fn hello(&mut self, reply: &'static str) -> &'static str {
        (self.introduced, self.mail) = (true, None);
        reply
    }

    fn begin_data(&mut self) -> &'static str {
        match &mut self.mail {
            Some(mail) if mail.is_ready() => {
                mail.begin();
                self.reading = Reading::Data(Scanner::default());
                "354 Go on, end with a dot"
            }
            _ => "503 5.5.1 Out of sequence",
        }
    }

    fn data(&mut self, rest: &[u8], out: &mut Vec<u8>) -> usize {
        let (Reading::Data(scanner), Some(mail)) = (&mut self.reading, &mut self.mail) else { return 0 };
        let found = scanner.scan(rest, LineEnds::Normalise, &mut |piece| {
            mail.unstuff(piece.octets());
        });
        if found.ended {
            self.reading = Reading::Commands;
            say(self.keep(), out);
        }
        found.taken
    }

    fn chunk(&mut self, rest: &[u8], out: &mut Vec<u8>) -> usize {
        let Reading::Chunk { size, left, last } = &mut self.reading else { return 0 };
        let step = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
        *left = left.saturating_sub(u64::try_from(step).unwrap_or(u64::MAX));
        let (size, last, complete) = (*size, *last, *left == 0);
        if let Some(mail) = self.mail.as_mut().filter(|mail| mail.has_recipients()) {
            mail.begin();
            mail.write(rest.get(..step).unwrap_or_default());
        }
        if complete {
            say(self.chunk_end(size, last), out);
        }
        step
    }

    fn chunk_end(&mut self, size: u64, last: bool) -> &'static str {
        self.reading = Reading::Commands;
        match &mut self.mail {
            Some(mail) if mail.has_recipients() => {
                if size == 0 {
                    mail.begin();
                }
                if last { self.keep() } else { "250 2.0.0 Chunk OK" }
            }
            _ => "503 5.5.1 Out of sequence",
        }
    }

    fn keep(&mut self) -> &'static str {
        self.mail.take().map_or("503 5.5.1 Out of sequence", Mail::keep)
    }
}

/// Says a reply, if there is one.
fn say(reply: &str, out: &mut Vec<u8>) {
    if !reply.is_empty() {
        out.extend_from_slice(reply.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// A folder of its own for each test, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("gatepost-{name}-{}", std::process::id())))
        }

        fn messages(&self) -> Vec<String> {
            let entries = std::fs::read_dir(self.0.join("new")).unwrap();
            let mut texts: Vec<_> =
                entries.map(|entry| String::from_utf8(bytes(&entry.unwrap().path())).unwrap()).collect();
            texts.sort();
            texts
        }

        fn drafts(&self) -> usize {
            std::fs::read_dir(self.0.join("tmp")).unwrap().count()
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a test looks at what was kept")]
    fn bytes(path: &std::path::Path) -> Vec<u8> {
        std::fs::read(path).unwrap()
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// Plays a dialogue in pieces of `step` octets; gives the codes of the replies.
    fn play(folder: &Folder, said: &[u8], step: usize) -> Vec<String> {
        let maildir = Maildir::open(&folder.0).unwrap();
        let mut relay = Relay::new(&maildir);
        let (mut waiting, mut out) = (Vec::new(), Vec::new());
        for piece in said.chunks(step) {
            waiting.extend_from_slice(piece);
            let taken = relay.hear(&waiting, &mut out);
            waiting.drain(..taken);
        }
        let text = String::from_utf8(out).unwrap();
        text.lines()
            .filter_map(|line| Some(line.split_once(' ').filter(|(code, _)| code.len() == 3)?.0.to_owned()))
            .collect()
    }

    #[test]
    fn mail_is_kept_to_the_octet_however_it_is_cut() {
        let said = b"EHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\nRCPT TO:<c@b.example>\r\n\
                     DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n";
        for step in [1, 2, 7, said.len()] {
            let folder = Folder::new(&format!("data{step}"));
            assert_eq!(play(&folder, said, step), ["250", "250", "250", "250", "354", "250", "221"]);
            let expected = "Return-Path: <a@a.example>\r\nDelivered-To: <b@b.example>\r\n\
                            Delivered-To: <c@b.example>\r\nSubject: x\r\n\r\n.dot\r\n";
            assert_eq!(folder.messages(), [expected]);
            assert_eq!(folder.drafts(), 0);
        }
    }

    #[test]
    fn chunks_make_one_message_and_the_last_may_be_empty() {
        let said = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\nBDAT 4\r\nA: b\
                     BDAT 4\r\n\r\n\r\nBDAT 0 LAST\r\nNOOP\r\n";
        for step in [1, 3, said.len()] {
            let folder = Folder::new(&format!("bdat{step}"));
            assert_eq!(play(&folder, said, step), ["250"; 7]);
            let expected = "Return-Path: <>\r\nDelivered-To: <b@b.example>\r\nA: b\r\n\r\n";
            assert_eq!(folder.messages(), [expected]);
        }
    }

    #[test]
    fn what_comes_out_of_sequence_is_refused_and_nothing_is_kept() {
        let folder = Folder::new("sequence");
        let said = b"MAIL FROM:<a@a.example>\r\nEHLO a.example\r\nRCPT TO:<b@b.example>\r\nDATA\r\nBDAT 3 LAST\r\nabc\
                     MAIL FROM:<a@a.example>\r\nDATA\r\nFOO\r\nRSET\r\n";
        assert_eq!(play(&folder, said, 5), ["503", "250", "503", "503", "503", "250", "503", "500", "250"]);
        assert!(folder.messages().is_empty());
    }

    #[test]
    fn a_message_that_is_not_finished_leaves_nothing_behind() {
        let folder = Folder::new("broken");
        let said = b"EHLO a.example\r\nMAIL FROM:<>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nSubject: x\r\n";
        assert_eq!(play(&folder, said, 1000), ["250", "250", "250", "354"]);
        assert!(folder.messages().is_empty());
        assert_eq!(folder.drafts(), 0);
    }
}
