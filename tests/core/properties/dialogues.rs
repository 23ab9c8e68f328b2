//! Worlds, and what clients say in them.

use crate::transcripts::policy;
use gatepost::policy::Policy;
use gatepost::replay::{Backend, Handshakes, Scene};
use gatepost::session::{Connect, RelayTls};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::sync::{Arc, LazyLock};

/// Rules that make a difference to what is forwarded, held back and refused.
pub(super) const RULES: [&str; 11] = [
    "",
    "[line_ends]\ncontent = \"reject\"",
    "[line_ends]\nlenient = [\"203.0.113.0/24\"]",
    "mode = \"monitor\"",
    "[limits]\nrecipients = 2\nrefused_recipients = 2\nmessage_size = \"1KiB\"\ncommand_errors = 4\ntransactions = 3",
    STARTTLS,
    AUTH,
    AUTH_HERE,
    "mode = \"monitor\"\n[verbs]\nSTARTTLS = {}\n[extensions]\noffer_add = [\"STARTTLS\"]",
    "[violations]\nmissing_brackets = \"reject\"\ntrailing_space = \"disconnect\"\n[verbs]\nEXPN = {}",
    LIMITED,
];

/// Everything is counted, and there is little of everything.
pub(super) const LIMITED: &str = "[[limit]]\nid = \"m\"\nkey = \"client.ip\"\ncount = \"messages\"\nrate = \"3/h\"\n\
    [[limit]]\nid = \"r\"\nkey = [\"mail.domain\", \"rcpt.address\"]\ncount = \"recipients\"\nrate = \"3/h\"\n\
    [[limit]]\nid = \"f\"\nkey = \"client.net\"\ncount = \"refusals\"\nrate = \"5/h\"\n\
    [[limit]]\nid = \"o\"\nkey = \"hello.name\"\ncount = \"octets\"\nrate = \"1KiB/h\"\n\
    [[limit]]\nid = \"c\"\nkey = \"listener\"\ncount = \"commands\"\nrate = \"40/h\"\n\
    [[limit]]\nid = \"b\"\nkey = \"client.ip\"\ncount = \"command:BDAT\"\nrate = \"3/h\"\n\
    [[limit]]\nid = \"d\"\nkey = \"client.ip\"\ncount = \"reply:DATA:2xx\"\nrate = \"2/h\"\nthen = \"disconnect\"\n\
    [[limit]]\nid = \"w\"\nkey = \"client.ip\"\ncount = \"reply:RCPT:5xx\"\nrate = \"1/h\"\nmode = \"monitor\"\n";

const STARTTLS: &str = "[verbs]\nSTARTTLS = {}\n[extensions]\noffer_add = [\"STARTTLS\"]";

pub(super) const AUTH: &str = "[verbs]\nAUTH = {}\nSTARTTLS = {}\n\
    MAIL = { parameters = [\"SIZE\", \"BODY\", \"SMTPUTF8\", \"RET\", \"ENVID\", \"AUTH\"] }\n\
    [extensions]\noffer_add = [\"AUTH\", \"STARTTLS\"]\n[auth]\npolicy = \"required\"\nattempts = 3";

pub(super) const AUTH_HERE: &str = "[verbs]\nAUTH = {}\n\
    MAIL = { parameters = [\"SIZE\", \"BODY\", \"SMTPUTF8\", \"RET\", \"ENVID\", \"AUTH\"] }\n\
    [extensions]\noffer_add = [\"AUTH\"]\n[auth]\npolicy = \"required\"\nbackend = { file = \"users\" }";

pub(super) static POLICIES: LazyLock<Vec<Arc<Policy>>> =
    LazyLock::new(|| RULES.iter().map(|rules| policy(rules).expect("rules that compile")).collect());

/// A world and what a client says in it, segment by segment.
#[derive(Clone, Debug)]
pub(super) struct Dialogue {
    pub(super) rules: usize,
    pub(super) scene: Scene,
    pub(super) segments: Vec<Vec<u8>>,
    /// How handshakes and questions end, one after the other.
    pub(super) luck: Vec<bool>,
}

fn line(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\r\n"].concat()
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    select(texts).prop_map(line)
}

fn hello() -> impl Strategy<Value = Vec<u8>> {
    one_of(&["EHLO a.example", "EHLO a.example", "ehlo b_c", "HELO a.example", "EHLO [192.0.2.1]", "EHLO"])
}

