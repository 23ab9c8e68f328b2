"""Who has an account, by each client, door and mechanism, through the gate to each relay that asks: what is sent arrives."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator

import pytest

from bench.callers import python_smtplib
from bench.door import Door, Mechanism, Tls
from bench.forms import DOTS, Mail
from bench.gate import DIRECT, Gate
from bench.keepers import ELSEWHERE, KEEPERS, PASSWORD, USER, Keeper
from bench.mail import message, unique
from bench.members import MEMBERS, Member
from bench.papers import papers
from bench.satellites import marked
from bench.wire import Wire
from conftest import House

# The relay's own mechanisms; those that show no password need no TLS, but have it here all the same.
RULES = """
[auth]
mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5"]
"""


@pytest.fixture(params=KEEPERS, ids=lambda kind: kind.name)
def keeper(request: pytest.FixtureRequest, house: House) -> Keeper:
    """Each relay that asks who sends."""
    it = house.relay(request.param)
    assert isinstance(it, Keeper)
    return it


@pytest.fixture
def doors(keeper: Keeper, house: House) -> Iterator[dict[Tls, int]]:
    """The ways in of the gate before it, which must outlive the test; in direct mode its own."""
    if DIRECT:
        yield {Tls.STARTTLS: keeper.starttls_port, Tls.IMPLICIT: keeper.implicit_port}
        return
    gate = house.secured(type(keeper), RULES, role="submission")
    yield {Tls.STARTTLS: gate.port, Tls.IMPLICIT: gate.implicit_port}
    gate.assert_alive()


@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("tls", Tls)
@pytest.mark.parametrize("member", MEMBERS, ids=str)
def test_what_a_member_sends_arrives(
    member: Member, tls: Tls, mechanism: Mechanism, keeper: Keeper, doors: dict[Tls, int]
) -> None:
    recipient = f"{unique(marked(member.name, tls, mechanism))}@{ELSEWHERE}"
    mail = Mail(USER, [recipient], message(DOTS, recipient, USER))
    before = len(keeper.entries())
    member.send(Door(doors[tls], tls, mechanism), [mail])
    arrived = keeper.maildir.one(recipient)
    if member.keeps_header:
        arrived.assert_identical(mail.content)
    else:
        arrived.assert_body(mail.body)
    assert keeper.entries()[before:] == [mechanism]


# Who is in takes nothing from those who come.


@pytest.mark.usefixtures("through_the_gate")
@pytest.mark.parametrize("hello", ["EHLO", "HELO"])
def test_who_is_in_and_says_hello_again_takes_auth_from_nobody(hello: str, keeper: Keeper) -> None:
    answer = b64encode(f"\0{USER}\0{PASSWORD}".encode())
    # Exim and Dovecot do not offer AUTH to one who is in.
    with Gate(keeper.port, RULES, role="submission", papers=(papers().ec,)) as gate:
        for _ in range(2):
            with Wire(gate.port) as wire:
                wire.greet()
                assert "AUTH" in wire.starttls().keywords
                wire.expect(b"AUTH PLAIN " + answer, "235")
                wire.expect(f"{hello} other.example.org", "250")
                wire.envelope(USER, f"{unique('again')}@{ELSEWHERE}")
                wire.expect("QUIT", "221")


# The other leg in TLS, too.


@pytest.mark.usefixtures("through_the_gate")
@pytest.mark.parametrize("mechanism", Mechanism)
@pytest.mark.parametrize("tls", Tls)
def test_a_password_meets_tls_on_both_legs(tls: Tls, mechanism: Mechanism, keeper: Keeper) -> None:
    recipient = f"{unique('both-legs')}@{ELSEWHERE}"
    mail = Mail(USER, [recipient], message(DOTS, recipient, USER))
    port = keeper.starttls_port if tls is Tls.STARTTLS else keeper.implicit_port
    link = {
        "tls": "required",
        "tls_ca": str(papers().ours.root),
        "tls_name": "relay.example.net",
        "tls_implicit": tls is Tls.IMPLICIT,
    }
    before = len(keeper.entries())
    with Gate(port, RULES, waits=link, role="submission", papers=(papers().ec,)) as gate:
        python_smtplib(Door(gate.port, Tls.STARTTLS, mechanism), [mail])
    keeper.maildir.one(recipient).assert_identical(mail.content)
    assert keeper.entries()[before:] == [mechanism]
