"""What the tests share: one of each relay for the whole run, and a gate in front of each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.gate import DIRECT, Gate
from bench.relays import RELAYS, Relay


class House:
    """The relays of this run, each started when first asked for, with the gate in front."""

    def __init__(self) -> None:
        self._relays: dict[type[Relay], tuple[Relay, Gate]] = {}

    def pair(self, kind: type[Relay]) -> tuple[Relay, Gate]:
        """A relay and its gate."""
        if kind not in self._relays:
            relay = kind()
            try:
                self._relays[kind] = relay, Gate(relay.port)
            except BaseException:
                relay.stop()
                raise
        return self._relays[kind]

    def stop(self) -> None:
        """Ends them all."""
        for relay, gate in self._relays.values():
            gate.stop()
            relay.stop()


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """All relays."""
    it = House()
    yield it
    it.stop()


@pytest.fixture(params=RELAYS, ids=lambda kind: kind.name)
def relay(request: pytest.FixtureRequest, house: House) -> Relay:
    """Each relay in turn; a test may narrow them with `pytest.mark.parametrize(..., indirect=True)`."""
    return house.pair(request.param)[0]


@pytest.fixture
def gate(relay: Relay, house: House) -> Iterator[Gate]:
    """The gate in front of that relay, which must outlive the test."""
    it = house.pair(type(relay))[1]
    yield it
    it.assert_alive()


@pytest.fixture
def through_the_gate() -> None:
    """For what only a gate can do: in direct mode there is none to ask."""
    if DIRECT:
        pytest.skip("there is no gate in direct mode")
