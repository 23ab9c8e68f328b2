"""Clients: those that want to deliver mail, those that go away, and those that want something else.

What was deferred or lost is tried again, until it is accepted or refused, as any mail server does.
"""

from __future__ import annotations

import asyncio
import random
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from ledger import Fate, Ledger, Message, Way
from sending import Client, Over, Sending
from wire import Lost

# So often a message is tried, and so long nothing at all is waited for.
MOST_TRIES = 20
PATIENCE = 90.0
# Recipients that the rules of this gate let a message have.
MOST_RECIPIENTS = 20

MIB = 1 << 20
_LINES = (
    b"The quick brown fox jumps over the lazy dog.\r\n",
    b".\r\n",
    b"..\r\n",
    b".dots at line starts\r\n",
    b"\r\n",
    b" \r\n",
    b"From the beginning of a line\r\n",
    b"MAIL FROM:<content@example.org>\r\n",
)


class Clients:
    """All of them. Each worker plays one client after the other."""

    def __init__(self, ledger: Ledger, ports: dict[str, int], rng: random.Random) -> None:
        self.ledger, self.rng, self._ports = ledger, rng, ports
        self.again: deque[Message] = deque()
        self._busy = 0
        self._alone = False
        lines = [*_LINES, *(rng.randbytes(30).hex().encode() + b"\r\n" for _ in range(8))]
        self._text = b"".join(rng.choices(lines, k=12 * MIB // 32))
        lines += ["Grüße aus Århus, и привет.\r\n".encode(), b"\xe4\xf6\xfc in Latin-1\r\n"]
        self._eight_bit = b"".join(rng.choices(lines, k=MIB // 16))

    def body(self, size: int, eight_bit: bool = False) -> bytes:
        """Whole lines, about so many octets."""
        text = self._eight_bit if eight_bit else self._text
        start = text.index(b"\r\n", self.rng.randrange(len(text) - size - 200)) + 2
        return text[start : text.index(b"\r\n", start + size) + 2]

    async def work(self, going: Callable[[], bool]) -> None:
        """One client after the other, then what is left to be tried again."""
        kinds, weights = list(KINDS), [weight for weight, _ in KINDS.values()]
        while not self._alone and (going() or self.again or self._busy):
            if self.again and (not going() or self.rng.random() < 0.7):
                await self._play("retry", Session.retry)
            elif going():
                kind = self.rng.choices(kinds, weights)[0]
                await self._play(kind, KINDS[kind][1])
            else:
                await asyncio.sleep(0.1)  # somebody else still has a message in hand

    async def _play(self, kind: str, act: Callable[[Session], Awaitable[None]]) -> None:
        listener = "leavers" if kind == "leaves" else self.rng.choice(("main", "sharers"))
        connection = socket.socket()
        if kind == "stalls":
            # A small window: what the client does not read is soon the gate's to keep.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        # Many clients have many addresses.
        connection.bind((f"127.1.{self.rng.randrange(256)}.{self.rng.randrange(1, 255)}", 0))
        session = Session(self, Client(connection), kind, listener)
        self._busy += 1
        try:
            async with asyncio.timeout(PATIENCE):
                await self._connect(connection, self._ports[listener])
                self.ledger.connections[listener] += 1
                await act(session)
        except (Lost, Over):
            pass
        except TimeoutError:
            self.ledger.complain(f"a client that {kind} has heard nothing for {PATIENCE:g} s")
        finally:
            session.wire.close(session.rude)
            self._busy -= 1
            for message in session.messages:
                self._settle(message)

    async def _connect(self, connection: socket.socket, port: int) -> None:
        try:
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
        except OSError as failure:
            if not self._alone:
                self.ledger.complain(f"the gate is not there: {failure}")
            self._alone = True
            raise Lost from failure

    def _settle(self, message: Message) -> None:
        last = message.tries[-1] if message.tries else None
        if last and last.code == 250:
            message.fate = Fate.ACCEPTED
        elif last and last.left:
            message.fate = Fate.LEFT
        elif last and last.code >= 500:
            message.fate = Fate.REFUSED
        elif message.forbidden or len(message.tries) >= MOST_TRIES:
            message.fate = Fate.GIVEN_UP
        else:
            self.again.append(message)
            return
        message.content = b""


class Session(Sending):
    """What a client does in one connection."""

    def __init__(self, clients: Clients, wire: Client, kind: str, listener: str) -> None:
        super().__init__(wire, kind, listener, clients.ledger, clients.rng)
        self._clients = clients

    def _new(self, size: int = 0, way: Way = Way.ANY, **more: Any) -> Message:
        """A message of the client's own, by default a small one."""
        body = more.pop("body", None) or self._clients.body(size or int(self._rng.expovariate(1 / 3000)))
        message = self._ledger.message(self.kind, body, way, **more)
        self.messages.append(message)
        return message

    # Those that want to deliver.

    async def retry(self) -> None:
        """What was deferred or lost before."""
        again = self._clients.again
        self.messages += [again.popleft() for _ in range(min(len(again), self._rng.choice((1, 1, 2, 3))))]
        if not self.messages:
            return  # somebody else was faster
        await asyncio.sleep(self._rng.uniform(0.05, 0.5))
        await self.wire.greet()
        await self._any_way(self.messages)
        await self._quit()

    async def waits(self) -> None:
        """One small message in lock-step."""
        await self.wire.greet()
        await self._lockstep(self._begin(self._new()))
        await self._quit()

    async def pipelines(self) -> None:
        """Groups of commands."""
        await self.wire.greet()
        await self._pipelined([self._new() for _ in range(self._rng.choice((1, 1, 2, 5)))])
        await self._quit()

    async def sends_chunks(self) -> None:
        """BDAT, one after the other or all of it ahead; content need not end in a line end."""
        await self.wire.greet()
        count = self._rng.choice((1, 1, 3))
        messages = [
            self._new(body=self._clients.body(5000)[: self._rng.choice((-1, -3))], way=Way.BDAT)
            if self._rng.random() < 0.2
            else self._new(self._rng.choice((100, 5000, 100_000)))
            for _ in range(count)
        ]
        if self._rng.random() < 0.5:
            await self._bdat_ahead(messages)
        else:
            for message in messages:
                await self._bdat(message)
        await self._quit()

    async def stays(self) -> None:
        """Several messages, and pauses in which the gate gives the link back."""
        await self.wire.greet()
        for _ in range(self._rng.randrange(2, 8)):
            await self._lockstep(self._begin(self._new()))
            act = self._rng.choice((b"NOOP", b"RSET", b"VRFY someone", b"", b"", b"", b"", b"pause"))
            if act == b"pause":
                await asyncio.sleep(self._rng.uniform(0.5, 1.4))
            elif act and (await self.wire.say(act)).code == 421:
                raise Over
        await self._quit()

    async def declares(self) -> None:
        """8-bit content, with parameters."""
        await self.wire.greet()
        message = self._new(body=self._clients.body(self._rng.choice((300, 20_000)), eight_bit=True))
        local, parameters = "", [b"SIZE=%d" % len(message.content), b"BODY=8BITMIME"]
        if self._rng.random() < 0.4:
            local = "böb."
            parameters.append(b"SMTPUTF8")
        if self._rng.random() < 0.3:
            parameters += [b"RET=HDRS", b"ENVID=" + message.name.encode()]
        await self._lockstep(self._begin(message, local=local, parameters=parameters))
        await self._quit()

    async def sends_a_mebibyte(self) -> None:
        """1 MiB."""
        await self.wire.greet()
        await self._any_way([self._new(MIB)])
        await self._quit()

    async def sends_ten(self) -> None:
        """10 MiB."""
        await self.wire.greet()
        await self._any_way([self._new(10 * MIB)])
        await self._quit()

    async def dribbles(self) -> None:
        """Octet by octet, commands, content and the end."""
        await self.wire.reply()
        pause = self._rng.choice((0.0, 0.0, 0.002))

        async def send(octets: bytes) -> None:
            await self.wire.dribble(octets, pause)

        await send(b"EHLO client.example.org\r\n")
        if (await self.wire.reply()).code != 250:
            raise Over
        plan = self._begin(self._new(self._rng.randrange(1, 400)), recipients=1)
        for command, code in ((plan.mail, 250), (b"RCPT TO:<%s>" % plan.to[0], 250), (b"DATA", 354)):
            await send(command + b"\r\n")
            reply = await self.wire.reply()
            if reply.code != code:
                self._note(plan.it, reply)
                return
        plan.it.recipients = plan.to
        await self._content(plan.it, send)
        self._note(plan.it, await self.wire.reply())

    async def stalls(self) -> None:
        """Says everything, and reads nothing for a while."""
        await self.wire.greet()
        noise = b"".join(self._rng.choices((b"NOOP\r\n", b"HELP\r\n", b"RSET\r\n", b"VRFY x\r\n"), k=90))
        messages = [self._new() for _ in range(self._rng.randrange(1, 5))]
        await self._bdat_ahead(messages, noise, self._rng.uniform(0.3, 2.5))
        await self._quit()

    async def idles(self) -> None:
        """Says nothing for a while, and then perhaps something."""
        await asyncio.sleep(self._rng.uniform(0.0, 1.0))
        await self.wire.greet()
        await asyncio.sleep(self._rng.uniform(1.0, 4.0))
        if self._rng.random() < 0.7:
            await self._lockstep(self._begin(self._new()))
            await asyncio.sleep(self._rng.uniform(0.5, 2.0))  # long enough for the gate to give the link back

    # Those that go away.

    async def leaves(self) -> None:
        """By FIN or RST, somewhere on the way; one that only ends its own side still hears what is said."""
        self.rude = self._rng.random() < 0.5
        leave_at = self._rng.choice(PHASES)
        if leave_at == "connection":
            return
        await self.wire.reply()
        if leave_at == "greeting":
            return
        if (await self.wire.say(b"EHLO client.example.org")).code != 250 or leave_at == "EHLO":
            return
        plan = self._begin(self._new(self._rng.choice((200, 2000, 200_000))), recipients=1)
        plan.it.left = True
        for phase, command in (("MAIL", plan.mail), ("RCPT", b"RCPT TO:<%s>" % plan.to[0]), ("DATA", b"DATA")):
            if leave_at == phase:
                # The command is out, its answer is not waited for; or it is.
                await self.wire.send(command + b"\r\n")
                if self._rng.random() < 0.5:
                    await self.wire.reply()
                return
            if (await self.wire.say(command)).code >= 400:
                return
        plan.it.recipients = plan.to
        octets = plan.it.message.mail_data
        if leave_at == "content":
            await self.wire.send(octets[: self._rng.randrange(len(octets))])
        elif leave_at == "dot":
            await self.wire.send(octets + b".\r\n"[: self._rng.randrange(3)])
        else:
            plan.it.ended = True
            await self.wire.send(octets + b".\r\n")
            if not self.rude and self._rng.random() < 0.5:
                self.wire.socket.shutdown(socket.SHUT_WR)
                self._note(plan.it, await self.wire.reply())
        await asyncio.sleep(self._rng.choice((0.0, 0.0, 0.02)))

    # Those that want something else.

    async def attacks(self) -> None:
        """One of many hostile things, and then perhaps a message as if nothing had been."""
        await self._rng.choice(ATTACKS)(self)

    async def _afterwards(self) -> None:
        await self._lockstep(self._begin(self._new()))

    async def _unknown_verbs(self) -> None:
        await self.wire.greet()
        verbs = b"FROBNICATE", b"XCLIENT ADDR=192.0.2.1", b"ETRN x", b"AUTH PLAIN AAAA", b"\xff\xfe"
        for verb in self._rng.choices(verbs, k=5):
            await self.wire.say(verb)
        await self._afterwards()

    async def _out_of_sequence(self) -> None:
        await self.wire.greet()
        commands = b"DATA", b"RCPT TO:<x@example.com>", b"BDAT 4 LAST\r\nxx", b"MAIL FROM:<>", b"MAIL FROM:<>", b"RSET"
        for command in commands:
            await self.wire.say(command)
        await self._afterwards()

    async def _long_command(self) -> None:
        await self.wire.greet()
        await self.wire.say(b"NOOP " + b"x" * 2000)
        await self._afterwards()

    async def _says(self, octets: bytes) -> None:
        """Something after which nobody can be understood."""
        if self._rng.random() < 0.7:
            await self.wire.reply()
        await self.wire.send(octets)
        if self._rng.random() < 0.5:
            self.wire.socket.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(10):
            await self.wire.drain()

    async def _binary(self) -> None:
        await self._says(self._rng.randbytes(self._rng.randrange(10, 3000)) + b"\r\n\0\r\n")

    async def _endless_line(self) -> None:
        await self._says(b"EHLO " + b"x" * 40_000)

    async def _http(self) -> None:
        await self._says(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\nEHLO x\r\n" + SMUGGLED)

    async def _tls(self) -> None:
        await self._says(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + self._rng.randbytes(190))

    async def _bare_line_ends(self) -> None:
        end = self._rng.choice((b"\n", b"\r", b"\n\r", b"\0\r\n"))
        await self._says(b"EHLO x\r\n" + SMUGGLED.replace(b"\r\n", end) + b"\r\n")

    async def _bad_chunk_size(self) -> None:
        await self.wire.greet()
        plan = self._begin(self._new(forbidden=True), recipients=1)
        if await self._envelope(plan):
            size = self._rng.choice((b"18446744073709551617", b"-1", b"0x10", b"1 1", b"+5"))
            await self.wire.send(b"BDAT %s LAST\r\n" % size + plan.it.message.content + SMUGGLED)
            self._note(plan.it, await self.wire.reply())
            await self.wire.drain()

    async def _short_chunk(self) -> None:
        await self.wire.greet()
        plan = self._begin(self._new(2000, forbidden=True), recipients=1)
        plan.it.left = True
        if await self._envelope(plan):
            await self.wire.send(b"BDAT 90000 LAST\r\n" + plan.it.message.content)

    async def _smuggles(self) -> None:
        end = self._rng.choice(NO_ENDS)
        way = self._rng.choice((Way.DATA, Way.DATA, Way.BDAT))
        await self.wire.greet()
        await self._any_way([self._new(body=b"text" + end + SMUGGLED + b"Subject: two\r\n\r\ntext\r\n", way=way)])
        await self._quit()

    async def _nul(self) -> None:
        await self.wire.greet()
        body = b"text\r\n\0.\r\n" + SMUGGLED
        await self._lockstep(self._begin(self._new(body=body, way=Way.DATA, forbidden=True)))
        await self._afterwards()

    async def _loop(self) -> None:
        await self.wire.greet()
        trace = b"Received: from a by b; Tue, 24 Nov 2026 10:00:00 +0000\r\n" * 100
        await self._lockstep(self._begin(self._new(header=trace, forbidden=True)))
        await self._afterwards()

    async def _too_many_recipients(self) -> None:
        await self.wire.greet()
        await self._lockstep(self._begin(self._new(), recipients=MOST_RECIPIENTS + self._rng.randrange(1, 20)))

    async def _foreign_domain(self) -> None:
        await self.wire.greet()
        plan = self._begin(self._new(forbidden=True))
        plan.to = [to.replace(b"example.com", b"elsewhere.test") for to in plan.to]
        await self._lockstep(plan)
        mixed = self._begin(self._new())
        mixed.to = [b"x@elsewhere.test", *mixed.to, b"@example.com:x@elsewhere.test"]
        await self._lockstep(mixed)

    async def _signature(self) -> None:
        await self.wire.greet()
        for command in (b'MAIL FROM:<";smuggled;"@example.org>', b"RCPT TO:<x@example.com>", b"RSET"):
            await self.wire.say(command)
        await self._afterwards()

    async def _too_big(self) -> None:
        await self.wire.greet()
        await self._lockstep(self._begin(self._new(forbidden=True), parameters=[b"SIZE=999999999"]))

    async def _chatters(self) -> None:
        await self.wire.greet()
        while (await self.wire.say(self._rng.choice((b"NOOP", b"RSET", b"HELP")))).code != 421:
            pass


SMUGGLED = b"MAIL FROM:<smuggled@example.org>\r\nRCPT TO:<x@example.com>\r\nDATA\r\n"
# What some servers have taken for the end of mail data.
NO_ENDS = b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n\n.\n", b"\r\r\n.\r\r\n"

# Where a client leaves; most interesting is the end.
PHASES = "connection", "greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "dot", "end", "end"

ATTACKS = [
    Session._unknown_verbs, Session._out_of_sequence, Session._long_command, Session._binary, Session._endless_line,
    Session._http, Session._tls, Session._bare_line_ends, Session._bad_chunk_size, Session._short_chunk,
    Session._smuggles, Session._smuggles, Session._smuggles, Session._nul, Session._loop,
    Session._too_many_recipients, Session._foreign_domain, Session._signature, Session._too_big, Session._chatters,
]  # fmt: skip

# How often each comes, and what it does.
KINDS: dict[str, tuple[float, Callable[[Session], Awaitable[None]]]] = {
    "waits": (20, Session.waits),
    "pipelines": (15, Session.pipelines),
    "sends chunks": (12, Session.sends_chunks),
    "stays": (5, Session.stays),
    "declares": (10, Session.declares),
    "sends 1 MiB": (2, Session.sends_a_mebibyte),
    "sends 10 MiB": (0.15, Session.sends_ten),
    "dribbles": (6, Session.dribbles),
    "stalls": (3, Session.stalls),
    "idles": (1.5, Session.idles),
    "leaves": (15, Session.leaves),
    "attacks": (20, Session.attacks),
}
