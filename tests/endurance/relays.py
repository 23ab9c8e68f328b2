"""Relays that write down what they receive, and fail in every way that they know.

A relay reads by the letter: CRLF alone ends a line, CRLF.CRLF alone ends mail data. It complains of whatever it should
never hear from a gate. What it has is written down before it says so: its book is the truth, whatever its words are.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket

from ledger import Ledger
from wire import Lost, Wire, unstuffed

OFFERS = ("PIPELINING", "SIZE 20971520", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING")

# Longer than the gate waits for an answer.
TOO_LATE = 4.5

_ASKED = "MAIL", "RCPT", "DATA", "end"
# Where a transaction fails, how, and how often in a thousand.
TROUBLE: dict[tuple[str, str], float] = {
    **{(phase, how): 3 for phase in _ASKED for how in ("defers", "refuses", "closes", "resets")},
    **{("content", how): 3 for how in ("closes", "resets", "refuses")},
    **{(phase, "is slow"): 4 for phase in (*_ASKED, "content")},
    **{(phase, "talks nonsense"): 1 for phase in _ASKED},
    ("end", "keeps and closes"): 4,
    ("end", "keeps and resets"): 4,
    ("end", "acknowledges and resets"): 4,
    ("end", "keeps and talks nonsense"): 1,
    ("end", "is too late"): 0.3,
    ("after", "says 421"): 3,
    ("after", "closes"): 3,
}
# And where a connection does, before there is a transaction.
NO_WELCOME: dict[tuple[str, str], float] = {
    **{(phase, how): 2 for phase in ("greeting", "EHLO") for how in ("defers", "closes", "resets", "is slow")},
    ("greeting", "refuses"): 1,
    ("greeting", "talks nonsense"): 1,
    ("EHLO", "talks nonsense"): 1,
}

_NONSENSE = (b"354 Go ahead\r\n", b"hello\r\n", b"250-Ok\r\n550 No\r\n", b"999 What\r\n", b"334 \r\n")
_REFUSALS = {
    "defers": (b"450 4.2.0 Come back\r\n", b"452 4.3.1 Full\r\n"),
    "refuses": (b"550 5.7.1 Not here\r\n", b"554 5.6.0 Not this\r\n"),
}
# What it says 250 to, in the end.
_ACKNOWLEDGING = ("", "is slow", "is too late", "acknowledges and resets")
_MAIL = re.compile(rb"(?i)MAIL FROM:<([^<>]*)>((?: \S+)*)\Z")
_RCPT = re.compile(rb"(?i)RCPT TO:<([^<>]*)>((?: \S+)*)\Z")
_BDAT = re.compile(rb"(?i)BDAT (\d+)( LAST)?\Z")


def draw(chances: dict[tuple[str, str], float], rng: random.Random) -> tuple[str, str]:
    """One kind of trouble, or none."""
    place = rng.random() * 1000
    for trouble, chance in chances.items():
        if (place := place - chance) < 0:
            return trouble
    return "", ""


class Relay:
    """One address. It can be killed, with all its links, and started again."""

    def __init__(self, address: str, ledger: Ledger, rng: random.Random) -> None:
        self.ledger, self.rng = ledger, rng
        self._links: set[asyncio.Task[None]] = set()
        self._rude = False
        # An address of its own: no connection that leaves this host can take its port while it is down.
        self._listener = self._listen(address, 0)
        self.host, self.port = self._listener.getsockname()

    def _listen(self, host: str, port: int) -> socket.socket:
        listener = socket.create_server((host, port), backlog=1024)
        listener.setblocking(False)
        return listener

    def start(self) -> None:
        """It can be reached, again."""
        if self._listener.fileno() < 0:
            self._listener = self._listen(self.host, self.port)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def kill(self, rude: bool) -> None:
        """Nobody is there any more, and every link has ended."""
        self._rude = rude
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        links = list(self._links)
        for link in links:
            link.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        link = asyncio.create_task(self._serve(connection))
        self._links.add(link)
        link.add_done_callback(self._links.discard)

    async def _serve(self, connection: socket.socket) -> None:
        rude = True
        link = _Link(self, connection)
        try:
            rude = await link.converse()
        except Lost:
            rude = False
        except asyncio.CancelledError:
            rude = self._rude
        except Exception as failure:  # noqa: BLE001
            self.ledger.complain(f"the relay itself has failed: {failure!r}")
        finally:
            link.wire.close(rude)


class _Gone(Exception):
    """The relay ends the connection."""

    def __init__(self, rude: bool) -> None:
        super().__init__()
        self.rude = rude


class _Link:
    """One connection."""

    def __init__(self, relay: Relay, connection: socket.socket) -> None:
        self.wire = Wire(connection)
        self._ledger, self._rng = relay.ledger, relay.rng
        self._trouble = draw(NO_WELCOME, self._rng)
        # How it writes: each reply at once; all that is due in one segment; octet by octet.
        self._manner = self._rng.choices(("at once", "together", "octets"), (60, 30, 4))[0]
        self._unsaid = b""
        # How it reads: some take little at a time, and take their time.
        self._pause = 0.004 if self._rng.random() < 0.05 else 0.0
        if self._pause:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._begin()

    def _begin(self) -> None:
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []
        self._content = bytearray()
        self._chunks = 0

    # What it says.

    async def _say(self, reply: bytes) -> None:
        self._unsaid += reply
        if self._manner != "together":
            await self._flush()

    async def _flush(self) -> None:
        reply, self._unsaid = self._unsaid, b""
        if self._manner == "octets":
            await self.wire.dribble(reply)
        elif reply:
            await self.wire.send(reply)

    async def _fill(self) -> None:
        await self._flush()
        if self._pause:
            await asyncio.sleep(self._pause)
        await self.wire.fill()

    async def _trips(self, phase: str) -> bool:
        """Whether there was trouble that takes the place of an answer."""
        place, how = self._trouble
        if place != phase:
            return False
        self._trouble = ("", "")
        self._ledger.faults[f"{phase} {how}"] += 1
        if how == "is slow":
            await self._flush()
            await asyncio.sleep(self._rng.uniform(0.1, 1.0))
            return False
        if how in _REFUSALS:
            await self._say(self._rng.choice(_REFUSALS[how]))
        elif how == "talks nonsense":
            # An intermediate reply is none where 354 is due.
            await self._say(self._rng.choice(_NONSENSE[1:] if phase == "DATA" else _NONSENSE))
        else:
            await self._leave(rude=how == "resets")
        return True

    async def _leave(self, rude: bool, speaks: bool = False) -> None:
        if speaks or self._rng.random() < 0.5:
            await self._flush()
        raise _Gone(rude)

    # What it hears.

    async def converse(self) -> bool:
        """The whole connection; gives whether it ends rudely."""
        try:
            if not await self._trips("greeting"):
                await self._say(b"220 relay.example.net ESMTP\r\n")
            while True:
                await self._obey(await self._line())
        except _Gone as gone:
            return gone.rude

    async def _line(self) -> bytes:
        while (end := self.wire.pending.find(b"\r\n")) < 0:
            await self._fill()
        line = bytes(self.wire.pending[:end])
        del self.wire.pending[: end + 2]
        if re.search(rb"[\r\n\0]", line) or len(line) > 2048:
            self._ledger.complain(f"a relay heard the command {line[:100]!r}")
        return line

    async def _obey(self, line: bytes) -> None:
        verb = line.split(b" ", 1)[0].upper()
        if verb in (b"EHLO", b"HELO"):
            await self._hello(verb == b"EHLO")
        elif verb == b"MAIL":
            await self._mail(line)
        elif verb == b"RCPT":
            await self._rcpt(line)
        elif verb == b"DATA":
            await self._data()
        elif verb == b"BDAT":
            await self._bdat(line)
        elif verb in (b"RSET", b"NOOP"):
            if verb == b"RSET":
                self._begin()
            await self._say(b"250 2.0.0 Ok\r\n")
        elif verb == b"QUIT":
            await self._say(b"221 2.0.0 Bye\r\n")
            await self._flush()
            raise _Gone(rude=False)
        else:
            self._ledger.complain(f"a relay heard the command {line[:100]!r}")
            await self._say(b"500 5.5.2 What?\r\n")

    async def _hello(self, extended: bool) -> None:
        self._begin()
        if await self._trips("EHLO"):
            return
        lines = ["relay.example.net", *(OFFERS if extended else ())]
        await self._say("".join(f"250{'-' if line != lines[-1] else ' '}{line}\r\n" for line in lines).encode())

    async def _mail(self, line: bytes) -> None:
        parts = _MAIL.match(line)
        if parts is None or self._sender is not None:
            self._ledger.complain(f"a relay heard {line[:100]!r} {'in a transaction' if parts else ''}")
            raise _Gone(rude=False)
        self._ledger.envelope(parts[1], parts[2].split())
        self._begin()
        self._trouble = draw(TROUBLE, self._rng)
        if not await self._trips("MAIL"):
            self._sender = parts[1]
            await self._say(b"250 2.1.0 Sender ok\r\n")

    async def _rcpt(self, line: bytes) -> None:
        parts = _RCPT.match(line)
        if parts is None or not parts[1].lower().endswith(b"@example.com"):
            self._ledger.complain(f"a relay heard {line[:100]!r}")
            raise _Gone(rude=False)
        if self._sender is None:
            await self._say(b"503 5.5.1 MAIL first\r\n")  # it travelled with a MAIL that was refused
        elif not await self._trips("RCPT"):
            self._recipients.append(parts[1])
            await self._say(b"250 2.1.5 Recipient ok\r\n")

    async def _data(self) -> None:
        if not self._recipients:
            await self._say(b"503 5.5.1 RCPT first\r\n")
            return
        if await self._trips("DATA"):
            return
        await self._say(b"354 Go ahead\r\n")
        pending, searched = self.wire.pending, 0
        # The line end before the content: a dot may stand at the very beginning.
        pending[:0] = b"\r\n"
        while (end := pending.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(pending) - 4)
            await self._fill()
            await self._amid(len(pending))
        self._content += unstuffed(bytes(pending[2 : end + 2]))
        del pending[: end + 5]
        await self._end()

    async def _bdat(self, line: bytes) -> None:
        parts = _BDAT.match(line)
        if parts is None:
            self._ledger.complain(f"a relay heard {line[:100]!r}")
            raise _Gone(rude=False)
        pending, size = self.wire.pending, int(parts[1])
        while len(pending) < size:
            await self._fill()
            await self._amid(len(self._content) + len(pending))
        chunk = bytes(pending[:size])
        del pending[:size]
        if not self._recipients:
            await self._say(b"503 5.5.1 RCPT first\r\n")
            return
        if not self._chunks and await self._trips("DATA"):
            self._recipients = []
            return
        self._chunks += 1
        self._content += chunk
        if parts[2]:
            await self._end()
        else:
            await self._say(b"250 2.0.0 Chunk taken\r\n")

    async def _amid(self, octets: int) -> None:
        """In the middle of content."""
        if self._trouble[0] != "content" or octets < 100:
            return
        if self._trouble[1] == "refuses":
            # The answer comes too early; whatever else arrives is thrown away.
            self._ledger.faults["content refuses"] += 1
            await self._say(b"552 5.3.4 Enough\r\n")
            await self._flush()
            await self.wire.drain()
            raise _Gone(rude=False)
        await self._trips("content")

    async def _end(self) -> None:
        content, sender = bytes(self._content), self._sender or b""
        if re.search(rb"\r(?!\n)|(?<!\r)\n|\0", content):
            self._ledger.complain(f"the message of {sender!r} has a bare line end or a NUL")
        how = self._trouble[1] if self._trouble[0] == "end" else ""
        if how:
            self._trouble = ("", "")
            self._ledger.faults[f"end {how}"] += 1
        reply = b"250 2.0.0 Taken\r\n" if how in _ACKNOWLEDGING else b""
        if how in _REFUSALS:
            reply = self._rng.choice(_REFUSALS[how])
        keeps = how in _ACKNOWLEDGING or how.startswith("keeps")
        self._ledger.receive(sender, self._recipients, content, keeps, int(reply[:3] or b"0"))
        self._begin()
        if how.endswith("talks nonsense"):
            reply = self._rng.choice(_NONSENSE)
        if how in _ACKNOWLEDGING[1:3]:
            await self._flush()
            await asyncio.sleep(TOO_LATE if how == "is too late" else self._rng.uniform(0.1, 1.0))
        if reply:
            await self._say(reply)
        if how.endswith(("closes", "resets")):
            await self._leave(rude=how.endswith("resets"), speaks=bool(reply))
        await self._after()

    async def _after(self) -> None:
        """Between transactions it goes away unasked."""
        if self._trouble[0] == "after":
            place, how = self._trouble
            self._ledger.faults[f"{place} {how}"] += 1
            await self._flush()
            await asyncio.sleep(self._rng.uniform(0.0, 0.1))
            if how == "says 421":
                await self._say(b"421 4.3.2 Going down\r\n")
                await self._flush()
            raise _Gone(rude=False)
