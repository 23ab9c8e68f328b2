"""The programs in front, and how each is told to send in a form. What more it is told (TLS, an account) stands in callers."""

from __future__ import annotations

import json
import os
import re
import smtplib
import ssl
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .forms import AUTHOR, Form, Mail
from .ground import STORE
from .wire import NAME

ENVID = "QQ314159"
ORCPT = "rfc822;first@example.net"


Enter = Callable[..., smtplib.SMTP]


class Refused(Exception):
    """The client could not hand its mail over, and said this."""


def _run(command: Sequence[str], stdin: bytes = b"", **environment: str) -> None:
    # No configuration of whoever runs the tests may have a say.
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
            cwd=home,
            env={"HOME": home, "PATH": "/usr/bin:/bin:" + os.environ["PATH"], "LC_ALL": "C.UTF-8", **environment},
        )
    if done.returncode != 0:
        said = (done.stdout + done.stderr)[-2000:].decode(errors="replace")
        raise Refused(f"{command[0]} ended with {done.returncode}: {said}")


def _unix(message: bytes) -> bytes:
    return message.replace(b"\r\n", b"\n")


@contextmanager
def _files(mails: Sequence[Mail], content: Callable[[bytes], bytes] = bytes) -> Iterator[list[str]]:
    """Each message in a file."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number:04}.eml") for number in range(1, len(mails) + 1)]
        for path, mail in zip(paths, mails):
            path.write_bytes(content(mail.content))
        yield [str(path) for path in paths]


def _envelopes(mails: Sequence[Mail], files: Sequence[str]) -> str:
    return json.dumps([{"from": it.sender, "to": list(it.recipients), "file": path} for it, path in zip(mails, files)])


def swaks(port: int, form: Form, mails: Sequence[Mail], *more: str) -> None:
    """The Swiss army knife of SMTP testing."""
    (mail,) = mails
    # It ends the last line itself, whether that has an end or not.
    with _files(mails, lambda content: _unix(content).removesuffix(b"\n")) as (path,):
        _run([
            "swaks", "--server", "127.0.0.1", "--port", str(port), "--ehlo", NAME, "--from", mail.sender or "<>",
            "--to", ",".join(mail.recipients), "--data", f"@{path}", "--suppress-data",
            *(["--pipeline"] if form is Form.PIPELINED else []), *more,
        ])  # fmt: skip


def msmtp(port: int, form: Form, mails: Sequence[Mail], *more: str) -> None:
    """A sendmail stand-in of many desktops; pipelines where it may."""
    (mail,) = mails
    _run([
        "msmtp", "--host=127.0.0.1", f"--port={port}", f"--domain={NAME}", f"--from={mail.sender or '<>'}",
        *(more or ("--auth=off", "--tls=off")), *(["--dsn-notify=success", "--dsn-return=hdrs"] if form is Form.DSN else []),
        "--", *mail.recipients,
    ], _unix(mail.content))  # fmt: skip


def curl(port: int, _form: Form, mails: Sequence[Mail], *more: str, scheme: str = "smtp") -> None:
    """libcurl, as found in countless devices."""
    with _files(mails) as files:
        transfers: list[str] = []
        for mail, path in zip(mails, files):
            wanted = [argument for recipient in mail.recipients for argument in ("--mail-rcpt", recipient)]
            transfers += [
                *(["--next"] if transfers else []), "--silent", "--show-error", *more, f"{scheme}://127.0.0.1:{port}/{NAME}",
                "--mail-from", mail.sender, *wanted, "--upload-file", path,
            ]  # fmt: skip
        _run(["curl", *transfers])


def python_smtplib(port: int, form: Form, mails: Sequence[Mail], enter: Enter = smtplib.SMTP) -> None:
    """Python's own."""
    mail_options = {
        Form.DECLARED: ["BODY=8BITMIME"],
        Form.UTF8: ["SMTPUTF8", "BODY=8BITMIME"],
        Form.DSN: ["RET=HDRS", f"ENVID={ENVID}"],
    }.get(form, [])
    rcpt_options = ["NOTIFY=SUCCESS", f"ORCPT={ORCPT}"] if form is Form.DSN else []
    try:
        with enter("127.0.0.1", port, local_hostname=NAME, timeout=120) as session:
            for mail in mails:
                refused = session.sendmail(mail.sender, list(mail.recipients), mail.content, mail_options, rcpt_options)
                assert not refused, refused
    except (smtplib.SMTPException, ssl.SSLError) as failure:
        raise Refused(repr(failure)) from failure


_NODEMAILER = """
const { port, name, envelopes, options, secured } = JSON.parse(process.env.WANTED);
const transport = require("nodemailer").createTransport(
  { host: "127.0.0.1", port, name, pool: envelopes.length > 1, maxConnections: 1, ...secured });
Promise.all(envelopes.map(({ from, to, file }) => transport.sendMail(
  { envelope: { from, to, ...options.envelope }, dsn: options.dsn, raw: require("fs").readFileSync(file) }))).then(
  (sent) => process.exit(sent.some((info) => info.rejected.length) ? 1 : 0),
  (error) => { console.error(error); process.exit(1); });
"""


