"""Every client, in every form that it can produce, through the gate to every relay: what is sent arrives."""

from __future__ import annotations

import pytest

from bench.clients import Refused
from bench.everybody import EVERYBODY, Client
from bench.forms import EXTENSION, REFUSED_AT_EHLO, SEEN, Form, Mail, mails
from bench.front import Front
from bench.gate import DIRECT, Gate
from bench.mail import Delivered
from bench.relays import Relay
from conftest import House

REFUSES_EVERYBODY = """
[[rule]]
id = "nobody"
on = "EHLO"
when = { "hello.name" = [".example.org", ".example.net"] }
then = "reject"
reply = "550 5.7.1 Not with that name"
because = "the postmaster is heard all the same"
"""


def cases(*forms: Form) -> pytest.MarkDecorator:
    """All clients in those of the forms that they have means for."""
    able = [(client, form) for client in EVERYBODY for form in forms if form in client.forms]
    return pytest.mark.parametrize(("client", "form"), able, ids=str)


@cases(*(form for form in Form if form not in REFUSED_AT_EHLO))
def test_what_a_client_sends_arrives(client: Client, form: Form, relay: Relay, gate: Gate, front: Front) -> None:
    sent = mails(form, client.name)
    front.towards(gate.port, holds_back=form is Form.PIPELINED)
    offered = is_offered(EXTENSION.get(form), relay)
    if not offered and form in client.gives_up:
        assert_given_up(client, form, relay, front, sent)
        return
    client.send(front.port, form, sent)
    address = str if offered else client.downgrades
    for mail in sent:
        for recipient in map(address, mail.recipients):
            assert_identical(client, mail, relay.maildir.one(recipient, within=60), address(mail.sender))
            relay.maildir.discard(recipient)
    if form in SEEN:
        assert SEEN[form](front) == offered, [it.commands for it in front.conversations]
    if form is Form.DSN:
        assert relay.maildir.one(sent[0].sender), "the notification that was asked for"


def is_offered(extension: str | None, relay: Relay) -> bool:
    """Whether the client is told of it, if the form needs one. The gate pipelines in front of any relay."""
    return extension is None or extension in relay.offers or (extension == "PIPELINING" and not DIRECT)


def assert_given_up(client: Client, form: Form, relay: Relay, front: Front, sent: list[Mail]) -> None:
    """It cannot do without the extension: it says so, and nothing arrives."""
    with pytest.raises(Refused) as refused:
        client.send(front.port, form, sent)
    # What a client says that a server refused it depends on the server: without a gate it is another.
    assert DIRECT or client.gives_up[form] in str(refused.value)
    assert not any(relay.maildir.now(recipient) for mail in sent for recipient in mail.recipients)


def assert_identical(client: Client, mail: Mail, arrived: Delivered, sender: str) -> None:
    """To the octet; or, of those that write their own header, the body and what they took over."""
    if client.keeps_header:
        arrived.assert_identical(mail.content)
    else:
        arrived.assert_body(mail.body if mail.body.endswith(b"\n") else mail.body + b"\r\n")
        assert arrived.header("Subject") == "A message for the bench"
        assert sender in arrived.header("From")
    # OpenSMTPD leaves out the line that says that there is no sender.
    assert arrived.header("Return-Path") in ([f"<{sender}>"] if sender else ["<>", ""])


@pytest.mark.usefixtures("through_the_gate")
@cases(*REFUSED_AT_EHLO)
def test_the_postmaster_gets_mail_from_whom_a_rule_refuses(
    client: Client, form: Form, relay: Relay, house: House, front: Front
) -> None:
    gate = house.gate(type(relay), REFUSES_EVERYBODY)
    front.towards(gate.port)
    with pytest.raises(Refused, match="5.7.1 Not with that name|RCPT failed: 550"):
        client.send(front.port, Form.PLAIN, mails(Form.PLAIN, client.name))
    front.towards(gate.port)
    (mail,) = mails(form, client.name)
    (recipient,) = mail.recipients
    mailbox = recipient if "@" in recipient else relay.postmaster
    before = len(relay.maildir.now(mailbox))
    client.send(front.port, form, [mail])
    assert_identical(client, mail, relay.maildir.wait(mailbox, before + 1)[-1], mail.sender)
    assert form not in SEEN or SEEN[form](front), [it.commands for it in front.conversations]
    gate.assert_alive()
