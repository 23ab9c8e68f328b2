"""Who the client is, as a real relay learns it: by XCLIENT, and by PROXY headers."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator

import pytest

from bench.gate import Gate
from bench.ground import free_port, wait_until
from bench.mail import unique
from bench.recorder import Recorder
from bench.relays import LOCAL_DOMAIN, Postfix
from conftest import House

pytestmark = pytest.mark.usefixtures("through_the_gate")

# Another address of this host: the gate's links come from 127.0.0.1.
CLIENT = "127.0.0.9"


class Told(Postfix):
    """Postfix that takes XCLIENT from the gate, with a second door for PROXY headers, and trusts the gate's address."""

    def configure(self) -> None:
        self.headers = free_port()
        super().configure()

    def settings(self) -> dict[str, object]:
        """Mail to anywhere from this address, so that it shows whose address counts."""
        return super().settings() | {
            "smtpd_authorized_xclient_hosts": "127.0.0.1",
            "mynetworks": "127.0.0.1/32",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        }

    def services(self) -> str:
        """Its doors."""
        door = f"127.0.0.1:{self.headers} inet n - n - 200 smtpd -o smtpd_upstream_proxy_protocol=haproxy\n"
        return super().services() + door


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """The relay."""
    it = Told()
    yield it
    it.stop()


# Mail for everywhere passes the gate: what is refused, the relay refuses.
ANYWHERE = """
[relay]
to = ["example.com", "elsewhere.test"]
"""


@pytest.mark.parametrize("identity", ["xclient", "proxy-v1", "proxy-v2"])
def test_the_relay_knows_the_client_and_trusts_it_with_nothing(told: Told, identity: str) -> None:
    port = told.port if identity == "xclient" else told.headers
    recipient = f"{unique('someone')}@{LOCAL_DOMAIN}"
    with (
        Gate(port, ANYWHERE, {"identity": identity}) as gate,
        smtplib.SMTP("127.0.0.1", gate.port, "client.example.org", timeout=20, source_address=(CLIENT, 0)) as client,
    ):
        client.ehlo()
        assert client.mail("a@example.org")[0] == 250
        code, words = client.rcpt("b@elsewhere.test")
        assert code == 554 and b"Relay access denied" in words, (code, words)
        client.rset()
        client.sendmail("a@example.org", [recipient], f"Subject: {identity}\r\n\r\nwords\r\n")
    received = told.maildir.one(recipient).header("Received")
    assert "client.example.org" in received and f"[{CLIENT}]" in received, received


# The relay is greeted for all that, so that a sender gets as far as it can.
TOLD_OR_NOTHING = {"identity": "xclient", "when_down": "greet"}


def assert_refused(gate: Gate, result: str, recipient: str) -> None:
    """A sender hears that it is not its fault, and operators why."""
    with smtplib.SMTP("127.0.0.1", gate.port, "client.example.org", timeout=20) as client:
        client.ehlo()
        client.mail("a@example.org")
        code, words = client.rcpt(recipient)
        assert code == 451 and words.startswith(b"4.3.5"), (code, words)
        code, words = client.docmd("DATA")
        assert 400 <= code < 600, (code, words)
    assert gate.figure(f'gatepost_links_total{{relay="main",result="{result}"}}') > 0
    assert gate.figure('gatepost_relay_up{relay="main"}') == 0
    assert gate.figure('gatepost_messages_total{listener="main",outcome="accepted"}') == 0
    wait_until("it is in the log", lambda: f" link relay=main result={result} " in gate.log())


def test_a_relay_that_does_not_let_the_gate_say_so_gets_no_mail(house: House) -> None:
    relay = house.relay(Postfix)
    recipient = f"{unique('someone')}@{LOCAL_DOMAIN}"
    with Gate(relay.port, "", TOLD_OR_NOTHING, relay_is_up=False) as gate:
        assert_refused(gate, "identity_absent", recipient)
    with Gate(relay.port, "", {"identity": "xclient"}, relay_is_up=False) as gate:

        def turned_away() -> bool:
            with socket.create_connection(("127.0.0.1", gate.port), 20) as wire:
                return wire.recv(1000).startswith(b"421 4.3.2")

        wait_until("the relay is known to be down", turned_away)
    assert relay.maildir.now(recipient) == []


def test_a_relay_that_offers_xclient_and_refuses_it_gets_no_mail() -> None:
    relay = Recorder(offers=("PIPELINING", "XCLIENT NAME ADDR PORT"))
    relay.answers[b"XCLIENT"] = b"550 5.7.0 Error: insufficient authorization\r\n"
    try:
        with Gate(relay.port, "", TOLD_OR_NOTHING, relay_is_up=False) as gate:
            assert_refused(gate, "identity_refused", f"someone@{LOCAL_DOMAIN}")
        verbs = {verb for conversation in relay.conversations for verb in conversation.verbs}
        assert b"XCLIENT" in verbs and not verbs & {b"MAIL", b"RCPT", b"DATA"}, verbs
    finally:
        relay.stop()
