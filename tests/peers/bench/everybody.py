"""Everybody in front of the gate, with the forms in which each can send.

A client that takes a complete message must deliver it to the octet. One that writes its own header (mutt, git
send-email) is held to the body and to the fields that it takes over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from . import clients, senders
from .forms import Form, Mail

Send = Callable[[int, Form, Sequence[Mail]], None]


@dataclass(frozen=True)
class Client:
    """A sending program."""

    name: str
    send: Send
    # The forms that it has no means for, and why.
    cannot: Mapping[Form, str] = field(default_factory=dict)
    # The forms that it gives up where the relay lacks the extension, and the words that tell; all others it downgrades.
    gives_up: Mapping[Form, str] = field(default_factory=dict)
    # What becomes of an address in UTF-8 where it must do without SMTPUTF8.
    downgrades: Callable[[str], str] = str
    # Whether it leaves the header alone.
    keeps_header: bool = True

    def __str__(self) -> str:
        return self.name

    @property
    def forms(self) -> list[Form]:
        """What it can do."""
        return [form for form in Form if form not in self.cannot]


_LOCKSTEP = "waits for each answer"
_NO_BDAT = "sends content by DATA only"
_NO_PARAMETERS = "gives MAIL and RCPT no parameters"
_ONE_MESSAGE = "sends one message and ends"

EVERYBODY = (
    Client("swaks", clients.swaks, cannot={
        Form.CHUNKED: _NO_BDAT,
        Form.DECLARED: _NO_PARAMETERS,
        Form.UTF8: _NO_PARAMETERS,
        Form.DSN: _NO_PARAMETERS,
        Form.SEVERAL: _ONE_MESSAGE,
    }),
    Client("msmtp", clients.msmtp, cannot={
        Form.CHUNKED: _NO_BDAT,
        Form.DECLARED: "knows no parameters but those of DSN",
        Form.UTF8: "knows no parameters but those of DSN",
        Form.SEVERAL: _ONE_MESSAGE,
    }),
    Client("curl", clients.curl, gives_up={Form.UTF8: "55"}, cannot={
        Form.PIPELINED: _LOCKSTEP,
        Form.CHUNKED: _NO_BDAT,
        Form.DECLARED: "knows no parameters but SIZE, AUTH and SMTPUTF8",
        Form.DSN: "knows no parameters but SIZE, AUTH and SMTPUTF8",
    }),
    Client("smtplib", clients.python_smtplib, gives_up={Form.UTF8: "SMTPNotSupportedError"}, cannot={
        Form.PIPELINED: _LOCKSTEP,
        Form.CHUNKED: _NO_BDAT,
    }),
    Client("nodemailer", clients.nodemailer, gives_up={Form.UTF8: "5.6.7"}, cannot={
        Form.CHUNKED: _NO_BDAT,
        Form.BARE_POSTMASTER: "drops an address without a domain",
    }),
    Client("net-smtp", clients.net_smtp, cannot={
        Form.PIPELINED: _LOCKSTEP,
        Form.CHUNKED: "uses BDAT for BODY=BINARYMIME only, and none of the relays offers BINARYMIME",
        Form.UTF8: "knows all parameters but SMTPUTF8",
    }),
    Client("mutt", clients.mutt, gives_up={Form.UTF8: "5.6.7"}, keeps_header=False, cannot={
        Form.PIPELINED: _LOCKSTEP,
        Form.CHUNKED: _NO_BDAT,
        Form.SEVERAL: _ONE_MESSAGE,
        Form.BOUNCE: "puts its user's name in the place of an empty sender",
    }),
    Client("git-send-email", clients.git_send_email, keeps_header=False, cannot={
        Form.PIPELINED: _LOCKSTEP,
        Form.CHUNKED: _NO_BDAT,
        Form.DECLARED: _NO_PARAMETERS,
        Form.UTF8: _NO_PARAMETERS,
        Form.DSN: _NO_PARAMETERS,
    }),
    Client("postfix", senders.POSTFIX.send, gives_up={Form.UTF8: "SMTPUTF8 is required"}, cannot={
        Form.CHUNKED: _NO_BDAT,
        Form.BARE_POSTMASTER: "gives every address a domain",
    }),
    Client("exim", senders.EXIM.send, downgrades=senders.in_ascii, cannot={
        Form.DECLARED: "passes all octets on and declares none",
        Form.BARE_POSTMASTER: "gives every address a domain",
    }),
)  # fmt: skip
