"""TLS with clients, in front of real Postfix: what is said before it is forgotten, and who is cut off has sent nothing."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator

import pytest

from bench.front import Front
from bench.gate import Gate
from bench.ground import wait_until
from bench.keepers import PostfixKeeper
from bench.mail import message, unique
from bench.papers import Paper, papers
from bench.recorder import Recorder
from bench.relays import Postfix
from bench.wire import Closed, Wire
from conftest import House

pytestmark = pytest.mark.usefixtures("through_the_gate")

AUTHOR = "author@example.org"


@pytest.fixture
def between(house: House) -> Iterator[Front]:
    """What the gate says to Postfix is overheard here."""
    it = Front()
    it.towards(house.relay(Postfix).port)
    yield it
    it.stop()


@pytest.fixture
def gate(between: Front) -> Iterator[Gate]:
    """A gate before it."""
    with Gate(between.port, papers=(papers().ec, papers().rsa)) as it:
        yield it


def assert_unheard(between: Front, relay: Postfix, words: bytes) -> None:
    """Neither the relay heard it, nor did mail arrive."""
    assert not any(words in it.octets for it in between.conversations)
    assert not relay.maildir.now("evil@example.com")


# What stands behind STARTTLS in clear.

EVIL = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<evil@example.com>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n.\r\n"
INJECTED = {
    "an envelope": EVIL,
    "RSET": b"RSET\r\n",
    "EHLO in another name, and an envelope": b"EHLO evil.example.org\r\n" + EVIL,
    "half a command": b"MAIL FROM:<evil@exam",
    "one octet": b"M",
    "a line end": b"\r\n",
    "STARTTLS": b"STARTTLS\r\n",
    "AUTH": b"AUTH PLAIN AGV2aWwAZXZpbA==\r\n",
}


def in_one_segment(wire: Wire, injected: bytes) -> None:
    wire.send(b"STARTTLS\r\n" + injected)


def one_octet_later(wire: Wire, injected: bytes) -> None:
    wire.send(b"STARTTLS\r\n" + injected[:1])
    wire.send(injected[1:])


def a_segment_later(wire: Wire, injected: bytes) -> None:
    wire.send(b"STARTTLS\r\n")
    wire.send(injected)


def after_a_line_end_of_its_own(wire: Wire, injected: bytes) -> None:
    wire.send(b"STARTTLS\r")
    wire.send(b"\n" + injected)


def in_a_group(wire: Wire, injected: bytes) -> None:
    wire.send(b"NOOP\r\nRSET\r\nSTARTTLS\r\n" + injected)
    assert [it.code for it in wire.replies(2)] == [250, 250]


WAYS = (in_one_segment, one_octet_later, a_segment_later, after_a_line_end_of_its_own, in_a_group)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("injected", INJECTED.values(), ids=INJECTED)
def test_what_stands_behind_starttls_in_clear_reaches_nobody(
    injected: bytes, way: Callable[[Wire, bytes], None], gate: Gate, between: Front, house: House
) -> None:
    with Wire(gate.port) as wire:
        wire.greet()
        way(wire, injected)
        answer = wire.reply()
        if answer.code == 220:
            # It came so late that the gate was waiting for TLS already; and TLS it is not.
            assert way is not in_one_segment and way is not in_a_group
            with pytest.raises((OSError, ssl.SSLError)):
                wire.secure()
                wire.expect("EHLO client.example.org", "250")
        else:
            assert answer.starts("503 5.5.1"), answer
            assert wire.ended(), "the session goes on"
    assert_unheard(between, house.relay(Postfix), b"evil")


def test_starttls_at_the_end_of_a_group_is_heard(gate: Gate) -> None:
    with Wire(gate.port) as wire:
        wire.greet()
        wire.send(b"NOOP\r\nNOOP\r\nSTARTTLS\r\n")
        assert [it.code for it in wire.replies(3)] == [250, 250, 220]
        wire.secure()
        wire.expect("EHLO client.example.org", "250")


def test_what_was_said_before_tls_is_forgotten(gate: Gate, between: Front) -> None:
    with Wire(gate.port) as wire:
        wire.greet("before.example.org")
        wire.envelope("before@example.org", "before@example.com")
        wire.expect("RSET", "250")
        wire.expect("STARTTLS", "220")
        wire.secure()
        # Not even EHLO holds (RFC 3207 4.2).
        wire.expect("MAIL FROM:<a@example.org>", "503 5.5.1")
        offered = wire.expect("EHLO client.example.org", "250").keywords
        assert "STARTTLS" not in offered
        wire.expect("STARTTLS", "503 5.5.1")


def test_starttls_does_not_come_in_a_transaction(gate: Gate) -> None:
    recipient = unique("transaction") + "@example.com"
    with Wire(gate.port) as wire:
        wire.greet()
        wire.envelope(AUTHOR, recipient)
        answer = wire.say("STARTTLS")
        if answer.code == 220:
            wire.secure()
            wire.expect("EHLO client.example.org", "250")
            assert wire.say("DATA").code == 503
        else:
            assert answer.starts("503 5.5.1")
            assert wire.data(message(b"After all.\r\n", recipient)).code == 250


# Certificates.

SUITES = {"ec": "ECDHE-ECDSA-AES256-GCM-SHA384", "rsa": "ECDHE-RSA-AES256-GCM-SHA384"}


@pytest.mark.parametrize("name", ["localhost", "gate.example.net", "mx.example.com"])
@pytest.mark.parametrize(("kind", "suite"), SUITES.items(), ids=SUITES)
def test_a_client_gets_the_certificate_that_it_can_use(name: str, kind: str, suite: str, gate: Gate) -> None:
    trust = ssl.create_default_context(cafile=str(papers().ours.root))
    trust.maximum_version = ssl.TLSVersion.TLSv1_2
    trust.set_ciphers(suite)
    with socket.create_connection(("127.0.0.1", gate.implicit_port), timeout=10) as plain:
        with trust.wrap_socket(plain, server_hostname=name) as secured:
            assert secured.cipher()[0] == suite  # type: ignore[index]
            shown = secured.getpeercert(binary_form=True)
    assert shown == ssl.PEM_cert_to_DER_cert(getattr(papers(), kind).chain.read_text())


CERTIFIED = """
[tls]
client_certificate = "{wanted}"
"""


@pytest.mark.parametrize("shown", ["none", "ours", "others"])
@pytest.mark.parametrize("wanted", ["ask", "require"])
def test_a_certificate_of_the_client_is_asked_for(wanted: str, shown: str, house: House) -> None:
    relay = house.relay(Postfix)
    paper = {"none": None, "ours": papers().client, "others": papers().stranger}[shown]
    recipient = unique("certified") + "@example.com"
    welcome = shown == "ours" or wanted == "ask"
    settings = {"client_ca": str(papers().ours.root)}
    with Gate(relay.port, CERTIFIED.format(wanted=wanted), papers=(papers().ec,), listener=settings) as gate:
        arrived = with_certificate(gate, paper, recipient)
        assert arrived == welcome
    assert bool(relay.maildir.now(recipient)) <= welcome
    if welcome:
        relay.maildir.one(recipient)


def with_certificate(gate: Gate, paper: Paper | None, recipient: str) -> bool:
    """Whether a message is taken from somebody who shows that certificate."""
    trust = ssl.create_default_context(cafile=str(papers().ours.root))
    if paper:
        trust.load_cert_chain(paper.chain, paper.key)
    with Wire(gate.port) as wire:
        wire.greet()
        wire.expect("STARTTLS", "220")
        try:
            # In TLS 1.3 the client is done before the server has looked at its certificate.
            wire.socket = trust.wrap_socket(wire.socket, server_hostname="localhost")
            wire.expect("EHLO client.example.org", "250")
        except (ssl.SSLError, Closed, ConnectionError):
            return False
        wire.envelope(AUTHOR, recipient)
        return wire.data(message(b"Certified.\r\n", recipient)).code == 250


# The end of TLS without a farewell.

CONTENT = b"Subject: cut\r\n\r\n" + b"A line of it.\r\n" * 200


def rudely(wire: socket.socket) -> None:
    """By a reset."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def quietly(wire: socket.socket) -> None:
    """By the end of TCP alone."""
    wire.close()


