"""Postfix and Exim in front: mail servers that hand over what their own users submit.

Each is started once, sends everything to one port, and is asked through its log what became of each message.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .clients import ENVID, ORCPT, Refused
from .forms import Form, Mail
from .ground import wait_until
from .relays import Exim, Postfix, Relay
from .wire import stuffed

_MESSAGE_ID = re.compile(rb"(?m)^Message-ID: <(.*)>\r$")


class Sender:
    """A mail server in front, started when it is first needed."""

    kind: type[Relay]
    # In its log: the line with the Message-ID and the queue's own name for it; the end of that; a failure on the way.
    named: str
    ended: str
    failed: str

    def __init__(self) -> None:
        self._server: Relay | None = None

    def send(self, port: int, form: Form, mails: Sequence[Mail]) -> None:
        """Submits the messages and waits until the server is done with all of them."""
        if self._server is None:
            self._server = self.start(port)
        self.submit(self._server, form, mails)
        for mail in mails:
            found = _MESSAGE_ID.search(mail.content[:4096])
            assert found
            self._settle(self._server, found[1].decode())

    def start(self, port: int) -> Relay:
        """The server."""
        return self.kind(towards=port)

    def submit(self, server: Relay, form: Form, mails: Sequence[Mail]) -> None:
        """Hands them to its sendmail."""
        raise NotImplementedError

    def _settle(self, server: Relay, message_id: str) -> None:
        named = re.compile(self.named.format(re.escape(message_id)))
        name = wait_until(f"{server.name} knows {message_id}", lambda: named.search(server.log()))[1]
        failed, ended = re.compile(self.failed.format(name)), re.compile(self.ended.format(name))

        def outcome() -> re.Match[str] | None:
            log = server.log()
            return failed.search(log) or ended.search(log)

        said = wait_until(f"{server.name} is done with {name}", outcome, within=60)[0]
        if failed.match(said):
            raise Refused(said)

    def stop(self) -> None:
        """Ends it, if it was started."""
        if self._server is not None:
            self._server.stop()
            self._server = None


class PostfixSender(Sender):
    """Pipelines, declares and forwards all that it heard about a message; sends by DATA alone."""

    kind = Postfix
    named = r"(\w+): message-id=<{}>"
    ended = r"\b{}: removed"
    failed = r"\b{}: .* status=(?:bounced|deferred) .*"

    def submit(self, server: Relay, form: Form, mails: Sequence[Mail]) -> None:
        options = ["-N", "success", "-R", "hdrs", "-V", ENVID] if form is Form.DSN else []
        for mail in mails:
            server.submit(mail.sender, mail.recipients, mail.content, *options)


class EximSender(Sender):
    """Uses BDAT of its own accord wherever CHUNKING is offered."""

    kind = Exim
    named = r"(\S+) <= .* id={}(?!\S)"
    ended = r"\b{} Completed"
    failed = r"\b{} (?:\*\*|==) .*"

    def submit(self, server: Relay, form: Form, mails: Sequence[Mail]) -> None:
        for mail in mails:
            if form is Form.DSN:
                self._speak(server, mail)
            else:
                options = ["-odq"] if form is Form.SEVERAL else []
                server.submit(mail.sender, mail.recipients, mail.content, *options)
        if form is Form.SEVERAL:
            # The first pass notes who waits for the same host, the second one sends.
            server.enclosure.run("/usr/sbin/exim4", "-qqf")

    @staticmethod
    def _speak(server: Relay, mail: Mail) -> None:
        """Its command line has no words for notifications; SMTP over standard input has."""
        recipients = "".join(f"RCPT TO:<{it}> NOTIFY=SUCCESS ORCPT={ORCPT}\r\n" for it in mail.recipients)
        opening = f"EHLO localhost\r\nMAIL FROM:<{mail.sender}> RET=HDRS ENVID={ENVID}\r\n{recipients}DATA\r\n"
        session = opening.encode() + stuffed(mail.content) + b".\r\nQUIT\r\n"
        heard = server.enclosure.run("/usr/sbin/exim4", "-odb", "-bs", stdin=session)
        assert b"250 OK id=" in heard, heard


class _OpportunistPostfix(Postfix):
    def settings(self) -> dict[str, object]:
        return super().settings() | {"smtp_tls_security_level": "may"}


class _OpportunistExim(Exim):
    avoids_tls = False


class PostfixOpportunist(PostfixSender):
    """As those of the Internet are: it takes TLS where it is offered, and verifies nothing."""

    kind = _OpportunistPostfix


class EximOpportunist(EximSender):
    """Likewise."""

    kind = _OpportunistExim


def in_ascii(address: str) -> str:
    """As Exim writes it where it may not write UTF-8."""
    local, _, domain = address.rpartition("@")
    return address if address.isascii() else f"xn--{local.encode('punycode').decode()}@{domain}"


POSTFIX, EXIM = PostfixSender(), EximSender()
