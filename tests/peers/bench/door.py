"""The ways in for those who have an account: TLS by STARTTLS or from the first octet, and a mechanism."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .keepers import PASSWORD, USER
from .papers import papers


class Tls(StrEnum):
    """How TLS begins."""

    STARTTLS = "STARTTLS"
    IMPLICIT = "implicit"


class Mechanism(StrEnum):
    """How a client shows that it knows the password."""

    PLAIN = "PLAIN"
    LOGIN = "LOGIN"
    CRAM_MD5 = "CRAM-MD5"


@dataclass(frozen=True)
class Door:
    """One way in."""

    port: int
    tls: Tls
    mechanism: Mechanism
    user: str = USER
    password: str = PASSWORD

    @property
    def ca(self) -> Path:
        """Whom to believe."""
        return papers().ours.root
