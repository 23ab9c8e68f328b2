"""Postfix, Exim and OpenSMTPD, each in its own enclosure.

As a relay behind the gate one accepts everything for example.com and delivers it into one Maildir. As a sender in front
of the gate one is fed by its own `sendmail` and hands all mail to one address (`towards`).
"""

from __future__ import annotations

from collections.abc import Sequence

from .enclosure import MAILBOX_UID, Enclosure
from .ground import free_port, greets, wait_until
from .mail import Maildir

LOCAL_DOMAIN = "example.com"
SIZE = 40 * 1024 * 1024
MAIL_FOLDER = "/mail"
# Where the authors of the samples live. What a sender in front has to tell them must not come between two tests.
AUTHORS_DOMAIN = "example.org"


class Relay:
    """What the three have in common."""

    name: str
    packages: list[str]
    # The trace line with which its delivery agent says for whom a file is.
    recipient_field: str
    # Where mail for the postmaster without a domain goes.
    postmaster = f"postmaster@{LOCAL_DOMAIN}"
    # Whether its notifications carry ENVID and ORCPT (RFC 3464 2.2.1, 2.3.1).
    reports_in_full = True
    # What it offers of the extensions that the tests ask for.
    offers: frozenset[str]
    # Domains that are not its own, and whose mail it keeps all the same, once it has agreed to send it there.
    foreign_domains: tuple[str, ...] = ()

    def __init__(self, towards: int | None = None) -> None:
        self.towards = towards
        self.port = free_port()
        self.enclosure = Enclosure(self.name, self.packages)
        try:
            self.enclosure.folder(MAIL_FOLDER, MAILBOX_UID)
            self.configure()
            self.maildir = self.shelf()
            self.enclosure.start(*self.command())
            wait_until(f"{self.name} greets", lambda: greets(self.port))
            self.prepare()
        except BaseException as failure:
            failure.add_note(self.log())
            self.stop()
            raise

    def configure(self) -> None:
        """Writes users, folders and configuration."""
        raise NotImplementedError

    def shelf(self) -> Maildir:
        """Where mail arrives."""
        return Maildir(self.enclosure.upper / MAIL_FOLDER.lstrip("/"), self.recipient_field)

    def command(self) -> list[str]:
        """The server, in the foreground."""
        raise NotImplementedError

    def prepare(self) -> None:
        """What is done once it runs."""

    def log(self) -> str:
        """Its own log."""
        return self.enclosure.log()

    # The program with which a local user submits.
    sendmail = ("/usr/sbin/sendmail", "-oi")

    def submit(self, sender: str, recipients: Sequence[str], message: bytes, *options: str) -> None:
        """Injects a message as a local program would, in the line ends of Unix."""
        text = message.replace(b"\r\n", b"\n")
        self.enclosure.run(*self.sendmail, *options, "-f", sender or "<>", "--", *recipients, stdin=text)

    def stop(self) -> None:
        """Ends it and removes all that it had."""
        self.enclosure.stop()


