"""What README.md says under "In front of your relay", done as it stands there, on a machine that nobody has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.gate import BINARY
from bench.ground import PROJECT, wait_until
from bench.mail import unique
from bench.relays import LOCAL_DOMAIN
from bench.stock import STOCK, USER, Stock

pytestmark = pytest.mark.usefixtures("through_the_gate")

(SECTION,) = re.findall(r"(?ms)^## In front of your relay\n(.*?)^## ", (PROJECT / "README.md").read_text())
BLOCKS = [block.splitlines() for block in re.findall(r"(?s)```sh\n(.*?)```", SECTION)]
RECIPES = {
    row[1].lower(): re.findall(r"`([^`]+)`", row[2]) for row in re.finditer(r"(?m)^\| (\w+)[^|]* \| (.*) \|$", SECTION)
}


INSTALL, CHECK_AND_RUN, RUN_WITHOUT_FILE = BLOCKS
FOREIGN, OWN = "b@elsewhere.test", f"{USER}@{LOCAL_DOMAIN}"


def test_there_is_a_recipe_for_each_relay() -> None:
    assert RECIPES.keys() - {"relay"} == {kind.name for kind in STOCK}
    assert all(RECIPES[kind.name] for kind in STOCK)


@pytest.fixture(params=STOCK, ids=lambda kind: kind.name)
def stock(request: pytest.FixtureRequest) -> Iterator[Stock]:
    """A relay as its package leaves it."""
    it = request.param()
    yield it
    it.stop()


def test_the_recipe_puts_gatepost_in_front_of_the_relay(stock: Stock) -> None:
    # As it was: whoever comes from this host may send anywhere. Behind Gatepost that would be everybody.
    assert stock.answer_to(FOREIGN, 25).startswith("250")
    for line in RECIPES[stock.name]:
        stock.shell(line)
    stock.await_port(10025)
    assert stock.answer_to(FOREIGN, 10025).startswith("5")
    assert stock.answer_to(OWN, 10025).startswith("250")

    install(stock)
    check, *run = CHECK_AND_RUN
    stock.shell(check)
    for command in run + RUN_WITHOUT_FILE:
        with running(stock, command):
            assert stock.answer_to(FOREIGN, 25).startswith("550 5.7.1 Relaying denied (ref ")
            words = unique("words")
            stock.shell(f"swaks --server 127.0.0.1 --from a@example.org --to {OWN} --body {words}")
            wait_until(f"{words} is in the mailbox", lambda: words in stock.mailbox())


def install(stock: Stock) -> None:
    """The first lines of the section, but for the build, which the bench has before it begins."""
    build, *lines = INSTALL
    assert build == "cargo build --release"
    stock.inside.copy(Path(BINARY), "/gatepost/target/release/gatepost")
    for folder in ("rules", "deploy"):
        stock.inside.copy(PROJECT / folder, f"/gatepost/{folder}")
    stock.shell("\n".join(["cd /gatepost", *lines]))


@contextmanager
def running(stock: Stock, command: str) -> Iterator[None]:
    """Gatepost, started by these words."""
    stock.shell(f"{command} </dev/null >/run/gatepost.log 2>&1 & echo $! >/run/gatepost.pid")
    stock.await_port(25)
    yield
    stock.shell("kill $(cat /run/gatepost.pid)")
    wait_until("the port is free", lambda: not stock.listens(25))
