"""DNS as it is: NSD, which knows zones, and Unbound, which asks it, follows aliases, remembers, and fails where it must.

All of it is about documentation addresses (RFC 5737, RFC 3849), which real clients never have.
"""

from __future__ import annotations

import socket

from .enclosure import Enclosure
from .ground import free_port, wait_until

# The addresses of clients, by what is wrong with their names.
GOOD = "192.0.2.1"
LIAR = "192.0.2.2"
NAMELESS = "192.0.2.3"
MANY = "192.0.2.4"
MANY_LIARS = "192.0.2.5"
CONTROL = "192.0.2.6"
ALIASED = "192.0.2.7"
DANGLING = "192.0.2.8"
HALF_BROKEN = "192.0.2.9"
BROKEN = "198.51.100.1"
SILENT = "203.0.113.1"
SIX = "2001:db8::1"
NAMELESS_SIX = "2001:db8::2"
LISTED = "192.0.2.66"
LISTED_SIX = "2001:db8::66"

_TWENTY = range(20)
_NIBBLES = ".".join("0" * 23)

# A zone and its records. Backslashes and digits are octets (RFC 1035 5.1).
_ZONES = {
    "2.0.192.in-addr.arpa": f"""
1 PTR good.names.test.
2 PTR liar.names.test.
{"".join(f"4 PTR many{number}.names.test.{chr(10)}" for number in _TWENTY)}
{"".join(f"5 PTR many{number}.names.test.{chr(10)}" for number in _TWENTY)}
6 PTR a\\013\\010Received:\\032b.names.test.
7 CNAME 7.0-127.2.0.192.in-addr.arpa.
8 PTR nowhere.names.test.
9 PTR far.broken.test.
""",
    # The reverse zone of a part of a network lies elsewhere (RFC 2317).
    "0-127.2.0.192.in-addr.arpa": "7 PTR alias.names.test.\n",
    "8.b.d.0.1.0.0.2.ip6.arpa": f"1.{_NIBBLES} PTR six.names.test.\n",
    "names.test": f"""
good A {GOOD}
good A 192.0.2.200
liar A 192.0.2.201
{"".join(f"many{number} A {MANY}{chr(10)}" for number in _TWENTY)}
a\\013\\010Received:\\032b A {CONTROL}
alias CNAME second.names.test.
second CNAME third.others.test.
six AAAA {SIX}
six A {GOOD}
""",
    "others.test": f"third A {ALIASED}\n",
    "zen.lists.test": f"""
2.0.0.127 A 127.0.0.2
66.2.0.192 A 127.0.0.4
66.2.0.192 A 127.0.0.11
66.2.0.192 TXT "https://lists.test/query?ip=192.0.2.66"
6.6.{_NIBBLES[2:]}.8.b.d.0.1.0.0.2 A 127.0.0.3
""",
    # It answers so to whoever has asked too often, whatever was asked.
    "closed.lists.test": "* A 127.255.255.254\n",
    # It has ended, and is out of patience with those who still ask.
    "ended.lists.test": "* A 127.0.0.2\n",
    # Somebody sells the domain.
    "sold.lists.test": "* A 192.0.2.80\n",
    # It was emptied.
    "empty.lists.test": "",
}

# For these Unbound asks NSD, which does not know them and says so (REFUSED): the client hears SERVFAIL.
_BROKEN = ("100.51.198.in-addr.arpa", "broken.test", "broken.lists.test")
# And for these somebody who never says anything.
_SILENT = ("113.0.203.in-addr.arpa", "silent.lists.test")


class NameServers:
    """Both, in one private root."""

    def __init__(self) -> None:
        self.port, self._authority = free_port(), free_port()
        self._mute = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._mute.bind(("127.0.0.1", 0))
        self.enclosure = Enclosure("names", ["nsd", "unbound"])
        try:
            self._configure()
            self.enclosure.start("bash", "-c", "nsd -d -c /etc/nsd/nsd.conf & exec unbound -d -c /etc/unbound/unbound.conf")
            wait_until("the name servers answer", self._answers)
        except BaseException as failure:
            failure.add_note(self.enclosure.log())
            self.stop()
            raise

    @property
    def address(self) -> str:
        """Whom to ask."""
        return f"127.0.0.1:{self.port}"

    def _configure(self) -> None:
        place = self.enclosure
        for folder in ("/var/lib/nsd", "/run/nsd", "/etc/nsd/zones", "/etc/unbound/unbound.conf.d"):
            place.folder(folder)
        zones = "".join(f'zone:\n  name: "{zone}"\n  zonefile: "{zone}"\n' for zone in _ZONES)
        for zone, records in _ZONES.items():
            head = f"$ORIGIN {zone}.\n$TTL 60\n@ SOA ns.names.test. admin.names.test. 1 3600 600 86400 30\n@ NS ns.names.test.\n"
            place.write(f"/etc/nsd/zones/{zone}", head + records)
        place.write(
            "/etc/nsd/nsd.conf",
            f"""server:
  ip-address: 127.0.0.1@{self._authority}
  server-count: 1
  username: ""
  database: ""
  zonesdir: "/etc/nsd/zones"
  xfrdfile: "/var/lib/nsd/xfrd.state"
  zonelistfile: "/var/lib/nsd/zone.list"
  pidfile: "/run/nsd/nsd.pid"
remote-control:
  control-enable: no
{zones}""",
        )
        mute = self._mute.getsockname()[1]
        asked = {zone: self._authority for zone in (*_ZONES, *_BROKEN)} | {zone: mute for zone in _SILENT}
        stubs = "".join(f'stub-zone:\n  name: "{zone}"\n  stub-addr: 127.0.0.1@{port}\n' for zone, port in asked.items())
        # What nobody may have, Unbound answers by itself, unless it is told not to (RFC 6303).
        local = "".join(f'  local-zone: "{zone}" nodefault\n' for zone in asked if zone.endswith("arpa"))
        place.write(
            "/etc/unbound/unbound.conf",
            f"""server:
  interface: 127.0.0.1
  port: {self.port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: "/etc/unbound"
  pidfile: "/run/unbound.pid"
  use-syslog: no
  do-not-query-localhost: no
  module-config: "iterator"
  local-zone: "test" nodefault
{local}remote-control:
  control-enable: no
{stubs}""",
        )

    def _answers(self) -> bool:
        """Whether the whole way is there: one question, by hand (RFC 1035 4.1)."""
        name = b"".join(bytes([len(label)]) + label.encode() for label in "good.names.test".split("."))
        question = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0" + name + b"\0\0\x01\0\x01"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(1)
            try:
                asking.sendto(question, ("127.0.0.1", self.port))
                answer = asking.recv(512)
            except OSError:
                return False
        return answer[3] & 15 == 0 and answer[7] == 2

    def pause(self) -> None:
        """From now on nobody answers, until `resume`."""
        self._signal("STOP")

    def resume(self) -> None:
        """They answer again."""
        self._signal("CONT")

    def _signal(self, name: str) -> None:
        self.enclosure.run("bash", "-c", f"kill -{name} $(cat /run/unbound.pid)")

    def stop(self) -> None:
        """Ends both."""
        self._mute.close()
        self.enclosure.stop()
