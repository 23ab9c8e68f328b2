"""Names of clients and DNS lists, with real name servers behind the gate; clients come by PROXY headers, as whom they like."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import dkim
import pytest

from bench import nameservers as NAMES
from bench.gate import BINARY, Gate
from bench.ground import make_place, remove_place, wait_until
from bench.mail import unique
from bench.nameservers import NameServers
from bench.recorder import Recorder
from bench.relays import LOCAL_DOMAIN
from bench.wire import Wire

pytestmark = pytest.mark.usefixtures("through_the_gate")

# All that is asked about one client.
TIMEOUT = 2.0
BEHIND_A_PROXY = {"accept": "proxy-protocol", "trusted": ["127.0.0.1"]}


@pytest.fixture(scope="module")
def servers() -> Iterator[NameServers]:
    """NSD and Unbound."""
    it = NameServers()
    yield it
    it.stop()


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    """A relay that keeps every octet."""
    with Recorder() as it:
        yield it


def gate(servers: NameServers, recorder: Recorder, rules: str) -> Gate:
    """A gate that asks these servers, before this relay."""
    tables = f'\n[resolver]\nservers = ["{servers.address}"]\ntimeout = "{TIMEOUT:g}s"\n'
    return Gate(recorder.port, rules, waits={}, listener=BEHIND_A_PROXY, tables=tables)


def come(door: Gate, client: str) -> Wire:
    """A client that comes from there, and was greeted."""
    wire = Wire(door.port)
    family, called = ("TCP6", "2001:db8::25") if ":" in client else ("TCP4", "198.51.100.25")
    wire.send(f"PROXY {family} {client} {called} 50000 25\r\n".encode())
    assert wire.reply().code == 220
    wire.expect("EHLO client.example.org", "250")
    return wire


# DNS lists.

ZEN = """
[[dnslist]]
id = "zen"
zone = "zen.lists.test"
listed = ["127.0.0.2..127.0.0.11"]
weight = 3
"""

# Each of these would cost all mail if it were believed.
BAD = ("closed", "ended", "sold", "empty", "broken", "silent")
OTHERS = "".join(
    f"""
[[dnslist]]
id = "{name}"
zone = "{name}.lists.test"
listed = ["127.0.0.2..127.255.254.255"]
weight = 3
"""
    for name in BAD
)


@pytest.fixture(scope="module")
def listed(servers: NameServers, recorder: Recorder) -> Iterator[Gate]:
    """A gate with one list that works, and six that do not."""
    with gate(servers, recorder, ZEN + OTHERS) as it:
        wait_until("the list was tried", lambda: it.figure('gatepost_dnslist_usable{list="zen"}') == 1)
        wait_until("all were tried", lambda: it.log().count("a DNS list is put aside") == len(BAD))
        yield it


@pytest.mark.parametrize("client", [NAMES.LISTED, NAMES.LISTED_SIX])
def test_who_is_listed_is_refused_and_postmaster_is_heard(listed: Gate, client: str) -> None:
    with come(listed, client) as wire:
        wire.expect("MAIL FROM:<a@example.org>", "250")
        wire.expect(f"RCPT TO:<someone@{LOCAL_DOMAIN}>", "550 5.7.1 Your address is listed: zen, see zen.lists.test")
        wire.expect(f"RCPT TO:<postmaster@{LOCAL_DOMAIN}>", "250")
    words = "reason=dnslists", f"client={client} "
    lines = wait_until(
        "the verdict is told",
        lambda: [line for line in listed.log().splitlines() if all(word in line for word in words)],
    )
    (verdict,) = lines
    assert " verdict action=reject " in verdict
    assert 'detail="listed: zen 127.0.0.' in verdict


def test_lists_that_do_not_work_cost_no_mail_and_no_time(listed: Gate) -> None:
    begun = time.monotonic()
    with come(listed, NAMES.GOOD) as wire:
        wire.envelope("a@example.org", f"someone@{LOCAL_DOMAIN}")
    assert time.monotonic() - begun < TIMEOUT / 2
    for name in BAD:
        assert listed.figure(f'gatepost_dnslist_usable{{list="{name}"}}') == 0, name
        assert f"list=\"{name}\"" in listed.log()
    assert listed.figure('gatepost_dnslist_answers_total{list="zen",outcome="not_listed"}') >= 1


def test_a_list_that_falls_silent_makes_a_recipient_wait_no_longer_than_is_said(
    servers: NameServers, recorder: Recorder
) -> None:
    with gate(servers, recorder, ZEN) as door:
        wait_until("the list was tried", lambda: door.figure('gatepost_dnslist_usable{list="zen"}') == 1)
        servers.pause()
        try:
            begun = time.monotonic()
            with come(door, "192.0.2.77") as wire:
                assert time.monotonic() - begun < TIMEOUT / 2
                wire.envelope("a@example.org", f"someone@{LOCAL_DOMAIN}")
            assert time.monotonic() - begun < TIMEOUT + 1
        finally:
            servers.resume()
        assert door.figure('gatepost_lookups_total{kind="list",outcome="failed"}') == 1


# Names of clients.

# Who sends hears what is known of him.
TELLING = "".join(
    f"""
