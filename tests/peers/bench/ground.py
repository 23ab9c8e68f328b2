"""Folders, ports, waiting: what every part of the bench stands on."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PROJECT = Path(__file__).resolve().parents[3]
STORE = PROJECT / "target" / "peers"

# Well below 32768, where the kernel begins to hand out ports of its own: a relay that restarts finds its port free.
_ports = itertools.count(20000 + os.getpid() % 97 * 100)


def free_port() -> int:
    """A loopback port below the ephemeral range on which nobody listens."""
    for number in _ports:
        candidate = 20000 + (number - 20000) % 10000
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return candidate
    raise AssertionError("unreachable: count() does not end")


def make_place(name: str) -> Path:
    """A folder owned by root under a chain that others cannot write, as mail servers ask of their queues."""
    parent = Path("/run/gatepost-peers")
    parent.mkdir(mode=0o755, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=parent))
    place.chmod(0o755)
    return place


def remove_place(place: Path) -> None:
    """Takes the folder away, and its parent with the last one."""
    shutil.rmtree(place, ignore_errors=True)
    try:
        place.parent.rmdir()
    except OSError:
        pass  # another run still has a folder there


def wait_until(what: str, probe: Callable[[], T], within: float = 20.0) -> T:
    """The first true answer of the probe; says what it waited for when there is none."""
    deadline = time.monotonic() + within
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within:g} s in vain: {what}")
        time.sleep(0.01)


def greets(port: int) -> bool:
    """Whether somebody on the port says 220."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as probe:
            return probe.recv(3) == b"220"
    except OSError:
        return False


def listens(port: int) -> bool:
    """Whether somebody accepts connections on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
