"""Accounts of the gate's own file, in front of a Postfix that knows nobody: the relay sees an ordinary session."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest

from bench.door import Door, Mechanism, Tls
from bench.forms import DOTS, Mail
from bench.front import Front
from bench.gate import Gate
from bench.ground import wait_until
from bench.keepers import PASSWORD, USER
from bench.mail import message, unique
from bench.members import MEMBERS, Member
from bench.papers import papers
from bench.relays import Postfix
from bench.wire import NAME, Reply, Wire
from conftest import House

pytestmark = pytest.mark.usefixtures("through_the_gate")

RULES = """
[auth]
backend = { file = "users" }
"""
AUTHOR = "author@example.org"
# A file of passwords can say nothing to a challenge.
CLEAR = (Mechanism.PLAIN, Mechanism.LOGIN)


@pytest.fixture(scope="module")
def between(house: House) -> Iterator[Front]:
    """What the gate says to Postfix is overheard here."""
    it = Front()
    it.towards(house.relay(Postfix).port)
    yield it
    it.stop()


@pytest.fixture(scope="module")
def gate(between: Front) -> Iterator[Gate]:
    """A gate with one account."""
    both = (papers().ec, papers().rsa)
    with Gate(between.port, RULES, role="submission", papers=both, accounts={USER: PASSWORD}) as it:
        yield it


@pytest.fixture
def relay(house: House, between: Front) -> Iterator[Postfix]:
    """Postfix, which after each test has heard of neither accounts nor passwords."""
    it = house.relay(Postfix)
    between.towards(it.port)
    yield it
    for said in between.conversations:
        assert b"AUTH" not in said.verbs
        assert b" AUTH=" not in said.octets.upper()
        assert PASSWORD.encode() not in said.octets and in_base64(PASSWORD) not in said.octets


@pytest.fixture
def wire(gate: Gate, relay: Postfix) -> Iterator[Wire]:
    """A client in TLS that has said EHLO."""
    del relay
    with Wire(gate.port) as it:
        it.greet()
        it.starttls()
        yield it


def in_base64(words: str) -> bytes:
    """As AUTH says them."""
    return b64encode(words.encode())


def plain(user: str = USER, password: str = PASSWORD) -> bytes:
    """The one answer of PLAIN."""
    return in_base64(f"\0{user}\0{password}")


# Everybody.


@pytest.mark.parametrize("mechanism", CLEAR)
@pytest.mark.parametrize("tls", Tls)
@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_what_a_member_sends_arrives(
    member: Member, tls: Tls, mechanism: Mechanism, gate: Gate, relay: Postfix, between: Front
) -> None:
    recipient = unique(member.name) + "@example.com"
    mail = Mail(USER, [recipient], message(DOTS, recipient, USER))
    port = gate.port if tls is Tls.STARTTLS else gate.implicit_port
    member.send(Door(port, tls, mechanism), [mail])
    arrived = relay.maildir.one(recipient)
    if member.keeps_header:
        arrived.assert_identical(mail.content)
    else:
        arrived.assert_body(mail.body)
    assert any(recipient.encode() in it.octets for it in between.conversations)


# Exchange's dialogue, and those of others.


def test_the_dialogue_of_exchange_passes(wire: Wire, relay: Postfix) -> None:
    recipient = unique("exchange") + "@example.com"
    sent = message(b"By AUTH LOGIN.\r\n", recipient, USER)
    assert wire.expect("AUTH LOGIN", "334").octets == b"334 VXNlcm5hbWU6\r\n"
    assert wire.expect(in_base64(USER), "334").octets == b"334 UGFzc3dvcmQ6\r\n"
    wire.expect(in_base64(PASSWORD), "235 2.7.0")
    wire.expect(f"MAIL FROM:<{USER}> AUTH=<>", "250")
    wire.expect(f"RCPT TO:<{recipient}>", "250")
    assert wire.data(sent).code == 250
    relay.maildir.one(recipient).assert_identical(sent)


def test_without_it_there_is_no_mail(wire: Wire) -> None:
    for sender in (USER, "", AUTHOR):
        wire.expect(f"MAIL FROM:<{sender}>", "530 5.7.0")
    wire.expect("RCPT TO:<b@example.com>", "5")
    wire.expect("DATA", "5")


def by_login_at_once(wire: Wire) -> Reply:
    assert wire.expect(b"AUTH LOGIN " + in_base64(USER), "334").octets == b"334 UGFzc3dvcmQ6\r\n"
    return wire.say(in_base64(PASSWORD))


def by_plain_when_asked(wire: Wire) -> Reply:
    assert wire.expect("AUTH PLAIN", "334").octets in (b"334 \r\n", b"334\r\n")
    return wire.say(plain())


def by_plain_at_once(wire: Wire) -> Reply:
    return wire.say(b"AUTH PLAIN " + plain())


def in_small_letters(wire: Wire) -> Reply:
    return wire.say(b"auth plain " + plain())


def as_oneself(wire: Wire) -> Reply:
    return wire.say(b"AUTH PLAIN " + in_base64(f"{USER}\0{USER}\0{PASSWORD}"))


WAYS = (by_login_at_once, by_plain_when_asked, by_plain_at_once, in_small_letters, as_oneself)


@pytest.mark.parametrize("way", WAYS, ids=lambda it: it.__name__)
def test_each_way_of_saying_it_is_understood(way, wire: Wire, relay: Postfix) -> None:  # type: ignore[no-untyped-def]
    recipient = unique("way") + "@example.com"
    assert way(wire).starts("235 2.7.0")
    wire.expect("AUTH LOGIN", "503 5.5.1")
    wire.envelope(USER, recipient)
    wire.expect("RSET", "250")
    # It holds for the session, not for a transaction; not even EHLO ends it.
    wire.expect(f"EHLO {NAME}", "250")
    wire.envelope(USER, recipient)
    assert wire.data(message(b"In.\r\n", recipient, USER)).code == 250
    relay.maildir.one(recipient)


def test_only_what_a_file_can_answer_is_offered_and_in_tls_alone(gate: Gate, relay: Postfix) -> None:
    del relay
    with Wire(gate.port) as wire:
        assert "AUTH" not in wire.greet().keywords
        for command in (b"AUTH LOGIN", b"AUTH PLAIN " + plain()):
            wire.expect(command, "530 5.7.0")
        offered = wire.starttls()
        assert b"250-AUTH PLAIN LOGIN" in offered.lines or b"250 AUTH PLAIN LOGIN" in offered.lines, offered
        wire.expect("AUTH CRAM-MD5", "504 5.5.4")


# Who does not get in.

WRONG = {
    "another password": plain(password="guess"),
    "no password": plain(password=""),
    "an unknown user": plain("nobody@example.com"),
    "a password with a space behind": plain(password=PASSWORD + " "),
    "somebody else with one's own password": in_base64(f"berta@example.com\0{USER}\0{PASSWORD}"),
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG)
def test_who_says_the_wrong_thing_stays_out(answer: bytes, wire: Wire) -> None:
    refusal = wire.say(b"AUTH PLAIN " + answer)
    assert refusal.code in (535, 501), refusal
    wire.expect(f"MAIL FROM:<{USER}>", "530 5.7.0")


def test_after_three_wrong_answers_it_is_over(wire: Wire) -> None:
    for number in range(3):
        wire.expect(b"AUTH PLAIN " + plain(password=str(number)), "535 5.7.8")
    # Not even the right one is heard any more.
    wire.expect(b"AUTH PLAIN " + plain(), "421 4.7.0")
    assert wire.ended()


def test_an_account_that_is_not_there_cannot_be_told_from_a_wrong_password(wire: Wire) -> None:
    def words(answer: Reply) -> bytes:
        return answer.octets.split(b" (ref")[0]

    assert words(wire.say(b"AUTH PLAIN " + plain(password="x"))) == words(
        wire.say(b"AUTH PLAIN " + plain("nobody@example.com"))
    )


NO_ANSWERS = [(b"*", "501 5.7.0"), (b"?", "501 5.5.2"), (b"MAIL FROM:<anna@example.com>", "501 5.5.2")]


@pytest.mark.parametrize(("said", "refusal"), NO_ANSWERS, ids=repr)
def test_what_is_no_answer_is_no_command_either(said: bytes, refusal: str, wire: Wire) -> None:
    wire.expect("AUTH LOGIN", "334")
    wire.expect(said, refusal)
    wire.expect("NOOP", "250")
    wire.expect(f"MAIL FROM:<{USER}>", "530 5.7.0")


@pytest.mark.parametrize("name", [b"", b"QUIT", b"DATA"], ids=repr)
def test_an_answer_may_look_like_a_command(name: bytes, wire: Wire) -> None:
    wire.expect("AUTH LOGIN", "334")
    wire.expect(name, "334")
    wire.expect(in_base64(PASSWORD), "5")
    wire.expect(f"MAIL FROM:<{USER}>", "530 5.7.0")


def test_an_account_sends_as_its_own_domain_alone(wire: Wire) -> None:
    wire.expect(b"AUTH PLAIN " + plain(), "235")
    wire.expect(f"MAIL FROM:<{AUTHOR}>", "553 5.7.1")
    wire.expect("MAIL FROM:<office@example.com>", "250")


def test_the_log_names_the_account_and_no_password(gate: Gate, wire: Wire) -> None:
    wire.expect(b"AUTH PLAIN " + plain(), "235")
    wire.expect("AUTH LOGIN", "503")
    wire.expect("QUIT", "221")
    assert wire.ended()
    wait_until("the log names the account", lambda: f'account="{USER}"' in gate.log())
    log = gate.log()
    for secret in (PASSWORD, in_base64(PASSWORD).decode(), plain().decode()):
        assert secret not in log
