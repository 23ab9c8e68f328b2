//! What holds whatever a client says and however it is cut, against a polite relay.

mod dialogues;

use dialogues::{AUTH, AUTH_HERE, Dialogue, LIMITED, POLICIES, RULES, dialogue};
use gatepost::event::{AuthOutcome, Event, Side, TlsFailure};
use gatepost::policy::count::Count;
use gatepost::replay::{Allowances, Cuts, Player, Scene};
use gatepost::session::{Answered, RelayTls};
use gatepost::smtp::command;
use gatepost::smtp::line::HARD_CAP;
use gatepost::smtp::verb::Verb;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

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
    fn nothing_is_forwarded_of_which_nothing_is_left(
        mut dialogue in dialogue(),
        seed: u64,
        (id, count) in select(vec![("m", Count::Messages), ("r", Count::Recipients), ("c", Count::Commands(None))]),
    ) {
        dialogue.rules = RULES.iter().position(|rules| *rules == LIMITED).unwrap();
        dialogue.scene.allowances = Allowances::Left(vec![(id.to_owned(), 0)]);
        let player = play(&dialogue, Cuts::Random(seed));
        let spoken = |words: &str| {
            let verb = |line: &&Vec<u8>| line.to_ascii_uppercase().starts_with(words.as_bytes());
            player.relay.commands.iter().filter(verb).count()
        };
        // A pair has no key without a sender: bounces are nobody's.
        let bounces = spoken("MAIL FROM:<>") > 0;
        prop_assert!(count != Count::Messages || spoken("MAIL") == 0);
        prop_assert!(count != Count::Recipients || bounces || spoken("RCPT") == 0);
        prop_assert!(!matches!(count, Count::Commands(_)) || player.relay.commands.is_empty());
        prop_assert!(player.relay.messages.is_empty() || bounces);
    }

    #[test]
    fn no_more_is_forwarded_than_there_is(mut dialogue in dialogue(), seed: u64) {
        dialogue.rules = RULES.iter().position(|rules| *rules == LIMITED).unwrap();
        let player = play(&dialogue, Cuts::Random(seed));
        let spoken = |words: &[u8]| player.relay.commands.iter().filter(|line| line.starts_with(words)).count();
        prop_assert!(spoken(b"MAIL ") <= 3, "{}", spoken(b"MAIL "));
        prop_assert!(player.relay.messages.len() <= 2);
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