class Postfix(Relay):
    """Postfix 3.7: the most widespread relay, and the most exact about what it hears."""

    name = "postfix"
    packages = ["postfix"]
    recipient_field = "Delivered-To"
    offers = frozenset({"PIPELINING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES"})

    def configure(self) -> None:
        place = self.enclosure
        place.add_account("postfix", 61801)
        place.add_group("postdrop", 61802)
        place.folder("/var/lib/postfix", 61801)
        place.folder("/var/spool/postfix")
        place.write("/etc/postfix/main.cf", "".join(f"{name} = {value}\n" for name, value in self.settings().items()))
        place.write("/etc/postfix/master.cf", self._master())
        everywhere = "|".join((LOCAL_DOMAIN, *self.foreign_domains))
        place.write("/etc/postfix/mailboxes", f"/@({everywhere})$/ ./\n")

    def settings(self) -> dict[str, object]:
        """Its main.cf."""
        transport = "discard:" if self.towards is None else "smtp:"
        elsewhere = [f"{{{domain}=virtual:}}" for domain in self.foreign_domains]
        if self.towards is not None:
            elsewhere.append(f"{{{AUTHORS_DOMAIN}=discard:}}")
        return {
            "compatibility_level": "3.6",
            "maillog_file": "/dev/stdout",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "data_directory": "/var/lib/postfix",
            "queue_directory": "/var/spool/postfix",
            "myhostname": f"{'postfix' if self.towards is None else 'postfix-sender'}.example.net",
            "myorigin": LOCAL_DOMAIN,
            "mydestination": "",
            "alias_maps": "",
            "mynetworks": "",
            "inet_interfaces": "loopback-only",
            "inet_protocols": "ipv4",
            "smtputf8_enable": "yes",
            "message_size_limit": SIZE,
            "mailbox_size_limit": 0,
            "virtual_mailbox_limit": 0,
            # Delivery. One Maildir for all; the recipient stands in Delivered-To.
            "virtual_mailbox_domains": LOCAL_DOMAIN if self.towards is None else "",
            "virtual_mailbox_base": MAIL_FOLDER,
            "virtual_mailbox_maps": "regexp:/etc/postfix/mailboxes",
            "virtual_minimum_uid": 100,
            "virtual_uid_maps": f"static:{MAILBOX_UID}",
            "virtual_gid_maps": f"static:{MAILBOX_UID}",
            "default_transport": transport,
            # A sender keeps its bounces to itself, hands a hundred recipients over at once, and holds its connection.
            "smtp_destination_recipient_limit": 100,
            "smtp_destination_concurrency_limit": 1,
            "smtp_connection_cache_destinations": "127.0.0.1",
            "transport_maps": f"inline:{{{', '.join(elsewhere)}}}" if elsewhere else "",
            "relayhost": "" if self.towards is None else f"[127.0.0.1]:{self.towards}",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtpd_sender_restrictions": "",
            # There is no DNS here, and no patience for clients that err on purpose.
            "disable_dns_lookups": "yes",
            "smtp_host_lookup": "native",
            "smtpd_peername_lookup": "no",
            "smtpd_error_sleep_time": 0,
            "smtpd_client_connection_count_limit": 0,
            "in_flow_delay": 0,
            "minimal_backoff_time": "2s",
            "queue_run_delay": "2s",
            # Loopback is no author: nothing is rewritten.
            "local_header_rewrite_clients": "",
        }

    def services(self) -> str:
        """The doors of its master.cf."""
        return f"127.0.0.1:{self.port} inet n - n - 200 smtpd\n"

    def ways_out(self) -> str:
        """How it sends, other than as main.cf says."""
        return ""

    def _master(self) -> str:
        return self.services() + self.ways_out() + """\
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

    def command(self) -> list[str]:
        return ["/usr/sbin/postfix", "start-fg"]


# Exim's router for them.
BOUNCES = f"""\
bounces:
  driver = redirect
  domains = {AUTHORS_DOMAIN}
  data = :blackhole:
