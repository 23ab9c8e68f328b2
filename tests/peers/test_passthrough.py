"""Where STARTTLS passes through, the client's TLS ends at the relay; what is said in clear is still the gate's."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest

from bench.front import Front
from bench.gate import Gate
from bench.ground import wait_until
from bench.keepers import PostfixKeeper
from bench.mail import message, unique
from bench.papers import papers
from bench.wire import Wire
from conftest import House

pytestmark = pytest.mark.usefixtures("through_the_gate")

RULES = """
exchange_online = ["127.0.0.0/8"]
"""


@pytest.fixture
def relay(house: House) -> PostfixKeeper:
    """Real Postfix, with TLS of its own."""
    it = house.relay(PostfixKeeper)
    assert isinstance(it, PostfixKeeper)
    return it


@pytest.fixture
def between(relay: PostfixKeeper) -> Iterator[Front]:
    """What the gate says to it in clear is overheard here."""
    it = Front()
    it.towards(relay.starttls_port)
    yield it
    it.stop()


@pytest.fixture
def gate(between: Front) -> Iterator[Gate]:
    """The gate of the hybrid path."""
    with Gate(between.port, RULES, role="hybrid", papers=(papers().ec,)) as it:
        yield it


def test_a_client_meets_the_relay_itself(gate: Gate, relay: PostfixKeeper) -> None:
    recipient = unique("passed") + "@example.com"
    sent = message(b"Nobody in between has read this.\r\n", recipient)
    with Wire(gate.port) as wire:
        assert "STARTTLS" in wire.greet().keywords
        wire.expect("MAIL FROM:<a@example.org>", "530 5.7.0")
        wire.expect("STARTTLS", "220")
        trust = ssl.create_default_context(cafile=str(papers().ours.root))
        wire.socket = trust.wrap_socket(wire.socket, server_hostname="relay.example.net")
        shown = wire.socket.getpeercert(binary_form=True)  # type: ignore[attr-defined]
        assert shown == ssl.PEM_cert_to_DER_cert(papers().relay.chain.read_text())
        assert b"postfix.example.net" in wire.expect("EHLO client.example.org", "250").octets
        wire.envelope("a@example.org", recipient)
        assert wire.data(sent).code == 250
        wire.expect("QUIT", "221")
    relay.maildir.one(recipient).assert_identical(sent)
    wait_until("the log says that it was not inspected", lambda: "inspected=no" in gate.log())


@pytest.mark.parametrize("injected", [b"RSET\r\n", b"EHLO evil.example.org\r\n", b"e", b"AUTH PLAIN evil\r\n"], ids=repr)
def test_what_stands_behind_starttls_in_clear_reaches_nobody(injected: bytes, gate: Gate, between: Front) -> None:
    with Wire(gate.port) as wire:
        wire.greet()
        wire.send(b"STARTTLS\r\n" + injected)
        assert wire.reply().starts("503 5.5.1")
        assert wire.ended()
    assert not any(b"evil" in it.octets or b"RSET" in it.octets for it in between.conversations)
