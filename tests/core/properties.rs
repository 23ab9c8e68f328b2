//! What holds whatever a client says and however it is cut, against a polite relay.

use crate::transcripts::policy;
use gatepost::event::{AuthOutcome, Event, Side, TlsFailure};
use gatepost::policy::Policy;
use gatepost::replay::{Backend, Cuts, Handshakes, Player, Scene};
use gatepost::session::{Answered, Connect, RelayTls};
use gatepost::smtp::command;
use gatepost::smtp::line::HARD_CAP;
use gatepost::smtp::verb::Verb;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::sync::{Arc, LazyLock};

/// The verbs that a relay may ever hear.
const SPOKEN: [Verb; 15] = [
    Verb::Ehlo,
    Verb::Helo,
    Verb::Mail,
    Verb::Rcpt,
    Verb::Data,
    Verb::Bdat,
    Verb::Rset,
    Verb::Noop,
    Verb::Quit,
    Verb::Vrfy,
    Verb::Expn,
    Verb::Help,
    Verb::Etrn,
    Verb::StartTls,
    Verb::Auth,
];

/// Rules that make a difference to what is forwarded, held back and refused.
const RULES: [&str; 10] = [
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
];

const STARTTLS: &str = "[verbs]\nSTARTTLS = {}\n[extensions]\noffer_add = [\"STARTTLS\"]";

const AUTH: &str = "[verbs]\nAUTH = {}\nSTARTTLS = {}\n\
    MAIL = { parameters = [\"SIZE\", \"BODY\", \"SMTPUTF8\", \"RET\", \"ENVID\", \"AUTH\"] }\n\
    [extensions]\noffer_add = [\"AUTH\", \"STARTTLS\"]\n[auth]\npolicy = \"required\"\nattempts = 3";

const AUTH_HERE: &str = "[verbs]\nAUTH = {}\n\
    MAIL = { parameters = [\"SIZE\", \"BODY\", \"SMTPUTF8\", \"RET\", \"ENVID\", \"AUTH\"] }\n\
    [extensions]\noffer_add = [\"AUTH\"]\n[auth]\npolicy = \"required\"\nbackend = { file = \"users\" }";

static POLICIES: LazyLock<Vec<Arc<Policy>>> =
    LazyLock::new(|| RULES.iter().map(|rules| policy(rules).expect("rules that compile")).collect());

