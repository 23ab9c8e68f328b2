#!/usr/bin/env python3
"""Two gates that share a Redis: how many they let in together, and what asking it costs a connection.

    tests/attack/store.py [--seconds 180] [--rate 100/min] [--burst 100] [--lease 0] [--calls 2000]

First both are called as often as they answer, for so many seconds, and what they let in is compared with what burst and rate
give. Then, one call after another, the time from connecting to the greeting: a gate with the limit, and one without. `GATEPOST`
names the program (default: target/release/gatepost). Needs redis-tools.
"""

import argparse
import os
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import bench

LIMIT = """
[[limit]]
id = "calls"
key = "client.net"
count = "connections"
rate = "{rate}"
burst = {burst}
shared = true
private = true
reply = "421 4.7.0 Too many connections from you, come back later"
"""
UNITS = {"s": 1, "min": 60, "h": 3600}


def redis() -> tuple[subprocess.Popen, Path]:
    place, port = Path(tempfile.mkdtemp(prefix="gatepost-store-")), bench.free_port()
    arguments = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    server = subprocess.Popen(
        arguments, executable="/usr/bin/redis-check-rdb", cwd=place, stdout=subprocess.DEVNULL
    )
    url = place / "url"
    url.write_text(f"redis://127.0.0.1:{port}/0\n")
    url.chmod(0o600)
    return server, url


def gate(relay: tuple[str, int], rules: str, url: Path, lease: int) -> bench.Gate:
    # What stands behind the listener's own lines may open a table.
    store = f'[store]\nurl_file = "{url}"\nlease = {lease}\n'
    it = bench.Gate(relay, bench.RULES + rules, store)
    it.wait("the store is known", lambda: it.metric("gatepost_store_up") == 1)
    return it


def greeting(target: tuple[str, int]) -> bytes:
    with socket.create_connection(target, 10) as peer:
        return peer.recv(512)[:3]


def let_in(gates: list[bench.Gate], seconds: float) -> tuple[int, int, float]:
    said: list[bytes] = []
    begun = time.monotonic()

    def call(one: bench.Gate) -> None:
        while time.monotonic() - begun < seconds:
            said.append(greeting(one.target))
            time.sleep(0.005)

    threads = [threading.Thread(target=call, args=(one,)) for one in gates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said.count(b"220"), said.count(b"421"), time.monotonic() - begun


def times(target: tuple[str, int], calls: int) -> list[float]:
    taken = []
    for _ in range(calls):
        begun = time.perf_counter()
        assert greeting(target) == b"220"
        taken.append((time.perf_counter() - begun) * 1e6)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--rate", default="100/min")
    parser.add_argument("--burst", type=int, default=100)
    parser.add_argument("--lease", type=int, default=0)
    parser.add_argument("--calls", type=int, default=2000)
    args = parser.parse_args()
    (server, url), relay, gates = redis(), bench.relay(100), []
    try:
        gates = [gate(relay, LIMIT.format(rate=args.rate, burst=args.burst), url, args.lease) for _ in range(2)]
        granted, refused, passed = let_in(gates, args.seconds)
        count, unit = args.rate.split("/")
        expected = args.burst + int(count) * passed / UNITS[unit]
        print(f"{args.seconds:.0f} s at {args.rate}, burst {args.burst}, lease {args.lease}, {os.cpu_count()} processors")
        print(f"let in {granted}, turned away {refused}; the limit gives {expected:.1f} ({granted / expected - 1:+.2%})")
        wide = LIMIT.format(rate="1000000/s", burst=1000000).replace("calls", "wide")
        gates += [gate(relay, wide, url, args.lease), gate(relay, "", url, args.lease)]
        # In turns, so that what else the machine does falls on both.
        with_it, without = [], []
        for _ in range(10):
            with_it += times(gates[2].target, args.calls // 10)
            without += times(gates[3].target, args.calls // 10)
        for name, taken in (("with the limit", with_it), ("without", without)):
            cuts = statistics.quantiles(taken, n=100)
            print(f"connect to greeting, {name}: p50 {cuts[49]:.0f} us, p99 {cuts[98]:.0f} us")
    finally:
        for one in gates:
            one.stop()
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
