"""Mail servers of the Internet take TLS where an inbound gate offers it, and send in it what they send in clear."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.forms import Form, mails
from bench.front import Front
from bench.gate import Gate
from bench.relays import Postfix
from bench.senders import EximOpportunist, PostfixOpportunist, Sender
from conftest import House

pytestmark = pytest.mark.usefixtures("through_the_gate")


@pytest.fixture(scope="module")
def door() -> Iterator[Front]:
    """Where they knock, and are overheard."""
    it = Front()
    yield it
    it.stop()


@pytest.fixture(scope="module", params=[PostfixOpportunist, EximOpportunist], ids=["postfix", "exim"])
def sender(request: pytest.FixtureRequest, door: Front) -> Iterator[Sender]:
    """One of them; it knows no other door."""
    it = request.param()
    yield it
    it.stop()
    del door


@pytest.fixture
def gate(house: House) -> Iterator[Gate]:
    """An inbound gate before Postfix."""
    it = house.secured(Postfix)
    yield it
    it.assert_alive()


@pytest.mark.parametrize("form", [Form.PLAIN, Form.MIB, Form.HUNDRED, Form.SEVERAL, Form.EIGHT_BIT, Form.BOUNCE])
def test_what_a_mail_server_sends_in_tls_arrives(form: Form, sender: Sender, gate: Gate, door: Front, house: House) -> None:
    door.towards(gate.port)
    sent = mails(form, "opportunist")
    sender.send(door.port, form, sent)
    for mail in sent:
        for recipient in mail.recipients:
            house.relay(Postfix).maildir.one(recipient, within=60).assert_identical(mail.content)
    said = [bytes(it.octets) for it in door.conversations]
    assert any(b"\r\nSTARTTLS\r\n" in it for it in said)
    assert not any(b"MAIL FROM" in it for it in said), "it came in clear"
