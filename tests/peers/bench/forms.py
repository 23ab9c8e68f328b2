"""The forms in which mail arrives, and how each can be told on the wire."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from .front import Front
from .mail import message, text_of, unique
from .relays import AUTHORS_DOMAIN, LOCAL_DOMAIN

AUTHOR = f"author@{AUTHORS_DOMAIN}"


class Form(StrEnum):
    """What is asked of a client."""

    PLAIN = "dots"
    OCTET = "1 octet"
    KIB = "1 KiB"
    MIB = "1 MiB"
    LARGE = "25 MiB"
    HUNDRED = "100 recipients"
    SEVERAL = "several per session"
    PIPELINED = "pipelined"
    CHUNKED = "by BDAT"
    EIGHT_BIT = "8-bit"
    DECLARED = "8-bit, declared"
    UTF8 = "SMTPUTF8"
    DSN = "DSN"
    BOUNCE = "null sender"
    POSTMASTER = "postmaster@ours"
    BARE_POSTMASTER = "Postmaster"


# The extension that a form stands on. Where a relay does not offer it, a client does without or gives up.
EXTENSION = {
    Form.PIPELINED: "PIPELINING",
    Form.CHUNKED: "CHUNKING",
    Form.DECLARED: "8BITMIME",
    Form.UTF8: "SMTPUTF8",
    Form.DSN: "DSN",
}

# Those sent through a gate whose rule refuses everybody who says EHLO.
REFUSED_AT_EHLO = (Form.POSTMASTER, Form.BARE_POSTMASTER)


@dataclass(frozen=True)
class Mail:
    """A message and its envelope."""

    sender: str
    recipients: Sequence[str]
    content: bytes

    @property
    def body(self) -> bytes:
        return self.content.split(b"\r\n\r\n", 1)[1]


DOTS = b"""\
A line.\r
.\r
..\r
.dots at line starts\r
 \r
From the beginning of a line\r
\r
The end, after an empty line.\r
"""

EIGHT_BIT_BODY = "Grüße aus Århus, и привет.\r\n".encode()
MIME = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"

_BODIES = {
    Form.PLAIN: DOTS,
    Form.OCTET: text_of(1),
    Form.KIB: text_of(1 << 10),
    Form.MIB: text_of(1 << 20),
    # In long lines: some clients toil at each.
    Form.LARGE: text_of(25 << 20, 12),
    Form.EIGHT_BIT: EIGHT_BIT_BODY,
    Form.DECLARED: EIGHT_BIT_BODY,
    Form.UTF8: EIGHT_BIT_BODY,
}
_RECIPIENTS = {Form.HUNDRED: 100, Form.PIPELINED: 3}


def mails(form: Form, client: str) -> list[Mail]:
    """What a client shall send in that form, to recipients of its own."""
    return [_mail(form, client) for _ in range(5 if form is Form.SEVERAL else 1)]


def _mail(form: Form, client: str) -> Mail:
    sender = AUTHOR
    recipients = [f"{unique(client)}@{LOCAL_DOMAIN}" for _ in range(_RECIPIENTS.get(form, 1))]
    match form:
        case Form.UTF8:
            sender, recipients = f"böb@{AUTHORS_DOMAIN}", [f"{unique('jürgen')}@{LOCAL_DOMAIN}"]
        case Form.DSN:
            sender = f"{unique('author')}@{LOCAL_DOMAIN}"  # who asks for a notification must be able to get it
        case Form.BOUNCE:
            sender = ""
        case Form.POSTMASTER:
            recipients = [f"postmaster@{LOCAL_DOMAIN}"]
        case Form.BARE_POSTMASTER:
            recipients = ["Postmaster"]
    body = _BODIES.get(form, DOTS)
    to = recipients[0] if "@" in recipients[0] else f"postmaster@{LOCAL_DOMAIN}"
    return Mail(sender, recipients, message(body, to, sender or AUTHOR, MIME if body is EIGHT_BIT_BODY else b""))


def _of(verb: bytes, front: Front) -> list[bytes]:
    return [command for it in front.conversations for command in it.commands if command.upper().startswith(verb)]


def _each(verb: bytes, words: bytes) -> Callable[[Front], bool]:
    """Whether all commands of that verb have these words, and there is one."""

    def seen(front: Front) -> bool:
        commands = _of(verb, front)
        return bool(commands) and all(words in command.upper() for command in commands)

    return seen


# What a conversation looks like that has the form: a client that quietly did something else proves nothing.
SEEN: dict[Form, Callable[[Front], bool]] = {
    Form.HUNDRED: lambda front: any(len(it.recipients) == 100 for talk in front.conversations for it in talk.messages),
    Form.SEVERAL: lambda front: any(len(talk.messages) > 1 for talk in front.conversations),
    Form.PIPELINED: lambda front: front.pipelined,
    Form.CHUNKED: lambda front: bool(_of(b"BDAT", front)) and not _of(b"DATA", front),
    Form.DECLARED: _each(b"MAIL", b" BODY=8BITMIME"),
    Form.UTF8: _each(b"MAIL", b" SMTPUTF8"),
    Form.DSN: lambda front: _each(b"MAIL", b" RET=HDRS")(front) and _each(b"RCPT", b" NOTIFY=SUCCESS")(front),
    Form.BOUNCE: _each(b"MAIL", b"FROM:<>"),
    Form.BARE_POSTMASTER: _each(b"RCPT", b"TO:<POSTMASTER>"),
}
