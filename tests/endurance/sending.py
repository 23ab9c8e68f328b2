"""The ways in which a client sends a message through the gate.

A client writes down what it heard of each try: the answer that decided, and the recipients that were accepted.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from ledger import Ledger, Message, Try, Way
from wire import Wire


class Over(Exception):
    """The gate has said its last word."""


class Reply:
    """A reply of the gate."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.code = int(lines[-1][:3])
        self.words = lines[-1]
        self.lines = lines


class Client(Wire):
    """A connection to the gate."""

    async def reply(self) -> Reply:
        """The next one, all its lines."""
        lines = [await self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(await self.line())
        return Reply(lines)

    async def say(self, command: bytes) -> Reply:
        """A command and its reply."""
        await self.send(command + b"\r\n")
        return await self.reply()

    async def greet(self) -> None:
        """Greeting and EHLO; whoever is not wanted gives up."""
        if (await self.reply()).code != 220 or (await self.say(b"EHLO client.example.org")).code != 250:
            raise Over


Send = Callable[[bytes], Awaitable[None]]


@dataclass
class Plan:
    """A try and the words for it."""

    it: Try
    mail: bytes
    to: list[bytes]

    def group(self, last: bytes) -> bytes:
        """The whole envelope at once."""
        return self.mail + b"\r\n" + b"".join(b"RCPT TO:<%s>\r\n" % to for to in self.to) + last


class Sending:
    """A connection, and the ways of sending in it. What was heard goes into the ledger."""

    def __init__(self, wire: Client, kind: str, listener: str, ledger: Ledger, rng: random.Random) -> None:
        self.wire, self.kind = wire, kind
        self.rude = False
        self.messages: list[Message] = []
        self._listener, self._ledger, self._rng = listener, ledger, rng

    def _begin(self, message: Message, recipients: int = 0, local: str = "", parameters: Iterable[bytes] = ()) -> Plan:
        it = self._ledger.begin(message, self._listener, local, parameters)
        count = recipients or self._rng.choice((1, 1, 1, 2, 3))
        to = [b"u%d.%s@example.com" % (number, message.name.encode()) for number in range(count)]
        return Plan(it, b" ".join([b"MAIL FROM:<%s>" % it.sender, *parameters]), to)

    def _note(self, it: Try, reply: Reply) -> None:
        it.heard(reply.code, reply.words)
        if reply.code == 421:
            raise Over

    async def _lockstep(self, plan: Plan, send: Send | None = None) -> None:
        """DATA, waiting for each answer."""
        if await self._envelope(plan):
            reply = await self.wire.say(b"DATA")
            if reply.code == 354:
                await self._content(plan.it, send or self._pieces)
                self._note(plan.it, await self.wire.reply())
                return
            self._note(plan.it, reply)
        await self.wire.say(b"RSET")

    async def _envelope(self, plan: Plan) -> bool:
        reply = await self.wire.say(plan.mail)
        if reply.code == 250:
            for recipient in plan.to:
                reply = await self.wire.say(b"RCPT TO:<%s>" % recipient)
                if reply.code == 250:
                    plan.it.recipients.append(recipient)
                elif reply.code == 421:
                    break
        if reply.code == 421 or not plan.it.recipients:
            self._note(plan.it, reply)
        return bool(plan.it.recipients)

    async def _content(self, it: Try, send: Send) -> None:
        octets = it.message.mail_data
        cut = self._rng.choice((0, 0, 1, 2))
        await send(octets[: len(octets) - cut])
        it.ended = True
        await send(octets[len(octets) - cut :] + b".\r\n")

    async def _pieces(self, octets: bytes) -> None:
        """In one piece, or in several with pauses."""
        if len(octets) < 100 or self._rng.random() < 0.7:
            await self.wire.send(octets)
            return
        places = sorted(self._rng.sample(range(len(octets)), 3))
        for start, end in zip([0, *places], [*places, len(octets)], strict=True):
            await self.wire.send(octets[start:end])
            await asyncio.sleep(self._rng.choice((0.0, 0.0, 0.01, 0.3)))

    async def _pipelined(self, messages: Sequence[Message]) -> None:
        """Envelopes in groups, each behind the end of the message before (RFC 2920)."""
        plans = [self._begin(message) for message in messages]
        await self.wire.send(plans[0].group(b"DATA\r\n"))
        for plan, following in zip(plans, [*plans[1:], None], strict=True):
            more = following.group(b"DATA\r\n") if following else b""
            if not await self._group(plan):
                await self.wire.send(b"RSET\r\n" + more)
                await self.wire.reply()
                continue
            # Where DATA was permitted without a recipient, there is nothing to be sent.
            octets = plan.it.message.mail_data if plan.it.recipients else b""
            plan.it.ended = bool(plan.it.recipients)
            await self.wire.send(octets + b".\r\n" + more)
            self._note(plan.it, await self.wire.reply())

    async def _group(self, plan: Plan) -> bool:
        """The answers to an envelope and DATA; whether content is wanted."""
        refusal = None
        for step in (b"", *plan.to, b"DATA"):
            reply = await self.wire.reply()
            if reply.code == 250 and b"@" in step:
                plan.it.recipients.append(step)
            if reply.code >= 400 and not (refusal and step == b"DATA"):
                refusal = reply
            if reply.code == 421:
                self._note(plan.it, reply)
        if reply.code != 354:
            # DATA fails for want of a recipient, and what became of the last one is the reason.
            self._note(plan.it, reply if plan.it.recipients else refusal or reply)
        return reply.code == 354

    async def _bdat(self, message: Message) -> None:
        """Chunks, waiting for each answer."""
        plan = self._begin(message)
        if await self._envelope(plan):
            for chunk, last in self._chunks(message.content):
                plan.it.ended = last
                await self._pieces(chunk)
                reply = await self.wire.reply()
                if last or reply.code != 250:
                    self._note(plan.it, reply)
                if reply.code != 250:
                    break
            else:
                return
        await self.wire.say(b"RSET")

    def _chunks(self, content: bytes) -> list[tuple[bytes, bool]]:
        places = sorted(self._rng.randrange(len(content) + 1) for _ in range(self._rng.randrange(5)))
        if self._rng.random() < 0.2:
            places.append(len(content))  # the last chunk is empty
        cuts = list(zip([0, *places], [*places, len(content)], strict=True))
        chunks = [(content[start:end], number == len(cuts)) for number, (start, end) in enumerate(cuts, 1)]
        return [(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if last else b"") + chunk, last) for chunk, last in chunks]

    async def _bdat_ahead(self, messages: Sequence[Message], before: bytes = b"", pause: float = 0.0) -> None:
        """Everything at once, and all answers then."""
        octets, script = [before], []
        for message in messages:
            plan, chunks = self._begin(message), self._chunks(message.content)
            octets.append(plan.group(b"".join(chunk for chunk, _ in chunks) + b"RSET\r\n"))
            script.append((plan, len(chunks)))
            plan.it.ended = True
        await self.wire.send(b"".join(octets))
        await asyncio.sleep(pause)
        for _ in range(before.count(b"\n")):
            if (await self.wire.reply()).code == 421:
                raise Over
        for plan, count in script:
            mail = await self.wire.reply()
            answers = [await self._unless_over(plan.it) for _ in plan.to]
            plan.it.recipients = [to for to, reply in zip(plan.to, answers, strict=True) if reply.code == 250]
            chunks_answers = [await self._unless_over(plan.it) for _ in range(count)]
            decisive = chunks_answers[-1] if plan.it.recipients else answers[-1] if mail.code == 250 else mail
            self._note(plan.it, decisive)
            await self._unless_over(None)

    async def _unless_over(self, it: Try | None) -> Reply:
        reply = await self.wire.reply()
        if reply.code == 421:
            if it:
                self._note(it, reply)
            raise Over
        return reply

    async def _any_way(self, messages: Sequence[Message]) -> None:
        if self._rng.random() < 0.3 and all(message.way is not Way.BDAT for message in messages):
            await self._pipelined(messages)
            return
        for message in messages:
            way = self._rng.choice((Way.DATA, Way.BDAT)) if message.way is Way.ANY else message.way
            await (self._bdat(message) if way is Way.BDAT else self._lockstep(self._begin(message)))

    async def _quit(self) -> None:
        if self._rng.random() < 0.9:
            await self.wire.say(b"QUIT")
