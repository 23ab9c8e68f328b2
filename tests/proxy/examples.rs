//! The deployments in deploy/examples, each as it stands, but for addresses, ports, certificates and accounts: checked,
//! started as a process of its own, and asked by a client to pass one message and to refuse another.

use crate::secure::{Folder, Manner, Pair, Seen, handshake, secure_relay, starttls, usual};
use crate::support::{Client, Relay, wait_until};
use base64ct::{Base64, Encoding};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples");
pub(crate) const GATEPOST: &str = env!("CARGO_BIN_EXE_gatepost");

/// Where the client of a test stands, and where somebody else does.
const HERE: &str = "127.0.0.1/32";
const PASSWORD: &str = "open sesame";

/// A copy of an example, in a folder of its own.
pub(crate) struct Example {
    pub(crate) folder: Folder,
    /// What its listeners show, by their names.
    certificates: Vec<(String, Pair)>,
}

impl Example {
    /// What the head of each file tells the operator to make is made.
    pub(crate) fn copy(name: &str, certificates: &[(&str, &str)], accounts: &[&str]) -> Self {
        let folder = Folder::new();
        for entry in fs::read_dir(Path::new(EXAMPLES).join(name)).unwrap() {
            let file = entry.unwrap().path();
            fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        fs::create_dir(folder.path().join("tls")).unwrap();
        let make = |(file, name): &(&str, &str)| {
            let pair = Pair::own(&[name]);
            folder.put(&format!("tls/{file}"), &pair);
            ((*name).to_owned(), pair)
        };
        let certificates = certificates.iter().map(make).collect();
        let example = Self { folder, certificates };
        for account in accounts {
            let mut passwd = Command::new(GATEPOST);
            passwd.arg("passwd").arg(example.file("users")).arg(account);
            let mut passwd = passwd.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            writeln!(passwd.stdin.take().unwrap(), "{PASSWORD}").unwrap();
            assert!(passwd.wait().unwrap().success());
        }
        example
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `gatepost check`, as the head of the file says.
    fn check(&self, file: &str, says: &str) {
        let done = Command::new(GATEPOST).arg("check").arg(self.file(file)).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        assert!(done.status.success() && text.contains(says), "{says}\n{text}");
    }

    /// Puts something else in the place of what a file says.
    pub(crate) fn change(&self, file: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(file)).unwrap();
        assert!(text.contains(from), "there is no {from} in {file}");
        fs::write(self.file(file), text.replace(from, to)).unwrap();
    }

    /// Starts one of its files: it listens here, on any port, and its relay is this one.
    pub(crate) fn start(&self, file: &str, relay: SocketAddr) -> Running {
        let text = fs::read_to_string(self.file(file)).unwrap();
        let moved = |line: &str| {
            let key = line.split('=').next().unwrap_or_default().trim();
            match key {
                "listen" => "listen = \"127.0.0.1:0\"\n".to_owned(),
                "address" => format!("address = \"{relay}\"\n"),
                _ => format!("{line}\n"),
            }
        };
        fs::write(self.file(file), text.lines().map(moved).collect::<String>()).unwrap();
        Running::start(&self.file(file))
    }

    fn certificate(&self, name: &str) -> &Pair {
        &self.certificates.iter().find(|(known, _)| known == name).unwrap().1
    }
}

/// A gate in a process of its own, which ends with the test.
pub(crate) struct Running {
    process: Child,
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
}

impl Running {
    fn start(file: &Path) -> Self {
        let mut process = Command::new(GATEPOST)
            .args(["run", "--threads", "1", "--config"])
            .arg(file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stderr.take().unwrap());
        let (mut all, mut addresses) = (String::new(), Vec::new());
        let admin = loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).unwrap() > 0, "it did not start:\n{all}");
            all += &line;
            if let Some(rest) = line.strip_prefix("listening on ") {
                addresses.push(rest.split(' ').next().unwrap().parse().unwrap());
            }
            if let Some(rest) = line.strip_prefix("admin on http://") {
                break rest.trim_end().trim_end_matches('/').parse().unwrap();
            }
        };
        // It goes on to say things, and must not wait for somebody to read them.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        let running = Self { process, addresses, admin };
        wait_until("its relay answers", || running.get("/ready").starts_with("HTTP/1.1 200"));
        running
    }

    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.addresses[0])
    }

    /// Asks it to read its files again (SIGHUP).
    pub(crate) fn hang_up(&self) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    /// A client that is somebody else.
    fn stranger(&self) -> Client {
        Client::connect_from("127.0.0.2:0".parse().unwrap(), self.addresses[0])
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn in_tls(client: Client, name: &str) -> Seen {
    let mut seen = starttls(client, &usual(), name).unwrap();
    seen.client.expect("EHLO client.test", "250");
    seen
}

fn auth(client: &mut Client, account: &str, password: &str, code: &str) {
    let shown = Base64::encode_string(format!("\0{account}\0{password}").as_bytes());
    client.expect(&format!("AUTH PLAIN {shown}"), code);
}

/// A message, which must arrive.
fn passes(client: &mut Client, from: &str, to: &str, relay: &Relay) {
    client.expect(&format!("MAIL FROM:<{from}>"), "250");
    client.expect(&format!("RCPT TO:<{to}>"), "250");
    client.expect("DATA", "354");
    client.say("Subject: x\r\n\r\nthe body\r\n.\r\n");
    let reply = client.reply();
    assert!(reply.starts_with("250"), "{reply}");
    let heard = relay.heard();
    let has = |words: &str| heard.iter().any(|line| line.trim_start_matches("tls: ") == words);
    assert!(
        has(&format!("MAIL FROM:<{from}>")) || has(&format!("MAIL FROM:<{from}> BODY=7BIT")),
        "{heard:?}"
    );
    assert!(has(&format!("RCPT TO:<{to}>")) && has("the body"), "{heard:?}");
}

/// A recipient who must not reach the relay.
fn refuses(client: &mut Client, from: &str, to: &str, code: &str, relay: &Relay) {
    client.expect(&format!("MAIL FROM:<{from}>"), "250");
    client.expect(&format!("RCPT TO:<{to}>"), code);
    client.expect("RSET", "250");
    assert!(!relay.heard().iter().any(|line| line.contains(to)));
}

#[test]
fn each_example_is_tried() {
    let folders = fs::read_dir(EXAMPLES).unwrap();
    let found: BTreeSet<_> = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let tried = ["dmz", "hybrid", "in-and-out", "sidecar", "submission"].map(str::to_owned);
    assert_eq!(found, BTreeSet::from(tried));
}

#[test]
fn dmz() {
    let (relay, example) = (Relay::polite(), Example::copy("dmz", &[("mx", "mx.example.com")], &[]));
    example.check("gatepost.toml", "0 errors, 1 warning");
    let gate = example.start("gatepost.toml", relay.address);
    let Seen { mut client, certificate } = in_tls(gate.client(), "mx.example.com");
    assert!(certificate == example.certificate("mx.example.com").certificate);
    refuses(&mut client, "a@client.test", "b@elsewhere.test", "550 5.7.1", &relay);
    passes(&mut client, "a@client.test", "b@example.net", &relay);
}

#[test]
fn sidecar() {
    let (relay, example) = (Relay::polite(), Example::copy("sidecar", &[], &[]));
    example.check("gatepost.toml", "0 errors, 2 warnings");
    let gate = example.start("gatepost.toml", relay.address);
    let mut client = in_tls(gate.client(), "mx.example.com").client;
    refuses(&mut client, "a@client.test", "b@elsewhere.test", "550 5.7.1", &relay);
    passes(&mut client, "a@client.test", "b@example.net", &relay);
    // Who has no TLS is heard, too.
    passes(&mut gate.client().greeted(), "c@client.test", "b@example.net", &relay);
}

#[test]
fn in_and_out() {
    let (inside, delivery) = (Relay::polite(), Relay::polite());
    let certificates = [("mx", "mx.example.com"), ("out", "out.example.com")];
    let example = Example::copy("in-and-out", &certificates, &["mailserver"]);
    example.check("gatepost-in.toml", "0 errors, 1 warning");
    example.check("gatepost-out.toml", "0 errors, 1 warning");
    example.change("out.toml", "10.0.0.5/32", HERE);
    let gate_in = example.start("gatepost-in.toml", inside.address);
    let gate_out = example.start("gatepost-out.toml", delivery.address);

    let Seen { mut client, certificate } = in_tls(gate_in.client(), "mx.example.com");
    assert!(certificate == example.certificate("mx.example.com").certificate);
    passes(&mut client, "a@client.test", "b@example.net", &inside);
    // Somebody of ours takes the wrong door.
    refuses(&mut client, "a@example.net", "b@elsewhere.test", "550 5.7.1 Relaying denied", &inside);
    client.expect("AUTH PLAIN", "502");

    let Seen { mut client, certificate } = in_tls(gate_out.client(), "out.example.com");
    assert!(certificate == example.certificate("out.example.com").certificate);
    client.expect("MAIL FROM:<a@example.net>", "530");
    auth(&mut client, "mailserver", "open barley", "535");
    auth(&mut client, "mailserver", PASSWORD, "235");
    client.expect("MAIL FROM:<a@elsewhere.test>", "550 5.7.1");
    passes(&mut client, "a@example.net", "b@elsewhere.test", &delivery);
    gate_out.client().greeted().expect("MAIL FROM:<a@example.net>", "530");
    // The Internet takes the wrong door.
    assert!(gate_out.stranger().reply().starts_with("554 5.7.1"));
    assert!(!inside.heard().iter().any(|line| line.contains("elsewhere.test")));
}

#[test]
fn submission() {
    let relay = Relay::polite();
    let example = Example::copy(
        "submission",
        &[("mail", "mail.example.com")],
        &["anna@example.net", "bert@example.net"],
    );
    example.check("gatepost.toml", "0 errors, 1 warning");
    let gate = example.start("gatepost.toml", relay.address);
    let (starts, implicit) = (gate.addresses[0], gate.addresses[1]);
    let mut clear = Client::connect(starts).greeted();
    clear.expect("MAIL FROM:<anna@example.net>", "530");
    clear.expect("AUTH PLAIN", "530");
    for (account, client) in [
        ("anna@example.net", starttls(Client::connect(starts), &usual(), "mail.example.com")),
        ("bert@example.net", handshake(Client::connect(implicit), &usual(), "mail.example.com")),
    ] {
        let Seen { mut client, certificate } = client.unwrap();
        assert!(certificate == example.certificate("mail.example.com").certificate);
        if account.starts_with("bert") {
            client = client.greeted();
        } else {
            client.expect("EHLO client.test", "250");
        }
        client.expect(&format!("MAIL FROM:<{account}>"), "530");
        auth(&mut client, account, "open barley", "535");
        auth(&mut client, account, PASSWORD, "235");
        client.expect("MAIL FROM:<boss@elsewhere.test>", "553 5.7.1");
        passes(&mut client, account, &format!("{account}.elsewhere.test"), &relay);
    }
    let heard = relay.heard();
    assert!(!heard.iter().any(|line| line.contains("AUTH PLAIN") || line.contains("boss")), "{heard:?}");
}

#[test]
fn hybrid() {
    let own = Pair::own(&["exchange.example.com"]);
    let relay = secure_relay(Manner::with(&own));
    let example = Example::copy("hybrid", &[("mx", "mx.example.com")], &[]);
    example.check("gatepost.toml", "0 errors, 3 warnings");
    fs::write(example.file("exchange-online.txt"), "127.0.0.2\n").unwrap();
    let gate = example.start("gatepost.toml", relay.address);

    let Seen { mut client, certificate } = in_tls(gate.client(), "mx.example.com");
    assert!(certificate == example.certificate("mx.example.com").certificate);
    refuses(&mut client, "a@client.test", "b@elsewhere.test", "550 5.7.1", &relay);
    passes(&mut client, "a@client.test", "b@example.net", &relay);

    let mut clear = gate.stranger().greeted();
    // Whoever is not offered it does not ask for it.
    let hello = clear.ask("EHLO client.test");
    assert!(hello.contains("STARTTLS"), "{hello}");
    clear.expect("MAIL FROM:<a@client.test>", "530");
    // The relay's own certificate, and nobody in between who would know a verb from another.
    let Seen { mut client, certificate } = in_tls(gate.stranger(), "mx.example.com");
    assert!(certificate == own.certificate);
    client.expect("XEXCH50 1 2", "250");
    passes(&mut client, "exchange@example.com", "c@example.net", &relay);
    let counted =
        "gatepost_sessions_uninspected_total{listener=\"hybrid\",reason=\"starttls_passthrough\"} 1";
    wait_until(counted, || gate.get("/metrics").contains(counted));
}