def nodemailer(port: int, form: Form, mails: Sequence[Mail], **secured: object) -> None:
    """The one of Node.js."""
    options: dict[str, object] = {}
    if form is Form.DECLARED:
        options["envelope"] = {"use8BitMime": True}
    if form is Form.DSN:
        options["dsn"] = {"id": ENVID, "return": "headers", "notify": "success", "recipient": ORCPT}
    with _files(mails) as files:
        wanted = {
            "port": port,
            "name": NAME,
            "envelopes": json.loads(_envelopes(mails, files)),
            "options": options,
            "secured": secured or {"secure": False, "ignoreTLS": True},
        }
        _run(["node", "-e", _NODEMAILER], WANTED=json.dumps(wanted), NODE_PATH=str(STORE / "node_modules"))


_NET_SMTP = """
use Net::SMTP;
use JSON::PP;
my ($port, $envelopes, %options) = @ARGV;
my %trust = (SSL_ca_file => $ENV{CA});
my $session = Net::SMTP->new("127.0.0.1", Port => $port, Hello => $ENV{NAME}, Timeout => 120,
    ($ENV{TLS} // "") eq "implicit" ? (SSL => 1, %trust) : ()) or die "no greeting: $@";
if (($ENV{TLS} // "") eq "STARTTLS") { $session->starttls(%trust) or die "STARTTLS: $@ " . $session->message }
if ($ENV{MECHANISM}) {
    require Authen::SASL;
    my $account = Authen::SASL->new(mechanism => $ENV{MECHANISM},
        callback => { user => $ENV{USER}, authname => $ENV{USER}, pass => $ENV{PASSWORD} });
    $session->auth($account) or die "AUTH: " . $session->message;
}
my %to = map { $_ => delete $options{$_} } grep { exists $options{$_} } qw(Notify ORcpt);
$to{Notify} = [$to{Notify}] if $to{Notify};
for (@{decode_json($envelopes)}) {
    open my $file, "<:raw", $_->{file} or die;
    my $message = do { local $/; <$file> };
    $session->mail($_->{from}, %options) or die "MAIL: " . $session->message;
    $session->to(@{$_->{to}}, %to ? \\%to : ()) or die "RCPT: " . $session->message;
    $session->data($message) or die "DATA: " . $session->message;
}
$session->quit;
"""


def net_smtp(port: int, form: Form, mails: Sequence[Mail], **secured: str) -> None:
    """Perl's own."""
    options = {
        Form.DECLARED: ["Bits", "8"],
        Form.DSN: ["Return", "HDRS", "Envelope", ENVID, "Notify", "SUCCESS", "ORcpt", ORCPT],
    }.get(form, [])
    with _files(mails, _unix) as files:
        _run(["perl", "-e", _NET_SMTP, str(port), _envelopes(mails, files), *options], NAME=NAME, **secured)


def mutt(port: int, form: Form, mails: Sequence[Mail], *more: str) -> None:
    """A person's mail program, in batch."""
    (mail,) = mails
    settings = [
        f"set smtp_url=smtp://127.0.0.1:{port}",
        f"set from='{mail.sender}' use_envelope_from=yes envelope_from_address='{mail.sender}' hostname={NAME}",
        # Without ssl_starttls it says HELO.
        f"set ssl_starttls=yes ssl_force_tls={'yes' if more else 'no'}",
        "set copy=no send_charset=us-ascii:utf-8 use_domain=no allow_8bit=yes",
        *(["set dsn_notify=success dsn_return=hdrs"] if form is Form.DSN else []),
        *more,
    ]
    header = mail.content.split(b"\r\n\r\n", 1)[0]
    subject = next(line for line in header.split(b"\r\n") if line.startswith(b"Subject: "))[9:].decode()
    arguments = [argument for setting in settings for argument in ("-e", setting)]
    _run(["mutt", "-n", "-F", "/dev/null", *arguments, "-s", subject, "--", *mail.recipients], _unix(mail.body))


def _unaddressed(message: bytes) -> bytes:
    return re.sub(rb"(?m)^To: .*\n", b"", _unix(message), count=1)


def git_send_email(port: int, _form: Form, mails: Sequence[Mail], *more: str) -> None:
    """The way in which kernels are written. Patches of a series go to whom each is addressed, a single one does not."""
    sender = mails[0].sender
    series = len(mails) > 1
    to = [] if series else [f"--to={recipient}" for recipient in mails[0].recipients]
    with _files(mails, _unix if series else _unaddressed) as patches:
        _run([
            "git", "send-email", "--quiet", "--smtp-server=127.0.0.1", f"--smtp-server-port={port}",
            f"--smtp-domain={NAME}", f"--from=Author <{sender or AUTHOR}>", f"--envelope-sender={sender or '<>'}",
            *more, "--confirm=never", "--suppress-cc=all", "--no-validate", "--no-thread",
            *to, *patches,
        ], GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="Author", GIT_AUTHOR_EMAIL=sender,
           GIT_COMMITTER_NAME="Author", GIT_COMMITTER_EMAIL=sender)  # fmt: skip
