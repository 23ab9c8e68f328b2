"""Postfix, Exim and Dovecot's submission service as relays that ask who sends, with TLS of their own and without.

Each knows one account, whom it lets send anywhere, by PLAIN, LOGIN and CRAM-MD5, and has three doors: in clear, with
STARTTLS, and in TLS from the first octet. Behind STARTTLS Postfix and Exim speak of accounts in TLS alone, as most do.
OpenSMTPD is not among them: that of Debian 12 ends every handshake with an internal error (alert 80).
"""

from __future__ import annotations

import re
from pathlib import Path

from .ground import free_port, greets, wait_until
from .mail import Delivered, Maildir
from .papers import papers
from .recorder import Recorder
from .relays import LOCAL_DOMAIN, MAIL_FOLDER, Exim, Postfix, Relay

USER, PASSWORD = f"anna@{LOCAL_DOMAIN}", "correct horse; battery=staple"
# Where the relay sends for nobody else.
ELSEWHERE = "elsewhere.test"

_CHAIN, _KEY = "/etc/papers/relay.pem", "/etc/papers/relay.key"


class Keeper(Relay):
    """What the three have in common. `port` is the door in clear."""

    # In its log: that somebody has come in, and how.
    entered: str

    def __init__(self) -> None:
        self.starttls_port, self.implicit_port = free_port(), free_port()
        super().__init__()

    def entries(self) -> list[str]:
        """The mechanisms by which its user has come in so far."""
        return [self.mechanism(said) for said in re.findall(self.entered, self.log())]

    def mechanism(self, said: str) -> str:
        """What it calls so."""
        return said

    def _place_papers(self, uid: int = 0) -> None:
        paper = papers().relay
        self.enclosure.folder("/etc/papers", uid)
        for file, path in ((paper.chain, _CHAIN), (paper.key, _KEY)):
            self.enclosure.copy(file, path, uid)


class PostfixKeeper(Keeper, Postfix):
    """Postfix with Cyrus SASL and its own database of passwords."""

    packages = ["postfix", "sasl2-bin"]
    entered = r"sasl_method=([\w-]+), sasl_username=" + USER

    def __init__(self) -> None:
        # One more with STARTTLS, whose certificate has expired.
        self.expired_port = free_port()
        super().__init__()
    foreign_domains = (ELSEWHERE,)

    def configure(self) -> None:
        super().configure()
        self._place_papers()
        self.enclosure.copy(papers().expired.chain, "/etc/papers/expired.pem")
        self.enclosure.copy(papers().expired.key, "/etc/papers/expired.key")
        self.enclosure.copy(papers().ours.root, "/etc/papers/ca.pem")
        self.enclosure.folder("/etc/postfix/sasl")
        self.enclosure.write(
            "/etc/postfix/sasl/smtpd.conf",
            "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN CRAM-MD5\n",
        )

    def settings(self) -> dict[str, object]:
        return super().settings() | {
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_security_options": "noanonymous",
            "smtpd_sasl_path": "smtpd",
            "cyrus_sasl_config_path": "/etc/postfix/sasl",
            "smtpd_tls_chain_files": f"{_KEY}, {_CHAIN}",
            "smtpd_tls_CAfile": "/etc/papers/ca.pem",
            "smtpd_tls_ask_ccert": "yes",
            "smtpd_tls_loglevel": 1,
        }

    def services(self) -> str:
        return f"""\
127.0.0.1:{self.port} inet n - n - 200 smtpd
127.0.0.1:{self.starttls_port} inet n - n - 200 smtpd -o smtpd_tls_security_level=may
  -o smtpd_tls_auth_only=yes
127.0.0.1:{self.implicit_port} inet n - n - 200 smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{self.expired_port} inet n - n - 200 smtpd -o smtpd_tls_security_level=may
  -o smtpd_tls_chain_files=/etc/papers/expired.key,/etc/papers/expired.pem
"""

    def prepare(self) -> None:
        name, _, domain = USER.partition("@")
        self.enclosure.run("saslpasswd2", "-c", "-p", "-u", domain, name, stdin=PASSWORD.encode())
        self.enclosure.run("chown", "postfix", "/etc/sasldb2")


