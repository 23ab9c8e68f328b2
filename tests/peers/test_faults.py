"""Relays that are absent, rude, mute or mortal, and clients that leave: nothing is acknowledged that nobody has.

A recording client and the recorder compare notes after each fault. A message that the client was told is taken must
exist at the relay; one that the client was not told of may exist only where the relay died between taking it and
saying so, since a duplicate is better than a loss.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bench.gate import DIRECT, IMPATIENT, Gate
from bench.ground import wait_until
from bench.mail import message, text_of
from bench.recorder import PHASES, Recorder
from bench.wire import Closed, Wire

NEEDS_GATE = pytest.mark.usefixtures("through_the_gate")
CONTENT = message(text_of(3000))


class Diary:
    """What a lock-step client heard, step by step, until something went wrong or the message was taken."""

    def __init__(self, port: int) -> None:
        self.heard: dict[str, str] = {}
        begun = time.monotonic()
        try:
            with Wire(port) as wire:
                self._converse(wire)
        except (Closed, ConnectionError) as failure:
            self.heard["closed"] = repr(failure)
        self.took = time.monotonic() - begun

    def _converse(self, wire: Wire) -> None:
        if not self._note("greeting", wire):
            return
        steps = {
            "EHLO": b"EHLO client.example.org\r\n",
            "MAIL": b"MAIL FROM:<a@example.org>\r\n",
            "RCPT": b"RCPT TO:<b@example.com>\r\n",
            "DATA": b"DATA\r\n",
        }
        for step, octets in steps.items():
            wire.send(octets)
            if not self._note(step, wire):
                return
        wire.send(CONTENT)
        time.sleep(0.05)  # a relay that dies in the middle has died before the end is said
        try:
            wire.send(b".\r\n")
        except ConnectionError:
            pass  # it has been closed already; the last words are still to be read
        self._note("end", wire)

    def _note(self, step: str, wire: Wire) -> bool:
        reply = wire.reply()
        self.heard[step] = reply.lines[-1].decode()
        return reply.code < 400

    @property
    def acknowledged(self) -> bool:
        """Whether it was told that its message is taken."""
        return self.heard.get("end", "").startswith("250")

    def assert_ended(self, step: str, *beginnings: str) -> None:
        """It got as far as this step and was refused there in these words."""
        assert list(self.heard)[-1] == step, self.heard
        assert self.heard[step].startswith(beginnings), self.heard


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A relay that is well until the test says otherwise."""
    with Recorder() as it:
        yield it


@pytest.fixture
def gate(recorder: Recorder) -> Iterator[Gate]:
    """A gate of little patience that has seen the relay in good health."""
    with Gate(recorder.port, waits=IMPATIENT) as it:
        wait_for_acquaintance(recorder)
        yield it


def wait_for_acquaintance(recorder: Recorder) -> None:
    """Until the gate knows what the relay offers: from then on it needs no link to answer EHLO."""
    if not DIRECT:
        wait_until("the gate asks the relay for its offer", lambda: any(it.closed for it in recorder.conversations))


def assert_agreed(diary: Diary, recorder: Recorder) -> None:
    """The promise: acknowledged by the gate only if by the relay."""
    assert sum(it.acknowledged for it in recorder.messages) == int(diary.acknowledged), (diary.heard, recorder.messages)


def test_in_good_health_client_and_relay_agree(recorder: Recorder, gate: Gate) -> None:
    diary = Diary(gate.port)
    assert diary.acknowledged, diary.heard
    assert_agreed(diary, recorder)


# The relay cannot be had.


@NEEDS_GATE
def test_a_relay_that_was_never_there_is_told_in_the_greeting() -> None:
    with Recorder() as gone:
        port = gone.port
    with Gate(port, waits=IMPATIENT, relay_is_up=False) as gate:
        time.sleep(0.5)  # the gate has tried by now
        Diary(gate.port).assert_ended("greeting", "421 4.3.2")


@NEEDS_GATE
def test_a_relay_that_has_gone_is_told_to_the_first_recipient_and_then_in_the_greeting() -> None:
    with Recorder() as recorder, Gate(recorder.port, waits=IMPATIENT) as gate:
        wait_for_acquaintance(recorder)
        recorder.stop_listening()
        Diary(gate.port).assert_ended("RCPT", "451 4.4.1")
        Diary(gate.port).assert_ended("greeting", "421 4.3.2")


