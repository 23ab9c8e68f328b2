"""Certificates, as an operator would have them: a CA of its own, and what it signs. All by openssl, once for each run."""

from __future__ import annotations

import atexit
import subprocess
from base64 import b64decode, b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from .ground import make_place, remove_place

# Under these names and this address clients reach what stands at the bench.
NAMES = ("localhost", "gate.example.net", "mx.example.com")
_KEYS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
}
# What `openssl ca` wants to know. It alone can put the end of a certificate into the past.
_OFFICE = """\
[ca]
default_ca = office
[office]
database = {place}/index
rand_serial = yes
new_certs_dir = {place}
default_md = sha256
policy = anything
unique_subject = no
[anything]
commonName = supplied
"""


@dataclass(frozen=True)
class Paper:
    """A certificate and its key."""

    chain: Path
    key: Path

    @property
    def pin(self) -> str:
        """SHA-256 of its key in base64, as HTTP once pinned them (RFC 7469 2.4)."""
        lines = _openssl("x509", "-in", self.chain, "-noout", "-pubkey").splitlines()
        return b64encode(sha256(b64decode(b"".join(lines[1:-1]))).digest()).decode()


class Authority:
    """A CA, and what it has signed."""

    def __init__(self, place: Path, name: str) -> None:
        self._place = place / name
        self._place.mkdir()
        self.root = self._place / "root.pem"
        (self._place / "index").touch()
        self._office = self._place / "office.conf"
        self._office.write_text(_OFFICE.format(place=self._place))
        _openssl(
            "req", "-x509", *_KEYS["ec"], "-noenc", "-days", "120", "-subj", f"/CN=The {name} CA",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout", self._place / "root.key", "-out", self.root,
        )  # fmt: skip

    def issue(self, name: str, *more: str, key: str = "ec", purpose: str = "serverAuth", expired: bool = False) -> Paper:
        """A certificate for these names."""
        paper = Paper(self._place / f"{name}-{key}.pem", self._place / f"{name}-{key}.key")
        request, extensions = (self._place / f"request.{ending}" for ending in ("csr", "ext"))
        _openssl(
            "req", "-new", *_KEYS[key], "-noenc", "-subj", f"/CN={name}", "-keyout", paper.key, "-out", request
        )
        names = ",".join(("DNS:" if not it[0].isdigit() else "IP:") + it for it in (name, *more))
        extensions.write_text(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
            f"extendedKeyUsage={purpose}\nsubjectAltName={names}\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        ended = ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
        _openssl(
            "ca", "-batch", "-notext", "-config", self._office, "-cert", self.root, "-keyfile", self._place / "root.key",
            "-in", request, "-out", paper.chain, "-extfile", extensions, *(ended if expired else ("-days", "100")),
        )  # fmt: skip
        return paper


class Papers:
    """All of them."""

    def __init__(self) -> None:
        self._place = make_place("papers")
        atexit.register(remove_place, self._place)
        self.ours, self.others = Authority(self._place, "bench"), Authority(self._place, "other")
        # The gate has one key of each kind; old clients know RSA alone.
        self.ec = self.ours.issue(NAMES[0], *NAMES[1:], "127.0.0.1")
        self.rsa = self.ours.issue(NAMES[0], *NAMES[1:], "127.0.0.1", key="rsa")
        self.relay = self.ours.issue("relay.example.net", "127.0.0.1", key="rsa")
        self.expired = self.ours.issue("expired.example.net", "127.0.0.1", expired=True)
        self.both = self.ours.issue("gate.example.net", "localhost", "127.0.0.1", purpose="serverAuth,clientAuth")
        self.stranger = self.others.issue("client.example.org", purpose="clientAuth")
        self.client = self.ours.issue("client.example.org", purpose="clientAuth")


@cache
def papers() -> Papers:
    """Those of this run."""
    return Papers()


def _openssl(*arguments: str | Path) -> bytes:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, (arguments, done.stderr.decode())
    return done.stdout
