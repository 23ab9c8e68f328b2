//! A gate, a relay and a client for a test.

use crate::secure::Both;
use gatepost::policy::Policy;
use gatepost::policy::compile::compile;
use gatepost::proxy::config::{Address, Admin, Deployment, Listener, Relay as RelayConfig};
use gatepost::proxy::{Gate, start};
use gatepost::telemetry::Telemetry;
use socket2::{Domain, Socket, Type};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than anything may take; a test that waits so long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);

const RULES: &str = "
profile = 'test'
extends = 'base'
[relay]
to = ['example.com']
[verbs]
STARTTLS = {}
[extensions]
offer_add = ['STARTTLS']
[limits]
trivial_commands = 1000000
";

pub(crate) fn policy(more: &str) -> Arc<Policy> {
    policy_of(&format!("{RULES}{more}"), &[])
}

/// These rules, with files beside them: their names, and what stands in them.
pub(crate) fn policy_of(rules: &str, files: &[(&str, &str)]) -> Arc<Policy> {
    let mut read = |path: &str| {
        let known = [("test.toml", rules)];
        let mut all = known.iter().chain(files);
        all.find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned()).ok_or("none".to_owned())
    };
    let compiled = compile("test.toml", &mut read);
    Arc::new(compiled.policy.unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics)))
}

/// A gate; it is stopped with the test.
pub(crate) struct Running(Option<Gate>);

impl std::ops::Deref for Running {
    type Target = Gate;
    fn deref(&self) -> &Gate {
        self.0.as_ref().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(gate) = self.0.take() {
            gate.stop();
            // A test that failed shows why, not that its gate cannot end.
            if !thread::panicking() {
                gate.join();
            }
        }
    }
}

pub(crate) fn gate(relays: &[SocketAddr]) -> Running {
    gate_with(relays, "", |_| ())
}

pub(crate) fn gate_with(relays: &[SocketAddr], rules: &str, change: impl FnOnce(&mut Deployment)) -> Running {
    let addresses = relays.iter().map(|relay| Address::read(&relay.to_string()).unwrap()).collect();
    let relay = RelayConfig::new("relay", addresses);
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let listener = Listener::new("test", listen, policy(rules), &relay);
    let mut deployment = Deployment::single("gate.test".into(), listener, relay);
    deployment.admin = Some(Admin { listen: "127.0.0.1:0".parse().unwrap(), hosts: Vec::new() });
    change(&mut deployment);
    let telemetry = Telemetry::new(Box::new(std::io::sink())).unwrap();
    let gate = Running(Some(start(deployment, telemetry, 2).unwrap()));
    // The first look at the relay is over: what a test counts is its own.
    wait_until("the relay was asked", || {
        let text = gate.text();
        text.contains("gatepost_relay_up{relay=\"relay\"} 1")
            || relays.is_empty()
            || text.contains("gatepost_links_active{relay=\"relay\"} 0")
    });
    thread::sleep(Duration::from_millis(100));
    gate
}

impl Running {
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses()[0].1
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.telemetry().metrics().encode()).unwrap()
    }

    /// The figure of a series.
    pub(crate) fn figure(&self, series: &str) -> u64 {
        let text = self.text();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("there is no {series} in\n{text}")).parse().unwrap()
    }

    pub(crate) fn buffer_used(&self) -> i64 {
        self.telemetry().metrics().buffer_used().get()
    }

    /// Asks the endpoint; gives status line and body.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin().unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// Takes the gate to wait for its end.
    pub(crate) fn into_gate(mut self) -> Gate {
        self.0.take().unwrap()
    }
}

pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "waited too long: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// One end of a dialogue.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    reader: BufReader<Box<dyn Both>>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::of(TcpStream::connect(address).unwrap())
    }

    /// From this address of our own.
    pub(crate) fn connect_from(local: SocketAddr, address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&local.into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::of(socket.into())
    }

    fn of(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_nodelay(true).unwrap();
        let both = stream.try_clone().unwrap();
        Self { stream, reader: BufReader::new(Box::new(both)) }
    }

    /// From here on over this.
    pub(crate) fn over(self, both: impl Both + 'static) -> Self {
        Self { stream: self.stream, reader: BufReader::new(Box::new(both)) }
    }

    /// Says it as it is; a peer that is gone is found out when it is heard.
    pub(crate) fn say(&mut self, octets: impl AsRef<[u8]>) {
        let both = self.reader.get_mut();
        let _ = both.write_all(octets.as_ref()).and_then(|()| both.flush());
    }

    /// A line without its end; none: the peer has closed.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end_matches("\r\n").to_owned()),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
                None
            }
            // Its alert is all that it says.
            Err(error) if error.get_ref().is_some_and(is_of_tls) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// A reply, its lines joined; empty: the peer has closed.
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = Vec::new();
        while let Some(line) = self.line() {
            let last = line.as_bytes().get(3) != Some(&b'-');
            reply.push(line);
            if last {
                break;
            }
        }
        reply.join("\n")
    }

    /// Says a command and gives its reply.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.say(format!("{command}\r\n"));
        self.reply()
    }

    /// As [`ask`](Self::ask), and the reply must begin like this.
    pub(crate) fn expect(&mut self, command: &str, code: &str) -> String {
        let reply = self.ask(command);
        assert!(reply.starts_with(code), "{command}: {reply:?} is not {code}");
        reply
    }

    /// Hears greeting and EHLO.
    pub(crate) fn greeted(mut self) -> Self {
        let greeting = self.reply();
        assert!(greeting.starts_with("220 "), "{greeting:?}");
        self.expect("EHLO client.test", "250");
        self
    }

    /// A message up to DATA.
    pub(crate) fn envelope(&mut self) {
        self.expect("MAIL FROM:<a@client.test>", "250");
        self.expect("RCPT TO:<b@example.com>", "250");
        self.expect("DATA", "354");
    }

    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// All replies up to one that begins so.
    pub(crate) fn rest_until(&mut self, code: &str) -> String {
        let mut text = String::new();
        while !text.contains(&format!("\n{code}")) {
            let reply = self.reply();
            assert!(!reply.is_empty(), "no {code} in {text:?}");
            text = format!("{text}\n{reply}");
        }
        text
    }

    /// Everything up to the end.
    pub(crate) fn rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.line()).collect()
    }
}

