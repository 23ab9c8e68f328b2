"""Nobody reads two conversations out of one.

A smuggler sends content that one server takes for the end of a message and another does not. Behind the gate stands a
recorder that takes everything for an end that any server ever took, and it must count the same messages as a strict
one, whatever stands around the dot and wherever the segments are cut.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bench.gate import Gate
from bench.recorder import LENIENT, STRICT, Conversation, Recorder, read_again
from bench.wire import Wire

LINE_ENDS = {"CRLF": b"\r\n", "LF": b"\n", "CR": b"\r", "CRCRLF": b"\r\r\n", "nothing": b"", "NUL": b"\0"}
AROUND_THE_DOT = list(itertools.product(LINE_ENDS, repeat=2))

HIDDEN = b"MAIL FROM:<hidden@example.org>\r\nRCPT TO:<hidden@example.com>\r\nDATA\r\nhidden"
PERMITTED = {b"EHLO", b"HELO", b"MAIL", b"RCPT", b"DATA", b"BDAT", b"RSET", b"NOOP", b"QUIT"}
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")

# So many sessions at once, from so many addresses: a gate allows one peer only some, and those that are closing count.
ABREAST = 48
ADDRESSES = 24


def by_data(content: bytes) -> tuple[list[bytes], bytes]:
    """The commands that are answered one by one, and the stream behind them."""
    return [b"DATA\r\n"], content + b"\r\n.\r\nQUIT\r\n"


def by_chunk(content: bytes) -> tuple[list[bytes], bytes]:
    """The same content with its length announced."""
    content += b"\r\n.\r\n"
    return [], b"BDAT %d LAST\r\n" % len(content) + content + b"QUIT\r\n"


@dataclass
class Attempt:
    """One session of a smuggler, and what it heard."""

    name: str
    content: bytes
    opening: list[bytes]
    stream: bytes
    cut: int
    heard: bytes = b""

    @property
    def acknowledged(self) -> int:
        """How many messages it was told are taken: the recorder's own word for it."""
        return self.heard.count(b" Taken\r\n")

    async def play(self, port: int) -> None:
        """The whole session, its stream in two segments."""
        source = (f"127.0.0.{2 + self.cut % ADDRESSES}", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=source)
        try:
            await reader.readline()
            for command in (b"EHLO %s\r\n" % self.name.encode(), b"MAIL FROM:<a@example.org>\r\n",
                            b"RCPT TO:<b@example.com>\r\n", *self.opening):  # fmt: skip
                writer.write(command)
                while (await reader.readline())[3:4] == b"-":
                    pass
            for segment in (self.stream[: self.cut], self.stream[self.cut :]):
                writer.write(segment)
                await writer.drain()
                await asyncio.sleep(0.002)  # the first segment has left before the second is written
            self.heard = await asyncio.wait_for(reader.read(), 20)
        except (ConnectionResetError, BrokenPipeError):
            pass
        finally:
            writer.close()


def play_all(attempts: list[Attempt], port: int) -> None:
    """All of them, some abreast."""

    async def run() -> None:
        turn = asyncio.Semaphore(ABREAST)

        async def one(attempt: Attempt) -> None:
            async with turn:
                await attempt.play(port)

        await asyncio.gather(*(one(attempt) for attempt in attempts))

    asyncio.run(run())


def attempts_at(make, before: str, after: str, every_cut: bool) -> Iterator[Attempt]:
    """Sessions with these line ends around the dot, cut at each octet."""
    content = b"a" + LINE_ENDS[before] + b"." + LINE_ENDS[after] + HIDDEN
    opening, stream = make(content)
    for cut in range(1, len(stream)) if every_cut else (len(stream),):
        yield Attempt(f"{make.__name__}-{before}-{after}-{cut}.example.org".replace("_", "-"), content, opening, stream, cut)


def messages_sent(attempt: Attempt) -> int:
    """How many messages a client that errs in nothing but line ends has really sent."""
    return 2 if attempt.opening and b"\r\n.\r\n" in attempt.content else 1


def assert_not_smuggled(attempt: Attempt, conversations: list[Conversation]) -> None:
    """What one attempt may have caused."""
    octets = b"".join(bytes(it.octets) for it in conversations)
    taken = sum(len(it.messages) for it in conversations)
    assert taken <= messages_sent(attempt), (attempt, octets)
    assert taken == attempt.acknowledged, (attempt, octets)
    for reading in (STRICT, LENIENT):
        again = sum(len(read_again(bytes(it.octets), reading).messages) for it in conversations)
        assert again == taken, (reading, attempt, octets)
    assert not BARE.search(octets), (attempt, octets)
    assert b"\0" not in octets, (attempt, octets)
    verbs = {verb for it in conversations for verb in it.verbs}
    assert verbs <= PERMITTED, (attempt, verbs - PERMITTED)
    if messages_sent(attempt) == 1:
        assert not any(b"hidden" in command for it in conversations for command in it.commands), (attempt, octets)


@pytest.fixture(params=["normalise", "reject"], scope="module")
def line_ends(request: pytest.FixtureRequest) -> str:
    """What the operator wants done with bare line ends."""
    return request.param


@pytest.fixture(params=[LENIENT, STRICT], scope="module")
def recorder(request: pytest.FixtureRequest) -> Iterator[Recorder]:
    """A relay of either manner."""
    with Recorder(request.param) as it:
        yield it


