"""Those who come with an account, by each door and mechanism.

They are held to more than strangers: TLS that is verified, no way round it, and the one mechanism that was asked for.
There is nothing that one of them cannot do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import callers, satellites
from .door import Door
from .forms import Mail


@dataclass(frozen=True)
class Member:
    """A sending program with an account."""

    name: str
    send: Callable[[Door, Sequence[Mail]], None]
    # Whether it leaves the header alone.
    keeps_header: bool = True

    def __str__(self) -> str:
        return self.name


MEMBERS = (
    Member("swaks", callers.swaks),
    Member("msmtp", callers.msmtp),
    Member("curl", callers.curl),
    Member("smtplib", callers.python_smtplib),
    Member("nodemailer", callers.nodemailer),
    Member("net-smtp", callers.net_smtp),
    Member("mutt", callers.mutt, keeps_header=False),
    Member("git-send-email", callers.git_send_email, keeps_header=False),
    Member("s_client", callers.s_client),
    Member("postfix", satellites.POSTFIX.send),
    Member("exim", satellites.EXIM.send),
)