/// A world and what a client says in it, segment by segment.
#[derive(Clone, Debug)]
struct Dialogue {
    rules: usize,
    scene: Scene,
    segments: Vec<Vec<u8>>,
    /// How handshakes and questions end, one after the other.
    luck: Vec<bool>,
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

fn dialogue() -> impl Strategy<Value = Dialogue> {
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

/// Handshakes and questions end, as luck would have it.
fn settle(player: &mut Player, luck: &mut impl Iterator<Item = bool>) {
    loop {
        let well = luck.next().unwrap_or(true);
        let mut ends = |side| {
            if well { player.handshake_holds(side) } else { player.handshake_fails(side, TlsFailure::Alert) }
                .is_ok()
        };
        let answer = if well { Answered::Yes } else { Answered::No };
        if !ends(Side::Client) && !ends(Side::Relay) && !player.answers(answer) {
            return;
        }
    }
}

fn play(dialogue: &Dialogue, cuts: Cuts) -> Player {
    let mut luck = dialogue.luck.iter().copied().cycle();
    let mut player = Player::new(Arc::clone(&POLICIES[dialogue.rules]), &dialogue.scene, cuts);
    for segment in &dialogue.segments {
        player.client_says(segment);
        settle(&mut player, &mut luck);
        if !player.session().is_over() {
            assert!(player.waiting(Side::Client) < HARD_CAP, "more is kept than a line may have");
            assert_eq!(player.waiting(Side::Relay), 0, "a reply that nobody takes");
            assert!(!player.session().is_waiting(), "a polite relay leaves nothing to wait for");
        }
    }
    player
}

/// Each line is a command that means what it says, and one that a relay may hear.
fn canonical(line: &[u8]) {
    let shown = line.escape_ascii();
    let command = command::parse(line);
    let mut again = Vec::new();
    assert_eq!(command.encode(|_| true, &mut again), Ok(()), "no sound command: {shown}");
    assert_eq!(again, [line, b"\r\n"].concat(), "not canonical: {shown}");
    assert!(command.sloppy.is_empty() || command.verb == Verb::Ehlo || is_long(&command), "sloppy: {shown}");
    assert!(SPOKEN.contains(&command.verb), "not for a relay: {shown}");
}

/// What no canonical form can better: an odd name or mailbox stays what it is.
fn is_long(command: &command::Command<'_>) -> bool {
    use gatepost::smtp::violation::Violation as V;
    command.sloppy.iter().all(|fault| {
        matches!(fault, V::LocalPartTooLong | V::LocalPartDots | V::ParameterEquals | V::HelloSyntax)
    })
}

fn has_bare(content: &[u8]) -> bool {
    let lone = |at: usize| match content[at] {
        b'\r' => content.get(at + 1) != Some(&b'\n'),
        b'\n' => at == 0 || content[at - 1] != b'\r',
        _ => false,
    };
    (0..content.len()).any(lone)
}

/// What the relay heard but for how chunks were cut.
fn told(player: &Player) -> Vec<String> {
    let own_chunk = |line: &&Vec<u8>| line.starts_with(b"BDAT ") && !line.ends_with(b" LAST");
    let lines = player.relay.commands.iter().filter(|line| !own_chunk(line));
    lines.map(|line| line.escape_ascii().to_string()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_change_nothing(dialogue in dialogue(), seed: u64) {
        let whole = play(&dialogue, Cuts::Whole);
        for cuts in [Cuts::Octets, Cuts::Random(seed)] {
            let cut = play(&dialogue, cuts);
            prop_assert_eq!(
                cut.client_heard.escape_ascii().to_string(),
                whole.client_heard.escape_ascii().to_string()
            );
            prop_assert_eq!(told(&cut), told(&whole));
            prop_assert_eq!(&cut.relay.messages, &whole.relay.messages);
            prop_assert_eq!(cut.client_closed, whole.client_closed);
        }
    }

    #[test]
    fn the_relay_hears_canonical_commands_alone(dialogue in dialogue(), seed: u64) {
        let player = play(&dialogue, Cuts::Random(seed));
        player.relay.commands.iter().for_each(|line| canonical(line));
        let base64 = |line: &Vec<u8>| line == b"*" || command::is_base64(line);
        prop_assert!(player.relay.answers.iter().all(base64), "{:?}", player.relay.answers);
        let heard = player.client_heard.escape_ascii().to_string();
        prop_assert!(!heard.contains("what?"), "the relay did not understand: {}", heard);
    }

    #[test]
    fn no_content_has_a_bare_cr_or_lf_or_a_nul(dialogue in dialogue(), seed: u64) {
        for message in &play(&dialogue, Cuts::Random(seed)).relay.messages {
            prop_assert!(!has_bare(&message.content), "{}", message.content.escape_ascii());
            prop_assert!(!message.content.contains(&0));
            prop_assert!(!message.recipients.is_empty());
        }
    }

    #[test]
    fn what_must_be_in_tls_or_by_somebody_is(dialogue in dialogue(), seed: u64) {
        let player = play(&dialogue, Cuts::Random(seed));
        if dialogue.scene.relay_tls == RelayTls::Required {
            prop_assert!(player.relay.messages.iter().all(|message| message.secured));
        }
        let known = |event: &Event| matches!(event, Event::Auth(attempt) if attempt.outcome == AuthOutcome::Succeeded);
        if [AUTH, AUTH_HERE].contains(&RULES[dialogue.rules]) && !player.events.iter().any(known) {
            prop_assert!(player.relay.messages.is_empty());
        }
    }

    #[test]
    fn what_the_client_counts_is_what_arrived(dialogue in dialogue(), seed: u64) {
        let player = play(&dialogue, Cuts::Random(seed));
        let counted = memchr::memmem::find_iter(&player.client_heard, b"250 2.0.0 queued as ").count();
        prop_assert_eq!(counted, player.relay.messages.len());
    }

    #[test]
    fn octets_without_any_sense_harm_nobody(octets in vec(any::<u8>(), 0..600), rules in 0..RULES.len()) {
        let segments = vec![octets];
        let dialogue = Dialogue { rules, scene: Scene::default(), segments, luck: vec![true] };
        let player = play(&dialogue, Cuts::Whole);
        player.relay.commands.iter().for_each(|line| canonical(line));
        prop_assert!(player.relay.messages.is_empty());
    }
}
