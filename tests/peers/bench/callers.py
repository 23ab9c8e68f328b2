"""How each of the clients is told to come by a door: to insist on TLS, to verify it, and to use one mechanism alone."""

from __future__ import annotations

import base64
import hmac
import smtplib
import ssl
import subprocess
from collections.abc import Sequence
from urllib.parse import quote

from . import clients
from .clients import Refused
from .door import Door, Mechanism, Tls
from .forms import Form, Mail
from .wire import NAME, stuffed

Mails = Sequence[Mail]


def swaks(door: Door, mails: Mails) -> None:
    clients.swaks(
        door.port, Form.PLAIN, mails,
        "--tls" if door.tls is Tls.STARTTLS else "--tls-on-connect", "--tls-verify", "--tls-ca-path", str(door.ca),
        "--auth", door.mechanism, "--auth-user", door.user, "--auth-password", door.password,
    )  # fmt: skip


def msmtp(door: Door, mails: Mails) -> None:
    clients.msmtp(
        door.port, Form.PLAIN, mails,
        "--tls=on", f"--tls-starttls={'on' if door.tls is Tls.STARTTLS else 'off'}", f"--tls-trust-file={door.ca}",
        f"--auth={door.mechanism.lower()}", f"--user={door.user}", f"--passwordeval=printf %s '{door.password}'",
    )  # fmt: skip


def curl(door: Door, mails: Mails) -> None:
    clients.curl(
        door.port, Form.PLAIN, mails, "--ssl-reqd", "--cacert", str(door.ca), "--user", f"{door.user}:{door.password}",
        "--login-options", f"AUTH={door.mechanism}", scheme="smtp" if door.tls is Tls.STARTTLS else "smtps",
    )  # fmt: skip


def python_smtplib(door: Door, mails: Mails) -> None:
    trust = ssl.create_default_context(cafile=str(door.ca))

    def enter(*where: object, **how: object) -> smtplib.SMTP:
        if door.tls is Tls.STARTTLS:
            session = smtplib.SMTP(*where, **how)  # type: ignore[arg-type]
            session.starttls(context=trust)
        else:
            session = smtplib.SMTP_SSL(*where, **how, context=trust)  # type: ignore[arg-type]
        session.ehlo()
        session.user, session.password = door.user, door.password
        answer = {
            Mechanism.PLAIN: session.auth_plain,
            Mechanism.LOGIN: session.auth_login,
            Mechanism.CRAM_MD5: session.auth_cram_md5,
        }[door.mechanism]
        # By LOGIN and PLAIN it says the first answer with the verb.
        session.auth(door.mechanism, answer)
        return session

    clients.python_smtplib(door.port, Form.PLAIN, mails, enter)


def nodemailer(door: Door, mails: Mails) -> None:
    starttls = door.tls is Tls.STARTTLS
    clients.nodemailer(
        door.port, Form.PLAIN, mails, secure=not starttls, requireTLS=starttls, tls={"ca": door.ca.read_text()},
        auth={"user": door.user, "pass": door.password}, authMethod=door.mechanism,
    )  # fmt: skip


def net_smtp(door: Door, mails: Mails) -> None:
    clients.net_smtp(
        door.port, Form.PLAIN, mails,
        TLS=door.tls, CA=str(door.ca), MECHANISM=door.mechanism, USER=door.user, PASSWORD=door.password,
    )  # fmt: skip


def mutt(door: Door, mails: Mails) -> None:
    scheme = "smtp" if door.tls is Tls.STARTTLS else "smtps"
    clients.mutt(
        door.port, Form.PLAIN, mails,
        f"set smtp_url={scheme}://{quote(door.user, safe='')}@127.0.0.1:{door.port}",
        f"set smtp_pass='{door.password}' smtp_authenticators={door.mechanism.lower()}",
        f"set certificate_file='{door.ca}' ssl_verify_host=yes",
    )  # fmt: skip


def git_send_email(door: Door, mails: Mails) -> None:
    clients.git_send_email(
        door.port, Form.PLAIN, mails, f"--smtp-encryption={'tls' if door.tls is Tls.STARTTLS else 'ssl'}",
        f"--smtp-ssl-cert-path={door.ca}", f"--smtp-user={door.user}", f"--smtp-pass={door.password}",
        f"--smtp-auth={door.mechanism}",
    )  # fmt: skip


def s_client(door: Door, mails: Mails) -> None:
    """OpenSSL's own client, by which administrators knock; what stands inside TLS is typed by hand."""
    (mail,) = mails
    process = subprocess.Popen(
        [
            "openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{door.port}", "-CAfile", str(door.ca),
            "-verify_return_error", "-verify_ip", "127.0.0.1",
            *(["-starttls", "smtp"] if door.tls is Tls.STARTTLS else []),
        ],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        try:
            _type(_Terminal(process), door, mail)
        finally:
            process.kill()


class _Terminal:
    """What stands on the screen, and the keys."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def reply(self) -> bytes:
        """The last line of the next reply."""
        assert self._process.stdout is not None and self._process.stderr is not None
        while line := self._process.stdout.readline():
            if line[3:4] != b"-":
                return line
        raise Refused(f"s_client ended: {self._process.stderr.read()[-1000:]!r}")

    def say(self, octets: bytes, expected: bytes) -> bytes:
        """Types a line; gives what stands behind the code of the reply, which must be this one."""
        assert self._process.stdin is not None
        self._process.stdin.write(octets + b"\r\n")
        self._process.stdin.flush()
        answer = self.reply()
        if not answer.startswith(expected):
            raise Refused(f"{octets[:80]!r} was answered {answer!r}")
        return answer[4:].strip()


def _type(screen: _Terminal, door: Door, mail: Mail) -> None:
    if door.tls is Tls.IMPLICIT:
        screen.reply()  # what is said before STARTTLS, it reads itself
    screen.say(f"EHLO {NAME}".encode(), b"250")
    user, password = door.user.encode(), door.password.encode()
    match door.mechanism:
        case Mechanism.PLAIN:
            screen.say(b"AUTH PLAIN " + base64.b64encode(b"\0" + user + b"\0" + password), b"235")
        case Mechanism.LOGIN:
            assert screen.say(b"AUTH LOGIN", b"334") == b"VXNlcm5hbWU6"
            assert screen.say(base64.b64encode(user), b"334") == b"UGFzc3dvcmQ6"
            screen.say(base64.b64encode(password), b"235")
        case Mechanism.CRAM_MD5:
            challenge = base64.b64decode(screen.say(b"AUTH CRAM-MD5", b"334"))
            digest = hmac.new(password, challenge, "md5").hexdigest().encode()
            screen.say(base64.b64encode(user + b" " + digest), b"235")
    screen.say(f"MAIL FROM:<{mail.sender}>".encode(), b"250")
    for recipient in mail.recipients:
        screen.say(f"RCPT TO:<{recipient}>".encode(), b"25")
    screen.say(b"DATA", b"354")
    screen.say(stuffed(mail.content) + b".", b"250")
    screen.say(b"QUIT", b"221")
