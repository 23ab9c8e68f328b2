"""A relay that writes down every octet it hears, and breaks where a test tells it to.

It reads in one of two manners. A *strict* one takes CRLF alone for a line end and CRLF.CRLF alone for the end of mail
data. A *lenient* one takes whatever real servers have ever taken: CR, LF and CRLF end a line, a dot between any two of
them ends mail data, NUL is not there. Whoever can make the two count different numbers of messages has smuggled one.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

STRICT, LENIENT = "strict", "lenient"

_LINE_END = {STRICT: re.compile(rb"\r\n"), LENIENT: re.compile(rb"\r\n|\r|\n")}
_END_OF_DATA = {
    STRICT: re.compile(rb"(?:\A|\r\n)\.\r\n"),
    LENIENT: re.compile(rb"(?:\A|\r\n|\r|\n)\0*\.\0*(?:\r\n|\r|\n)"),
}

OFFERS = ("PIPELINING", "SIZE 41943040", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES", "CHUNKING")

# Where a relay can die: after it has answered these, in the middle of content, or with a message in hand.
PHASES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "end")


@dataclass
class Message:
    """A message as the recorder understood it."""

    sender: bytes
    recipients: list[bytes]
    content: bytes
    acknowledged: bool = False


@dataclass
class Conversation:
    """One connection, from its greeting on."""

    octets: bytearray = field(default_factory=bytearray)
    hello: bytes = b""
    commands: list[bytes] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    longest_line: int = 0
    closed: bool = False

    @property
    def verbs(self) -> list[bytes]:
        return [command.split(b" ", 1)[0].upper() for command in self.commands]


class Recorder:
    """A relay on a loopback port, in a thread of its own."""

    def __init__(
        self,
        reading: str = STRICT,
        offers: tuple[str, ...] = OFFERS,
        port: int = 0,
    ) -> None:
        self.reading = reading
        self.offers = offers
        self.greeting = b"220 recorder.example.net ESMTP\r\n"
        self.silent = False
        # A phase after which it closes, and whether it does so rudely, by a reset.
        self.dies_at: str | None = None
        self.rude = False
        # A verb that it does not answer; "END" for a message.
        self.mute_at: bytes | None = None
        # A phase after which it reads no more.
        self.deaf_at: str | None = None
        # Another answer to a verb than the polite one; `END` stands for the end of mail data.
        self.answers: dict[bytes, bytes] = {}
        self.conversations: list[Conversation] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._call(self._listen, port)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def _listen(self, port: int) -> asyncio.Server:
        return await self._loop.create_server(lambda: _Link(self), "127.0.0.1", port, backlog=1024)

    def _call(self, work: Callable, *arguments: object):
        return asyncio.run_coroutine_threadsafe(work(*arguments), self._loop).result(10)

    @property
    def messages(self) -> list[Message]:
        """All messages, whatever became of them."""
        return [message for conversation in list(self.conversations) for message in conversation.messages]

    def conversations_of(self, name: str) -> list[Conversation]:
        """Those of a client, by the name in its EHLO."""
        return [it for it in list(self.conversations) if it.hello == name.encode()]

    def stop_listening(self) -> None:
        """Nobody is there any more; links that are open stay so."""

        async def close() -> None:
            self._server.close()

        self._call(close)

    def stop(self) -> None:
        """Closes the port and all links."""

        async def close() -> None:
            self._server.close()
            for task in asyncio.all_tasks(self._loop):
                if task is not asyncio.current_task():
                    task.cancel()

        self._call(close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Link(asyncio.Protocol):
    """One connection to the recorder."""

    transport: asyncio.Transport

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._line_end = _LINE_END[recorder.reading]
        self._end_of_data = _END_OF_DATA[recorder.reading]
        self._buffer = bytearray()
        self._conversation = Conversation()
        self._read: Callable[[], bool] = self._command
        self._took_cr = False
        self._searched = 0
        self._chunk = 0
        self._last = False
        self._begin()

    def _begin(self) -> None:
        self._sender: bytes | None = None
        self._recipients: list[bytes] = []
        self._content = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._recorder.conversations.append(self._conversation)
        if self._recorder.silent:
            return
        self.transport.write(self._recorder.greeting)
        if not self._recorder.greeting.startswith(b"220"):
            self.transport.close()
        self._passed("greeting")

    def connection_lost(self, exc: Exception | None) -> None:
        self._conversation.closed = True

    def data_received(self, data: bytes) -> None:
        self._conversation.octets += data
        self._buffer += data
        if self._recorder.silent:
            return
        while self._buffer and not self.transport.is_closing() and self._read():
            pass

    # A lenient reader takes CR for a line end at once; the LF that may follow belongs to it.
    def _skip_lf(self) -> None:
        if self._took_cr and self._buffer[:1] == b"\n":
            del self._buffer[0]
        if self._buffer:
            self._took_cr = False

    def _command(self) -> bool:
        self._skip_lf()
        found = self._line_end.search(self._buffer)
        if not found:
            return False
        line = bytes(self._buffer[: found.start()])
        self._took_cr = found[0] == b"\r"
        del self._buffer[: found.end()]
        self._conversation.longest_line = max(self._conversation.longest_line, len(line) + 2)
        self._conversation.commands.append(line)
        self._obey(line)
        return True

    def _obey(self, line: bytes) -> None:
        verb, _, argument = line.partition(b" ")
        verb = verb.upper()
        answer = self._answer(verb, argument)
        if verb in self._recorder.answers:
            self._read, answer = self._command, self._recorder.answers[verb]
        if answer and verb != self._recorder.mute_at:
            self.transport.write(answer)
        if verb == b"QUIT":
            self.transport.close()
        self._passed(verb.decode(errors="replace"))

    def _answer(self, verb: bytes, argument: bytes) -> bytes:
        if verb in (b"EHLO", b"HELO"):
            self._conversation.hello = argument
            self._begin()
            lines = ["recorder.example.net", *(self._recorder.offers if verb == b"EHLO" else ())]
            parts = [f"250{'-' if number < len(lines) else ' '}{line}\r\n" for number, line in enumerate(lines, 1)]
            return "".join(parts).encode()
        if verb == b"MAIL":
            self._begin()
            self._sender = argument
            return b"250 2.1.0 Sender ok\r\n"
        if verb == b"RCPT":
            if self._sender is None:
                return b"503 5.5.1 MAIL first\r\n"
            self._recipients.append(argument)
            return b"250 2.1.5 Recipient ok\r\n"
        if verb == b"DATA":
            if not self._recipients:
                return b"503 5.5.1 RCPT first\r\n"
            self._read = self._data
            return b"354 Go ahead\r\n"
        if verb == b"BDAT":
            return self._announce(argument)
        if verb == b"RSET":
            self._begin()
            return b"250 2.0.0 Forgotten\r\n"
        if verb == b"NOOP":
            return b"250 2.0.0 Ok\r\n"
        if verb == b"QUIT":
            return b"221 2.0.0 Bye\r\n"
        return b"500 5.5.2 What?\r\n"

    def _announce(self, argument: bytes) -> bytes:
        octets, _, last = argument.partition(b" ")
        self._chunk, self._last = int(octets), last.upper() == b"LAST"
        self._read = self._chunk_data
        if self._chunk == 0:
            self._chunk_data()
        return b""

    def _chunk_data(self) -> bool:
        taken = bytes(self._buffer[: self._chunk])
        del self._buffer[: self._chunk]
        self._content += taken
        self._chunk -= len(taken)
        if taken and self._passed("content"):
            return False
        if self._chunk:
            return False
        self._read = self._command
        if not self._recipients:
            self.transport.write(b"503 5.5.1 RCPT first\r\n")
        elif self._last:
            self._end()
        else:
            self.transport.write(b"250 2.0.0 Chunk taken\r\n")
        return True

    def _data(self) -> bool:
        self._skip_lf()
        if self._buffer and self._passed("content"):
            return False
        found = self._end_of_data.search(self._buffer, self._searched)
        # An end that has begun is at most so long, unless somebody pads it with NUL on purpose.
        self._searched = max(0, len(self._buffer) - 64)
        if not found:
            return False
        self._searched = 0
        self._content = bytes(self._buffer[: found.start()])
        self._took_cr = found[0].endswith(b"\r")
        del self._buffer[: found.end()]
        self._read = self._command
        self._end()
        return True

    def _end(self) -> None:
        message = Message(self._sender or b"", self._recipients, self._content)
        self._conversation.messages.append(message)
        if self._passed("end"):
            return
        answer = self._recorder.answers.get(b"END", b"250 2.0.0 Taken\r\n")
        if self._recorder.mute_at == b"END":
            return
        message.acknowledged = answer.startswith(b"250")
        self.transport.write(answer)
        self._begin()

    def _passed(self, phase: str) -> bool:
        """Whether this was the place to stop reading, or to die."""
        if phase == self._recorder.deaf_at:
            self.transport.pause_reading()
            return True
        if phase == self._recorder.dies_at:
            if self._recorder.rude:
                self.transport.abort()
            else:
                self.transport.close()
            return True
        return False


class _NoOne:
    """A transport to nowhere."""

    def write(self, _octets: bytes) -> None: ...

    def close(self) -> None: ...

    def is_closing(self) -> bool:
        return False


class _Reading:
    """The settings of a recorder that does not listen."""

    def __init__(self, reading: str) -> None:
        self.reading = reading
        self.offers = OFFERS
        self.silent = False
        self.answers: dict[bytes, bytes] = {}
        self.dies_at = self.deaf_at = self.mute_at = None
        self.greeting = b"220 nowhere\r\n"
        self.conversations: list[Conversation] = []


def read_again(octets: bytes, reading: str) -> Conversation:
    """How a recorder of that manner would have understood the same octets."""
    link = _Link(_Reading(reading))  # type: ignore[arg-type]
    link.transport = _NoOne()  # type: ignore[assignment]
    link.data_received(octets)
    return link._conversation