@NEEDS_GATE
def test_a_relay_that_comes_back_is_used_again() -> None:
    with Recorder() as recorder:
        port = recorder.port
        gate = Gate(port, waits=IMPATIENT)
        wait_for_acquaintance(recorder)
        recorder.stop_listening()
        Diary(gate.port).assert_ended("RCPT", "451 4.4.1")
    with gate, Recorder(port=port) as recorder:
        deadline = time.monotonic() + 5
        diary = Diary(gate.port)
        while not diary.acknowledged and time.monotonic() < deadline:
            time.sleep(0.2)
            diary = Diary(gate.port)
        assert diary.acknowledged, diary.heard
        assert_agreed(diary, recorder)


@NEEDS_GATE
def test_a_busy_greeting_is_a_transient_refusal(recorder: Recorder, gate: Gate) -> None:
    recorder.greeting = b"421 4.3.2 recorder.example.net is busy\r\n"
    diary = Diary(gate.port)
    diary.assert_ended("RCPT", "451 4.4.1")
    assert_agreed(diary, recorder)


@NEEDS_GATE
@pytest.mark.parametrize("code", [554, 521])
def test_a_refusing_greeting_is_passed_on_in_its_own_words(code: int, recorder: Recorder, gate: Gate) -> None:
    recorder.greeting = b"%d 5.3.2 No mail here today\r\n" % code
    diary = Diary(gate.port)
    diary.assert_ended("RCPT", str(code))
    assert "No mail here today" in diary.heard["RCPT"]
    assert_agreed(diary, recorder)


@NEEDS_GATE
def test_a_relay_that_accepts_and_says_nothing_is_given_up(recorder: Recorder, gate: Gate) -> None:
    recorder.silent = True
    diary = Diary(gate.port)
    diary.assert_ended("RCPT", "451 4.4.1")
    assert diary.took < 5
    assert_agreed(diary, recorder)


# The relay dies.

LAST_WORDS = {
    "greeting": ("RCPT", "451 4.4.1"),
    # It was lost with the MAIL on its way, which the client cannot tell from the time before.
    "EHLO": ("RCPT", "421 4.4.2", "451 4.4.1"),
    "MAIL": ("RCPT", "421 4.4.2"),
    "RCPT": ("DATA", "421 4.4.2"),
    "DATA": ("end", "421 4.4.2"),
    "content": ("end", "421 4.4.2"),
    "end": ("end", "451 4.4.2"),
}


@pytest.mark.parametrize("rude", [False, True], ids=["closing", "resetting"])
@pytest.mark.parametrize("phase", PHASES)
def test_after_a_relay_died_both_sides_agree_on_the_messages(
    phase: str, rude: bool, recorder: Recorder, gate: Gate
) -> None:
    recorder.dies_at, recorder.rude = phase, rude
    diary = Diary(gate.port)
    assert not diary.acknowledged, diary.heard
    assert len(recorder.messages) == (1 if phase == "end" else 0)
    assert_agreed(diary, recorder)


@NEEDS_GATE
@pytest.mark.parametrize("rude", [False, True], ids=["closing", "resetting"])
@pytest.mark.parametrize("phase", PHASES)
def test_the_client_of_a_relay_that_died_is_asked_to_come_back(
    phase: str, rude: bool, recorder: Recorder, gate: Gate
) -> None:
    recorder.dies_at, recorder.rude = phase, rude
    Diary(gate.port).assert_ended(*LAST_WORDS[phase])


# The relay falls mute.

MUTE = {
    b"EHLO": ("RCPT", "451 4.4.1"),
    b"MAIL": ("RCPT", "421 4.4.2", "451 4.4.2"),
    b"RCPT": ("RCPT", "421 4.4.2", "451 4.4.2"),
    b"DATA": ("DATA", "421 4.4.2", "451 4.4.2"),
    b"END": ("end", "451 4.4.2"),
}


@NEEDS_GATE
@pytest.mark.parametrize("verb", MUTE, ids=bytes.decode)
def test_a_relay_that_falls_mute_is_given_up(verb: bytes, recorder: Recorder, gate: Gate) -> None:
    recorder.mute_at = verb
    diary = Diary(gate.port)
    diary.assert_ended(*MUTE[verb])
    assert diary.took < 6
    assert_agreed(diary, recorder)


