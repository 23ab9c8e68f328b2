"""The link to a relay in TLS: with whom it is made, with whom not, and that somebody in between gains nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from bench.gate import IMPATIENT, Gate
from bench.ground import wait_until
from bench.keepers import PostfixKeeper
from bench.mail import message, unique
from bench.meddler import Meddler
from bench.papers import papers
from bench.recorder import Recorder
from bench.wire import Reply, Wire
from conftest import House

pytestmark = pytest.mark.usefixtures("through_the_gate")

AUTHOR = "author@example.org"
Doors = Callable[[PostfixKeeper], int]


@pytest.fixture(scope="module")
def relay(house: House) -> PostfixKeeper:
    """Real Postfix."""
    it = house.relay(PostfixKeeper)
    assert isinstance(it, PostfixKeeper)
    return it


@contextmanager
def before(port: int, settings: Mapping[str, object]) -> Iterator[Gate]:
    """A gate that secures its link so."""
    with Gate(port, waits={**IMPATIENT, **settings}, papers=(papers().both,), relay_is_up=False) as gate:
        yield gate


def ours(**more: object) -> dict[str, object]:
    """Required, by our CA and the relay's name. Who is not served is told so when it comes to mail."""
    return {"when_down": "greet", "tls": "required", "tls_ca": str(papers().ours.root), "tls_name": "relay.example.net", **more}


def anybody() -> dict[str, object]:
    """Opportunistic."""
    return {"when_down": "greet", "tls": "opportunistic"}


# Whom it talks to.

MADE: dict[str, tuple[Doors, Callable[[], dict[str, object]], str]] = {
    "required, by a CA": (lambda it: it.starttls_port, ours, "Anonymous"),
    "required, in TLS from the first octet": (lambda it: it.implicit_port, lambda: ours(tls_implicit=True), "Anonymous"),
    "required, by the relay's key and no CA": (
        lambda it: it.starttls_port,
        lambda: {"tls": "required", "tls_pin": [papers().relay.pin]},
        "Anonymous",
    ),
    "required, with a certificate of the gate": (
        lambda it: it.starttls_port,
        lambda: ours(tls_certificate="paper0"),
        "Trusted",
    ),
    "opportunistic, whoever it is": (lambda it: it.starttls_port, anybody, "Anonymous"),
    "opportunistic, whatever its certificate": (lambda it: it.expired_port, anybody, "Anonymous"),
    "opportunistic, to one that has no TLS": (lambda it: it.port, anybody, ""),
    "none, though it has TLS": (lambda it: it.starttls_port, lambda: {"tls": "none"}, ""),
}


@pytest.mark.parametrize(("door", "settings", "secured"), MADE.values(), ids=MADE)
def test_mail_arrives_by_a_link(
    door: Doors, settings: Callable[[], dict[str, object]], secured: str, relay: PostfixKeeper
) -> None:
    recipient = unique("link") + "@example.com"
    sent = message(b"By a link.\r\n", recipient)
    said = len(relay.log())
    with before(door(relay), settings()) as gate, Wire(gate.port) as wire:
        wire.greet()
        wire.starttls()
        wire.envelope(AUTHOR, recipient)
        assert wire.data(sent).code == 250
    relay.maildir.one(recipient).assert_identical(sent)
    established = re.findall(r"(\w+) TLS connection established", relay.log()[said:])
    assert set(established) == ({secured} if secured else set())


# Whom it does not talk to.

NOT_MADE: dict[str, tuple[Doors, Callable[[], dict[str, object]]]] = {
    "a CA that is not the relay's": (lambda it: it.starttls_port, lambda: ours(tls_ca=str(papers().others.root))),
    "the CAs of the system": (lambda it: it.starttls_port, lambda: {"tls": "required", "tls_name": "relay.example.net"}),
    "a name that is not the relay's": (lambda it: it.starttls_port, lambda: ours(tls_name="mx.example.com")),
    "a certificate that has expired": (lambda it: it.expired_port, lambda: ours(tls_name="expired.example.net")),
    "a key that is not the relay's": (
        lambda it: it.starttls_port,
        lambda: {"tls": "required", "tls_pin": [papers().client.pin]},
    ),
    "a relay without TLS": (lambda it: it.port, ours),
    "in TLS from the first octet, another CA": (
        lambda it: it.implicit_port,
        lambda: ours(tls_implicit=True, tls_ca=str(papers().others.root)),
    ),
}