class EximKeeper(Keeper, Exim):
    """Exim with the authenticators of its own example configuration, and cram_md5."""

    entered = rf" A=(\w+):{USER} "
    foreign_domains = (ELSEWHERE,)

    def configure(self) -> None:
        super().configure()
        self._place_papers(61803)
        self.enclosure.write("/etc/exim4/passwd", f'"{USER}": {PASSWORD}\n', mode=0o644)

    def mechanism(self, said: str) -> str:
        return {"cram": "CRAM-MD5"}.get(said, said.upper())

    def doors(self) -> str:
        everywhere = f"{self.port} : {self.starttls_port} : {self.implicit_port}"
        return f"""\
daemon_smtp_ports = {everywhere}
tls_on_connect_ports = {self.implicit_port}
tls_advertise_hosts = ${{if eq{{$received_port}}{{{self.port}}}{{}}{{*}}}}
tls_certificate = {_CHAIN}
tls_privatekey = {_KEY}
auth_advertise_hosts = ${{if or{{ {{eq{{$received_port}}{{{self.port}}}}} {{def:tls_in_cipher}} }}{{*}}{{}}}}
"""

    def authenticators(self) -> str:
        known = "${lookup{$auth1}lsearch{/etc/exim4/passwd}{$value}fail}"
        return f"""\
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{ {{!eq{{$auth3}}{{}}}} {{eq{{$auth3}}{{{known.replace("auth1", "auth2")}}}}} }}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{ {{!eq{{$auth2}}{{}}}} {{eq{{$auth2}}{{{known}}}}} }}}}
  server_set_id = $auth1
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = {known}
  server_set_id = $auth1
"""


class Shelf(Maildir):
    """What a recorder was handed, asked for as if it were a Maildir."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(Path("/nonexistent"), "")
        self._recorder = recorder

    def now(self, recipient: str) -> list[Delivered]:
        """What lies there at this moment."""
        wanted = f"<{recipient}>".encode().lower()
        taken = [it for it in self._recorder.messages if any(wanted in to.lower() for to in it.recipients)]
        return [Delivered(it.content.replace(b"\r\n", b"\n")) for it in taken]

    def wait(self, recipient: str, count: int = 1, within: float = 30.0) -> list[Delivered]:
        wait_until(f"{count} message(s) for {recipient}", lambda: len(self.now(recipient)) >= count, within)
        found = self.now(recipient)
        assert len(found) == count, f"{len(found)} messages for {recipient} instead of {count}"
        return found

    def discard(self, recipient: str) -> None:
        """It is small."""


class DovecotKeeper(Keeper):
    """Dovecot 2.3's submission service, which hands on to a recorder what its users bring."""

    name = "dovecot"
    packages = ["dovecot-core", "dovecot-submissiond"]
    entered = rf"Login: user=<{USER}>, method=([\w-]+),"

    def configure(self) -> None:
        self._onward = Recorder()
        place = self.enclosure
        place.add_account("dovecot", 61806)
        place.add_account("dovenull", 61807)
        for folder in ("/run", "/var/lib/dovecot-clear", "/var/lib/dovecot-secured", "/etc/dovecot"):
            place.folder(folder)
        place.folder("/home/mailbox", 61810)
        self._place_papers()
        place.write("/etc/dovecot/passwd", f"{USER}:{{PLAIN}}{PASSWORD}:61810:61810::/home/mailbox::\n")
        # One that has TLS offers it at each of its doors. The door in clear is that of a second one.
        place.write("/etc/dovecot/clear.conf", self._configuration("clear", "no", (self.port, "no")))
        doors = (self.starttls_port, "no"), (self.implicit_port, "yes")
        place.write("/etc/dovecot/secured.conf", self._configuration("secured", "yes", *doors))

    def _configuration(self, name: str, tls: str, *doors: tuple[int, str]) -> str:
        listeners = "".join(
            f"  inet_listener door{port} {{\n    address = 127.0.0.1\n    port = {port}\n    ssl = {implicit}\n  }}\n"
            for port, implicit in doors
        )
        return f"""\
instance_name = {name}
base_dir = /run/dovecot-{name}
state_dir = /var/lib/dovecot-{name}
protocols = submission
log_path = /dev/stderr
hostname = dovecot.example.net
ssl = {tls}
ssl_cert = <{_CHAIN}
ssl_key = <{_KEY}
disable_plaintext_auth = no
auth_mechanisms = plain login cram-md5
auth_verbose = yes
mail_location = maildir:~/Maildir
passdb {{
  driver = passwd-file
  args = username_format=%u /etc/dovecot/passwd
}}
userdb {{
  driver = passwd-file
  args = username_format=%u /etc/dovecot/passwd
}}
submission_relay_host = 127.0.0.1
submission_relay_port = {self._onward.port}
submission_relay_trusted = no
recipient_delimiter =
service submission-login {{
  inet_listener submission {{
    port = 0
  }}
{listeners}}}
"""

    def command(self) -> list[str]:
        both = " & ".join(f"/usr/sbin/dovecot -F -c /etc/dovecot/{name}.conf" for name in ("clear", "secured"))
        return ["/bin/sh", "-c", both]

    def prepare(self) -> None:
        wait_until("dovecot greets in both", lambda: greets(self.starttls_port))

    def shelf(self) -> Shelf:
        return Shelf(self._onward)

    def stop(self) -> None:
        super().stop()
        self._onward.stop()


KEEPERS = (PostfixKeeper, EximKeeper, DovecotKeeper)
