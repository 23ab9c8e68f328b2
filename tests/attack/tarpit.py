#!/usr/bin/env python3
"""What a session in a tarpit costs.

    tests/attack/tarpit.py [--sessions 5000] [--seconds 20]

So many clients name a recipient that a rule holds for a minute. Printed are the memory of a session, and the processor
time while all of them wait. What the gate remembers of DNS has its bounds and is no session's: as many others call before,
one after the other, and what that costs is printed apart. `GATEPOST` names the program (default: target/release/gatepost).
"""

import argparse
import time

import bench

TRAP = """
[[rule]]
id = "trap"
on = "RCPT"
when = { "rcpt.local" = "trap" }
then = "reject"
tarpit = "1m"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=20)
    args = parser.parse_args()
    listener = f"sessions = {args.sessions * 2}\ntarpit_sessions = {args.sessions + 100}\n"
    gate = bench.Gate(bench.relay(100), bench.RULES + TRAP, listener)
    try:
        lines = [b"EHLO bot.test", b"MAIL FROM:<x@bot.test>", f"RCPT TO:<trap@{bench.DOMAIN}>".encode()]
        peers = bench.Peers(gate.target, lines)
        bench.Load(gate.target).run(1)

        first = gate.pss()
        for number in range(args.sessions):
            bench.connect(gate.target, f"127.10.{number // 250 % 250}.{number % 250 + 1}").close()
        remembered = (gate.pss() - first) / args.sessions

        def hold(number: int) -> None:
            while peers.opened < number:
                for _ in range(50):
                    peers.add(f"127.9.{peers.opened // 250 % 250}.{peers.opened % 250 + 1}")
                peers.turn(0.01)
            while gate.metric("gatepost_tarpit_sessions_active") < number:
                for _ in range(100):
                    peers.turn(0.01)

        # What is needed once is there: it is no session's.
        hold(50)
        before, start = gate.pss(), time.monotonic()
        hold(args.sessions)
        after, filled = gate.pss(), time.monotonic()
        cpu = gate.cpu()
        time.sleep(args.seconds)
        used, span = gate.cpu() - cpu, time.monotonic() - filled
        held = gate.metric("gatepost_tarpit_sessions_active")
        print(f"held {held:.0f} sessions, after {filled - start:.1f} s; closed {peers.closed}")
        print(f"memory for what is remembered of a client: {remembered:.2f} KiB (Pss)")
        print(f"memory of a session: {(after - before) / (args.sessions - 50):.2f} KiB (Pss)")
        print(f"processor: {used / span * 100:.3f} % of a core, over {span:.0f} s")
    finally:
        gate.stop()


if __name__ == "__main__":
    main()
