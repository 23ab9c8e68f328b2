"""Programs that look for weak spots find none, on neither kind of port. That they did look is asked first."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.door import Tls
from bench.gate import Gate
from bench.ground import free_port, listens, wait_until
from bench.keepers import PASSWORD, USER, PostfixKeeper
from bench.papers import papers
from bench.scanners import Scan, findings, nmap, sslscan, suites, testssl
from bench.wire import Wire
from conftest import House

# testssl.sh has its minute of waiting, and on a busy machine more.
pytestmark = [pytest.mark.usefixtures("through_the_gate"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def gate(house: House) -> Iterator[Gate]:
    """An inbound gate before a relay that has accounts."""
    it = house.secured(PostfixKeeper)
    yield it
    it.assert_alive()


@pytest.fixture(scope="module")
def scans(gate: Gate) -> Iterator[dict[tuple[str, Tls], Scan]]:
    """All of them at once: they wait more than they work."""
    doors = {Tls.STARTTLS: gate.port, Tls.IMPLICIT: gate.implicit_port}
    running = {(scan.__name__, tls): scan(port, tls) for scan in (testssl, sslscan) for tls, port in doors.items()}
    yield running
    for it in running.values():
        it.stop()


# nmap, from outside.


def test_nmap_finds_nothing_open_and_names_nothing(gate: Gate) -> None:
    found = nmap(gate.port, gate.implicit_port)
    for port in (gate.port, gate.implicit_port):
        said = found[port]
        assert said.pop("smtp-open-relay") == "Server doesn't seem to be an open relay, all tests failed"
        assert said.pop("smtp-enum-users").strip() == "Couldn't find any accounts"
        assert said.pop("smtp-vuln-cve2010-4344").strip() == "The SMTP server is not Exim: NOT VULNERABLE"
        # The bench has no port 25 to give away.
        assert said.pop("smtp-strangeport") == "Mail server on unusual port: possible malware"
        ciphers = said.pop("ssl-enum-ciphers")
        assert "TLSv1.2" in ciphers and "TLSv1.3" in ciphers and "least strength: A" in ciphers
        assert "TLSv1.1" not in ciphers and "warnings" not in ciphers
        commands = said.pop("smtp-commands")
        assert commands.startswith("gate.example.net, ") and "AUTH" not in commands and "VRFY" not in commands
        assert ("STARTTLS" in commands) == (port == gate.port)
        # Of the others it says nothing unless they succeed.
        assert not said, said


# An account of the relay is worth nothing here.


@pytest.mark.parametrize("tls", [None, *Tls], ids=str)
def test_who_knows_an_account_of_the_relay_is_a_stranger_at_inbound(tls: Tls | None, gate: Gate) -> None:
    with Wire(gate.implicit_port if tls is Tls.IMPLICIT else gate.port) as wire:
        if tls is Tls.IMPLICIT:
            wire.secure()
        offered = wire.greet().keywords
        if tls is Tls.STARTTLS:
            offered |= wire.starttls().keywords
        assert "AUTH" not in offered
        for command in (f"AUTH PLAIN {plain()}", "AUTH LOGIN", "AUTH CRAM-MD5", "auth plain =", "AUTH"):
            wire.expect(command, "502 5.5.1")
        wire.expect(f"MAIL FROM:<{USER}> AUTH=<>", "555 5.5.4")
        wire.expect(f"MAIL FROM:<{USER}>", "250")
        wire.expect("RCPT TO:<b@elsewhere.test>", "550 5.7.1")
        assert wire.say("DATA").code // 100 == 5


def plain() -> str:
    """The account, as PLAIN says it."""
    return b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()


# sslscan.


@pytest.mark.parametrize("tls", Tls)
def test_sslscan_finds_strong_suites_alone(tls: Tls, scans: dict[tuple[str, Tls], Scan]) -> None:
    found = suites(scans["sslscan", tls])
    assert found.protocols == {"tls 1.2", "tls 1.3"}
    assert {strength for suite, strength in found.strengths.items() if suite.startswith("TLSv1.2")} == {"strong"}
    # It has no higher opinion of AES with 128 bits in TLS 1.3.
    assert {strength for suite, strength in found.strengths.items() if suite.startswith("TLSv1.3")} <= {"strong", "acceptable"}
    assert all("ECDHE" in suite or "TLSv1.3" in suite for suite in found.strengths)
    assert len(found.strengths) == 9
    assert any("DNS:mx.example.com" in names for names in found.certificates), "it has seen no certificate"
    assert not found.flaws


def test_sslscan_finds_what_is_weak_in_a_weak_server() -> None:
    with weak_server() as port:
        scan = sslscan(port, Tls.IMPLICIT)
        found = suites(scan)
        scan.stop()
    assert "tls 1.1" in found.protocols
    assert "certificate: expired" in found.flaws
    assert set(found.strengths.values()) > {"strong"}


@contextmanager
def weak_server() -> Iterator[int]:
    """One that speaks all that OpenSSL still knows, and shows an expired certificate."""
    port, paper = free_port(), papers().expired
    server = subprocess.Popen(
        ["openssl", "s_server", "-quiet", "-accept", f"127.0.0.1:{port}", "-cert", paper.chain, "-key", paper.key,
         "-cipher", "ALL:@SECLEVEL=0"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_until("the weak server listens", lambda: listens(port))
        yield port
    finally:
        server.kill()
        server.wait()


@pytest.mark.parametrize(("scanner", "read"), [(sslscan, suites), (testssl, findings)], ids=lambda it: it.__name__)
def test_a_scan_that_met_nobody_is_no_clean_one(scanner: Callable, read: Callable) -> None:
    scan = scanner(free_port(), Tls.IMPLICIT)
    try:
        with pytest.raises((AssertionError, KeyError)):
            found = read(scan)
            assert found["TLS1_2"].text == "offered"
    finally:
        scan.stop()


# testssl.sh.

# What it says of this machine, or of itself, and not of the gate.
NOT_OURS = {
    "engine_problem": "OpenSSL of this machine does not know GOST",
    "service": "it knows no service in TLS but that of the web, IMAP and POP",
    "sessionresumption_ticket": "it cannot resume behind STARTTLS; OpenSSL's client can (test_tls)",
    "cert_revocation <cert#1>": "the bench's CA revokes nothing",
    "cert_revocation <cert#2>": "the bench's CA revokes nothing",
    "cipher_order": "all of them are strong, so the client may choose what its machine is quick at",
}

OLD = ("SSLv2", "SSLv3", "TLS1", "TLS1_1")
WEAK = ("NULL", "aNULL", "EXPORT", "LOW", "3DES_IDEA", "AVERAGE")
FLAWS = (
    "heartbleed", "CCS", "ROBOT", "secure_renego", "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "fallback_SCSV",
    "SWEET32", "FREAK", "DROWN", "LOGJAM", "LOGJAM-common_primes", "BEAST", "LUCKY13", "RC4",
)  # fmt: skip


@pytest.mark.parametrize("tls", Tls)
def test_testssl_finds_no_flaw(tls: Tls, scans: dict[tuple[str, Tls], Scan]) -> None:
    found = findings(scans["testssl", tls])
    assert [found[it].text for it in OLD] == ["not offered"] * 4
    assert found["TLS1_2"].text == "offered" and found["TLS1_3"].text.startswith("offered")
    assert [found[f"cipherlist_{it}"].text for it in WEAK] == ["not offered"] * 6
    assert found["cipherlist_STRONG"].text == found["PFS"].text == "offered"
    assert found["cert_numbers"].text == "2", "it has seen one of our certificates, not both"
    for number in (1, 2):
        assert "mx.example.com" in found[f"cert_subjectAltName <cert#{number}>"].text
        assert found[f"cert_chain_of_trust <cert#{number}>"].text == "passed."
    assert all(it in found for it in FLAWS), [it for it in FLAWS if it not in found]
    said = {name: it for name, it in found.items() if it.severity not in ("OK", "INFO") and name not in NOT_OURS}
    assert not said