@pytest.fixture(scope="module")
def smuggler_gate(recorder: Recorder, line_ends: str) -> Iterator[Gate]:
    """A gate before it."""
    with Gate(recorder.port, f'\n[line_ends]\ncontent = "{line_ends}"\n') as it:
        yield it


@pytest.mark.usefixtures("through_the_gate")
@pytest.mark.parametrize("make", [by_data, by_chunk])
def test_no_line_ends_around_a_dot_smuggle_a_message(make, recorder, smuggler_gate, line_ends) -> None:
    attempts = [it for pair in AROUND_THE_DOT for it in attempts_at(make, *pair, every_cut=True)]
    recorder.conversations.clear()
    play_all(attempts, smuggler_gate.port)
    smuggler_gate.assert_alive()
    found: dict[bytes, list[Conversation]] = {}
    for conversation in recorder.conversations:
        found.setdefault(conversation.hello, []).append(conversation)
    for attempt in attempts:
        conversations = found.get(attempt.name.encode(), [])
        assert_not_smuggled(attempt, conversations)
        assert_clean_content_passes(attempt, line_ends)


def assert_clean_content_passes(attempt: Attempt, line_ends: str) -> None:
    """No legitimate mail breaks, and what is repaired arrives; what is refused is refused at its true end."""
    clean = not BARE.search(attempt.content) and b"\0" not in attempt.content
    if messages_sent(attempt) == 1:
        repaired = line_ends == "normalise" and b"\0" not in attempt.content
        assert attempt.acknowledged == (1 if clean or repaired else 0), attempt
        # One answer to the message, one to QUIT: the session went on.
        codes = [line[:3] for line in attempt.heard.split(b"\r\n")[:-1]]
        assert len(codes) == 2 and codes[1] == b"221", attempt


# The bench itself: it would see a smuggled message if there were one.


@pytest.mark.parametrize("before, after", [("LF", "LF"), ("LF", "CRLF"), ("CRLF", "LF"), ("CR", "CR"), ("CRLF", "CR")])
def test_without_a_gate_a_lenient_relay_is_fooled(before: str, after: str) -> None:
    with Recorder(LENIENT) as recorder:
        (attempt,) = attempts_at(by_data, before, after, every_cut=False)
        play_all([attempt], recorder.port)
        (conversation,) = recorder.conversations_of(attempt.name)
        assert len(conversation.messages) == 2
        assert len(read_again(bytes(conversation.octets), STRICT).messages) == 1


@pytest.mark.parametrize("before, after", AROUND_THE_DOT)
def test_without_a_gate_a_strict_relay_counts_what_was_sent(before: str, after: str) -> None:
    with Recorder(STRICT) as recorder:
        (attempt,) = attempts_at(by_data, before, after, every_cut=False)
        play_all([attempt], recorder.port)
        (conversation,) = recorder.conversations_of(attempt.name)
        assert len(conversation.messages) == messages_sent(attempt) == attempt.acknowledged


# Commands.

ODD_COMMANDS = {
    "a bare LF": b"NOOP\nMAIL FROM:<hidden@example.org>\r\n",
    "a bare CR": b"NOOP\rMAIL FROM:<hidden@example.org>\r\n",
    "CR CR LF": b"NOOP\r\r\n",
    "NUL": b"NOOP \0hidden\r\n",
    "a line end inside a path": b"RCPT TO:<b@example.com>\nRCPT TO:<hidden@example.com>\r\n",
    "a line beyond every limit": b"NOOP " + b"hidden" * 2000 + b"\r\n",
    "a command that is not one": b"GET / HTTP/1.1\r\n",
    "a verb that nobody listed": b"XHIDDEN hidden\r\n",
    "a dangerous verb": b"TURN\r\n",
    "EXPN": b"EXPN hidden\r\n",
    "ETRN": b"ETRN hidden.example.org\r\n",
    "a source of confusion in a parameter": b"MAIL FROM:<a@example.org> HIDDEN=1\r\n",
    "an empty line": b"\r\n",
    "octets above 127": b"NOOP \xff\xfehidden\r\n",
    "a folded line": b"NOOP x\r\n MAIL FROM:<hidden@example.org>\r\n",
}


@pytest.mark.usefixtures("through_the_gate")
@pytest.mark.parametrize("octets", ODD_COMMANDS.values(), ids=ODD_COMMANDS.keys())
@pytest.mark.parametrize("where", ["before MAIL", "after RCPT"])
def test_an_odd_command_never_reaches_the_relay(octets: bytes, where: str) -> None:
    with Recorder(LENIENT) as recorder, Gate(recorder.port) as gate:
        with Wire(gate.port) as wire:
            wire.greet()
            if where == "after RCPT":
                wire.envelope("a@example.org", "b@example.com")
            wire.send(octets + b"QUIT\r\n")
            assert wire.ended()
        for conversation in recorder.conversations:
            everything = bytes(conversation.octets)
            assert b"hidden" not in everything.lower(), everything
            assert not BARE.search(everything) and b"\0" not in everything, everything
            assert set(conversation.verbs) <= PERMITTED, conversation.verbs
            assert conversation.longest_line <= 2048
            assert not conversation.messages