@pytest.mark.parametrize(("door", "settings"), NOT_MADE.values(), ids=NOT_MADE)
def test_nothing_passes_to_a_relay_that_is_not_the_one(
    door: Doors, settings: Callable[[], dict[str, object]], relay: PostfixKeeper
) -> None:
    with Meddler(door(relay)) as between, before(between.port, {"when_down": "greet", **settings()}) as gate:
        assert attempt(gate).starts("451 4.7.4")
        assert between.relay_said
        assert_nothing_passed(between)
    assert not relay.maildir.now("stopped@example.com")


def attempt(gate: Gate, recipient: str = "stopped@example.com") -> Reply:
    """The reply with which a client is stopped, or the last of a whole message."""
    with Wire(gate.port) as wire:
        answer = wire.reply()
        commands = ["EHLO client.example.org", f"MAIL FROM:<{AUTHOR}>", f"RCPT TO:<{recipient}>"]
        while commands and answer.code // 100 == 2:
            answer = wire.say(commands.pop(0))
        return answer if answer.code // 100 != 2 else wire.data(message(b"Never.\r\n"))


def assert_nothing_passed(between: Meddler) -> None:
    """In clear the relay has heard EHLO, STARTTLS and QUIT at most."""
    for word in (b"MAIL", b"RCPT", AUTHOR.encode(), b"Never."):
        assert word not in between.gate_said, bytes(between.gate_said)


# Somebody in between.


def strip(octets: bytes) -> bytes:
    """Makes the relay one that has no TLS."""
    return octets.replace(b"250-STARTTLS\r\n", b"").replace(b"250 STARTTLS\r\n", b"250 NOOP\r\n")


def test_who_strips_starttls_gets_no_mail(relay: PostfixKeeper) -> None:
    with Meddler(relay.starttls_port) as between, before(between.port, ours()) as gate:
        between.to_gate = strip
        assert attempt(gate).starts("451 4.7.4")
        assert b"STARTTLS" in between.relay_said
        assert_nothing_passed(between)


INJECTED = {
    "an EHLO reply": b"250-mx.example.net\r\n250-AUTH PLAIN LOGIN\r\n250 XCLIENT ADDR\r\n",
    "consent to all that may come": b"250 2.0.0 Ok\r\n" * 6,
    "one octet": b"2",
    "a line end": b"\r\n",
}


@pytest.mark.parametrize("settings", [ours, anybody], ids=["required", "opportunistic"])
@pytest.mark.parametrize("injected", INJECTED.values(), ids=INJECTED)
def test_what_is_said_between_starttls_and_tls_is_never_believed(
    injected: bytes, settings: Callable[[], dict[str, object]], relay: PostfixKeeper
) -> None:
    def inject(octets: bytes) -> bytes:
        return octets + injected if octets.startswith(b"220 2.0.0") else octets

    recipient = unique("injected") + "@example.com"
    with Meddler(relay.starttls_port) as between, before(between.port, settings()) as gate:
        between.to_gate = inject
        answer = attempt(gate, recipient)
        assert answer.code // 100 == 4, answer
        assert b"220 2.0.0 Ready to start TLS" in between.relay_said
        assert_nothing_passed(between)
    assert not relay.maildir.now(recipient)


@pytest.mark.parametrize("kept", [0, 1, 5, 20, 40])
def test_a_final_reply_that_is_cut_off_is_no_consent(kept: int, relay: PostfixKeeper) -> None:
    recipient = unique("cut-off") + "@example.com"
    with Meddler(relay.starttls_port) as between, before(between.port, ours()) as gate, Wire(gate.port) as wire:
        wire.greet()
        wire.envelope(AUTHOR, recipient)
        wire.expect("DATA", "354")
        between.cut_after = kept
        wire.send(message(b"Cut off.\r\n") + b".\r\n")
        answer = wire.reply()
    assert answer.starts("451 4.4.2") or answer.starts("421 4.4.2"), answer


@pytest.mark.parametrize("rude", [False, True], ids=["closing", "resetting"])
def test_a_link_that_is_cut_off_in_mail_data_leaves_no_message(rude: bool, relay: PostfixKeeper) -> None:
    recipient = unique("cut-data") + "@example.com"
    with Meddler(relay.starttls_port) as between, before(between.port, ours()) as gate, Wire(gate.port) as wire:
        wire.greet()
        wire.envelope(AUTHOR, recipient)
        wire.expect("DATA", "354")
        wire.send(message(b"Half of it.\r\n" * 5000))
        wait_until("half of it has passed", lambda: len(between.gate_said) > 30_000)
        between.cut(rude)
        wire.send(b"The other half.\r\n.\r\n")
        answer = wire.reply()
    assert answer.code // 100 == 4, answer
    assert not relay.maildir.now(recipient)