def half(wire: socket.socket) -> None:
    """By the end of what is sent; it would still listen."""
    wire.shutdown(socket.SHUT_WR)


CUTS = (rudely, quietly, half)


class Terse:
    """A client whose TLS records are its own: of the last one it may send as much as it likes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        trust = ssl.create_default_context(cafile=str(papers().ours.root))
        self._tls = trust.wrap_bio(self._in, self._out, server_hostname="localhost")
        self._until(self._tls.do_handshake)

    def _until(self, work: Callable[[], object]) -> object:
        while True:
            try:
                done = work()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._out.read())
                octets = self.socket.recv(65536)
                assert octets, "closed"
                self._in.write(octets)
                continue
            self.socket.sendall(self._out.read())
            return done

    def say(self, command: bytes) -> bytes:
        """A command and its reply."""
        self._tls.write(command + b"\r\n" if command else b"")
        said = b""
        while not said.endswith(b"\r\n") or said.split(b"\r\n")[-2][3:4] == b"-":
            piece = self._until(lambda: self._tls.read(65536))
            assert isinstance(piece, bytes)
            said += piece
        return said

    def sealed(self, octets: bytes) -> bytes:
        """What would go over the wire."""
        self._tls.write(octets)
        return self._out.read()


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A relay that counts."""
    with Recorder() as it:
        yield it


