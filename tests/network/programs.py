"""Postfix and Exim behind the gate, HAProxy in front of it: who the client is by their own logs, and in what they deliver."""

from __future__ import annotations

import re
import socket
import time
from typing import NamedTuple

from bench import relays
from bench.ground import wait_until
from bench.mail import unique

from gates import Door, balancer, gate, gates, send
from scripted import LOOPBACK, OUTER, TRANSPARENT
from spaces import BEHIND, CLIENT, CLIENTS, EXIM, INSIDE, OUTSIDE, POSTFIX, firewall, standing_in


# A door that takes nothing without a PROXY header, and one that takes nobody's word.
HEADERS, ALOOF = 10026, 10027


class Postfix(relays.Postfix):
    """It believes XCLIENT from the gate; what it has to say of clients is said with their ports."""

    def settings(self) -> dict[str, object]:
        return super().settings() | {
            "inet_interfaces": "all",
            "inet_protocols": "all",
            "smtpd_authorized_xclient_hosts": f"{INSIDE[4]}, [{INSIDE[6]}]",
            "smtpd_client_port_logging": "yes",
        }

    def services(self) -> str:
        doors = super().services()
        for address in (POSTFIX[4], f"[{POSTFIX[6]}]"):
            doors += f"{address}:25 inet n - n - 200 smtpd\n"
            doors += f"{address}:{HEADERS} inet n - n - 200 smtpd -o smtpd_upstream_proxy_protocol=haproxy\n"
            doors += f"{address}:{ALOOF} inet n - n - 200 smtpd -o smtpd_authorized_xclient_hosts=\n"
        return doors


class Exim(relays.Exim):
    """It takes PROXY headers, of either version, from the gate. Debian's knows no XCLIENT: it is an experiment of later ones."""

    interfaces = f"<; [127.0.0.1] ; [{EXIM[4]}]:25 ; [{EXIM[6]}]:25"

    def doors(self) -> str:
        return super().doors() + f"hosts_proxy = <; {INSIDE[4]} ; {INSIDE[6]}\n"


class House(NamedTuple):
    """The relays."""

    postfix: Postfix
    exim: Exim


def open_house() -> House:
    with standing_in(BEHIND):
        postfix = Postfix()
        try:
            return House(postfix, Exim())
        except BaseException:
            postfix.stop()
            raise


def arrives(relay: relays.Relay, client: str, server: str, port: int = 25) -> tuple[int, str]:
    """A message comes to the mailbox, and the relay has it from the client; gives the client's port, and the log's line."""
    recipient = f"{unique('someone')}@example.com"
    own, error = send(server, port, recipient=recipient)
    assert not error, error
    received = relay.maildir.one(recipient).header("Received")
    literal = f"IPv6:{client}" if ":" in client and relay.name == "postfix" else client
    assert f"[{literal}]" in received, received
    assert not any(f"[{gate}]" in received or f":{gate}]" in received for gate in INSIDE.values()), received
    found = re.search(r"\bid ([0-9A-Za-z-]+)", received)
    assert found, received

    def said() -> list[str]:
        first = re.compile(rf"\b{found[1]}(: client=| <= )")
        return [line for line in relay.log().splitlines() if first.search(line)]

    (line,) = wait_until("it is in the log", said)
    assert f"[{client}]" in line, line
    return own, line


def postfix_and_exim_know_the_client_behind_tproxy(house):
    """With its own port, as if there was no gate."""
    firewall("tproxy.nft")
    with gate(LOOPBACK, "tproxy", TRANSPARENT):
        for family, client in CLIENTS.items():
            port, line = arrives(house.postfix, client, POSTFIX[family])
            assert f"[{client}]:{port}" in line, (line, port)
            arrives(house.exim, client, EXIM[family])


def postfix_knows_the_client_behind_tproxy_by_xclient(house):
    """Where its way back does not lead through the gate."""
    firewall("tproxy.nft")
    with gate(LOOPBACK, "tproxy", 'address = "original"\nidentity = "xclient"'):
        for family, client in CLIENTS.items():
            port, line = arrives(house.postfix, client, POSTFIX[family])
            assert f"[{client}]:{port}" in line, (line, port)


