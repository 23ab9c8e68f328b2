"""How connections are intercepted, before a relay that plays a part: it says from where it was called, and what it heard."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from gates import gate, send
from spaces import CLIENTS, INSIDE, MIDDLE, OUTSIDE, SCRIPTED, firewall, within

TRANSPARENT = 'address = "original"\nidentity = "transparent"'
LOOPBACK = ["127.0.0.1:2525", "[::1]:2525"]
OUTER = [f"{OUTSIDE[4]}:2525", f"[{OUTSIDE[6]}]:2525"]


def calls(relay):
    said = [json.loads(line) for line in relay.rest()]
    return [(each["peer"], each["port"]) for each in said if "peer" in each], [e["line"] for e in said if "line" in e]


def tproxy_keeps_both_addresses_and_the_port(relay):
    """The relay sees the client, its port too, and the client has called nobody else."""
    firewall("tproxy.nft")
    with gate(LOOPBACK, "tproxy", TRANSPARENT):
        for family, client in CLIENTS.items():
            relay.rest()
            port, error = send(SCRIPTED[family])
            assert not error, error
            peers, lines = calls(relay)
            assert peers == [(client, port)], (peers, client, port)
            assert "EHLO client.test" in lines and "DATA" in lines, lines


def a_later_link_has_another_port(relay):
    """A link that was given back is not in the way of the next."""
    firewall("tproxy.nft")
    with gate(LOOPBACK, "tproxy", TRANSPARENT + '\nlink_idle = "200ms"'):
        relay.rest()
        port, error = send(SCRIPTED[4], pause=0.7, messages=2)
        assert not error, error
        peers, _ = calls(relay)
        assert len(peers) == 2 and peers[0] == (CLIENTS[4], port) and peers[1][0] == CLIENTS[4], (peers, port)
        assert peers[1][1] != port, peers


def whoever_calls_the_gate_itself_is_closed(relay):
    """A link to the gate's own address would be its own next client."""
    firewall("tproxy.nft")
    with gate(LOOPBACK, "tproxy", TRANSPARENT) as running:
        relay.rest()
        program = "import socket;s=socket.create_connection(('127.0.0.1',2525),5);print(s.recv(100))"
        done = subprocess.run(
            within(MIDDLE, sys.executable, "-c", program), capture_output=True, text=True, check=False
        )
        assert done.stdout == "b''\n", done
        running.wait_for("it called the gate itself")


def redirect_knows_whom_the_client_called(relay):
    """NAT remembers it; XCLIENT tells the relay."""
    firewall("redirect.nft")
    with gate(OUTER, "redirect", 'address = "original"\nidentity = "xclient"'):
        for family, client in CLIENTS.items():
            relay.rest()
            port, error = send(SCRIPTED[family])
            assert not error, error
            _, lines = calls(relay)
            told = next(line for line in lines if line.startswith("XCLIENT"))
            prefix = "IPV6:" if ":" in client else ""
            for word in (f"ADDR={prefix}{client}", f"PORT={port}", f"DESTADDR={prefix}{SCRIPTED[family]}", "DESTPORT=25"):
                assert word in told.split(), (word, told)


def redirect_and_transparent_go_together_with_another_port(relay):
    """The client's port is taken by what NAT remembers."""
    firewall("redirect.nft")
    for known in ('address = "original"', f'address = ["{SCRIPTED[4]}:25", "[{SCRIPTED[6]}]:25"]'):
        with gate(OUTER, "redirect", f'{known}\nidentity = "transparent"\nconnect = "accept"'):
            time.sleep(0.5)
            for family, client in CLIENTS.items():
                relay.rest()
                port, error = send(SCRIPTED[family])
                assert not error, error
                peers, _ = calls(relay)
                theirs = [peer for peer in peers if peer[0] == client]
                assert len(theirs) == 1 and theirs[0][1] != port, (peers, port)


NET_RAW, BIND = 1 << 13, 1 << 10


def one_capability_is_enough(relay):
    """CAP_NET_RAW, and nobody's user."""
    firewall("tproxy.nft")
    with gate(LOOPBACK, "tproxy", TRANSPARENT, capabilities=",+net_raw") as running:
        standing = running.standing()
        assert standing["Uid"].split() == ["65534"] * 4, standing
        for may in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(standing[may], 16) == NET_RAW, (may, standing[may])
        for family, client in CLIENTS.items():
            relay.rest()
            port, error = send(SCRIPTED[family])
            assert not error, error
            assert calls(relay)[0] == [(client, port)]


def redirect_needs_none(relay):
    """It is NAT's work; XCLIENT is a line like any other."""
    firewall("redirect.nft")
    with gate(OUTER, "redirect", 'address = "original"\nidentity = "xclient"', capabilities="") as running:
        assert int(running.standing()["CapEff"], 16) == 0
        for family, client in CLIENTS.items():
            relay.rest()
            _, error = send(SCRIPTED[family])
            assert not error, error
            assert calls(relay)[0][0][0] == INSIDE[family]


def a_port_below_1024_needs_another(relay):
    """CAP_NET_BIND_SERVICE, and no other."""
    firewall(None)
    listen, behind = [f"{OUTSIDE[4]}:25"], f'address = "{SCRIPTED[4]}:25"\nidentity = "none"'
    with gate(listen, "direct", behind, capabilities=",+net_bind_service") as running:
        assert int(running.standing()["CapEff"], 16) == BIND
        _, error = send(OUTSIDE[4])
        assert not error, error
    starts_not(listen, "direct", behind, "CAP_NET_BIND_SERVICE")


def without_it_the_gate_does_not_start(relay):
    """It is better known at the start than at the first mail."""
    starts_not(LOOPBACK, "tproxy", 'address = "original"\nidentity = "none"', 'accept = "tproxy" needs CAP_NET_RAW')
    starts_not(LOOPBACK, "direct", f'address = "{SCRIPTED[4]}:25"\nidentity = "transparent"', 'identity = "transparent" needs CAP_NET_RAW')


def starts_not(listen, accept, relay, why):
    """It says why, and ends."""
    try:
        with gate(listen, accept, relay, capabilities=""):
            raise RuntimeError("it started without the capability")
    except AssertionError as never:
        assert why in str(never), never


TESTS = [
    tproxy_keeps_both_addresses_and_the_port,
    a_later_link_has_another_port,
    whoever_calls_the_gate_itself_is_closed,
    redirect_knows_whom_the_client_called,
    redirect_and_transparent_go_together_with_another_port,
    one_capability_is_enough,
    redirect_needs_none,
    a_port_below_1024_needs_another,
    without_it_the_gate_does_not_start,
]
