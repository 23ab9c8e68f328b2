#!/usr/bin/env python3
"""Strangers who speak well and then stall, in front of a relay of 100 processes.

    tests/attack/stall.py foreign      EHLO, MAIL, a recipient that is not ours, then nothing
    tests/attack/stall.py good         EHLO, MAIL, a good recipient, then nothing
    --relay HOST:PORT                  a relay of your own in place of the built-in one

200 a second come from 1,000 addresses and stay for `--hold` seconds, or until they are shown out. Ten partners send a
message of 4 KiB on each connection, first in peace and then, 2.5 s into the attack, during it. Printed are both, and
what is kept, for each round and in the middle. `GATEPOST` names the program (default: target/release/gatepost).
"""

import argparse
import json
import os
import signal
import statistics
import time

import bench

RECIPIENTS = {"foreign": "x@elsewhere.test", "good": f"b@{bench.DOMAIN}"}


def attack(target: tuple[str, int], lines: list[bytes], rate: float, hold: float, pipe: int, parent: int) -> None:
    peers, start, told = bench.Peers(target, lines), time.monotonic(), 0.0
    while os.getppid() == parent:
        while peers.opened < (time.monotonic() - start) * rate:
            number = peers.opened
            peers.add(f"127.9.{number // 250 % 4}.{number % 250 + 1}")
        peers.turn(0.005)
        if time.monotonic() - told > 0.5:
            told = time.monotonic()
            peers.drop_older_than(hold)
            replies = {code.decode(): count for code, count in sorted(peers.last.items())}
            figures = {"opened": peers.opened, "closed": peers.closed, "open": len(peers.open), "replies": replies}
            os.write(pipe, json.dumps(figures).encode() + b"\n")
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", choices=RECIPIENTS)
    parser.add_argument("--relay")
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--hold", type=float, default=30)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rules", default="", help="further lines for the rule file")
    args = parser.parse_args()
    host, _, port = (args.relay or "").rpartition(":")
    relay = (host, int(port)) if args.relay else bench.relay(100)
    lines = [b"EHLO bot.test", b"MAIL FROM:<x@bot.test>", f"RCPT TO:<{RECIPIENTS[args.form]}>".encode()]
    kept = [one_round(relay, lines, args) for _ in range(args.rounds)]
    print(f"kept {statistics.median(kept):.2f} of {sorted(kept)}")


def one_round(relay: tuple[str, int], lines: list[bytes], args: argparse.Namespace) -> float:
    gate = bench.Gate(relay, bench.RULES + args.rules)
    try:
        load = bench.Load(gate.target)
        load.run(1)
        calm = load.run(args.seconds)
        reader, writer = os.pipe()
        parent = os.getpid()
        attacker = os.fork()
        if attacker == 0:
            attack(gate.target, lines, args.rate, args.hold, writer, parent)
        time.sleep(2.5)
        attacked = load.run(args.seconds)
        states = {
            name: round(gate.metric(f"gatepost_{name}"))
            for name in ("sessions_active", "links_active", "links_waiting", "stressed")
        }
        os.kill(attacker, signal.SIGTERM)
        os.waitpid(attacker, 0)
        kept = round(attacked["messages/s"] / calm["messages/s"], 2)
        print("calm     ", calm)
        print("attacked ", attacked)
        print("attackers", os.read(reader, 1 << 20).decode().strip().splitlines()[-1])
        print("gate     ", states)
        print("kept     ", kept, flush=True)
        return kept
    finally:
        gate.stop()


if __name__ == "__main__":
    main()
