"""Postfix, Exim and OpenSMTPD as Debian's packages leave them for an Internet site of example.com.

Each has a network of its own, so that it can listen where it would: on port 25. What the packages ask when they are
installed is answered here; everything else is theirs.
"""

from __future__ import annotations

import re
from pathlib import Path

from .enclosure import MAILBOX_UID, Enclosure
from .ground import wait_until
from .relays import LOCAL_DOMAIN

USER = "mailbox"
_HOST = "relay.example.net"

# There is no systemd inside. Its words are carried out by the package's own init script; but where one is restarted,
# systemd waits until nothing is left of it.
_SYSTEMCTL = """#!/bin/sh
if [ "$1" = restart ]; then
    "/etc/init.d/$2" stop
    while grep -qsxE 'exim4|smtpd' /proc/[0-9]*/comm; do sleep 0.05; done
    set -- start "$2"
fi
exec "/etc/init.d/$2" "$1"
"""


class Stock:
    """What the three have in common."""

    name: str
    packages: list[str]
    # Its service, and where mail for the user lies.
    service: str
    mail: str

    def __init__(self) -> None:
        self.inside = Enclosure(f"stock-{self.name}", self.packages, shares_network=False)
        try:
            for folder in ("/run", "/var/mail", "/etc/default"):
                self.inside.folder(folder, mode=0o1777 if folder == "/var/mail" else 0o755)
            self.inside.write("/etc/aliases", f"postmaster: root\nroot: {USER}\n")
            self.inside.write("/usr/bin/systemctl", _SYSTEMCTL, mode=0o755)
            self.inside.write("/usr/bin/sudo", '#!/bin/sh\nexec "$@"\n', mode=0o755)
            self.configure()
            self.inside.folder("/home/mailbox", MAILBOX_UID)
            self.inside.start("/bin/sleep", "infinity")
            wait_until(f"{self.name} is open", lambda: self.inside.attempt("/bin/true").returncode == 0)
            self.set_up()
            self.inside.run("systemctl", "start", self.service)
            self.await_port(25)
        except BaseException:
            self.stop()
            raise

    def configure(self) -> None:
        """Accounts, folders and answers."""
        raise NotImplementedError

    def set_up(self) -> None:
        """What else the package does when it is installed."""

    def shell(self, script: str) -> None:
        """Runs lines as they would be typed; the first one that fails ends it."""
        self.inside.run("/bin/sh", "-ec", script)

    def listens(self, port: int) -> bool:
        """Whether somebody greets on the port."""
        hello = f"exec 3<>/dev/tcp/127.0.0.1/{port} && read -r -t 2 line <&3 && [[ $line == 220* ]]"
        return self.inside.attempt("/bin/bash", "-c", hello).returncode == 0

    def await_port(self, port: int) -> None:
        """Waits for a greeting."""
        wait_until(f"{self.name} greets on {port}", lambda: self.listens(port))

    def answer_to(self, recipient: str, port: int) -> str:
        """The reply to RCPT of somebody who comes from this host."""
        said = self.inside.attempt(
            "swaks", "--server", "127.0.0.1", "--port", str(port), "--helo", "localhost",
            "--from", "a@example.org", "--to", recipient, "--quit-after", "RCPT",
        ).stdout.decode()  # fmt: skip
        found = re.search(r"-> RCPT TO:.*\n<(?:-|\*\*) +(.*)", said)
        assert found, said
        return found[1]

    def mailbox(self) -> str:
        """All that the user has got."""
        place = self.inside.upper / self.mail.lstrip("/")
        files = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        return "".join(path.read_text() for path in files if path.exists())

    def stop(self) -> None:
        """Ends it and all that was done inside."""
        self.inside.stop()


class StockPostfix(Stock):
    """With the answers "Internet Site" and example.com."""

    name = service = "postfix"
    packages = ["postfix"]
    mail = f"/var/mail/{USER}"

    def configure(self) -> None:
        self.inside.add_account("postfix", 61801)
        self.inside.add_group("postdrop", 61802)
        self.inside.folder("/var/lib/postfix", 61801)
        self.inside.folder("/var/spool/postfix")
        shared = self.inside.upper / "usr/share/postfix"
        # What remains in /etc/postfix is the package's; a Postfix that this machine may have stays out of sight.
        for original, path in (("main.cf.debian", "main.cf"), ("master.cf.dist", "master.cf")):
            self.inside.write(f"/etc/postfix/{path}", Path(shared, original).read_text())

    def set_up(self) -> None:
        settings = {
            "smtpd_relay_restrictions": "permit_mynetworks permit_sasl_authenticated defer_unauth_destination",
            "myhostname": _HOST,
            "mydestination": f"$myhostname, {LOCAL_DOMAIN}, localhost",
            "mynetworks": "127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128",
            "alias_maps": "hash:/etc/aliases",
            "alias_database": "hash:/etc/aliases",
            "relayhost": "",
            "mailbox_size_limit": "0",
            "inet_interfaces": "all",
        }
        self.inside.run("postconf", "-e", *(f"{name}={value}" for name, value in settings.items()))
        self.shell("newaliases; postfix set-permissions || true")


class StockExim(Stock):
    """With the answers "internet site" and example.com."""

    name = "exim"
    service = "exim4"
    packages = ["exim4-base", "exim4-config", "exim4-daemon-heavy"]
    mail = f"/var/mail/{USER}"

    def configure(self) -> None:
        self.inside.add_account("Debian-exim", 61803)
        for folder in ("/var/spool/exim4", "/var/log/exim4", "/var/lib/exim4"):
            self.inside.folder(folder, 61803, mode=0o750)
        answers = {
            "eximconfig_configtype": "internet",
            "other_hostnames": LOCAL_DOMAIN,
            "local_interfaces": "",
            "readhost": "",
            "relay_domains": "",
            "minimaldns": "false",
            "relay_nets": "",
            "smarthost": "",
            "use_split_config": "false",
            "hide_mailname": "",
            "mailname_in_oh": "true",
            "localdelivery": "mail_spool",
        }
        text = "".join(f"dc_{name}='{value}'\n" for name, value in answers.items())
        self.inside.write("/etc/exim4/update-exim4.conf.conf", text + "CFILEMODE='644'\n")


class StockOpenSmtpd(Stock):
    """With the line of its own comment that accepts mail for a domain from outside."""

    name = service = "opensmtpd"
    packages = ["opensmtpd"]
    mail = "/home/mailbox/Maildir"

    def configure(self) -> None:
        self.inside.add_account("opensmtpd", 61804)
        self.inside.add_account("opensmtpq", 61805)
        self.inside.folder("/var/spool/smtpd", mode=0o711)
        self.inside.folder("/nonexistent")
        stock = (self.inside.upper / "etc/smtpd.conf").read_text()
        comment = '# match from any for domain "example.org"'
        assert comment in stock
        self.inside.write("/etc/smtpd.conf", stock.replace(comment, f'match from any for domain "{LOCAL_DOMAIN}"'))


STOCK = (StockPostfix, StockExim, StockOpenSmtpd)
