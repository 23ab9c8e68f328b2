"""Sample messages, delivered messages, and what "arrived identical" means.

A relay and its delivery agent may put trace lines on top; nothing else may differ. Every sample is complete (From, To,
Subject, Date, Message-ID), so that no server sees a reason to add a field of its own further down.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

from .ground import wait_until

TRACE = {
    "return-path",
    "received",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "delivery-date",
}

_serial = itertools.count(1)


def unique(word: str) -> str:
    """A local part that no other test uses."""
    return f"{word}-{next(_serial)}"


def message(
    body: bytes = b"Hello.\r\n",
    recipient: str = "someone@example.com",
    sender: str = "author@example.org",
    extra: bytes = b"",
) -> bytes:
    """A complete message in SMTP's line ends."""
    return (
        f"From: Author <{sender}>\r\n"
        f"To: <{recipient}>\r\n"
        "Subject: A message for the bench\r\n"
        "Date: Tue, 24 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{next(_serial)}@example.org>\r\n"
    ).encode() + extra + b"\r\n" + body


def text_of(octets: int, words: int = 1) -> bytes:
    """A body of exactly so many octets, in lines of so many times 76 octets, the last one ended."""
    if octets < 2:
        return b"x" * octets
    line = b"The quick brown fox jumps over the lazy dog, and .dots are not only at ends." * words + b"\r\n"
    whole, rest = divmod(octets, len(line))
    # The last piece still has to hold its own CRLF.
    if rest == 1:
        whole, rest = whole - 1, rest + len(line)
    return line * whole + (b"y" * (rest - 2) + b"\r\n" if rest else b"")


@dataclass
class Delivered:
    """One file of a Maildir."""

    octets: bytes

    @property
    def smtp(self) -> bytes:
        """In SMTP's line ends again: all three relays deliver in those of Unix."""
        return self.octets.replace(b"\n", b"\r\n")

    def header(self, name: str) -> str:
        """The first field of that name, unfolded; empty without one."""
        block = self.octets.split(b"\n\n", 1)[0].decode(errors="surrogateescape")
        found = re.search(rf"(?im)^{re.escape(name)}:[ \t]*(.*(?:\n[ \t].*)*)", block)
        return re.sub(r"\n[ \t]+", " ", found[1]).strip() if found else ""

    def assert_identical(self, sent: bytes) -> None:
        """Nothing but trace lines stands above what was sent, and nothing below."""
        arrived = self.smtp
        if not sent.endswith(b"\r\n"):
            sent += b"\r\n"  # a message on the wire always ends a line
        assert arrived.endswith(sent), _difference(sent, arrived)
        names = re.findall(rb"(?m)^([!-9;-~]+):", arrived[: -len(sent)])
        assert {name.decode().lower() for name in names} <= TRACE, names

    def assert_body(self, body: bytes) -> None:
        """For programs that write the header themselves: the body to the octet."""
        arrived = self.smtp.split(b"\r\n\r\n", 1)[1]
        assert arrived == body, _difference(body, arrived)


def _difference(sent: bytes, arrived: bytes) -> str:
    """Where both part, in a few octets: nobody reads 25 MiB of assertion."""
    tail = arrived[-len(sent):]
    if len(tail) < len(sent):
        return f"sent {len(sent)} octets, arrived {len(arrived)}: {arrived[-300:]!r}"
    at = next((i for i, (a, b) in enumerate(zip(sent, tail)) if a != b), None)
    if at is None:
        return f"more arrived than was sent: {arrived[:200]!r}"
    return f"from octet {at} of {len(sent)}: sent {sent[at:at + 80]!r}, arrived {tail[at:at + 80]!r}; ends {arrived[-80:]!r}"


class Maildir:
    """The folder into which a relay delivers, for all recipients; each file names its own in a trace line."""

    def __init__(self, folder: Path, recipient_field: str) -> None:
        self._new = folder / "new"
        self._field = recipient_field
        self._seen: set[str] = set()
        self._by_recipient: dict[str, list[Path]] = {}

    def _look(self) -> None:
        if not self._new.is_dir():
            return
        for path in sorted(self._new.iterdir()):
            if path.name in self._seen:
                continue
            self._seen.add(path.name)
            with open(path, "rb") as file:
                recipient = Delivered(file.read(8192)).header(self._field)
            self._by_recipient.setdefault(recipient.strip("<>").lower(), []).append(path)

    def now(self, recipient: str) -> list[Delivered]:
        """What lies there at this moment."""
        self._look()
        paths = self._by_recipient.get(recipient.lower(), [])
        return [Delivered(path.read_bytes()) for path in paths]

    def wait(self, recipient: str, count: int = 1, within: float = 30.0) -> list[Delivered]:
        """Exactly so many messages for a recipient."""

        def enough() -> bool:
            self._look()
            return len(self._by_recipient.get(recipient.lower(), [])) >= count

        wait_until(f"{count} message(s) for {recipient}, of {sorted(self._by_recipient)[-5:]}", enough, within)
        found = self.now(recipient)
        assert len(found) == count, f"{len(found)} messages for {recipient} instead of {count}"
        return found

    def one(self, recipient: str, within: float = 30.0) -> Delivered:
        """The only message for a recipient."""
        return self.wait(recipient, 1, within)[0]

    def discard(self, recipient: str) -> None:
        """Takes a recipient's messages away, where they would fill the disk."""
        for path in self._by_recipient.pop(recipient.lower(), []):
            path.unlink()