fn mail() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => Just(line("MAIL FROM:<a@example.org>")), 1 => odd_mail()]
}

fn odd_mail() -> impl Strategy<Value = Vec<u8>> {
    one_of(&[
        "MAIL FROM:<>",
        "mail from: A@example.org  body=8bitmime",
        "MAIL FROM:<a@example.org> SIZE=900",
        "MAIL FROM:<a@example.org> SIZE=90000000000",
        "MAIL FROM:<\u{e9}@example.org> SMTPUTF8",
        "MAIL FROM:<@r.example:a@example.org> RET=HDRS ENVID=x+2B",
        "MAIL FROM:<a@example.org> BODY=BINARYMIME",
        "MAIL FROM:<a@",
    ])
}

fn rcpt() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![2 => Just(line("RCPT TO:<b@example.com>")), 1 => odd_rcpt()]
}

fn odd_rcpt() -> impl Strategy<Value = Vec<u8>> {
    one_of(&[
        "RCPT TO:<c@EXAMPLE.com> NOTIFY=NEVER",
        "rcpt to:<postmaster>",
        "RCPT TO:d@example.com ",
        "RCPT TO:<b@elsewhere.test>",
        "RCPT TO:<b%elsewhere.test@example.com>",
        "RCPT TO:<\"x y\"@example.com>",
        "RCPT TO:<>",
    ])
}

fn other() -> impl Strategy<Value = Vec<u8>> {
    one_of(&[
        "RSET",
        "RSET",
        "NOOP",
        "NOOP with \"text\"",
        "VRFY a@example.com",
        "EXPN staff",
        "HELP",
        "DATA now",
        "FOO",
        "",
        " NOOP",
        "AUTH PLAIN AGEAYg==",
        "STARTTLS",
        "XCLIENT ADDR=127.0.0.1",
        "ETRN example.com",
        "BDAT 0 LAST",
    ])
}

/// Exchanges of AUTH that succeed, fail, and are broken off.
fn auth() -> impl Strategy<Value = Vec<u8>> {
    one_of(&[
        "AUTH PLAIN AGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0",
        "AUTH PLAIN AGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0",
        "AUTH PLAIN\r\nAGFubmFAZXhhbXBsZS5jb20Ac2VjcmV0",
        "AUTH LOGIN\r\nYW5uYUBleGFtcGxlLmNvbQ==\r\nc2VjcmV0",
        "auth login YW5uYUBleGFtcGxlLmNvbQ==\r\nc2VjcmV0",
        "AUTH PLAIN AGFubmEAd3Jvbmc=",
        "AUTH PLAIN\r\n*",
        "AUTH LOGIN\r\nnot base64",
        "AUTH LOGIN\r\nMAIL FROM:<evil@example.org>",
        "AUTH CRAM-MD5",
        "AUTH PLAIN =",
    ])
}

/// What ends a session, or should.
fn last() -> impl Strategy<Value = Vec<u8>> {
    one_of(&[
        "QUIT",
        "DATA",
        "GET / HTTP/1.1",
        "BDAT x",
        "NOOP \u{0}",
        "NOOP\nMAIL FROM:<evil@example.org>",
        "NOOP\rMAIL FROM:<evil@example.org>",
    ])
}

/// Content of every sort, with whatever may be mistaken for its end.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let token = select(vec![
        &b"\r\n"[..],
        b"\r\n",
        b"\n",
        b"\r",
        b".",
        b"..",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r\n.\n",
        b"\n.\r\n",
        b"\r.\r",
        b"\0",
        b"\xe9",
        b"Subject: x\r\n\r\n",
        b"Received: from x\r\n",
        b"hello",
        b"QUIT\r\n",
        b"MAIL FROM:<evil@example.org>\r\n",
    ]);
    prop_oneof![
        4 => vec(token.clone(), 0..9).prop_map(|tokens| tokens.concat()),
        1 => (vec(token, 0..5), 900..1200_usize).prop_map(|(tokens, size)| {
            [tokens.concat(), vec![b'x'; size]].concat()
        }),
    ]
}

