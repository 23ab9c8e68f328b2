"""Programs that look for weak spots: sslscan, testssl.sh, nmap. What they found is read from their files, not their prose.

A scan that did not look finds nothing, too. So each result says what was looked at, and the tests ask for that first.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

from .door import Tls
from .ground import make_place, remove_place
from .papers import papers

# testssl.sh waits for servers on the other side of the world, ten seconds at each octet that does not come.
_HASTE = {"MAX_WAITSOCK": "3", "CCS_MAX_WAITSOCK": "2", "HEARTBLEED_MAX_WAITSOCK": "2"}
# Protocols, the server's defaults, kinds of ciphers, forward secrecy, its preference, and all flaws that have a name.
_LOOK_AT = ("-p", "-S", "-s", "-f", "-P", "-U")


class Scan:
    """A scanner at work."""

    def __init__(self, *command: str, **environment: str) -> None:
        self._place = make_place("scan")
        self.result = self._place / "result"
        (self._place / "services").mkdir()
        self._output = self._place / "output"
        with open(self._output, "wb") as output:
            self._process = subprocess.Popen(
                [word.format(result=self.result) for word in command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self._place,
                env={"PATH": os.environ["PATH"], "HOME": str(self._place), "LC_ALL": "C.UTF-8", **environment},
            )  # fmt: skip

    def wait(self, within: float = 380.0) -> Path:
        """Until it is done; gives the file with what it has found."""
        self._process.wait(within)
        assert self.result.exists() and self.result.stat().st_size, self._output.read_text(errors="replace")[-2000:]
        return self.result

    def output(self) -> str:
        """What it printed."""
        return self._output.read_text(errors="replace")

    def stop(self) -> None:
        """Ends it, should it still be at it."""
        self._process.kill()
        self._process.wait()
        remove_place(self._place)


def sslscan(port: int, tls: Tls) -> Scan:
    """Asks for each protocol and each cipher there is."""
    return Scan("sslscan", *(["--starttls-smtp"] if tls is Tls.STARTTLS else []), "--no-colour", "--xml={result}",
                f"127.0.0.1:{port}")  # fmt: skip


def testssl(port: int, tls: Tls) -> Scan:
    """Tries all the attacks on TLS that have a name."""
    return Scan("testssl", *(["-t", "smtp"] if tls is Tls.STARTTLS else []), *_LOOK_AT, "--nodns", "none", "--warnings",
                "off", "--color", "0", "--add-ca", str(papers().ours.root), "--jsonfile", "{result}",
                f"127.0.0.1:{port}", **_HASTE)  # fmt: skip


testssl.__test__ = False  # type: ignore[attr-defined] # pytest takes it for a test


@dataclass
class Suites:
    """What sslscan found."""

    protocols: set[str]
    strengths: dict[str, str]
    certificates: list[str]
    flaws: list[str]


def suites(scan: Scan) -> Suites:
    """Reads its XML."""
    tree = ElementTree.parse(scan.wait())
    versions = {f"{it.get('type')} {it.get('version')}": it.get("enabled") for it in tree.iter("protocol")}
    flaws = [f"heartbleed in {it.get('sslversion')}" for it in tree.iter("heartbleed") if it.get("vulnerable") != "0"]
    flaws += ["renegotiation" for it in tree.iter("renegotiation") if it.get("supported") != "0"]
    flaws += ["compression" for it in tree.iter("compression") if it.get("supported") != "0"]
    for certificate in tree.iter("certificate"):
        flaws += [f"certificate: {it}" for it in ("self-signed", "expired") if certificate.findtext(it) != "false"]
    enabled = {version for version, enabled in versions.items() if enabled != "0"}
    assert len(versions) == 6 and len(list(tree.iter("heartbleed"))) == len(enabled) > 0, "it did not look at all of them"
    return Suites(
        enabled,
        {f"{it.get('sslversion')} {it.get('cipher')}": it.get("strength", "") for it in tree.iter("cipher")},
        [str(it.findtext("altnames")) for it in tree.iter("certificate")],
        flaws,
    )


@dataclass
class Finding:
    """One of testssl.sh."""

    severity: str
    text: str


def findings(scan: Scan) -> dict[str, Finding]:
    """Reads its JSON."""
    return {it["id"]: Finding(it["severity"], it["finding"]) for it in json.loads(scan.wait().read_text())}


NMAP_SCRIPTS = (
    "smtp-open-relay",
    "smtp-commands",
    "smtp-enum-users",
    "smtp-strangeport",
    "smtp-vuln-cve2010-4344",
    "smtp-vuln-cve2011-1720",
    "smtp-vuln-cve2011-1764",
    "ssl-enum-ciphers",
)


def nmap(starttls_port: int, implicit_port: int) -> dict[int, dict[str, str]]:
    """What each of its scripts says of each port; nothing of one that had nothing to say."""
    services = f"smtp {starttls_port}/tcp 0.9\nsmtps {implicit_port}/tcp 0.8\n"
    place = make_place("nmap")
    try:
        # Ports are what nmap's own table calls them: its scripts do not mistake ours for anything else.
        (place / "nmap-services").write_text(services)
        done = subprocess.run(
            ["nmap", "-d", "-n", "-Pn", "-sT", "-p", f"{starttls_port},{implicit_port}", "-oX", place / "found",
             "--script", ",".join(f"+{name}" if name == "smtp-strangeport" else name for name in NMAP_SCRIPTS), "127.0.0.1"],
            capture_output=True, text=True, timeout=120, check=True, env={**os.environ, "NMAPDIR": str(place)},
        )  # fmt: skip
        tree = ElementTree.parse(place / "found")
    finally:
        remove_place(place)
    for name in NMAP_SCRIPTS:
        for port in (starttls_port, implicit_port):
            ran = rf"NSE: Finished {name}\S* against 127.0.0.1:{port}\."
            assert re.search(ran, done.stdout), f"{name} did not run\n{done.stdout[-3000:]}"
    return {
        int(port.get("portid", 0)): {str(it.get("id")): str(it.get("output")) for it in port.iter("script")}
        for port in tree.iter("port")
    }
