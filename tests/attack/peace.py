#!/usr/bin/env python3
"""What a message and an idle connection cost in peace, beside HAProxy as a plain TCP proxy.

    tests/attack/peace.py [--rounds 7] [--threads 1] [--idle 2000]

Postfix's smtp-source says the messages, its smtp-sink takes them; a round is one run through each proxy, one after the
other. Printed are the processor time of the proxy for a message, and its memory for a connection: after the greeting, and
after a message. `GATEPOST` names the program (default: target/release/gatepost). Needs haproxy and postfix.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import bench

RULES = """\
profile = "peace"
extends = "base"

[relay]
to = "any"

[clients]
allow = ["127.0.0.0/8"]

[limits]
transactions = 100000000
"""
# What smtp-source is told, how many messages that makes, and how many sessions a link may serve.
LOADS = {
    "4 KiB, a connection for each": (["-s", "20", "-l", "4096"], 4000, 1),
    "4 KiB, a connection, links shared": (["-s", "20", "-l", "4096"], 4000, 1000),
    "4 KiB, on 20 connections": (["-d", "-s", "20", "-l", "4096"], 10_000, 1),
    "1 MiB": (["-s", "4", "-l", "1048576"], 200, 1),
    "10 MiB": (["-s", "2", "-l", "10485760"], 20, 1),
}
AT_ONCE = 200


class Sink(bench.Program):
    """A relay that takes everything and keeps nothing."""

    def __init__(self) -> None:
        self.target = ("127.0.0.1", bench.free_port())
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = ["smtp-sink", *user, "-m", "9000", f"127.0.0.1:{self.target[1]}", "1024"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)


class Haproxy(bench.Program):
    """The same way for octets, which nobody looks at."""

    def __init__(self, relay: tuple[str, int], threads: int) -> None:
        self.target = ("127.0.0.1", bench.free_port())
        file = Path(tempfile.mkdtemp(prefix="gatepost-peace-")) / "haproxy.cfg"
        file.write_text(f"""\
global
    nbthread {threads}
    maxconn 9000
defaults
    mode tcp
    timeout connect 5s
    timeout client 5m
    timeout server 5m
listen smtp
    bind 127.0.0.1:{self.target[1]} backlog 4096
    server relay {relay[0]}:{relay[1]}
""")
        self.process = subprocess.Popen(["haproxy", "-db", "-q", "-f", str(file)], stdin=subprocess.DEVNULL)


def gate(relay: tuple[str, int], threads: int, idle: int, sessions_per_link: int = 1) -> bench.Gate:
    # Twice as many as come: near its bound it is under stress, and has less patience.
    listener = f"sessions = {2 * idle + 100}\nsessions_per_client = {2 * idle + 100}\n"
    links = f"links = {AT_ONCE}\nsessions_per_link = {sessions_per_link}"
    return bench.Gate(relay, RULES, listener, links, threads)


def cost(proxy: bench.Program, source: list[str], messages: int) -> float:
    """Microseconds of processor time for a message."""
    before = proxy.cpu()
    command = ["smtp-source", *source, "-m", str(messages), "-t", "b@example.com"]
    subprocess.run([*command, f"127.0.0.1:{proxy.target[1]}"], check=True, timeout=120)
    return (proxy.cpu() - before) / messages * 1e6


def memory(proxy: bench.Program, connections: int) -> tuple[float, float]:
    """KiB for a connection: after the greeting, and after a message."""
    before, open_ = proxy.pss(), []
    for _ in range(connections):
        open_.append(bench.connect(proxy.target, bench.PARTNER))
        bench.Load.expect(open_[-1], b"220")
    greeted = proxy.pss()
    steps = [(b"EHLO load.test", b"250"), (b"MAIL FROM:<a@load.test>", b"250"), (b"RCPT TO:<b@example.com>", b"250")]
    steps += [(b"DATA", b"354"), (bench.Load.BODY.removesuffix(b"\r\n"), b"250")]
    for start in range(0, connections, AT_ONCE):
        some = open_[start : start + AT_ONCE]
        for line, code in steps:
            for client in some:
                client.sendall(line + b"\r\n")
            for client in some:
                bench.Load.expect(client, code)
    time.sleep(2)
    used = proxy.pss()
    for client in open_:
        client.close()
    return (greeted - before) / connections, (used - before) / connections


def row(name: str, haproxy: list[float], gatepost: list[float], unit: str) -> None:
    ratios = sorted(ours / theirs for ours, theirs in zip(gatepost, haproxy))
    theirs, ours, ratio = (statistics.median(figures) for figures in (haproxy, gatepost, ratios))
    print(f"{name:34} {theirs:8.2f} {ours:8.2f} {unit:3} {ratio:5.2f} [{ratios[0]:.2f} to {ratios[-1]:.2f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--idle", type=int, default=2000)
    args = parser.parse_args()
    programs: list[bench.Program] = [Sink()]
    relay = programs[0].target
    try:
        haproxy = Haproxy(relay, args.threads)
        gates = {sharing: gate(relay, args.threads, args.idle, sharing) for *_, sharing in LOADS.values()}
        programs += [haproxy, *gates.values()]
        time.sleep(1)
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {args.rounds} rounds, {args.threads} thread(s)")
        print(f"{'':34} {'HAProxy':>8} {'Gatepost':>8}     ratio")
        for name, (source, messages, sharing) in LOADS.items():
            proxies = [haproxy, gates[sharing]]
            for proxy in proxies:
                cost(proxy, source, max(20, messages // 20))
            rounds = [[cost(proxy, source, messages) for proxy in proxies] for _ in range(args.rounds)]
            row(name, *map(list, zip(*rounds)), "us")
        # Anew: what messages needed is no idle connection's.
        proxies = [Haproxy(relay, args.threads), gate(relay, args.threads, args.idle)]
        programs += proxies
        time.sleep(1)
        for proxy in proxies:
            cost(proxy, ["-l", "4096"], 2)
        greeted, used = zip(*(memory(proxy, args.idle) for proxy in proxies))
        for name, (theirs, ours) in {"idle, after the greeting": greeted, "idle, after a message": used}.items():
            row(name, [theirs], [ours], "KiB")
    finally:
        for program in programs:
            program.stop()


if __name__ == "__main__":
    main()