def postfix_knows_the_client_behind_redirect(house):
    """By XCLIENT, and by the address itself."""
    firewall("redirect.nft")
    for identity in ("xclient", "transparent"):
        with gate(OUTER, "redirect", f'address = "original"\nidentity = "{identity}"'):
            for family, client in CLIENTS.items():
                port, line = arrives(house.postfix, client, POSTFIX[family])
                assert (f"[{client}]:{port}" in line) == (identity == "xclient"), (line, port)


def exim_knows_the_client_in_the_way_by_headers_alone(house):
    """TPROXY or NAT in front, PROXY headers behind: `exim -bV` of Debian names no XCLIENT."""
    with standing_in(BEHIND):
        assert b"XCLIENT" not in house.exim.enclosure.run("/usr/sbin/exim4", "-bV"), "it has learned it: test it"
    for rules, listen, accept in (("tproxy.nft", LOOPBACK, "tproxy"), ("redirect.nft", OUTER, "redirect")):
        firewall(rules)
        with gate(listen, accept, 'address = "original"\nidentity = "proxy-v2"'):
            for family, client in CLIENTS.items():
                arrives(house.exim, client, EXIM[family])


# How the relay is told, and where.
OUT = [
    ("postfix", "xclient", f"{POSTFIX[4]}:25"),
    ("postfix", "xclient", f"[{POSTFIX[6]}]:25"),
    ("postfix", "proxy-v1", f"{POSTFIX[4]}:{HEADERS}"),
    ("postfix", "proxy-v2", f"{POSTFIX[4]}:{HEADERS}"),
    ("postfix", "proxy-v2", f"[{POSTFIX[6]}]:{HEADERS}"),
    ("exim", "proxy-v1", f"{EXIM[4]}:25"),
    ("exim", "proxy-v1", f"[{EXIM[6]}]:25"),
    ("exim", "proxy-v2", f"{EXIM[4]}:25"),
]


def headers_of_haproxy_come_in_and_the_relay_is_told_in_every_way(house):
    """Two versions in, three ways out, of two families each."""
    firewall(None)
    doors = [
        Door([f"127.0.0.1:{2525 + n}"], "proxy-protocol", f'address = "{address}"\nidentity = "{identity}"', ["127.0.0.1"])
        for n, (_, identity, address) in enumerate(OUT)
    ]
    ways = {
        port + n: (f"127.0.0.1:{2525 + n}", version)
        for port, version in ((3000, "send-proxy"), (4000, "send-proxy-v2"))
        for n, _ in enumerate(OUT)
    }
    with gates(*doors) as running, balancer(ways):
        running.until_relays_are_up(len(doors))
        for port, (server, version) in ways.items():
            name, identity, address = OUT[port % 1000]
            for family, client in CLIENTS.items():
                own, line = arrives(getattr(house, name), client, OUTSIDE[family], port)
                assert name == "exim" or f"[{client}]:{own}" in line, (version, identity, address, own, line)
        assert running.figure('gatepost_proxy_headers_total{listener="mx",result="client"}') == 4


def the_checks_of_haproxy_are_its_own(house):
    """It asks whether the gate is there, and says that nobody is behind that (LOCAL); then it leads clients there."""
    firewall(None)
    behind = f'address = "{POSTFIX[4]}:25"\nidentity = "xclient"'
    ways = {3000: ("127.0.0.1:2525", "send-proxy-v2 check inter 100ms")}
    with gate(LOOPBACK[:1], "proxy-protocol", behind, ["127.0.0.1"]) as running, balancer(ways, "option smtpchk"):
        running.until_relays_are_up()
        nobody = 'gatepost_proxy_headers_total{listener="mx",result="nobody"}'
        wait_until("it has asked", lambda: running.figure(nobody) > 2)
        arrives(house.postfix, CLIENTS[4], OUTSIDE[4], 3000)


V1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 50000 25\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([203, 0, 113, 9, 192, 0, 2, 1, 0xC3, 0x50, 0, 25])
FULL = b"EHLO client.test\r\nMAIL FROM:<a@client.test>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"


def hears(server: str, port: int, said: bytes) -> bytes:
    """What a client hears that says this, until it is closed."""
    with standing_in(CLIENT), socket.create_connection((server, port), 10) as wire:
        heard = b""
        try:
            wire.sendall(said)
            while piece := wire.recv(1000):
                heard += piece
        except ConnectionError:
            pass
        return heard


