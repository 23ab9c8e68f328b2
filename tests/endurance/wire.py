"""One TCP connection in asyncio, octet by octet: for the clients and for the relays."""

from __future__ import annotations

import asyncio
import re
import socket
import struct

SLICE = 1 << 16


class Lost(Exception):
    """The other side has gone."""


class Wire:
    """A connection. Nothing is sent or read unless somebody says so."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = bytearray()
        self._loop = asyncio.get_running_loop()

    async def send(self, octets: bytes) -> None:
        """All of them, as they are."""
        try:
            await self._loop.sock_sendall(self.socket, octets)
        except OSError as lost:
            raise Lost(str(lost)) from lost

    async def dribble(self, octets: bytes, pause: float = 0.0) -> None:
        """Each in a segment of its own."""
        for place in range(len(octets)):
            await self.send(octets[place : place + 1])
            await asyncio.sleep(pause)

    async def fill(self) -> None:
        """Waits for more to read."""
        try:
            octets = await self._loop.sock_recv(self.socket, SLICE)
        except OSError as lost:
            raise Lost(str(lost)) from lost
        if not octets:
            raise Lost("closed")
        self.pending += octets

    async def line(self) -> bytes:
        """The next line, without its CRLF."""
        while (end := self.pending.find(b"\r\n")) < 0:
            await self.fill()
        line = bytes(self.pending[:end])
        del self.pending[: end + 2]
        return line

    async def drain(self) -> None:
        """Reads until the other side closes."""
        try:
            while True:
                self.pending.clear()
                await self.fill()
        except Lost:
            pass

    def close(self, rude: bool = False) -> None:
        """Says FIN, or RST."""
        if rude:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


# Content and its form on the wire.


def stuffed(content: bytes) -> bytes:
    """Transparency (RFC 5321 4.5.2), for content whose lines end in CRLF."""
    return (b"." if content.startswith(b".") else b"") + content.replace(b"\r\n.", b"\r\n..")


def unstuffed(octets: bytes) -> bytes:
    """What a receiver makes of that."""
    return octets[octets.startswith(b".") :].replace(b"\r\n.", b"\r\n")


def repaired_chunks(content: bytes) -> bytes:
    """What the README promises of bare line ends in BDAT."""
    return re.sub(rb"(?<!\r)\n", b"\r\n", re.sub(rb"\r(?!\n)", b" ", content))


def repaired_data(octets: bytes) -> bytes:
    """What it promises of them in mail data: the content that a receiver must come to. The dots that stand behind a
    true CRLF are the sender's transparency, those behind a bare LF are content."""
    before = [b"", b"\r\n"]
    released = []
    for token in re.findall(rb"(?s)\r\n|.", octets):
        lone_dot = before == [b"\r\n", b"."]
        if token == b"\n":
            released.append(b".\r\n" if lone_dot else b"\r\n")
        elif token in (b"\r", b"\0"):
            released.append(b" ")
        else:
            released.append(b".." if token == b"." and before[1] == b"\n" else token)
        before = [before[1], token]
    return unstuffed(b"".join(released))
