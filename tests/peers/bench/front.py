"""The door at which all clients knock, and at which they are overheard.

It hands every octet on to a gate, which may be another for each test, and writes down what clients say. So a mail
server in front can be started once and sends through every gate; and a test can tell whether a client really did what
it was asked to do.
"""

from __future__ import annotations

import re
import socket
import threading
from functools import cached_property

from .recorder import STRICT, Conversation, read_again

_REPLY = re.compile(rb"(?m)^\d{3}(?: [^\n]*)?\n")
_CONTENT = re.compile(rb"(?i)\r\n(?:DATA|BDAT [^\r]*)\r\n")
# So long an answer is held back to see whether the client waits for it.
PATIENCE = 0.3


class Front:
    """One port, now before this gate, now before that."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._target = 0
        self._holds_back = False
        self._lines: list[_Line] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def towards(self, port: int, holds_back: bool = False) -> None:
        """From now on it leads to that port. What was said before is forgotten, who is still there is sent away."""
        self._target, self._holds_back = port, holds_back
        for line in self._lines:
            line.close()
        self._lines = []

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                gate = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            self._lines.append(_Line(client, gate, self._holds_back))

    @property
    def conversations(self) -> list[Conversation]:
        """What clients said."""
        return [line.conversation for line in self._lines]

    @property
    def pipelined(self) -> bool:
        """Whether a client went on in an envelope before it had heard the last answer."""
        return any(line.ran_ahead for line in self._lines)

    def stop(self) -> None:
        """Nobody may come any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.towards(0)


class _Line:
    """One client and its gate."""

    def __init__(self, client: socket.socket, gate: socket.socket, holds_back: bool) -> None:
        self._sockets = client, gate
        self._said: list[bytes] = []
        self._answered = 0
        self.ran_ahead = False
        self._news = threading.Condition()
        for side in self._sockets:
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hear = self._hold_back if holds_back else lambda _octets: None
        threading.Thread(target=self._pump, args=(client, gate, self._note), daemon=True).start()
        threading.Thread(target=self._pump, args=(gate, client, hear), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, first) -> None:  # type: ignore[no-untyped-def]
        try:
            while octets := source.recv(1 << 18):
                first(octets)
                sink.sendall(octets)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()

    def _note(self, octets: bytes) -> None:
        with self._news:
            self._said.append(octets)
            self._news.notify()

    def _hold_back(self, octets: bytes) -> None:
        """Lets a reply wait inside an envelope, until the client has said more or shown that it waits."""
        with self._news:
            if not self.ran_ahead and self._in_envelope():
                self.ran_ahead = self._news.wait_for(self._is_ahead, PATIENCE)
            self._answered += len(_REPLY.findall(octets))

    def _commands(self) -> bytes:
        return _CONTENT.split(b"".join(self._said), maxsplit=1)[0]

    def _in_envelope(self) -> bool:
        return b"\r\nMAIL" in self._commands().upper()

    def _is_ahead(self) -> bool:
        # The greeting is an answer to no command; what follows the last command's line end is one more, or none.
        commands = self._commands()
        return commands.count(b"\r\n") + (not commands.endswith(b"\r\n")) > self._answered

    @cached_property
    def conversation(self) -> Conversation:
        """What the client said; asked for when it is done."""
        return read_again(b"".join(self._said), STRICT)

    def close(self) -> None:
        for side in self._sockets:
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has gone already
