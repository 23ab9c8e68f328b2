"""What was sent, what was heard, what was received: written down by both sides, and compared at the end.

Each try to send a message has an envelope sender of its own, which names the message and the try. The message says in
its header who it is and what the checksum of its body is.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from wire import repaired_chunks, repaired_data, stuffed

_IDENTITY = re.compile(rb"(?m)^X-Endurance: (\S+) ([0-9a-f]{64})\r$")
# What a comparison must not overlook.
SABOTAGE = {
    "forget": "a relay loses a message that it has acknowledged",
    "alter": "one bit of a message is another when it arrives",
    "twice": "a relay receives a message twice",
    "invent": "a relay receives what nobody sent",
    "recount": "the clients heard of one message more",
    "leak": "clients come, and do not go",
}
# So many receipts are left in peace before that.
_UNHARMED = 20


class Fate(StrEnum):
    """What became of a message, as its client sees it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GIVEN_UP = "given up"
    LEFT = "left"


class Way(StrEnum):
    """How content may travel."""

    ANY = "any"
    DATA = "DATA"
    BDAT = "BDAT"


@dataclass(slots=True)
class Message:
    """What a client wants to send."""

    name: str
    kind: str
    # The checksum of what must arrive.
    digest: bytes
    # What the client sends: forgotten once the fate is known.
    content: bytes
    way: Way = Way.ANY
    # Nobody may ever acknowledge it.
    forbidden: bool = False
    tries: list[Try] = field(default_factory=list)
    fate: Fate | None = None

    @property
    def mail_data(self) -> bytes:
        """The form for DATA. What only DATA can carry is written in that form."""
        return self.content if self.way is Way.DATA else stuffed(self.content)


@dataclass(slots=True)
class Try:
    """One try to send it."""

    message: Message
    listener: str
    sender: bytes
    parameters: tuple[bytes, ...]
    # Those that the client heard accepted.
    recipients: list[bytes] = field(default_factory=list)
    # Whether the end of the content was sent.
    ended: bool = False
    # Whether the client went away on its own before it was answered.
    left: bool = False
    # The code that decided; 0: the connection was lost.
    code: int = 0
    words: bytes = b""
    receipts: list[Receipt] = field(default_factory=list)

    def heard(self, code: int, words: bytes) -> None:
        """This was the answer."""
        self.code, self.words = code, words[:100]


@dataclass(slots=True)
class Receipt:
    """A whole message at a relay."""

    digest: bytes
    recipients: list[bytes]
    # The relay has it: it was neither refused, nor did it die with the relay.
    kept: bool
    # What the relay said, or meant to say; 0: nothing.
    code: int