/// A size that may be wrong, and the chunk.
fn chunk() -> impl Strategy<Value = Vec<u8>> {
    let wrong = prop_oneof![15 => Just(0), 1 => -3..4_isize];
    (content(), wrong, any::<bool>()).prop_map(|(octets, wrong, last)| {
        let size = octets.len().saturating_add_signed(wrong);
        let last = if last { " LAST" } else { "" };
        [line(&format!("BDAT {size}{last}")), octets].concat()
    })
}

/// DATA and its content, mostly with its end.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let end = prop_oneof![9 => Just(&b"\r\n.\r\n"[..]), 1 => Just(&b"\n.\n"[..]), 1 => Just(&b""[..])];
    (content(), end).prop_map(|(octets, end)| [b"DATA\r\n", octets.as_slice(), end].concat())
}

/// A transaction as it should be, more or less.
fn transaction() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![data(), vec(chunk(), 1..4).prop_map(|chunks| chunks.concat())];
    (mail(), vec(rcpt(), 1..4), body).prop_map(|(mail, rcpts, body)| [mail, rcpts.concat(), body].concat())
}

fn segment() -> impl Strategy<Value = Vec<u8>> {
    let saying = prop_oneof![
        2 => hello(),
        3 => mail(),
        4 => rcpt(),
        1 => data(),
        2 => chunk(),
        5 => other(),
        2 => auth(),
        12 => transaction(),
        1 => last(),
    ];
    vec(saying, 1..4).prop_map(|sayings| sayings.concat())
}

/// One octet more, less, or another.
fn mutate(segments: &mut [Vec<u8>], at: (Index, Index), octet: Option<u8>) {
    let segment = &mut segments[at.0.index(segments.len())];
    if segment.is_empty() {
        return;
    }
    let place = at.1.index(segment.len());
    match octet {
        None => drop(segment.remove(place)),
        Some(octet) if octet & 1 == 0 => segment.insert(place, octet),
        Some(octet) => segment[place] = octet,
    }
}

fn offers() -> impl Strategy<Value = Vec<String>> {
    let all = [
        "AUTH LOGIN PLAIN",
        "STARTTLS",
        "PIPELINING",
        "SIZE 2000",
        "8BITMIME",
        "CHUNKING",
        "SMTPUTF8",
        "DSN",
        "ENHANCEDSTATUSCODES",
    ];
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    select(vec![words(&all), words(&all[1..]), words(&all[3..]), words(&all[..5]), words(&[])])
}

pub(super) fn dialogue() -> impl Strategy<Value = Dialogue> {
    let connects = select(vec![
        Connect::Recipient,
        Connect::Recipient,
        Connect::Transaction,
        Connect::Hello,
        Connect::Accept,
    ]);
    let legs = select(vec![RelayTls::None, RelayTls::None, RelayTls::Opportunistic, RelayTls::Required]);
    let world = (0..RULES.len(), offers(), connects, any::<bool>(), legs, any::<bool>());
    let edits = vec(((any::<Index>(), any::<Index>()), any::<Option<u8>>()), 0..2);
    let opening = prop_oneof![19 => Just(line("EHLO client.example.org")), 1 => last()];
    let said = (vec(segment(), 1..8), edits, vec(any::<bool>(), 4));
    (world, opening, said).prop_map(|(world, opening, (mut segments, edits, luck))| {
        let (rules, offer, connect, learned, relay_tls, tls) = world;
        segments.insert(0, opening);
        for (at, octet) in edits {
            mutate(&mut segments, at, octet);
        }
        let segments = segments.iter().flat_map(|segment| behind_starttls(segment)).collect();
        let (handshakes, backend) = (Handshakes::Awaited, Backend::Awaited);
        let scene =
            Scene { offer, connect, learned, relay_tls, tls, handshakes, backend, ..Scene::default() };
        Dialogue { rules, scene, segments, luck }
    })
}

/// What stands behind STARTTLS comes later, or it would matter how it was cut.
fn behind_starttls(segment: &[u8]) -> Vec<Vec<u8>> {
    let upper = segment.to_ascii_uppercase();
    let mut ends: Vec<usize> = memchr::memmem::find_iter(&upper, b"STARTTLS")
        .filter_map(|at| memchr::memchr(b'\n', &segment[at..]).map(|end| at + end + 1))
        .collect();
    ends.insert(0, 0);
    ends.push(segment.len());
    ends.windows(2).map(|pair| segment[pair[0]..pair[1]].to_vec()).filter(|part| !part.is_empty()).collect()
}
