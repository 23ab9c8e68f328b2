"""Three network namespaces: clients, the host that routes between, and the relays behind it.

    client  192.0.2.10, 2001:db8:1::10  --  192.0.2.1, 2001:db8:1::1  gate  198.51.100.1, 2001:db8:2::1  --  relays
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TAG = f"gp{os.getpid()}"
CLIENT, MIDDLE, BEHIND = (f"{TAG}{end}" for end in "cgr")

# By family: of the client; of the gate, outside and inside; of the relays.
CLIENTS = {4: "192.0.2.10", 6: "2001:db8:1::10"}
OUTSIDE = {4: "192.0.2.1", 6: "2001:db8:1::1"}
INSIDE = {4: "198.51.100.1", 6: "2001:db8:2::1"}
SCRIPTED = {4: "198.51.100.25", 6: "2001:db8:2::25"}
POSTFIX = {4: "198.51.100.26", 6: "2001:db8:2::26"}
EXIM = {4: "198.51.100.27", 6: "2001:db8:2::27"}

_libc = ctypes.CDLL(None, use_errno=True)
_NETWORK = 0x40000000  # CLONE_NEWNET


def sh(command: str | list[str], **more) -> None:
    """Runs it; it must succeed."""
    subprocess.run(command.split() if isinstance(command, str) else command, check=True, **more)


def within(space: str, *command: str) -> list[str]:
    """The command, in that namespace."""
    return ["ip", "netns", "exec", space, *command]


def _enter(handle: int) -> None:
    if _libc.setns(handle, _NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def standing_in(space: str) -> Iterator[None]:
    """This thread, and whatever it starts, is in that namespace meanwhile."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{space}", os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(home)
        os.close(there)
        os.close(home)


def build() -> None:
    """Makes them, and the ways between."""
    for space in (CLIENT, MIDDLE, BEHIND):
        sh(f"ip netns add {space}")
        sh(f"ip -n {space} link set lo up")
    sh(f"ip link add c0 netns {CLIENT} type veth peer name p0 netns {MIDDLE}")
    sh(f"ip link add s0 netns {BEHIND} type veth peer name p1 netns {MIDDLE}")
    for space, device, addresses in (
        (CLIENT, "c0", CLIENTS),
        (MIDDLE, "p0", OUTSIDE),
        (MIDDLE, "p1", INSIDE),
        (BEHIND, "s0", SCRIPTED),
        (BEHIND, "s0", POSTFIX),
        (BEHIND, "s0", EXIM),
    ):
        sh(f"ip -n {space} addr add {addresses[4]}/24 dev {device}")
        sh(f"ip -n {space} -6 addr add {addresses[6]}/64 dev {device} nodad")
        sh(f"ip -n {space} link set {device} up")
    for space, gate in ((CLIENT, OUTSIDE), (BEHIND, INSIDE)):
        sh(f"ip -n {space} route add default via {gate[4]}")
        sh(f"ip -n {space} -6 route add default via {gate[6]}")
    sh(within(MIDDLE, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"))
    # As the heads of the files in deploy/nftables say.
    for family, all_of_it in (("-4", "0.0.0.0/0"), ("-6", "::/0")):
        sh(f"ip -n {MIDDLE} {family} rule add fwmark 0x1 lookup 100")
        sh(f"ip -n {MIDDLE} {family} route add local {all_of_it} dev lo table 100")


def raze() -> None:
    """Takes them away."""
    for space in (CLIENT, MIDDLE, BEHIND):
        subprocess.run(["ip", "netns", "del", space], stderr=subprocess.DEVNULL, check=False)


def firewall(name: str | None, without: str = "\n") -> None:
    """Loads these rules as they ship, less the lines with that text in them; None: there are none."""
    rules = "flush ruleset\n"
    if name is not None:
        rules = (ROOT / "deploy/nftables" / name).read_text(encoding="utf-8")
        rules = rules.replace('"eth0"', '"p0"').replace('"eth1"', '"p1"')
        rules = "".join(f"{line}\n" for line in rules.splitlines() if without not in line)
    sh(within(MIDDLE, "nft", "-f", "-"), input=rules, text=True)
