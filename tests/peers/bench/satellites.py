"""Postfix and Exim as satellites: what their users submit they hand to a smarthost, by TLS and with an account.

Each is started once. Two doors stand before the gate that is asked at the time, one for each kind of TLS; by which
door and mechanism a message goes, its recipient says: his local part holds both.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from .door import Door, Mechanism, Tls
from .forms import Form, Mail
from .front import Front
from .keepers import PASSWORD, USER
from .papers import papers
from .relays import Exim, Postfix, Relay
from .senders import EximSender, PostfixSender, Sender

_CA = "/etc/papers/ca.pem"
_WAYS = tuple(product(Tls, Mechanism))


def marked(word: str, tls: Tls, mechanism: Mechanism) -> str:
    """The beginning of a local part that goes this way."""
    return f"{word}-by-{tls}-{mechanism}"


class _PostfixSatellite(Postfix):
    """With a transport for each way."""

    def __init__(self, ports: dict[Tls, int]) -> None:
        self._ports = ports
        super().__init__(towards=ports[Tls.STARTTLS])

    def configure(self) -> None:
        super().configure()
        self.enclosure.copy(papers().ours.root, _CA)
        routes = "".join(
            f"/-by-{tls}-{mechanism}-/ {tls}-{mechanism}:[localhost]:{self._ports[tls]}\n" for tls, mechanism in _WAYS
        )
        self.enclosure.write("/etc/postfix/ways", routes)

    def settings(self) -> dict[str, object]:
        return super().settings() | {
            "transport_maps": "regexp:/etc/postfix/ways",
            "smtp_tls_CAfile": _CA,
            "smtp_tls_security_level": "secure",
            "smtp_tls_secure_cert_match": "localhost",
            "smtp_sasl_auth_enable": "yes",
            "smtp_sasl_password_maps": f"static:{{{USER}:{PASSWORD}}}",
            "smtp_sasl_security_options": "noanonymous",
        }

    def ways_out(self) -> str:
        return "".join(
            f"{tls}-{mechanism} unix - - n - - smtp -o smtp_sasl_mechanism_filter={mechanism}"
            f" -o smtp_tls_wrappermode={'yes' if tls is Tls.IMPLICIT else 'no'}\n"
            for tls, mechanism in _WAYS
        )


class _EximSatellite(Exim):
    """With a transport for each kind of TLS, and an authenticator for each mechanism."""

    def __init__(self, ports: dict[Tls, int]) -> None:
        self._ports = ports
        super().__init__(towards=ports[Tls.STARTTLS])

    def configure(self) -> None:
        super().configure()
        self.enclosure.copy(papers().ours.root, _CA)

    def routers(self) -> str:
        return "".join(
            f"""\
{tls}:
  driver = manualroute
  local_parts = ^.*-by-{tls}-
  route_list = * localhost byname
  self = send
  transport = {tls}
"""
            for tls in Tls
        )

    def transports(self) -> str:
        return "".join(
            f"""\
{tls}:
  driver = smtp
  port = {self._ports[tls]}
  {'protocol = smtps' if tls is Tls.IMPLICIT else ''}
  hosts_require_tls = *
  hosts_require_auth = *
  tls_verify_certificates = {_CA}
  tls_verify_cert_hostnames = *
"""
            for tls in Tls
        )

    def authenticators(self) -> str:
        means = {
            Mechanism.PLAIN: f"driver = plaintext\n  client_send = ^{USER}^{PASSWORD}",
            Mechanism.LOGIN: f"driver = plaintext\n  client_send = : {USER} : {PASSWORD}",
            Mechanism.CRAM_MD5: f"driver = cram_md5\n  client_name = {USER}\n  client_secret = {PASSWORD}",
        }
        return "begin authenticators\n" + "".join(
            f"""\
{mechanism.replace("-", "_")}:
  {means[mechanism]}
  public_name = {mechanism}
  client_condition = ${{if match{{$local_part}}{{(?i)-{mechanism}-}}}}
"""
            for mechanism in Mechanism
        )


class Satellite:
    """One of the two, and the doors before whatever gate is asked."""

    def __init__(self, sender: type[Sender], kind: type[_PostfixSatellite] | type[_EximSatellite]) -> None:
        self._kind, self._sender = kind, sender()
        self._sender.start = self._start  # type: ignore[method-assign]
        self._fronts: dict[Tls, Front] = {}

    def _start(self, _port: int) -> Relay:
        return self._kind({tls: front.port for tls, front in self._fronts.items()})

    def send(self, door: Door, mails: Sequence[Mail]) -> None:
        """Submits the messages and waits until the server is done with all of them."""
        self._fronts = self._fronts or {tls: Front() for tls in Tls}
        for mail in mails:
            assert all(marked("", door.tls, door.mechanism) in it for it in mail.recipients)
        self._fronts[door.tls].towards(door.port)
        self._sender.send(0, Form.PLAIN, mails)

    def stop(self) -> None:
        """Ends it, if it was started."""
        self._sender.stop()
        for front in self._fronts.values():
            front.stop()
        self._fronts = {}


POSTFIX, EXIM = Satellite(PostfixSender, _PostfixSatellite), Satellite(EximSender, _EximSatellite)
