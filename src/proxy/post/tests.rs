use super::*;
use crate::proxy::means::{Descriptor, Means};
use crate::proxy::wakes::Wakes;
use crate::proxy::wire::{Pieces, Wire};
use crate::proxy::{round, turn};
use crate::session::Moment;
use crate::telemetry::Metrics;
use std::io::{ErrorKind, Read, Write};
use std::task::Waker;
use std::time::Duration;
use tokio::net::TcpStream;

const NOW: Moment = Moment::START;
const OPEN: (Side, Next) = (Side::Client, Next::Open);
const END: (Side, Next) = (Side::Client, Next::End);

/// A wire, and the peer at its other end, who is asked and does not wait.
struct Line {
    wire: Wire,
    peer: std::net::TcpStream,
    wakes: Arc<Wakes>,
}

impl Line {
    /// `full`: there is no room for anything more. Gives how much was said until then, too.
    fn new(full: bool) -> (Self, usize) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        stream.set_nonblocking(true).unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.set_nonblocking(true).unwrap();
        let mut filling = std::iter::from_fn(|| stream.write(&[b'x'; 4096]).ok());
        let said = if full { filling.by_ref().sum() } else { 0 };
        let descriptor = Descriptor::count(&Means::new(&Metrics::new(), 1 << 20, 0));
        let wire = Wire::new(TcpStream::from_std(stream).unwrap(), descriptor);
        (Self { wire, peer, wakes: Arc::default() }, said)
    }

    fn post(&mut self, (side, next): (Side, Next), pieces: &[&[u8]]) {
        let waker = Waker::from(Arc::clone(&self.wakes));
        let mut pieces: Pieces<'_> = pieces.iter().copied().collect();
        self.wire.post((side, next), &mut Context::from_waker(&waker), NOW, &mut pieces);
        assert!(pieces.is_empty());
    }

    fn flush(&mut self) -> bool {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.wire.flush(&mut Context::from_waker(&waker), NOW)
    }

    /// All that the peer can hear now.
    fn heard(&mut self) -> Vec<u8> {
        heard(&mut self.peer)
    }
}

fn heard(peer: &mut std::net::TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let end = peer.read_to_end(&mut all);
    assert!(end.is_ok() || end.unwrap_err().kind() == ErrorKind::WouldBlock);
    all
}

/// All that the peer hears until the stream is at its end.
fn heard_to_the_end(peer: &mut std::net::TcpStream) -> Vec<u8> {
    peer.set_nonblocking(false).unwrap();
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    all
}

