"""An SMTP client typed by hand: every octet and every segment is the test's own."""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any

from .papers import papers

NAME = "client.example.org"


@dataclass
class Reply:
    """A reply, all its lines."""

    octets: bytes

    @property
    def code(self) -> int:
        return int(self.octets[:3])

    @property
    def enhanced(self) -> str:
        """The enhanced status code of the last line; empty without one."""
        found = re.match(rb"\d{3} (\d\.\d{1,3}\.\d{1,3})\b", self.lines[-1])
        return found[1].decode() if found else ""

    @property
    def lines(self) -> list[bytes]:
        return self.octets.split(b"\r\n")[:-1]

    @property
    def keywords(self) -> set[str]:
        """The extensions of an EHLO reply."""
        return {line[4:].split()[0].decode().upper() for line in self.lines[1:] if line[4:].split()}

    def starts(self, beginning: str) -> bool:
        """Whether its last line begins so: code, perhaps enhanced code."""
        return self.lines[-1].startswith(beginning.encode())

    def __repr__(self) -> str:
        return f"Reply({self.octets!r})"


class Closed(Exception):
    """The other side closed where a reply was due."""


class Wire:
    """One connection. Nothing is sent or read unless the test says so."""

    def __init__(self, port: int, patience: float = 20.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._pending = b""

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def secure(self, **how: Any) -> None:
        """TLS from here on, verified by the bench's CA. What came in clear and was not read stays, for the test to find."""
        trust = ssl.create_default_context(cafile=str(papers().ours.root))
        self.socket = trust.wrap_socket(self.socket, server_hostname="localhost", **how)

    def starttls(self) -> Reply:
        """STARTTLS, TLS, and EHLO again; gives EHLO's reply."""
        self.expect("STARTTLS", "220")
        self.secure()
        return self.expect(f"EHLO {NAME}", "250")

    def send(self, octets: bytes) -> None:
        """These octets, as they are."""
        self.socket.sendall(octets)

    def reply(self) -> Reply:
        """The next whole reply."""
        lines = b""
        while True:
            line = self._line()
            lines += line
            if line[3:4] != b"-":
                return Reply(lines)

    def _line(self) -> bytes:
        while b"\n" not in self._pending:
            try:
                octets = self.socket.recv(65536)
            except ConnectionResetError as reset:
                raise Closed(f"reset after {self._pending!r}") from reset
            if not octets:
                raise Closed(f"closed after {self._pending!r}")
            self._pending += octets
        line, _, self._pending = self._pending.partition(b"\n")
        assert line.endswith(b"\r"), f"a reply line ends in a bare LF: {line!r}"
        return line + b"\n"

    def replies(self, count: int) -> list[Reply]:
        """So many replies."""
        return [self.reply() for _ in range(count)]

    def say(self, command: str | bytes) -> Reply:
        """One command and its reply."""
        self.send((command.encode() if isinstance(command, str) else command) + b"\r\n")
        return self.reply()

    def expect(self, command: str | bytes, beginning: str) -> Reply:
        """One command, which must be answered so."""
        answer = self.say(command)
        assert answer.starts(beginning), f"{command!r} was answered {answer!r}, not {beginning}"
        return answer

    def greet(self, name: str = NAME) -> Reply:
        """The greeting and EHLO; gives EHLO's reply."""
        greeting = self.reply()
        assert greeting.code == 220, greeting
        return self.expect(f"EHLO {name}", "250")

    def envelope(self, sender: str, *recipients: str, parameters: str = "") -> None:
        """MAIL and RCPTs that must all be accepted."""
        self.expect(f"MAIL FROM:<{sender}>{parameters}", "250")
        for recipient in recipients:
            self.expect(f"RCPT TO:<{recipient}>", "25")

    def data(self, message: bytes) -> Reply:
        """DATA with the message, dots stuffed and its last line ended; gives the final reply."""
        if not message.endswith(b"\r\n"):
            message += b"\r\n"
        self.expect("DATA", "354")
        self.send(stuffed(message) + b".\r\n")
        return self.reply()

    def ended(self) -> bool:
        """Whether the other side closed, reading whatever still comes."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        except TimeoutError:
            return False
        return True


def stuffed(message: bytes) -> bytes:
    """Transparency (RFC 5321 4.5.2)."""
    return re.sub(rb"(?m)^\.", b"..", message)
