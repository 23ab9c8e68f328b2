"""Gates that share a store have one limit and one list of bans between them, and mail does not depend on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from bench.gate import Gate
from bench.ground import wait_until
from bench.mail import message
from bench.recorder import Recorder
from bench.store import Store
from bench.wire import Wire

pytestmark = pytest.mark.usefixtures("through_the_gate")

RATE, BURST = 20, 20
SECONDS = 20.0

# Everybody at the bench comes from this host, which is not limited unless the rule says so.
LIMITED = f"""
[[limit]]
id = "calls"
key = "client.net"
count = "connections"
rate = "{RATE}/s"
burst = {BURST}
shared = true
private = true
reply = "421 4.7.0 Too many connections from you, come back later"
"""

BANNING = """
[[rule]]
id = "trap"
on = "RCPT"
when = { "rcpt.local" = "trap" }
then = "reject"
ban = "5s"
private = true
"""

WEIGHED = """
[[limit]]
id = "weight"
key = "client.net"
count = "octets"
rate = "20KiB/d"
burst = "20KiB"
shared = true
private = true
"""

LOCAL = 'gatepost_store_charges_total{by="local"}'
LEASED = 'gatepost_store_charges_total{by="lease"}'


@pytest.fixture
def store() -> Iterator[Store]:
    """A store of its own for each test."""
    with Store() as it:
        yield it


def gates(store: Store, relay: Recorder, rules: str, **settings: object) -> list[Gate]:
    """Two gates that share it."""
    its = {"url_file": str(store.url_file)} | settings
    both = [Gate(relay.port, rules, store=its) for _ in range(2)]
    for gate in both:
        wait_until("the store is known", lambda gate=gate: gate.figure("gatepost_store_up") == 1)
    return both


class Callers:
    """One for each gate, who calls again and again."""

    def __init__(self, both: Sequence[Gate]) -> None:
        self.granted, self.refused, self.slowest, self.wrong = [0, 0], [0, 0], 0.0, []
        self._until, self._both = threading.Event(), both
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(2)]
        self.begun = time.monotonic()
        for thread in self._threads:
            thread.start()

    def _call(self, number: int) -> None:
        while not self._until.is_set():
            start = time.monotonic()
            try:
                with Wire(self._both[number].port, patience=5) as wire:
                    code = wire.reply().code
            except Exception as failure:  # noqa: BLE001
                self.wrong.append(repr(failure))
                continue
            self.slowest = max(self.slowest, time.monotonic() - start)
            if code == 220:
                self.granted[number] += 1
            elif code == 421:
                self.refused[number] += 1
            else:
                self.wrong.append(code)
            time.sleep(0.005)

    def end(self) -> float:
        """They stop; gives how long they called."""
        self._until.set()
        for thread in self._threads:
            thread.join()
        return time.monotonic() - self.begun


def test_two_gates_together_let_in_what_the_limit_says(store: Store) -> None:
    """Burst and rate hold for both of them, to two in a hundred."""
    with Recorder() as relay:
        one, other = gates(store, relay, LIMITED)
        with one, other:
            callers = Callers([one, other])
            time.sleep(SECONDS)
            passed = callers.end()
            expected = BURST + RATE * passed
            assert not callers.wrong, callers.wrong
            assert min(callers.granted) > 0 and min(callers.refused) > 0
            assert sum(callers.granted) == pytest.approx(expected, rel=0.02)
            assert (one.figure(LOCAL), other.figure(LOCAL)) == (0, 0)


def test_leases_let_in_no_more_than_is_stated(store: Store) -> None:
    """A lease for each gate beyond the limit, at most."""
    lease = 5
    with Recorder() as relay:
        one, other = gates(store, relay, LIMITED, lease=lease)
        with one, other:
            callers = Callers([one, other])
            time.sleep(SECONDS / 2)
            passed = callers.end()
            expected = BURST + RATE * passed
            assert not callers.wrong, callers.wrong
            assert one.figure(LEASED) + other.figure(LEASED) > 0
            assert 0.9 * expected <= sum(callers.granted) <= 1.02 * expected + 2 * lease


@pytest.mark.parametrize("end", ["killed", "hung"])
def test_a_store_that_goes_costs_no_session_and_comes_back(store: Store, end: str) -> None:
    """Every caller is answered at once, the log says so once each way, and the limit is shared again."""
    with Recorder() as relay:
        one, other = gates(store, relay, LIMITED)
        with one, other:
            callers = Callers([one, other])
            time.sleep(2)
            if end == "killed":
                store.kill()
            else:
                store.hang()
            for gate in (one, other):
                wait_until("it is known to be away", lambda gate=gate: gate.figure("gatepost_store_up") == 0)
            time.sleep(3)
            local = [gate.figure(LOCAL) for gate in (one, other)]
            assert min(local) > 0
            if end == "killed":
                store.start()
            else:
                store.go_on()
            for gate in (one, other):
                wait_until("it is back", lambda gate=gate: gate.figure("gatepost_store_up") == 1, within=5)
            local = [gate.figure(LOCAL) for gate in (one, other)]
            before, at = sum(callers.granted), time.monotonic()
            time.sleep(4)
            granted, passed = sum(callers.granted) - before, time.monotonic() - at
            callers.end()
            assert not callers.wrong, callers.wrong
            assert callers.slowest < 1, callers.slowest
            # A store that was killed has forgotten what was taken.
            assert granted <= 1.05 * (BURST + RATE * passed)
            assert [gate.figure(LOCAL) for gate in (one, other)] == local
            for gate in (one, other):
                log = (gate.place / "log").read_text(errors="replace")
                assert (log.count("the store is away"), log.count("the store is there")) == (1, 2)


def test_while_it_is_away_each_gate_has_the_limit_for_itself(store: Store) -> None:
    """No more than burst and rate, each."""
    with Recorder() as relay:
        one, other = gates(store, relay, LIMITED)
        with one, other:
            store.kill()
            for gate in (one, other):
                wait_until("it is known to be away", lambda gate=gate: gate.figure("gatepost_store_up") == 0)
            callers = Callers([one, other])
            time.sleep(5)
            passed = callers.end()
            for granted in callers.granted:
                assert granted == pytest.approx(BURST + RATE * passed, rel=0.05)


def test_a_message_larger_than_what_is_left_spends_the_rest_at_both_gates(store: Store) -> None:
    """What was done already is counted as far as there is, or whoever sends much at once would never be counted."""
    heavy = message(b"x" * 70 + b"\r\n") + (b"x" * 70 + b"\r\n") * 200
    with Recorder() as relay:
        one, other = gates(store, relay, WEIGHED)
        with one, other:
            for gate in (one, other):
                with Wire(gate.port) as wire:
                    wire.greet()
                    wire.envelope("a@example.org", "b@example.com")
                    assert wire.data(heavy).code == 250
            time.sleep(0.3)
            for gate in (one, other):
                with Wire(gate.port) as wire:
                    wire.greet()
                    wire.expect("MAIL FROM:<a@example.org>", "451")


def test_whom_one_gate_bans_the_other_does_not_let_in(store: Store) -> None:
    """Within a second or two, with the same reference, and until the same time."""
    with Recorder() as relay:
        one, other = gates(store, relay, BANNING)
        with one, other:
            with Wire(one.port) as wire:
                wire.greet()
                wire.expect("MAIL FROM:<a@example.org>", "250")
                wire.expect("RCPT TO:<trap@example.com>", "550")
            begun = time.monotonic()
            assert _greeting(one) == 421
            wait_until("the other knows", lambda: _greeting(other) == 421, within=3)
            pages = [gate.page("/bans.txt").split() for gate in (one, other)]
            assert pages[0][0] == pages[1][0] == "127.0.0.1/32"
            assert pages[0][2:] == pages[1][2:] and pages[0][2] == "trap"
            for gate in (one, other):
                wait_until("it is let in again", lambda gate=gate: _greeting(gate) == 220, within=10)
            assert 4 < time.monotonic() - begun < 7


def _greeting(gate: Gate) -> int:
    with Wire(gate.port) as wire:
        return wire.reply().code
