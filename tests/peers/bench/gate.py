"""The gatepost process under test.

GATEPOST names the binary (default: the release build). GATEPOST=direct takes the gate out of the way: clients then
speak to the relay itself, which shows whether the bench is right before it judges the gate.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from .ground import PROJECT, free_port, listens, make_place, remove_place, wait_until
from .papers import Paper
from .relays import LOCAL_DOMAIN

BINARY = os.environ.get("GATEPOST", str(PROJECT / "target" / "release" / "gatepost"))
DIRECT = BINARY == "direct"

# Everybody at the bench is a stranger who sends to example.com, unless a test says what he is.
RULES = f"""\
profile = "bench"
extends = "{{role}}"
{{tls}}
[lists]
local_domains = ["{LOCAL_DOMAIN}"]
"""

# Nobody at the bench has a name, and nobody is to wait for DNS to say so.
NAMELESS = """
[names]
unverified = "tolerate"
failed = "tolerate"
annotate = "off"
"""

# Where no certificate is shown, clients are to be overheard; some take TLS wherever it is offered.
IN_CLEAR = """
[tls]
starttls = "withhold"
"""

# A relay that fails is given up within seconds, or its tests would take hours.
IMPATIENT = {"connect_wait": "1s", "open_within": "2s", "reply_wait": "2s", "final_wait": "2s"}


class Gate:
    """One gatepost in front of one relay; in direct mode nothing but the relay's port.

    With certificates it has a second door, which speaks TLS from the first octet. `tables` are further ones of the
    deployment file.
    """

    def __init__(
        self,
        relay: int,
        rules: str = "",
        waits: Mapping[str, object] | None = None,
        relay_is_up: bool = True,
        role: str = "inbound",
        papers: Sequence[Paper] = (),
        accounts: Mapping[str, str] = MappingProxyType({}),
        listener: Mapping[str, object] = MappingProxyType({}),
        tables: str = "",
        store: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        self.relay = relay
        self._papers, self._listener, self._tables, self._store = papers, listener, tables, store
        self._relay_is_up = relay_is_up
        self.process: subprocess.Popen[bytes] | None = None
        if DIRECT:
            self.port = relay
            return
        self.port, self.implicit_port, self.admin = free_port(), free_port(), free_port()
        self.place = make_place("gate")
        try:
            for user, password in accounts.items():
                self._admit(user, password)
            names = "" if "[names]" in rules else NAMELESS
            self._start(RULES.format(role=role, tls="" if papers else IN_CLEAR) + rules + names, waits)
        except BaseException as failure:
            failure.add_note(self.log())
            self.stop()
            raise

    def _admit(self, user: str, password: str) -> None:
        """Another account in `users`, which lies beside the rules."""
        subprocess.run(
            [BINARY, "passwd", self.place / "users", user], input=password.encode(), capture_output=True, check=True
        )

    def _start(self, rules: str, waits: Mapping[str, object] | None) -> None:
        profile = self.place / "bench.toml"
        profile.write_text(rules)
        plain = waits is None and not self._papers and not self._store
        arguments = self._arguments(profile) if plain else self._deployment(profile, waits or {})
        with open(self.place / "log", "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, "run", *arguments],
                cwd=self.place,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until("gatepost is ready", self._ready if self._relay_is_up else self._listens, within=10)

    def _arguments(self, profile: Path) -> list[str]:
        return [
            *("--listen", f"127.0.0.1:{self.port}"),
            *("--relay", f"127.0.0.1:{self.relay}"),
            *("--rules", str(profile)),
            *("--admin", f"127.0.0.1:{self.admin}"),
        ]

    def _deployment(self, profile: Path, waits: Mapping[str, object]) -> list[str]:
        names = [f"paper{number}" for number, _ in enumerate(self._papers)]
        doors = {"main": (self.port, "starttls")} | ({"implicit": (self.implicit_port, "implicit")} if names else {})
        listeners = "".join(
            f"""
[[listener]]
name = "{name}"
listen = ["127.0.0.1:{port}"]
rules = "{profile}"
relay = "main"
tls = "{tls}"
{_settings({"certificates": names} if names else {})}{_settings(self._listener)}"""
            for name, (port, tls) in doors.items()
        )
        certificates = "".join(
            f'\n[certificate.{name}]\nchain = "{paper.chain}"\nkey = "{paper.key}"\n'
            for name, paper in zip(names, self._papers)
        )
        store = f"\n[store]\n{_settings(self._store)}" if self._store else ""
        path = self.place / "gatepost.toml"
        path.write_text(f"""\
name = "gate.example.net"

[admin]
listen = "127.0.0.1:{self.admin}"
{listeners}
[relay.main]
address = ["127.0.0.1:{self.relay}"]
{_settings({"identity": "none"} | dict(waits))}{certificates}{store}{self._tables}""")
        return ["--config", str(path)]

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"gatepost ended with {self.process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/ready", timeout=2) as answer:
                return answer.status == 200
        except urllib.error.HTTPError:
            return False
        except OSError:
            return False

    def _listens(self) -> bool:
        return listens(self.port)

    def page(self, path: str) -> str:
        """What the admin address says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{path}", timeout=10) as answer:
            return answer.read().decode()

    def log(self) -> str:
        """What it printed."""
        path = self.place / "log"
        return path.read_text(errors="replace")[-20000:] if path.exists() else ""

    def figure(self, series: str) -> float:
        """The value of a series; a series that is not there is 0."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{series} ")), 0.0)

    def memory(self) -> int:
        """Resident octets at this moment."""
        assert self.process is not None
        return _status(self.process.pid, "VmRSS")

    def peak_memory(self) -> int:
        """The most resident octets since `forget_peak`."""
        assert self.process is not None
        return _status(self.process.pid, "VmHWM")

    def forget_peak(self) -> None:
        """Starts a new measurement of the peak (proc(5), clear_refs)."""
        assert self.process is not None
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def assert_alive(self) -> None:
        """It did not crash."""
        if self.process is not None:
            assert self.process.poll() is None, f"gatepost ended with {self.process.returncode}\n{self.log()}"

    def stop(self) -> None:
        """Asks it to end; it has two seconds."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if not DIRECT:
            remove_place(self.place)

    def __enter__(self) -> Gate:
        return self

    def __exit__(self, *_: object) -> None:
        self.assert_alive()
        self.stop()


def _settings(values: Mapping[str, object]) -> str:
    """Lines of TOML. Texts, numbers, truth and lists of these look the same in JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"no {field} for process {pid}")
