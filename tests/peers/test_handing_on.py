"""One link serves several sessions, in front of real relays: each message is its own client's, and nothing is lost."""

from __future__ import annotations

import re
import threading

import pytest

from bench.gate import Gate
from bench.keepers import PostfixKeeper
from bench.mail import message, unique
from bench.papers import papers
from bench.relays import Relay
from bench.wire import Wire
from conftest import House

pytestmark = pytest.mark.usefixtures("through_the_gate")

AUTHOR = "author@example.org"
# Who takes one hello on a connection and no other: "Already identified". Each client has its own link there.
ONE_HELLO = {"opensmtpd"}
SHARED = {"sessions_per_link": 1000, "link_idle": "20s"}


def links(gate: Gate, result: str) -> float:
    """How many links came to this."""
    return gate.figure(f'gatepost_links_total{{relay="main",result="{result}"}}')


def deliver(gate: Gate, relay: Relay, client: str) -> str:
    """A session of this client with one message; gives what the relay wrote of it."""
    recipient = unique("shared") + "@example.com"
    sent = message(f"From {client}.\r\n".encode(), recipient)
    with Wire(gate.port) as wire:
        wire.greet(client)
        wire.envelope(AUTHOR, recipient)
        assert wire.data(sent).code == 250
        wire.expect("QUIT", "221")
    arrived = relay.maildir.one(recipient)
    arrived.assert_identical(sent)
    return arrived.header("received")


def test_a_relay_takes_each_message_from_its_own_client(relay: Relay) -> None:
    with Gate(relay.port, waits=SHARED) as gate:
        for number in range(5):
            received = deliver(gate, relay, f"client{number}.example.org")
            assert f"client{number}.example.org" in received
        assert (links(gate, "opened"), links(gate, "reused")) == ((5, 0) if relay.name in ONE_HELLO else (1, 4))


def test_a_link_in_tls_stays_in_tls(house: House) -> None:
    relay = house.relay(PostfixKeeper)
    assert isinstance(relay, PostfixKeeper)
    settings = {"tls": "required", "tls_ca": str(papers().ours.root), "tls_name": "relay.example.net"}
    with Gate(relay.starttls_port, waits=SHARED | settings) as gate:
        said = len(relay.log())
        for number in range(3):
            deliver(gate, relay, f"client{number}.example.org")
        assert (links(gate, "opened"), links(gate, "reused")) == (1, 2)
    assert len(re.findall("TLS connection established", relay.log()[said:])) == 1


def test_many_clients_at_once_share_few_links_and_lose_nothing(relay: Relay) -> None:
    with Gate(relay.port, waits=SHARED | {"links": 4}) as gate:
        failures: list[BaseException] = []

        def client(number: int) -> None:
            try:
                for _ in range(5):
                    assert f"client{number}.example.org" in deliver(gate, relay, f"client{number}.example.org")
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures, failures
        assert links(gate, "opened") + links(gate, "reused") == 40
        assert links(gate, "reused") == 0 if relay.name in ONE_HELLO else links(gate, "reused") > 20
