"""Somebody between the gate and its relay, who listens, and does what a test tells him to."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable

Change = Callable[[bytes], bytes]


def nothing(octets: bytes) -> bytes:
    """Leaves it as it is."""
    return octets


class Meddler:
    """One port before a relay."""

    def __init__(self, relay: int) -> None:
        self._relay = relay
        # What becomes of each piece that the relay says.
        self.to_gate: Change = nothing
        # After so many octets more from the relay both sides are cut off; none: never.
        self.cut_after: int | None = None
        # All that the gate has said, and the relay.
        self.gate_said, self.relay_said = bytearray(), bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                gate, _ = self._listener.accept()
            except OSError:
                return
            try:
                relay = socket.create_connection(("127.0.0.1", self._relay))
            except OSError:
                gate.close()
                continue
            pair = gate, relay
            self._open += pair
            for side in pair:
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(gate, relay, self._heard_gate), daemon=True).start()
            threading.Thread(target=self._pump, args=(relay, gate, self._heard_relay), daemon=True).start()

    def _heard_gate(self, octets: bytes) -> bytes:
        self.gate_said += octets
        return octets

    def _heard_relay(self, octets: bytes) -> bytes:
        self.relay_said += octets
        return self.to_gate(octets)

    def _pump(self, source: socket.socket, sink: socket.socket, change: Change) -> None:
        try:
            while octets := source.recv(1 << 16):
                octets = change(octets)
                if change == self._heard_relay and self.cut_after is not None:
                    sink.sendall(octets[: self.cut_after])
                    self.cut_after -= len(octets)
                    if self.cut_after <= 0:
                        self.cut()
                        return
                    continue
                sink.sendall(octets)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one of them has gone

    def cut(self, rude: bool = False) -> None:
        """Ends all links at once: no TLS says farewell."""
        for side in self._open:
            try:
                if rude:
                    side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    side.close()
                else:
                    side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has gone already
        self._open = []

    def stop(self) -> None:
        """Goes away."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def __enter__(self) -> Meddler:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
