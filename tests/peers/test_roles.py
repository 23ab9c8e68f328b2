"""The doors of a house: our own machines, old devices, and whoever comes to the wrong one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import callers, clients
from bench.clients import Refused
from bench.door import Door, Mechanism, Tls
from bench.forms import DOTS, Form, Mail
from bench.gate import Gate
from bench.keepers import ELSEWHERE, USER, PostfixKeeper
from bench.mail import message, unique
from bench.papers import papers
from bench.recorder import Recorder
from bench.wire import Wire
from conftest import House

pytestmark = pytest.mark.usefixtures("through_the_gate")

HERE, THERE = '["127.0.0.0/8"]', '["192.0.2.0/24"]'


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """A relay that takes anything from the gate."""
    with Recorder() as it:
        yield it


def mail(sender: str = USER) -> Mail:
    """One to elsewhere."""
    recipient = f"{unique('role')}@{ELSEWHERE}"
    return Mail(sender, [recipient], message(DOTS, recipient, sender or USER))


# Our own machines.


def test_a_machine_of_ours_with_an_account_sends_anywhere(house: House) -> None:
    relay = house.relay(PostfixKeeper)
    gate = house.secured(PostfixKeeper, f"our_networks = {HERE}\n", role="outbound")
    sent = mail()
    callers.swaks(Door(gate.port, Tls.STARTTLS, Mechanism.PLAIN), [sent])
    relay.maildir.one(sent.recipients[0]).assert_identical(sent.content)
    bounce = mail("")
    callers.msmtp(Door(gate.implicit_port, Tls.IMPLICIT, Mechanism.LOGIN), [bounce])
    relay.maildir.one(bounce.recipients[0]).assert_identical(bounce.content)


def test_a_machine_of_ours_sends_in_no_other_name(house: House) -> None:
    gate = house.secured(PostfixKeeper, f"our_networks = {HERE}\n", role="outbound")
    with pytest.raises(Refused, match="550 5.7.1 Sender address not accepted"):
        callers.swaks(Door(gate.port, Tls.STARTTLS, Mechanism.PLAIN), [mail("somebody@example.org")])


def test_without_tls_or_an_account_nothing_leaves(house: House) -> None:
    gate = house.secured(PostfixKeeper, f"our_networks = {HERE}\n", role="outbound")
    with pytest.raises(Refused, match="530 5.7.0"):
        clients.swaks(gate.port, Form.PLAIN, [mail()])
    with pytest.raises(Refused, match="530 5.7.0"):
        clients.swaks(gate.port, Form.PLAIN, [mail()], "--tls")


def test_an_account_is_worth_nothing_from_elsewhere(house: House) -> None:
    gate = house.secured(PostfixKeeper, f"our_networks = {THERE}\n", role="outbound")
    with Wire(gate.port) as wire:
        assert wire.reply().starts("554 5.7.1")
        assert wire.ended()


# Old devices.


def test_an_old_device_sends_in_clear_with_the_line_ends_of_unix(recorder: Recorder) -> None:
    with Gate(recorder.port, f"old_devices = {HERE}\n", role="legacy", papers=(papers().ec,)) as gate:
        with Wire(gate.port) as wire:
            wire.reply()
            for command in (b"HELO scanner\n", b"MAIL FROM:<scanner@example.com>\n", b"RCPT TO:<b@elsewhere.test>\n"):
                wire.send(command)
                assert wire.reply().code == 250
            wire.send(b"DATA\n")
            assert wire.reply().code == 354
            wire.send(b"Subject: scan\n\nA page.\n..with a dot\n.\n")
            assert wire.reply().code == 250
    (arrived,) = recorder.messages
    assert arrived.content == b"Subject: scan\r\n\r\nA page.\r\n..with a dot"


def test_msmtp_without_tls_is_an_old_device(recorder: Recorder) -> None:
    sent = mail("scanner@example.com")
    with Gate(recorder.port, f"old_devices = {HERE}\n", role="legacy", papers=(papers().ec,)) as gate:
        clients.msmtp(gate.port, Form.PLAIN, [sent])
    (arrived,) = recorder.messages
    assert arrived.recipients == [f"TO:<{sent.recipients[0]}>".encode()]
