"""Who has an account, by each client, door and mechanism, through the gate to each relay that asks: what is sent arrives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.door import Door, Mechanism, Tls
from bench.forms import DOTS, Mail
from bench.gate import DIRECT, Gate
from bench.keepers import ELSEWHERE, KEEPERS, USER, Keeper
from bench.mail import message, unique
from bench.members import MEMBERS, Member
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
    recipient = f"{unique(member.name)}@{ELSEWHERE}"
    mail = Mail(USER, [recipient], message(DOTS, recipient, USER))
    before = len(keeper.entries())
    member.send(Door(doors[tls], tls, mechanism), [mail])
    arrived = keeper.maildir.one(recipient)
    if member.keeps_header:
        arrived.assert_identical(mail.content)
    else:
        arrived.assert_body(mail.body)
    assert keeper.entries()[before:] == [mechanism]
