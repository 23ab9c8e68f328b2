"""The gate in its namespace, whoever stands in front of it, and whoever sends."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import smtplib
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.ground import wait_until
from spaces import CLIENT, MIDDLE, OUTSIDE, standing_in, within

ADMIN = "127.0.0.1:9625"


class Lines:
    """What a process says, line by line."""

    def __init__(self, command, stream, **more):
        self.lines = queue.Queue()
        self.process = subprocess.Popen(command, **{stream: subprocess.PIPE}, **more, text=True)
        threading.Thread(target=self.read, args=(getattr(self.process, stream),), daemon=True).start()

    def read(self, stream):
        for line in stream:
            self.lines.put(line.rstrip("\n"))

    def wait_for(self, wanted, seconds=20):
        end = time.monotonic() + seconds
        seen = []
        while True:
            try:
                line = self.lines.get(timeout=0.5)
            except queue.Empty:
                if time.monotonic() < end and self.process.poll() is None:
                    continue
                raise AssertionError(f"never came: {wanted}; but {seen}") from None
            seen.append(line)
            if wanted in line:
                return line

    def rest(self):
        time.sleep(0.2)
        found = []
        while not self.lines.empty():
            found.append(self.lines.get())
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Running(Lines):
    """A gate that runs."""

    def figure(self, series: str) -> int:
        """A figure of its metrics."""
        with standing_in(MIDDLE), urllib.request.urlopen(f"http://{ADMIN}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        (line,) = (line for line in text.splitlines() if line.startswith(f"{series} "))
        return int(line.split()[-1])

    def until_relays_are_up(self, count: int = 1) -> None:
        """It has asked so many."""
        names = [f"mx{number or ''}" for number in range(count)]
        series = [f'gatepost_relay_up{{relay="{name}"}}' for name in names]
        wait_until("the relays are up", lambda: all(self.figure(each) for each in series))

    def standing(self) -> dict[str, str]:
        """Whose it is, and what it may do: the lines of /proc/PID/status."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return dict(line.split(":\t", 1) for line in status.splitlines())


class Door(NamedTuple):
    """A listener and its relay, as the deployment file has them."""

    listen: Sequence[str]
    accept: str
    relay: str
    trusted: Sequence[str] = ()

    def text(self, name: str) -> str:
        trusted = f"trusted = {json.dumps(self.trusted)}\n" if self.trusted else ""
        return f"""
[[listener]]
name = "{name}"
listen = {json.dumps(self.listen)}
accept = "{self.accept}"
{trusted}rules = "rules.toml"
relay = "{name}"
[relay.{name}]
{self.relay}
"""


RULES = 'profile = "test"\nextends = "base"\n[relay]\nto = ["example.com"]\n'


@contextlib.contextmanager
def gates(*doors: Door, capabilities: str | None = None, bans: str | None = None) -> Iterator[Running]:
    """A gate with these doors: `mx`, `mx1`, and so on; with `capabilities` it is nobody's, and has them and no other; with
    `bans` it has kept these."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        config = Path(folder) / "gatepost.toml"
        keeps = ""
        if bans is not None:
            (Path(folder) / "bans").write_text(bans, encoding="utf-8")
            keeps = 'state = "."\n'
        head = f'name = "gate.test"\n{keeps}[admin]\nlisten = "{ADMIN}"\n[drain]\nwithin = "1s"\n'
        texts = (door.text(f"mx{number or ''}") for number, door in enumerate(doors))
        config.write_text(head + "".join(texts), encoding="utf-8")
        (Path(folder) / "rules.toml").write_text(RULES, encoding="utf-8")
        command = within(MIDDLE, os.environ["GATEPOST"], "run", "--threads", "1", "--config", str(config))
        if capabilities is not None:
            keep = ["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
            keep += [f"--inh-caps=-all{capabilities}", f"--ambient-caps=-all{capabilities}"]
            command[4:4] = ["setpriv", *keep, f"--bounding-set=-all{capabilities}"]
        running = Running(command, "stderr", stdout=subprocess.DEVNULL)
        try:
            for _ in [address for door in doors for address in door.listen]:
                running.wait_for("listening on")
            yield running
        finally:
            running.stop()


def gate(listen, accept, relay, trusted=(), capabilities=None):
    """A gate with one door."""
    return gates(Door(listen, accept, relay, trusted), capabilities=capabilities)


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def balancer(ways: dict[int, tuple[str, str]], more: str = "") -> Iterator[None]:
    """HAProxy in front: from which outer port, to which address, and what more there is to say of that server."""
    text = "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 30s\n  timeout server 30s\n"
    text += f"  {more}\n"
    for port, (server, words) in ways.items():
        binds = "".join(f"  bind {address}:{port}\n" for address in OUTSIDE.values())
        text += f"listen from{port}\n{binds}  server gate {server} {words}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".cfg") as config:
        config.write(text)
        config.flush()
        process = subprocess.Popen(within(MIDDLE, "haproxy", "-db", "-q", "-f", config.name))
        try:
            listening = within(MIDDLE, "ss", "-Hltn")
            wait_until("HAProxy listens", lambda: all(f":{port} " in _said(listening) for port in ways))
            yield
        finally:
            process.terminate()
            process.wait(10)


def send(server, port=25, wait=10, pause=0.0, messages=1, recipient="b@example.com"):
    """As a client in its namespace; gives its port, and what went wrong."""
    own = None
    with standing_in(CLIENT):
        try:
            with smtplib.SMTP(server, port, "client.test", timeout=wait) as client:
                own = client.sock.getsockname()[1]
                for _ in range(messages):
                    client.sendmail("a@client.test", [recipient], "Subject: x\r\n\r\nbody\r\n")
                    time.sleep(pause)
        except (OSError, smtplib.SMTPException) as wrong:
            return own, repr(wrong)
    return own, ""