def a_peer_that_is_not_trusted_is_closed_whatever_it_says(house):
    """It is nobody's balancer, and could call itself anything."""
    firewall(None)
    behind = f'address = "{POSTFIX[4]}:25"\nidentity = "xclient"'
    with gate(OUTER, "proxy-protocol", behind, ["127.0.0.1"]) as running:
        for server in OUTSIDE.values():
            for said in (V1, V2, V1 + FULL, FULL, b""):
                assert hears(server, 2525, said) == b"", said
        assert running.figure('gatepost_proxy_headers_total{listener="mx",result="untrusted"}') == 10
        running.wait_for("reason=\"untrusted\"")
    assert "203.0.113.9" not in house.postfix.log()


def a_balancer_that_is_trusted_and_sends_no_header_is_closed(house):
    """HAProxy without `send-proxy`: nobody's mail passes as the balancer's, whether the client waits or not."""
    firewall(None)
    behind = f'address = "{POSTFIX[4]}:25"\nidentity = "xclient"'
    series = 'gatepost_proxy_headers_total{{listener="mx",result="{}"}}'
    with (
        gate(LOOPBACK[:1], "proxy-protocol", behind, ["127.0.0.1"]) as running,
        balancer({3000: ("127.0.0.1:2525", "")}),
    ):
        # Its client may say what it likes, but a header: that one is the client's word, and HAProxy hands it on.
        for said, result in ((FULL, "absent"), (b"", "timed_out")):
            assert hears(OUTSIDE[4], 3000, said) == b""
            assert running.figure(series.format(result)) == 1, result




def a_balancer_that_hides_its_clients_is_noticed(house):
    """HAProxy without `send-proxy`, and nothing that would refuse it: who comes is the balancer."""
    firewall(None)
    with (
        gate(LOOPBACK[:1], "direct", f'address = "{POSTFIX[4]}:25"\nidentity = "xclient"') as running,
        balancer({3000: ("127.0.0.1:2525", "")}),
    ):
        hidden = 'gatepost_clients_hidden{listener="mx"}'
        assert running.figure(hidden) == 0
        for _ in range(200):
            hears(OUTSIDE[4], 3000, b"QUIT\r\n")
        assert running.figure(hidden) == 1
        running.wait_for("clients are hidden")


def nothing_goes_round_a_gate_that_is_down(house):
    """The last line of the rules drops what nobody took; without it the kernel leads everybody to the relay."""
    firewall(None)
    for family, client in CLIENTS.items():
        arrives(house.postfix, client, POSTFIX[family])
    firewall("tproxy.nft", without="counter drop")
    for family, client in CLIENTS.items():
        arrives(house.postfix, client, POSTFIX[family])
    for rules in ("tproxy.nft", "redirect.nft"):
        firewall(rules)
        before = house.postfix.log().count("connect from unknown")
        for server in POSTFIX.values():
            port, error = send(server, wait=2)
            assert port is None and error, f"{rules}: it came through"
        assert house.postfix.log().count("connect from unknown") == before, rules


def a_relay_that_takes_nobodys_word_gets_no_mail(house):
    """This door of Postfix offers no XCLIENT to the gate."""
    firewall(None)
    behind = f'address = "{POSTFIX[4]}:{ALOOF}"\nidentity = "xclient"\nwhen_down = "greet"'
    with gate(OUTER, "direct", behind) as running:
        recipient = f"{unique('someone')}@example.com"
        for server in OUTSIDE.values():
            _, error = send(server, 2525, recipient=recipient)
            assert "451" in error and "4.3.5" in error, error
        assert running.figure('gatepost_links_total{relay="mx",result="identity_absent"}') >= 2
        assert running.figure('gatepost_messages_total{listener="mx",outcome="accepted"}') == 0
    time.sleep(0.2)
    assert house.postfix.maildir.now(recipient) == []


TESTS = [
    postfix_and_exim_know_the_client_behind_tproxy,
    postfix_knows_the_client_behind_tproxy_by_xclient,
    postfix_knows_the_client_behind_redirect,
    exim_knows_the_client_in_the_way_by_headers_alone,
    headers_of_haproxy_come_in_and_the_relay_is_told_in_every_way,
    the_checks_of_haproxy_are_its_own,
    a_peer_that_is_not_trusted_is_closed_whatever_it_says,
    a_balancer_that_is_trusted_and_sends_no_header_is_closed,
    a_balancer_that_hides_its_clients_is_noticed,
    nothing_goes_round_a_gate_that_is_down,
    a_relay_that_takes_nobodys_word_gets_no_mail,
]
