//! A whole session without sockets.

use Side::{Client, Relay};
use gatepost::event::Side;
use gatepost::policy::allowance::Balance;
use gatepost::policy::compile::compile;
use gatepost::replay::Scene;
use gatepost::session::{Action, Answer, Answered, Asking, Happening, Moment, Output, Question, Session};
use gungraun::{library_benchmark, library_benchmark_group};
use std::hint::black_box;
use std::sync::Arc;

const NOW: Moment = Moment::START;

/// Who says what, segment by segment.
const DIALOGUE: &[(Side, &[u8])] = &[
    (Client, b"EHLO mail.example.org\r\n"),
    (Client, b"MAIL FROM:<a@example.org> SIZE=512\r\n"),
    (Client, b"RCPT TO:<b@example.com>\r\n"),
    (Relay, b"220 relay.example ESMTP\r\n"),
    (Relay, b"250-relay.example\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250 8BITMIME\r\n"),
    (Relay, b"250 2.1.0 OK\r\n250 2.1.5 OK\r\n"),
    (Client, b"DATA\r\n"),
    (Relay, b"354 go on\r\n"),
    (Client, MESSAGE),
    (Client, b".\r\n"),
    (Relay, b"250 2.0.0 queued\r\n"),
    (Client, b"QUIT\r\n"),
];

const MESSAGE: &[u8] = b"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nFrom: a@example.org\r\nTo: b@example.com\r\n\
    Subject: a small message\r\nMessage-ID: <1@example.org>\r\n\r\nIt says very little.\r\n..\r\nAnd then no more.\r\n";

/// A session that has not begun, and the memory of its thread.
struct Conversation {
    session: Session,
    out: Output,
}

impl Conversation {
    /// Plays all of it; gives what was sent to either side.
    fn play(&mut self) -> (usize, usize) {
        let mut sent = (0, 0);
        self.session.begin(NOW, &mut self.out);
        self.carry_out(b"", &mut sent);
        // What the client says while it is not its turn waits.
        let mut waiting: &[u8] = b"";
        for (side, segment) in DIALOGUE {
            match side {
                Client => waiting = segment,
                Relay => assert_eq!(self.show(Relay, segment, &mut sent), b"", "the relay is always heard"),
            }
            waiting = self.show(Client, waiting, &mut sent);
        }
        sent
    }

    /// Shows octets until no more of them are taken; gives what is left.
    fn show<'o>(&mut self, side: Side, mut octets: &'o [u8], sent: &mut (usize, usize)) -> &'o [u8] {
        let mut goes_on = true;
        while goes_on && !octets.is_empty() && self.session.room(side) > 0 {
            let taken = self.session.receive(NOW, side, octets, &mut self.out);
            // What was asked is answered, and what waited for it is shown again.
            goes_on = self.carry_out(octets, sent) || taken > 0;
            octets = octets.get(taken..).unwrap_or_default();
        }
        octets
    }

    /// Gives whether a question was answered.
    fn carry_out(&mut self, input: &[u8], sent: &mut (usize, usize)) -> bool {
        let (mut opens, mut asked) = (false, None);
        let (actions, scratch) = self.out.parts();
        for action in actions {
            match action {
                Action::Send { to: Client, what } => sent.0 += Output::octets(scratch, input, &what).len(),
                Action::Send { to: Relay, what } => sent.1 += Output::octets(scratch, input, &what).len(),
                Action::OpenLink(_) => opens = true,
                Action::Ask(question) => asked = Some(question),
                other => drop(black_box(other)),
            }
        }
        self.out.clear();
        let answers = asked.is_some();
        if let Some(Question { number, what: Asking::Allowances(charges) }) = asked {
            let plenty = Balance { within: true, left: 1 };
            let what = Answered::Allowances(charges.iter().map(|_| plenty).collect());
            self.session.happened(NOW, Happening::Answered(Answer { number, what }), &mut self.out);
            self.carry_out(b"", sent);
        }
        if opens {
            self.session.happened(NOW, Happening::LinkOpened, &mut self.out);
            self.carry_out(b"", sent);
        }
        answers
    }
}

/// Limits that are removed: without any nothing is asked, as in a profile that never had them.
const UNLIMITED: &str =
    "[[limit]]\nid = 'connections-per-network'\noff = true\n[[limit]]\nid = 'harvesting'\noff = true\n";

fn conversation_of_one(limits: &str) -> Conversation {
    let rules = format!(
        "profile = 't'\nextends = 'inbound'\n[lists]\nlocal_domains = ['example.com']\n\
         [names]\nunverified = 'tolerate'\nfailed = 'tolerate'\nannotate = 'off'\n{limits}"
    );
    let compiled = compile("t.toml", &mut |path| match path {
        "t.toml" => Ok(rules.clone()),
        other => Err(format!("there is no {other}")),
    });
    let policy = Arc::new(compiled.policy.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics)));
    let setting = Scene::default().setting(policy);
    let mut rehearsal = Conversation { session: Session::new(setting.clone()), out: Output::default() };
    let (_, relayed) = rehearsal.play();
    assert!(relayed > MESSAGE.len() && rehearsal.session.is_over(), "{:?}", rehearsal.session);
    Conversation { session: Session::new(setting), out: rehearsal.out }
}

#[library_benchmark]
#[bench::small_message(args = (UNLIMITED), setup = conversation_of_one)]
#[bench::small_message_with_limits(args = (""), setup = conversation_of_one)]
fn converse(mut conversation: Conversation) -> ((usize, usize), Conversation) {
    (black_box(conversation.play()), conversation)
}

library_benchmark_group!(name = session, benchmarks = converse);
