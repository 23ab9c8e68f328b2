"""What the tests share: one of each relay for the whole run, and gates in front of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from bench import satellites as SATELLITES
from bench.front import Front
from bench.gate import DIRECT, Gate
from bench.papers import Paper, papers
from bench.relays import RELAYS, Relay
from bench.senders import EXIM, POSTFIX


class House:
    """The relays of this run and the gates in front, each started when first asked for."""

    def __init__(self) -> None:
        self._relays: dict[type[Relay], Relay] = {}
        self._gates: dict[tuple[type[Relay], str, str], Gate] = {}

    def relay(self, kind: type[Relay]) -> Relay:
        """The relay of that kind."""
        if kind not in self._relays:
            self._relays[kind] = kind()
        return self._relays[kind]

    def gate(self, kind: type[Relay], rules: str = "") -> Gate:
        """A gate before it, with these rules on top."""
        return self._gate(kind, rules, "inbound", ())

    def secured(self, kind: type[Relay], rules: str = "", role: str = "inbound") -> Gate:
        """A gate with certificates before it, in that role."""
        return self._gate(kind, rules, role, (papers().ec, papers().rsa))

    def _gate(self, kind: type[Relay], rules: str, role: str, its_papers: Sequence[Paper]) -> Gate:
        key = kind, rules, role if its_papers else ""
        if key not in self._gates:
            self._gates[key] = Gate(self.relay(kind).port, rules, role=role, papers=its_papers)
        return self._gates[key]

    def stop(self) -> None:
        """Ends them all."""
        for gate in self._gates.values():
            gate.stop()
        for relay in self._relays.values():
            relay.stop()


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """All relays."""
    it = House()
    yield it
    it.stop()


@pytest.fixture(scope="session", autouse=True)
def satellites() -> Iterator[None]:
    """They start themselves when they are needed."""
    yield
    SATELLITES.POSTFIX.stop()
    SATELLITES.EXIM.stop()


@pytest.fixture(scope="session")
def front() -> Iterator[Front]:
    """The door before all gates; the mail servers in front know no other."""
    it = Front()
    yield it
    POSTFIX.stop()
    EXIM.stop()
    it.stop()


@pytest.fixture(params=RELAYS, ids=lambda kind: kind.name)
def relay(request: pytest.FixtureRequest, house: House) -> Relay:
    """Each relay in turn; a test may narrow them with `pytest.mark.parametrize(..., indirect=True)`."""
    return house.relay(request.param)


@pytest.fixture
def gate(relay: Relay, house: House) -> Iterator[Gate]:
    """The gate in front of that relay, which must outlive the test."""
    it = house.gate(type(relay))
    yield it
    it.assert_alive()


@pytest.fixture
def through_the_gate() -> None:
    """For what only a gate can do: in direct mode there is none to ask."""
    if DIRECT:
        pytest.skip("there is no gate in direct mode")