def in_data(port: int) -> Terse:
    """A client that has heard 354."""
    client = Terse(port)
    assert client.say(b"").startswith(b"220")
    for command, code in (
        (b"EHLO client.example.org", b"250"),
        (b"MAIL FROM:<author@example.org>", b"250"),
        (b"RCPT TO:<cut@example.com>", b"250"),
        (b"DATA", b"354"),
    ):
        assert client.say(command).startswith(code)
    return client


@pytest.mark.parametrize("cut", CUTS, ids=lambda it: it.__name__)
@pytest.mark.parametrize("kept", [b"", b"\r", b"\r\n", b"\r\n.", b"\r\n.\r"], ids=repr)
def test_mail_data_that_tls_does_not_end_is_no_message(
    kept: bytes, cut: Callable[[socket.socket], None], recorder: Recorder
) -> None:
    with Gate(recorder.port, papers=(papers().ec,)) as gate:
        client = in_data(gate.implicit_port)
        client.socket.sendall(client.sealed(CONTENT + b"The last line." + kept))
        cut(client.socket)
        assert_no_message(recorder)


@pytest.mark.parametrize("cut", CUTS, ids=lambda it: it.__name__)
@pytest.mark.parametrize("missing", [1, 16, 17, 20])
def test_a_record_that_is_cut_off_ends_no_message(
    missing: int, cut: Callable[[socket.socket], None], recorder: Recorder
) -> None:
    with Gate(recorder.port, papers=(papers().ec,)) as gate:
        client = in_data(gate.implicit_port)
        client.socket.sendall(client.sealed(CONTENT) + client.sealed(b"\r\n.\r\n")[:-missing])
        cut(client.socket)
        assert_no_message(recorder)


def test_a_record_that_was_tampered_with_ends_no_message(recorder: Recorder) -> None:
    with Gate(recorder.port, papers=(papers().ec,)) as gate:
        client = in_data(gate.implicit_port)
        client.socket.sendall(client.sealed(CONTENT))
        end = bytearray(client.sealed(b"\r\n.\r\n"))
        end[-1] ^= 1
        client.socket.sendall(end)
        assert_no_message(recorder)


def test_the_whole_of_it_is_a_message(recorder: Recorder) -> None:
    with Gate(recorder.port, papers=(papers().ec,)) as gate:
        client = in_data(gate.implicit_port)
        client.socket.sendall(client.sealed(CONTENT) + client.sealed(b"\r\n.\r\n"))
        quietly(client.socket)
        wait_until("a message", lambda: recorder.messages)


def assert_no_message(recorder: Recorder) -> None:
    """The relay's links end, and it has got nothing whole."""
    wait_until("the links end", lambda: recorder.conversations and all(it.closed for it in recorder.conversations))
    assert not recorder.messages


@pytest.mark.parametrize("cut", CUTS, ids=lambda it: it.__name__)
def test_postfix_keeps_nothing_of_a_client_that_was_cut_off(cut: Callable[[socket.socket], None], house: House) -> None:
    relay = house.relay(Postfix)
    gate = house.secured(Postfix)
    recipient = unique("postfix-cut") + "@example.com"
    with Wire(gate.port) as wire:
        wire.greet()
        wire.starttls()
        wire.envelope(AUTHOR, recipient)
        wire.expect("DATA", "354")
        wire.send(message(b"Cut.\r\n" * 3000, recipient))
        raw = socket.socket(fileno=wire.socket.detach())
        cut(raw)
        time.sleep(0.3)
        assert not relay.maildir.now(recipient)
        raw.close()
    gate.assert_alive()