"""


class Exim(Relay):
    """Exim 4.96: CHUNKING by itself whenever the other side offers it, and keywords of its own."""

    name = "exim"
    packages = ["exim4-base", "exim4-daemon-heavy"]
    recipient_field = "Envelope-to"
    offers = frozenset({"PIPELINING", "SIZE", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"})
    sendmail = ("/usr/sbin/exim4", "-oi", "-odb")
    # By itself it takes TLS wherever it is offered, whatever the certificate.
    avoids_tls = True
    # Where it listens.
    interfaces = "127.0.0.1"

    def configure(self) -> None:
        place = self.enclosure
        place.add_account("Debian-exim", 61803)
        place.folder("/var/spool/exim4", 61803, mode=0o750)
        place.folder("/var/log/exim4", 61803)
        place.write("/etc/exim4/exim4.conf", self._configuration())

    def doors(self) -> str:
        """Where it listens, and how it is secured."""
        return f"daemon_smtp_ports = {self.port}\ntls_advertise_hosts =\n"

    def routers(self) -> str:
        """Where it sends, other than to its one port."""
        return ""

    def transports(self) -> str:
        """How it does that."""
        return ""

    def authenticators(self) -> str:
        """How it knows its users."""
        return ""

    def _configuration(self) -> str:
        return f"""\
{self.doors()}primary_hostname = {'exim' if self.towards is None else 'exim-sender'}.example.net
qualify_domain = {LOCAL_DOMAIN}
domainlist local_domains = {LOCAL_DOMAIN if self.towards is None else ''}
domainlist kept_domains = {' : '.join((LOCAL_DOMAIN, *self.foreign_domains)) if self.towards is None else ''}
local_interfaces = {self.interfaces}
message_size_limit = {SIZE}
acl_smtp_rcpt = recipient
acl_smtp_data = accept
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
chunking_advertise_hosts = *
pipelining_advertise_hosts = *
host_lookup =
rfc1413_hosts =
keep_environment =
smtp_accept_max = 200
smtp_accept_queue_per_connection = 0
log_selector = +smtp_confirmation +received_recipients
queue_run_max = 5

begin acl
recipient:
  accept hosts = {':' if self.towards else ''}
  accept authenticated = *
  accept domains = +local_domains
  accept local_parts = postmaster
  deny message = relay not permitted

begin routers
mailbox:
  driver = accept
  domains = +kept_domains
  transport = maildir
{"" if self.towards is None else BOUNCES}{self.routers()}onward:
  driver = manualroute
  domains = ! +kept_domains
  route_list = * 127.0.0.1
  self = send
  transport = onward

begin transports
{self.transports()}maildir:
  driver = appendfile
  directory = {MAIL_FOLDER}
  maildir_format
  envelope_to_add
  return_path_add
  user = mailbox
  group = mailbox
onward:
  driver = smtp
  port = {self.towards or 9}
{"  hosts_avoid_tls = *" if self.avoids_tls else ""}

begin retry
* * F,1m,2s

{self.authenticators()}"""

    def command(self) -> list[str]:
        # What a sender queues, the test that queued it sends on.
        return ["/usr/sbin/exim4", "-bdf", *(["-q5s"] if self.towards is None else [])]

    def log(self) -> str:
        folder = self.enclosure.upper / "var/log/exim4"
        logs = [path.read_text(errors="replace") for path in sorted(folder.glob("*log"))]
        return self.enclosure.log() + "".join(logs)


class OpenSmtpd(Relay):
    """OpenSMTPD 6.8: a small relay with few extensions."""

    name = "opensmtpd"
    packages = ["opensmtpd"]
    recipient_field = "Delivered-To"
    postmaster = "postmaster@opensmtpd.example.net"
    reports_in_full = False
    offers = frozenset({"SIZE", "8BITMIME", "DSN", "ENHANCEDSTATUSCODES"})

    def configure(self) -> None:
        place = self.enclosure
        place.add_account("opensmtpd", 61804)
        place.add_account("opensmtpq", 61805)
        place.folder("/var/spool/smtpd", mode=0o711)
        place.folder("/nonexistent")
        place.write(
            "/etc/smtpd.conf",
            f"""\
smtp max-message-size "{SIZE}"
table everyone {{ "@{LOCAL_DOMAIN}" = mailbox, "@opensmtpd.example.net" = mailbox }}
listen on 127.0.0.1 port {self.port} hostname opensmtpd.example.net
action keep maildir "{MAIL_FOLDER}" virtual <everyone>
match from any for domain {{ "{LOCAL_DOMAIN}", "opensmtpd.example.net" }} action keep
""",
        )

    def command(self) -> list[str]:
        return ["/usr/sbin/smtpd", "-d"]


RELAYS = (Postfix, Exim, OpenSmtpd)
