"""Every client through the gate to every relay: what is sent arrives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.clients import CLIENTS, Client
from bench.gate import Gate
from bench.ground import wait_until
from bench.mail import message, unique
from bench.relays import Exim, Postfix, Relay

SENDERS = (Postfix, Exim)

BODY = b"""\
A line.\r
.\r
..\r
.dots at line starts\r
 \r
From the beginning of a line\r
\r
The end, after an empty line.\r
"""


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_a_message_arrives_as_it_was_sent(client: Client, relay: Relay, gate: Gate) -> None:
    recipient = unique(client.name) + "@example.com"
    sent = message(BODY, recipient)
    client.send(gate.port, "author@example.org", [recipient], sent)
    arrived = relay.maildir.one(recipient)
    if client.keeps_header:
        arrived.assert_identical(sent)
    else:
        assert arrived.header("Subject") == "A message for the bench"
        arrived.assert_body(BODY)
    assert arrived.header("Return-Path") == "<author@example.org>"


@pytest.fixture(params=SENDERS, ids=lambda kind: f"{kind.name}-sends")
def sending_server(request: pytest.FixtureRequest, gate: Gate) -> Iterator[Relay]:
    server = request.param(towards=gate.port)
    yield server
    server.stop()


def test_a_mail_server_hands_its_mail_over(sending_server: Relay, relay: Relay, gate: Gate) -> None:
    recipient = unique("server") + "@example.com"
    sent = message(BODY, recipient)
    sending_server.submit("author@example.org", [recipient], sent)
    relay.maildir.one(recipient).assert_identical(sent)
    if isinstance(sending_server, Exim):
        # Exim uses BDAT of its own accord wherever CHUNKING is offered, and marks its log line with a K.
        delivery = wait_until("Exim logs the delivery", lambda: _line_with(sending_server.log(), f"=> {recipient}"))
        assert (" K " in delivery) == ("CHUNKING" in relay.offers), delivery


def _line_with(log: str, words: str) -> str:
    return next((line for line in log.splitlines() if words in line), "")


def test_a_mail_server_hands_over_many_messages(sending_server: Relay, relay: Relay, gate: Gate) -> None:
    recipients = [unique("many") + "@example.com" for _ in range(10)]
    sent = {recipient: message(BODY, recipient) for recipient in recipients}
    for recipient in recipients:
        sending_server.submit("author@example.org", [recipient], sent[recipient])
    for recipient in recipients:
        relay.maildir.one(recipient).assert_identical(sent[recipient])
