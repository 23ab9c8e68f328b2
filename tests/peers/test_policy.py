"""What an inbound gate refuses, and what it must never refuse."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from bench.gate import Gate
from bench.mail import message
from bench.recorder import Recorder
from bench.wire import Wire

NEEDS_GATE = pytest.mark.usefixtures("through_the_gate")

BAD_HELLO = """
[[rule]]
id = "bad-hello"
on = "EHLO"
when = { "hello.name" = "bad.example" }
then = "reject"
reply = "550 5.7.1 Not with that name"
because = "the bench asks whether the postmaster is heard all the same"
"""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A relay that would take anything for anybody."""
    with Recorder() as it:
        yield it


# The postmaster (RFC 5321 4.5.1).


@NEEDS_GATE
@pytest.mark.parametrize("postmaster", ["postmaster@example.com", "PostMaster@example.com", "Postmaster"])
def test_the_postmaster_hears_from_a_peer_that_a_rule_refuses(postmaster: str, recorder: Recorder) -> None:
    sent = message(b"Why do you refuse me?\r\n", "postmaster@example.com")
    with Gate(recorder.port, BAD_HELLO) as gate, Wire(gate.port) as wire:
        wire.greet("bad.example")
        wire.expect("MAIL FROM:<a@example.org>", "250")
        wire.expect("RCPT TO:<somebody@example.com>", "550 5.7.1")
        wire.expect(f"RCPT TO:<{postmaster}>", "250")
        assert wire.data(sent).code == 250
    (arrived,) = recorder.messages
    assert arrived.content + b"\r\n" == sent
    assert len(arrived.recipients) == 1 and b"somebody" not in arrived.recipients[0]


@NEEDS_GATE
def test_the_same_rule_leaves_everybody_else_alone(recorder: Recorder) -> None:
    with Gate(recorder.port, BAD_HELLO) as gate, Wire(gate.port) as wire:
        wire.greet("good.example")
        wire.envelope("a@example.org", "somebody@example.com")
        assert wire.data(message()).code == 250
    assert len(recorder.messages) == 1


# Open relays.

ROUNDABOUT = [
    "b@elsewhere.test",
    "b%elsewhere.test@example.com",
    "b%elsewhere.test",
    "elsewhere.test!b",
    "elsewhere.test!b@example.com",
    '"b@elsewhere.test"',
    '"b%elsewhere.test"',
    '"b@elsewhere.test"@example.com',
    "b@elsewhere.test@example.com",
    "@example.com:b@elsewhere.test",
    "b@[127.0.0.1]",
    "b@[192.0.2.1]",
    "b@example.com.elsewhere.test",
    "b@notexample.com",
    "b",
]


@NEEDS_GATE
@pytest.mark.parametrize("recipient", ROUNDABOUT)
def test_no_way_round_leads_to_a_foreign_domain(recipient: str, recorder: Recorder) -> None:
    with Gate(recorder.port) as gate, Wire(gate.port) as wire:
        wire.greet()
        wire.expect("MAIL FROM:<a@example.org>", "250")
        assert wire.say(f"RCPT TO:<{recipient}>").code // 100 == 5
        assert wire.say("DATA").code // 100 == 5
    assert not any(verb == b"RCPT" for it in recorder.conversations for verb in it.verbs)


def nmap(port: int) -> str:
    """What nmap thinks of a mail server; the plus runs its scripts on a port that is not 25."""
    scripts = "+smtp-commands,+smtp-open-relay"
    done = subprocess.run(
        ["nmap", "-n", "-Pn", "-sT", "-p", str(port), "--script", scripts, "127.0.0.1"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


@NEEDS_GATE
def test_nmap_finds_no_open_relay_behind_the_gate(recorder: Recorder) -> None:
    with Gate(recorder.port) as gate:
        found = nmap(gate.port)
    assert "smtp-commands" in found, found
    assert "all tests failed" in found, found
    # It asks for recipients in its own domain; none of those may have passed.
    assert not recorder.messages
    assert not any(verb == b"RCPT" for it in recorder.conversations for verb in it.verbs)


def test_without_a_gate_nmap_finds_the_recorder_open(recorder: Recorder) -> None:
    assert "Server is an open relay" in nmap(recorder.port)
