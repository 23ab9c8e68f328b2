"""Nobody makes the gate grow: neither a client nor a relay, neither by talking nor by listening badly."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from bench.gate import Gate
from bench.mail import message
from bench.recorder import Recorder
from bench.wire import Closed, Wire

pytestmark = pytest.mark.usefixtures("through_the_gate")

MIB = 1 << 20
BOUND = 8 * MIB
FLOOD = 64 * MIB

# The operator's limits would end most of these at once. Here memory itself is asked.
LIMITLESS = """
[limits]
recipients = 50000
command_errors = 1000000
refused_recipients = 1000000
trivial_commands = 1000000
"""


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A relay."""
    with Recorder() as it:
        yield it


@pytest.fixture(params=["", LIMITLESS], ids=["as shipped", "without limits"])
def gate(request: pytest.FixtureRequest, recorder: Recorder) -> Iterator[Gate]:
    """A gate that has already carried a message, so that what it needs once is there."""
    with Gate(recorder.port, request.param) as it:
        carry(it)
        yield it


def carry(gate: Gate) -> None:
    """One message."""
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope("a@example.org", "b@example.com")
        assert wire.data(message()).code == 250


@contextmanager
def bounded(gate: Gate, bound: int = BOUND) -> Iterator[None]:
    """The gate's peak grows by no more than this, and it still works afterwards."""
    gate.forget_peak()
    before = gate.memory()
    yield
    growth = gate.peak_memory() - before
    assert growth <= bound, f"grew by {growth / MIB:.1f} MiB"
    gate.assert_alive()


def flood(wire: Wire, piece: bytes, octets: int, patience: float = 2.0) -> int:
    """Sends a piece again and again until so many octets are gone, or the other side takes no more."""
    wire.socket.settimeout(patience)
    sent = 0
    try:
        while sent < octets:
            sent += wire.socket.send(piece[sent % len(piece) :] or piece)
    except OSError:  # a time-out too: nobody reads
        pass
    return sent


def test_a_line_without_end_is_cut_off(gate: Gate) -> None:
    with bounded(gate), Wire(gate.port) as wire:
        wire.reply()
        sent = flood(wire, b"EHLO " + b"x" * 65531, FLOOD)
        # Whoever is sent away is listened to for a moment, so that no reset eats the reply; but not to any length.
        assert sent < FLOOD, "it listened to the end"
        assert wire.ended()
    carry(gate)


def test_many_lines_without_end_at_once_stay_bounded(gate: Gate) -> None:
    with bounded(gate), ExitStack() as open_wires:
        for _ in range(40):
            wire = open_wires.enter_context(Wire(gate.port))
            wire.reply()
            flood(wire, b"x" * 500, 500)
    carry(gate)


@pytest.mark.parametrize("piece", [b"x" * 65536, b"250-x\r\n" * 9000], ids=["one line", "many lines"])
def test_a_reply_without_end_is_cut_off(piece: bytes, gate: Gate, recorder: Recorder) -> None:
    recorder.answers[b"RCPT"] = (b"250-" if b"\n" not in piece else b"") + piece * (FLOOD // len(piece) // 2)
    with bounded(gate), Wire(gate.port) as wire:
        wire.greet()
        wire.expect("MAIL FROM:<a@example.org>", "250")
        assert wire.say("RCPT TO:<b@example.com>").code // 100 == 4
    recorder.answers.clear()
    carry(gate)


@pytest.mark.parametrize("command", [b"NOOP\r\n", b"XYZZY\r\n", b"RCPT TO:<b@example.com>\r\n", b"RSET\r\n"], ids=repr)
def test_ten_thousand_pipelined_commands_are_answered_or_ended(command: bytes, gate: Gate) -> None:
    with bounded(gate), Wire(gate.port) as wire:
        wire.greet()
        if command.startswith(b"RCPT"):
            wire.envelope("a@example.org")
        answered = 0
        try:
            for _ in range(100):
                wire.send(command * 100)
                answered += len(wire.replies(100))
        except (Closed, ConnectionError):
            pass
        assert answered <= 10_000
    carry(gate)


@pytest.mark.parametrize("command", [b"NOOP\r\n", b"EHLO client.example.org\r\n", b"VRFY x\r\n"], ids=repr)
def test_clients_that_never_read_stay_bounded(command: bytes, gate: Gate) -> None:
    with bounded(gate), ExitStack() as open_wires:
        for _ in range(10):
            wire = open_wires.enter_context(Wire(gate.port))
            flood(wire, command * 1000, 4 * MIB, patience=0.5)
    carry(gate)


def test_a_relay_that_never_reads_stops_its_client_not_the_gate(gate: Gate, recorder: Recorder) -> None:
    recorder.deaf_at = "content"
    with bounded(gate), Wire(gate.port) as wire:
        wire.greet()
        wire.envelope("a@example.org", "b@example.com")
        wire.expect("DATA", "354")
        sent = flood(wire, b"x" * 78 + b"\r\n", FLOOD, patience=1)
        assert sent < FLOOD, "somebody has kept it"
        recorder.deaf_at = None
        carry(gate)


def test_a_message_of_25_mib_passes_through_little_memory(gate: Gate) -> None:
    with bounded(gate), Wire(gate.port) as wire:
        wire.greet()
        wire.envelope("a@example.org", "b@example.com")
        assert wire.data(message((b"x" * 78 + b"\r\n") * (25 * MIB // 80))).code == 250


def test_idle_clients_cost_little_and_the_relay_nothing(gate: Gate, recorder: Recorder) -> None:
    links = len(recorder.conversations)
    with bounded(gate), ExitStack() as open_sockets:
        for number in range(400):
            # From twenty addresses: a peer may be allowed no more than a few.
            source = (f"127.0.0.{2 + number % 20}", 0)
            idle = socket.create_connection(("127.0.0.1", gate.port), timeout=10, source_address=source)
            open_sockets.callback(idle.close)
            assert idle.recv(3) == b"220"
        time.sleep(0.2)
        assert len(recorder.conversations) <= links + 1, "idle clients cost the relay connections"
        carry(gate)
