"""Who the client is, as a real relay learns it: by XCLIENT, and by PROXY headers."""

from __future__ import annotations

import smtplib
from collections.abc import Iterator

import pytest

from bench.gate import Gate
from bench.ground import free_port
from bench.mail import unique
from bench.relays import LOCAL_DOMAIN, Postfix

pytestmark = pytest.mark.usefixtures("through_the_gate")

# Another address of this host: the gate's links come from 127.0.0.1.
CLIENT = "127.0.0.9"


class Told(Postfix):
    """Postfix that takes XCLIENT from the gate, with a second door for PROXY headers, and trusts the gate's address."""

    def configure(self) -> None:
        self.headers = free_port()
        super().configure()

    def settings(self) -> dict[str, object]:
        """Mail to anywhere from this address, so that it shows whose address counts."""
        return super().settings() | {
            "smtpd_authorized_xclient_hosts": "127.0.0.1",
            "mynetworks": "127.0.0.1/32",
            "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        }

    def services(self) -> str:
        """Its doors."""
        door = f"127.0.0.1:{self.headers} inet n - n - 200 smtpd -o smtpd_upstream_proxy_protocol=haproxy\n"
        return super().services() + door


@pytest.fixture(scope="module")
def told() -> Iterator[Told]:
    """The relay."""
    it = Told()
    yield it
    it.stop()


# Mail for everywhere passes the gate: what is refused, the relay refuses.
ANYWHERE = """
[relay]
to = ["example.com", "elsewhere.test"]
"""


@pytest.mark.parametrize("identity", ["xclient", "proxy-v1", "proxy-v2"])
def test_the_relay_knows_the_client_and_trusts_it_with_nothing(told: Told, identity: str) -> None:
    port = told.port if identity == "xclient" else told.headers
    recipient = f"{unique('someone')}@{LOCAL_DOMAIN}"
    with (
        Gate(port, ANYWHERE, {"identity": identity}) as gate,
        smtplib.SMTP("127.0.0.1", gate.port, "client.example.org", timeout=20, source_address=(CLIENT, 0)) as client,
    ):
        client.ehlo()
        assert client.mail("a@example.org")[0] == 250
        code, words = client.rcpt("b@elsewhere.test")
        assert code == 554 and b"Relay access denied" in words, (code, words)
        client.rset()
        client.sendmail("a@example.org", [recipient], f"Subject: {identity}\r\n\r\nwords\r\n")
    received = told.maildir.one(recipient).header("Received")
    assert "client.example.org" in received and f"[{CLIENT}]" in received, received


def test_a_relay_that_does_not_let_the_gate_say_so_gets_no_mail(house: object) -> None:
    relay = house.relay(Postfix)  # type: ignore[attr-defined]
    with Gate(relay.port, "", {"identity": "xclient"}, relay_is_up=False) as gate:
        with pytest.raises((smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected)) as refused:
            for _ in range(50):
                with smtplib.SMTP("127.0.0.1", gate.port, timeout=20) as client:
                    client.ehlo()
        assert "421" in str(refused.value) or "4.3.2" in str(refused.value), refused.value