# The relay refuses.


@pytest.mark.parametrize(
    "verb, step, refusal",
    [
        (b"MAIL", "RCPT", b"550 5.7.1 Not from you\r\n"),
        (b"MAIL", "RCPT", b"452 4.3.1 No room for mail\r\n"),
        (b"RCPT", "RCPT", b"550 5.1.1 Nobody of that name\r\n"),
        (b"RCPT", "RCPT", b"450 4.2.0 Greylisted, come back\r\n"),
        (b"DATA", "DATA", b"554 5.5.0 No\r\n"),
        (b"DATA", "DATA", b"451 4.3.0 Not now\r\n"),
        (b"END", "end", b"554 5.6.0 Content refused\r\n"),
        (b"END", "end", b"452 4.3.1 Disk full\r\n"),
    ],
)
def test_a_refusal_of_the_relay_is_heard_in_its_own_words(
    verb: bytes, step: str, refusal: bytes, recorder: Recorder, gate: Gate
) -> None:
    recorder.answers[verb] = refusal
    diary = Diary(gate.port)
    # A gate that opens its link at the first recipient speaks the relay's refusal of MAIL there; without one it is at MAIL.
    assert list(diary.heard)[-1] in (step, verb.decode()), diary.heard
    assert refusal.decode().strip() in diary.heard.popitem()[1]
    assert_agreed(diary, recorder)


def test_after_a_refused_message_the_session_goes_on(recorder: Recorder, gate: Gate) -> None:
    with Wire(gate.port) as wire:
        wire.greet()
        recorder.answers[b"END"] = b"554 5.6.0 Content refused\r\n"
        wire.envelope("a@example.org", "b@example.com")
        assert wire.data(CONTENT).code == 554
        del recorder.answers[b"END"]
        wire.envelope("a@example.org", "b@example.com")
        assert wire.data(CONTENT).code == 250
    assert [it.acknowledged for it in recorder.messages] == [False, True]


IMPOSSIBLE = {
    "an intermediate code": b"354 Go ahead\r\n",
    "no code": b"hello\r\n",
    "a code beyond all classes": b"999 What\r\n",
    "a code of one digit": b"2 Ok\r\n",
    "a line without end": b"250 " + b"x" * 100_000,
    "lines of two codes": b"250-Ok\r\n550 No\r\n",
    "nothing but NUL": b"\0" * 64 + b"\r\n",
}


@NEEDS_GATE
@pytest.mark.parametrize("verb", [b"RCPT", b"END"], ids=bytes.decode)
@pytest.mark.parametrize("reply", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_an_impossible_reply_is_never_taken_for_consent(
    reply: bytes, verb: bytes, recorder: Recorder, gate: Gate
) -> None:
    recorder.answers[verb] = reply
    diary = Diary(gate.port)
    diary.assert_ended("RCPT" if verb == b"RCPT" else "end", "4")
    assert not diary.acknowledged


# The client leaves.


@pytest.mark.parametrize("step", range(1, 7))
def test_a_client_that_leaves_before_the_end_leaves_no_message(step: int, recorder: Recorder, gate: Gate) -> None:
    octets = [b"EHLO client.example.org\r\n", b"MAIL FROM:<a@example.org>\r\n", b"RCPT TO:<b@example.com>\r\n",
              b"DATA\r\n", CONTENT, b"."]  # fmt: skip
    with Wire(gate.port) as wire:
        wire.reply()
        for command in octets[:step]:
            wire.send(command)
            if command not in octets[4:]:
                wire.reply()
    assert_all_links_end(recorder)
    assert not recorder.messages


@pytest.mark.parametrize("kept", range(5))
def test_a_client_that_leaves_inside_the_terminator_leaves_no_message(
    kept: int, recorder: Recorder, gate: Gate
) -> None:
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope("a@example.org", "b@example.com")
        wire.expect("DATA", "354")
        wire.send(b"Subject: cut\r\n\r\nbody" + b"\r\n.\r\n"[:kept])
    assert_all_links_end(recorder)
    assert not recorder.messages


def assert_all_links_end(recorder: Recorder) -> None:
    """The relay is not left waiting for a client that has gone."""
    deadline = time.monotonic() + 5
    while not all(it.closed for it in recorder.conversations):
        assert time.monotonic() < deadline, "the relay is still waiting"
        time.sleep(0.01)
