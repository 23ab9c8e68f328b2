#!/usr/bin/env python3
"""Strangers from ever new addresses, 200 a second, and what a partner feels of it.

    tests/attack/addresses.py [--rate 200] [--pairs 5] [--seconds 4] [--keys 1000]

They come through PROXY headers, each from an address of its own, so that a `[[limit]]` by address learns a new key with
each; soon there are more than it may know. A partner connects again and again and names a recipient. Printed is the time
in which he is answered, idle and attacked in turn, and the ratio in the middle. `GATEPOST` names the program (default:
target/release/gatepost).
"""

import argparse
import contextlib
import os
import signal
import socket
import statistics
import struct
import time

import bench

PARTNER = "198.51.100.7"
LIMIT = """
[[limit]]
id = "connections"
key = "client.net"
count = "connections"
rate = "60/h"
burst = 10000
reply = "421 4.7.0 Too many connections from you, come back later"
"""
LINES = [b"EHLO partner.test", b"MAIL FROM:<a@partner.test>", f"RCPT TO:<b@{bench.DOMAIN}>".encode(), b"RSET", b"QUIT"]


def header(address: str) -> bytes:
    """A PROXY header, version 2."""
    addresses = socket.inet_aton(address) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 40000, 25)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", 0x21, 0x11, len(addresses)) + addresses


def reply(peer: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\r\n") or text.splitlines()[-1][3:4] == b"-":
        octets = peer.recv(4096)
        assert octets, "the gate has closed"
        text += octets
    return text


def partner(target: tuple[str, int], seconds: float) -> float:
    """Milliseconds in which he is answered, in the middle."""
    times, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        with bench.connect(target, "127.0.0.1") as peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for line in [header(PARTNER), *(line + b"\r\n" for line in LINES)]:
                start = time.monotonic()
                peer.sendall(line)
                heard = reply(peer)
                times.append(time.monotonic() - start)
                assert heard[:1] == b"2", heard
        time.sleep(0.01)
    return statistics.median(times) * 1e3


def attack(target: tuple[str, int], rate: float, parent: int, offset: int) -> None:
    """Each says EHLO, hears the answer, and goes."""
    number, start = 0, time.monotonic()
    while os.getppid() == parent:
        if number >= (time.monotonic() - start) * rate:
            time.sleep(0.001)
            continue
        # Spread over all networks, as those of a botnet are.
        spread = (offset + number) * 2654435761 % (1 << 24)
        number += 1
        with contextlib.suppress(OSError, AssertionError), bench.connect(target, "127.0.0.1") as peer:
            peer.sendall(header(f"45.{spread >> 16}.{spread >> 8 & 255}.{spread & 255}"))
            reply(peer)
            peer.sendall(b"EHLO bot.test\r\n")
            reply(peer)
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--keys", type=int, default=1000)
    args = parser.parse_args()
    rules = bench.RULES.replace(bench.PARTNER, PARTNER) + LIMIT
    listener = 'accept = "proxy-protocol"\ntrusted = ["127.0.0.1/32"]\n'
    gate = bench.Gate(bench.relay(100), rules, f"{listener}[allowances]\nkeys = {args.keys}\n")
    try:
        partner(gate.target, 1)
        ratios = []
        for pair in range(args.pairs):
            calm = partner(gate.target, args.seconds)
            parent, before = os.getpid(), gate.metric("gatepost_connections_accepted_total")
            attacker = os.fork()
            if attacker == 0:
                attack(gate.target, args.rate, parent, pair * 1_000_000)
            time.sleep(0.5)
            attacked = partner(gate.target, args.seconds)
            os.kill(attacker, signal.SIGTERM)
            os.waitpid(attacker, 0)
            came = gate.metric("gatepost_connections_accepted_total") - before
            ratios.append(attacked / calm)
            figures = {
                name: round(gate.metric(f"gatepost_limit_{name}"), 3)
                for name in ("keys", "keys_most", "aggregated_total", "fullest_ratio")
            }
            print(f"idle {calm:.3f} ms, attacked {attacked:.3f} ms; {came:.0f} came; {figures}", flush=True)
        print(f"ratio {statistics.median(ratios):.2f} of {[round(ratio, 2) for ratio in sorted(ratios)]}")
    finally:
        gate.stop()


if __name__ == "__main__":
    main()