[[rule]]
id = "name-{verdict}"
on = "RCPT"
when = {{ "rcpt.local" = "who", "client.verdict" = "{verdict}" }}
then = "reject"
reply = "550 5.7.1 {verdict}"
"""
    for verdict in ("verified", "unverified", "failed", "unknown")
)


@pytest.fixture(scope="module")
def named(servers: NameServers, recorder: Recorder) -> Iterator[Gate]:
    """A gate whose rules read the client's name."""
    if not knows_names():
        pytest.skip("rules cannot read `client.verdict` yet")
    with gate(servers, recorder, NAMING + TELLING) as it:
        yield it


NAMING = """
[names]
annotate = "both"
client = "shown"
"""


def knows_names() -> bool:
    """Whether this gatepost has [names]."""
    place = make_place("check")
    try:
        rules = f'profile = "x"\nextends = "base"\n[relay]\nto = "{LOCAL_DOMAIN}"\n{NAMING}{TELLING}'
        (place / "x.toml").write_text(rules)
        done = subprocess.run([BINARY, "check", "x.toml"], cwd=place, capture_output=True, check=False)
        return done.returncode == 0
    finally:
        remove_place(place)


@pytest.mark.parametrize(
    ("client", "verdict"),
    [
        (NAMES.GOOD, "verified"),
        (NAMES.LIAR, "unverified"),
        (NAMES.NAMELESS, "unverified"),
        (NAMES.MANY, "verified"),
        (NAMES.MANY_LIARS, "unverified"),
        (NAMES.CONTROL, "unverified"),
        (NAMES.ALIASED, "verified"),
        (NAMES.DANGLING, "unverified"),
        (NAMES.HALF_BROKEN, "failed"),
        (NAMES.BROKEN, "failed"),
        (NAMES.SILENT, "failed"),
        (NAMES.SIX, "verified"),
        (NAMES.NAMELESS_SIX, "unverified"),
    ],
)
def test_a_name_is_what_dns_says_of_it(named: Gate, client: str, verdict: str) -> None:
    begun = time.monotonic()
    with come(named, client) as wire:
        assert time.monotonic() - begun < TIMEOUT / 2
        wire.expect("MAIL FROM:<a@example.org>", "250")
        wire.expect(f"RCPT TO:<who@{LOCAL_DOMAIN}>", f"550 5.7.1 {verdict}")
    assert time.monotonic() - begun < TIMEOUT + 1


# What is written on a message, and that nothing else of it changes.

# What the signature is about, besides the body.
SIGNED = (b"from", b"to", b"subject")


@pytest.mark.parametrize("canonical", [(b"simple", b"simple"), (b"relaxed", b"relaxed")])
@pytest.mark.parametrize(("client", "name"), [(NAMES.GOOD, "good.names.test"), (NAMES.LIAR, None), (NAMES.BROKEN, None)])
def test_a_signature_holds_behind_the_line_on_the_message(
    named: Gate, recorder: Recorder, client: str, name: str | None, canonical: tuple[bytes, bytes]
) -> None:
    private, public = key_pair()
    recipient = f"{unique('someone')}@{LOCAL_DOMAIN}"
    text = (
        b"Received: from inside.example.org by out.example.org; Tue, 24 Nov 2026 10:00:00 +0000\r\n"
        b"From: A <a@example.org>\r\nTo: <" + recipient.encode() + b">\r\nSubject:  two  spaces\r\n"
        b"\r\nA line.  \r\n.\r\n..two dots\r\n\r\n"
    )
    signature = dkim.sign(text, b"key", b"example.org", private, canonicalize=canonical, include_headers=SIGNED)
    with come(named, client) as wire:
        wire.envelope("a@example.org", recipient)
        assert wire.data(signature + text).code == 250
    (arrived,) = [it for it in recorder.messages if recipient.encode() in b" ".join(it.recipients)]
    # The recorder keeps it as it came: with its dots, and without the CRLF before the last one.
    content = b"\r\n".join(line.removeprefix(b".") for line in arrived.content.split(b"\r\n")) + b"\r\n"
    assert content.endswith(signature + text)
    assert dkim.verify(content, dnsfunc=lambda *_, **__: public)
    assert not dkim.verify(content.replace(b"A line", b"B line"), dnsfunc=lambda *_, **__: public)
    ours = content.removesuffix(signature + text)
    assert ours.count(b"\r\nReceived: from client.example.org (") + ours.startswith(b"Received: ") == 1
    assert (name is not None) == (f"({name} [{client}])".encode() in ours)
    assert b"Authentication-Results: gate.example.net" in ours


def key_pair() -> tuple[bytes, bytes]:
    """A private key, and what DNS would say of it."""
    private = subprocess.run(["openssl", "genrsa", "-traditional", "2048"], capture_output=True, check=True).stdout
    spki = subprocess.run(["openssl", "rsa", "-pubout"], input=private, capture_output=True, check=True).stdout
    body = b"".join(line for line in spki.splitlines() if not line.startswith(b"-"))
    return private, b"v=DKIM1; k=rsa; p=" + body