/// Lets everybody have a turn who has one to come, and the thread rest.
async fn round() {
    // Over loopback what was said has come, but the runtime is to hear of room that there is again.
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// A thread that delivers whenever it would rest.
fn attended(talk: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().on_thread_park(attend).build().unwrap();
    runtime.block_on(async {
        round().await;
        talk.await;
    });
}

#[test]
fn what_is_posted_is_said_when_the_thread_would_rest_and_in_order() {
    attended(async {
        let (mut line, _) = Line::new(false);
        line.post(OPEN, &[b"250 ", b"one\r\n"]);
        line.post(OPEN, &[b"250 two\r\n"]);
        assert_eq!(line.heard(), b"");
        round().await;
        assert_eq!(line.heard(), b"250 one\r\n250 two\r\n");
        assert_eq!(line.wakes.count(), 0);
    });
}

#[tokio::test]
async fn where_nobody_delivers_it_is_said_at_once() {
    let (mut line, _) = Line::new(false);
    line.post(OPEN, &[b"250 one\r\n"]);
    assert_eq!(line.heard(), b"250 one\r\n");
}

#[test]
fn what_is_long_is_said_at_once_and_behind_what_was_posted() {
    attended(async {
        let (mut line, _) = Line::new(false);
        line.post(OPEN, &[b"354 go on\r\n"]);
        line.post(OPEN, &[&[b'a'; LONGEST + 1]]);
        let heard = line.heard();
        assert!(heard.starts_with(b"354 go on\r\naaaa") && heard.len() == 11 + LONGEST + 1);
    });
}

#[test]
fn more_than_a_bag_full_is_not_kept() {
    attended(async {
        let (mut line, _) = Line::new(false);
        for _ in 0..BAG / LONGEST {
            line.post(OPEN, &[&[b'a'; LONGEST]]);
        }
        assert_eq!(line.heard(), b"");
        line.post(OPEN, &[b"b"]);
        assert_eq!(line.heard().len(), BAG + 1);
    });
}

#[test]
fn what_cannot_be_delivered_comes_back_its_sender_is_woken_and_nothing_overtakes_it() {
    attended(async {
        let (mut line, said) = Line::new(true);
        line.post(OPEN, &[b"250 one\r\n"]);
        let (mut other, _) = Line::new(false);
        other.post(OPEN, &[b"250 of another\r\n"]);
        line.post(OPEN, &[b"250 two\r\n"]);
        assert!(!line.wire.is_pending());
        round().await;
        assert_eq!(other.heard(), b"250 of another\r\n");
        assert!(line.wakes.count() > 0 && line.wire.is_pending() && !line.wire.rests());
        // Nothing of it is posted anew, although the peer has room again.
        let mut heard = line.heard();
        line.post(OPEN, &[b"250 three\r\n"]);
        for _ in 0..100 {
            line.flush();
            heard.extend(line.heard());
            round().await;
        }
        assert!(!line.wire.is_pending());
        assert_eq!(heard.split_off(said), b"250 one\r\n250 two\r\n250 three\r\n");
    });
}

#[test]
fn a_wire_that_is_closed_has_said_what_was_posted() {
    attended(async {
        let (mut line, _) = Line::new(false);
        line.post(END, &[b"221 bye\r\n"]);
        let Line { wire, mut peer, .. } = line;
        drop(wire);
        assert_eq!(heard(&mut peer), b"");
        round().await;
        assert_eq!(heard_to_the_end(&mut peer), b"221 bye\r\n");
    });
}

#[test]
fn a_peer_without_room_hears_the_last_words_of_a_connection_that_is_over() {
    attended(async {
        let (mut line, said) = Line::new(true);
        line.post(END, &[b"221 bye\r\n"]);
        let Line { wire, mut peer, .. } = line;
        drop(wire);
        round().await;
        let mut all = heard(&mut peer);
        for _ in 0..100 {
            round().await;
            all.extend(heard(&mut peer));
        }
        assert_eq!(all.split_off(said), b"221 bye\r\n");
        // And then the stream is at its end.
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn who_is_in_a_hurry_has_all_of_it_delivered() {
    attended(async {
        let (mut line, _) = Line::new(false);
        line.post(OPEN, &[b"421 going\r\n"]);
        line.wire.shut(&mut Context::from_waker(Waker::noop()));
        assert_eq!(heard_to_the_end(&mut line.peer), b"421 going\r\n");
    });
}

#[test]
fn a_post_that_is_closed_has_delivered() {
    attended(async {
        let (mut line, _) = Line::new(false);
        line.post(OPEN, &[b"250 one\r\n"]);
        close();
        line.post(OPEN, &[b"250 two\r\n"]);
        assert_eq!(line.heard(), b"250 one\r\n250 two\r\n");
    });
}

#[test]
fn who_never_rests_has_what_is_posted_delivered() {
    attended(async {
        let (mut line, _) = Line::new(false);
        let means = Means::new(&Metrics::new(), 1 << 20, 0);
        round::begin();
        round::now(&means);
        line.post(OPEN, &[b"250 one\r\n"]);
        assert_eq!(line.heard(), b"");
        for _ in 0..100 {
            round::now(&means);
        }
        assert_eq!(line.heard(), b"250 one\r\n");
    });
}

#[test]
fn what_is_posted_does_not_wait_for_who_has_much_to_do() {
    attended(async {
        let (mut line, _) = Line::new(false);
        line.post(OPEN, &[b"250 one\r\n"]);
        let waker = Waker::from(Arc::clone(&line.wakes));
        turn::take(&mut Context::from_waker(&waker), NOW, |turn| {
            turn.give_way();
        });
        assert_eq!(line.heard(), b"250 one\r\n");
        assert_eq!(line.wakes.count(), 1);
    });
}