fn is_of_tls(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error.is::<rustls::Error>()
}

/// A relay that plays a part, once for each connection.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    /// Takes everything.
    pub(crate) fn polite() -> Self {
        Self::playing(|talk| talk.politely(None))
    }

    pub(crate) fn playing(part: impl Fn(&mut Talk) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, heard, part) =
            (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())), Arc::new(part));
        let log = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (part, log) = (Arc::clone(&part), Arc::clone(&log));
                log.lock().unwrap().push("connection".to_owned());
                let mut talk = Talk { wire: Client::of(stream.unwrap()), prefix: "", log };
                thread::spawn(move || part(&mut talk));
            }
        });
        Self { address, heard }
    }

    /// All that it heard, "connection" for each of those.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.heard().iter().filter(|line| *line == "connection").count()
    }
}

/// A relay's side of a link.
pub(crate) struct Talk {
    pub(crate) wire: Client,
    /// In front of what is noted.
    prefix: &'static str,
    log: Arc<Mutex<Vec<String>>>,
}

impl Talk {
    pub(crate) fn say(&mut self, words: &str) {
        self.wire.say(format!("{words}\r\n"));
    }

    pub(crate) fn hear(&mut self) -> Option<String> {
        let line = self.wire.line()?;
        self.log.lock().unwrap().push(format!("{}{line}", self.prefix));
        Some(line)
    }

    /// Hears a PROXY header: a line as it is, or command and family, a colon, and the rest in hexadecimal.
    pub(crate) fn note_header(&mut self) {
        let mut first = [0];
        self.wire.reader.read_exact(&mut first).unwrap();
        if first == *b"P" {
            let line = format!("P{}", self.wire.line().unwrap());
            return self.log.lock().unwrap().push(line);
        }
        let mut fixed = [0; 15];
        self.wire.reader.read_exact(&mut fixed).unwrap();
        let mut rest = vec![0; usize::from(u16::from_be_bytes([fixed[13], fixed[14]]))];
        self.wire.reader.read_exact(&mut rest).unwrap();
        let hexadecimal =
            |octets: &[u8]| octets.iter().fold(String::new(), |text, octet| format!("{text}{octet:02x}"));
        let header = format!("{}:{}", hexadecimal(&fixed[11..13]), hexadecimal(&rest));
        self.log.lock().unwrap().push(header);
    }

    /// From here on over this.
    pub(crate) fn secure(&mut self, both: impl Both + 'static) {
        let stream = self.wire.stream.try_clone().unwrap();
        self.wire = Client::of(stream).over(both);
        self.prefix = "tls: ";
    }

    /// Answers like a relay that has TLS behind it; what it offers there it does not offer elsewhere.
    pub(crate) fn politely_in_tls(&mut self, greets: bool) {
        if greets {
            self.say("220 relay.test ESMTP");
        }
        self.converse(None, "250-relay.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 77000000");
    }

    /// Answers like a relay; `until`: hangs up when it has heard a line that begins so.
    pub(crate) fn politely(&mut self, until: Option<&str>) {
        self.say("220 relay.test ESMTP");
        self.converse(until, "250-relay.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000");
    }

    /// Answers like a relay that offers this.
    pub(crate) fn politely_with(&mut self, offer: &str) {
        self.say("220 relay.test ESMTP");
        self.converse(None, &format!("250-relay.test\r\n250 {offer}"));
    }

    fn converse(&mut self, until: Option<&str>, offer: &str) {
        let mut in_data = false;
        while let Some(line) = self.hear() {
            if until.is_some_and(|until| line.starts_with(until)) {
                return;
            }
            match line.split([' ', ':']).next().unwrap() {
                "XCLIENT" => self.say("220 relay.test ESMTP"),
                "." => {
                    in_data = false;
                    self.say("250 2.0.0 queued");
                }
                _ if in_data => {}
                "EHLO" => self.say(offer),
                "DATA" => {
                    in_data = true;
                    self.say("354 go on");
                }
                "QUIT" => return self.say("221 bye"),
                _ => self.say("250 2.0.0 fine"),
            }
        }
    }
}
