"""The programs in front: each sends one message in its own manner.

A client that takes a complete message must deliver it to the octet. One that writes its own header (mutt, git
send-email) is held to the body.
"""

from __future__ import annotations

import json
import os
import smtplib
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .ground import STORE
from .wire import NAME

Send = Callable[[int, str, Sequence[str], bytes], None]


@dataclass(frozen=True)
class Client:
    """A sending program."""

    name: str
    send: Send
    # Whether it leaves the header alone.
    keeps_header: bool = True


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
    assert done.returncode == 0, (command[:4], done.returncode, done.stdout[-2000:], done.stderr[-2000:])


def _unix(message: bytes) -> bytes:
    return message.replace(b"\r\n", b"\n")


def swaks(port: int, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """The Swiss army knife of SMTP testing."""
    with tempfile.NamedTemporaryFile() as file:
        # It ends the last line itself, whether that has an end or not.
        file.write(_unix(message).removesuffix(b"\n"))
        file.flush()
        _run([
            "swaks", "--server", "127.0.0.1", "--port", str(port), "--ehlo", NAME,
            "--from", sender or "<>", "--to", ",".join(recipients), "--data", f"@{file.name}", "--suppress-data",
        ])  # fmt: skip


def msmtp(port: int, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """A sendmail stand-in of many desktops; pipelines where it may."""
    _run([
        "msmtp", "--host=127.0.0.1", f"--port={port}", f"--domain={NAME}", f"--from={sender}",
        "--auth=off", "--tls=off", "--", *recipients,
    ], _unix(message))  # fmt: skip


def curl(port: int, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """libcurl, as found in countless devices."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(message)
        file.flush()
        wanted = [argument for recipient in recipients for argument in ("--mail-rcpt", recipient)]
        _run([
            "curl", "--silent", "--show-error", f"smtp://127.0.0.1:{port}/{NAME}",
            "--mail-from", sender, *wanted, "--upload-file", file.name,
        ])  # fmt: skip


def python_smtplib(port: int, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """Python's own."""
    with smtplib.SMTP("127.0.0.1", port, local_hostname=NAME, timeout=120) as session:
        refused = session.sendmail(sender, list(recipients), message)
    assert not refused, refused


_NODEMAILER = """
const { host, port, name, envelope } = JSON.parse(process.env.ENVELOPE);
const raw = require("fs").readFileSync(0);
const transport = require("nodemailer").createTransport({ host, port, name, secure: false, ignoreTLS: true });
transport.sendMail({ envelope, raw }).then(
  (info) => process.exit(info.rejected.length ? 1 : 0),
  (error) => { console.error(error); process.exit(1); });
"""


def nodemailer(port: int, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """The one of Node.js."""
    wanted = {"host": "127.0.0.1", "port": port, "name": NAME, "envelope": {"from": sender, "to": list(recipients)}}
    _run(["node", "-e", _NODEMAILER], message, ENVELOPE=json.dumps(wanted), NODE_PATH=str(STORE / "node_modules"))


_NET_SMTP = """
use Net::SMTP;
my ($port, $sender, @recipients) = @ARGV;
binmode STDIN;
local $/;
my $message = <STDIN>;
my $session = Net::SMTP->new("127.0.0.1", Port => $port, Hello => $ENV{NAME}, Timeout => 120) or die "no greeting";
$session->mail($sender) or die "MAIL: " . $session->message;
$session->to(@recipients) or die "RCPT: " . $session->message;
$session->data($message) or die "DATA: " . $session->message;
$session->quit;
"""


def net_smtp(port: int, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """Perl's own."""
    _run(["perl", "-e", _NET_SMTP, str(port), sender, *recipients], _unix(message), NAME=NAME)


def mutt(port: int, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """A person's mail program, in batch."""
    settings = [
        f"set smtp_url=smtp://127.0.0.1:{port}",
        f"set from={sender} use_envelope_from=yes envelope_from_address={sender} hostname={NAME}",
        "set copy=no ssl_starttls=no ssl_force_tls=no send_charset=us-ascii:utf-8",
    ]
    header, body = message.split(b"\r\n\r\n", 1)
    subject = next(line for line in header.split(b"\r\n") if line.startswith(b"Subject: "))[9:].decode()
    arguments = [argument for setting in settings for argument in ("-e", setting)]
    _run(["mutt", "-n", "-F", "/dev/null", *arguments, "-s", subject, "--", *recipients], _unix(body))


def git_send_email(port: int, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """The way in which kernels are written."""
    with tempfile.TemporaryDirectory() as folder:
        patch = Path(folder, "0001-message.patch")
        patch.write_bytes(_unix(message))
        _run([
            "git", "send-email", "--quiet", "--smtp-server=127.0.0.1", f"--smtp-server-port={port}",
            f"--smtp-domain={NAME}", f"--from=Author <{sender}>", f"--envelope-sender={sender}", "--confirm=never",
            "--suppress-cc=all", "--no-validate", "--no-thread", *(f"--to={to}" for to in recipients), str(patch),
        ], GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="Author", GIT_AUTHOR_EMAIL=sender,
           GIT_COMMITTER_NAME="Author", GIT_COMMITTER_EMAIL=sender)  # fmt: skip


CLIENTS = (
    Client("swaks", swaks),
    Client("msmtp", msmtp),
    Client("curl", curl),
    Client("smtplib", python_smtplib),
    Client("nodemailer", nodemailer),
    Client("net-smtp", net_smtp),
    Client("mutt", mutt, keeps_header=False),
    Client("git-send-email", git_send_email, keeps_header=False),
)
