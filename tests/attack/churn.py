#!/usr/bin/env python3
"""Ten thousand connects and closes: memory and descriptors before and after.

    tests/attack/churn.py [--connects 10000]

One in four closes without a word, one after the greeting, one by a reset, one after a recipient. As many as are counted
come before, so that what is needed once is there. `GATEPOST` names the program (default: target/release/gatepost).
"""

import argparse
import contextlib
import socket
import struct
import threading

import bench

LINES = [b"EHLO bot.test", b"MAIL FROM:<x@bot.test>", f"RCPT TO:<b@{bench.DOMAIN}>".encode()]


def one(target: tuple[str, int], number: int) -> None:
    with contextlib.suppress(OSError), bench.connect(target, f"127.9.{number // 250 % 250}.{number % 250 + 1}") as peer:
        match number % 4:
            case 1:
                peer.recv(512)
            case 2:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case 3:
                peer.recv(512)
                for line in LINES:
                    peer.sendall(line + b"\r\n")
                    peer.recv(2048)


def churn(target: tuple[str, int], connects: int, threads: int = 8) -> None:
    def some(first: int) -> None:
        for number in range(first, connects, threads):
            one(target, number)

    workers = [threading.Thread(target=some, args=(first,)) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connects", type=int, default=10_000)
    args = parser.parse_args()
    gate = bench.Gate(bench.relay(100))
    try:
        figures = []
        for _ in range(3):
            churn(gate.target, args.connects)
            gate.wait("all have left", lambda: gate.metric("gatepost_sessions_active") == 0)
            figures.append((gate.pss(), gate.descriptors()))
        for round_, (pss, descriptors) in enumerate(figures):
            print(f"after {args.connects * (round_ + 1)} connects: {pss:.0f} KiB (Pss), {descriptors} descriptors")
        print(f"memory for what waits: {gate.metric('gatepost_buffer_used_bytes'):.0f} octets")
        print(f"links left: {gate.metric('gatepost_links_active'):.0f}")
    finally:
        gate.stop()


if __name__ == "__main__":
    main()