class Ledger:
    """The book of both sides."""

    def __init__(self, sabotage: str = "") -> None:
        self.messages: list[Message] = []
        self.complaints: list[str] = []
        self.connections: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._tries: dict[bytes, Try] = {}
        self._sabotage = sabotage
        self._kept = 0

    def complain(self, words: str) -> None:
        """The two sides do not agree, or one of them heard what it never should."""
        self.complaints.append(words)

    # The client's side.

    def message(
        self, kind: str, body: bytes, way: Way = Way.ANY, header: bytes = b"", forbidden: bool = False
    ) -> Message:
        """A new message. A body that only DATA can carry is in the form for DATA."""
        repaired = {Way.ANY: bytes, Way.DATA: repaired_data, Way.BDAT: repaired_chunks}[way]
        name = f"m{len(self.messages)}"
        arrives = repaired(body)
        head = (
            f"From: Author <author@example.org>\r\nTo: <someone@example.com>\r\nSubject: {kind}\r\n"
            f"X-Endurance: {name} {hashlib.sha256(arrives).hexdigest()}\r\n"
        ).encode()
        head += header + b"\r\n"
        message = Message(name, kind, hashlib.sha256(head + arrives).digest(), head + body, way, forbidden)
        self.messages.append(message)
        return message

    def begin(self, message: Message, listener: str, local: str = "", parameters: Iterable[bytes] = ()) -> Try:
        """A client is about to try."""
        sender = f"{local}{message.name}.{len(message.tries)}@example.org".encode()
        it = Try(message, listener, sender, tuple(sorted(parameters)))
        message.tries.append(it)
        self._tries[sender] = it
        return it

    # The relay's side.

    def envelope(self, sender: bytes, parameters: Iterable[bytes]) -> None:
        """A relay hears MAIL."""
        it = self._tries.get(sender)
        if it is None:
            self.complain(f"a relay heard of the sender {sender!r}, whom no client named")
        elif tuple(sorted(parameters)) != it.parameters:
            self.complain(f"{sender!r} came with the parameters {parameters!r}, not {it.parameters!r}")

    def receive(self, sender: bytes, recipients: list[bytes], content: bytes, kept: bool, code: int) -> None:
        """A relay has a whole message in hand."""
        if kept:
            self._kept += 1
        harm = self._sabotage if kept and self._kept == _UNHARMED else ""
        if harm == "forget":
            return
        if harm == "alter":
            content = content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]
        if harm == "invent":
            sender = b"nobody@example.org"
        it = self._tries.get(sender)
        if it is None:
            self.complain(f"a relay received a message of {sender!r}, whom no client named")
            return
        found = _IDENTITY.search(content[:2000])
        body = content.partition(b"\r\n\r\n")[2]
        if found is None or found[1].decode() != it.message.name:
            self.complain(f"the envelope of {sender!r} holds the message {found and found[1]!r}")
        elif found[2].decode() != hashlib.sha256(body).hexdigest():
            self.complain(f"the content of {sender!r} is not what its header says")
        receipt = Receipt(hashlib.sha256(content).digest(), list(recipients), kept, code)
        it.receipts += [receipt, receipt] if harm == "twice" else [receipt]

    # Both.

    def compare(self) -> None:
        """Complains of all that does not agree."""
        for message in self.messages:
            for it in message.tries:
                for words in _judge(it):
                    self.complain(f"{it.sender.decode()} ({message.kind}, {_heard(it)}): {words}")
            if message.forbidden and any(receipt.kept for it in message.tries for receipt in it.receipts):
                self.complain(f"{message.name} ({message.kind}) reached a relay, and never should")

    def accepted(self, listener: str) -> int:
        """How many messages clients of that listener heard acknowledged."""
        count = sum(it.code == 250 for it in self._tries.values() if it.listener == listener)
        return count + (self._sabotage == "recount")

    def unheard(self, listener: str) -> int:
        """How many more a relay acknowledged, whose clients did not wait for that."""
        unheard = (it for it in self._tries.values() if it.listener == listener and it.left and it.code != 250)
        return sum(any(receipt.kept and receipt.code == 250 for receipt in it.receipts) for it in unheard)

    def table(self) -> dict[str, Counter[str]]:
        """Of each kind: messages by their fates, those retried, and duplicates."""
        rows: dict[str, Counter[str]] = defaultdict(Counter)
        for message in self.messages:
            row = rows[message.kind]
            row["sent"] += 1
            row[message.fate or "pending"] += 1
            row["retried"] += len(message.tries) > 1
            row["tries"] += len(message.tries)
            kept = sum(receipt.kept for it in message.tries for receipt in it.receipts)
            row["duplicates"] += max(0, kept - 1)
            row["unheard"] += kept > 0 and message.fate is not Fate.ACCEPTED
        return rows


# What a client hears of a link that was lost, or garbled, with its message.
_LOST = b"451 4.4.2", b"421 4.3.0", b"421 4.4.2"


def _judge(it: Try) -> Iterable[str]:
    kept = [receipt for receipt in it.receipts if receipt.kept]
    if any(receipt.digest != it.message.digest for receipt in it.receipts):
        yield "the content differs"
    if len(it.receipts) > 1:
        yield f"a relay received one try {len(it.receipts)} times"
    if it.receipts and not it.ended:
        yield "a relay received what the client did not end"
    if it.code == 250:
        if not kept:
            yield "it was acknowledged, and no relay has it"
        elif kept[0].recipients != it.recipients:
            yield f"its recipients are {kept[0].recipients!r}, the client heard of {it.recipients!r}"
    elif kept and it.code >= 500:
        yield "it was refused, and a relay has it"
    elif kept and it.code == 0 and not it.left:
        yield "a relay has it, and the client heard nothing at all"
    elif kept and it.code and not it.words.startswith(_LOST):
        yield "a relay has it, and the client heard of something else than a loss"
    for receipt in it.receipts:
        if not receipt.kept and 400 <= receipt.code and it.code not in (0, 421, 451, receipt.code):
            yield f"the relay said {receipt.code}"


def _heard(it: Try) -> str:
    return it.words.decode(errors="replace") or ("left" if it.left else "lost")
