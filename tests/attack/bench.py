"""What the attacks have in common: a gate, a relay of so many processes, a load, and the figures of a process.

Python 3 and its standard library. Nothing here judges; each attack prints what it measured.
"""

import os
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GATE = os.environ.get("GATEPOST", str(ROOT / "target/release/gatepost"))
PARTNER = "127.0.0.2"
DOMAIN = "bench.test"

# The shipped profile and three things: our domain, our partner, and that one client may have many connections if it
# is a partner. Everybody else is left to what ships.
RULES = f"""\
profile = "attack"
extends = "inbound"

[lists]
local_domains_add = ["{DOMAIN}"]
partners = ["{PARTNER}"]

[[exempt]]
from = ["listener.sessions_per_client"]
when = {{ "client.ip" = "@partners" }}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connect(target: tuple[str, int], source: str, timeout: float = 30) -> socket.socket:
    return socket.create_connection(target, timeout, (source, 0))


class Program:
    """A program that was started, and its figures."""

    process: subprocess.Popen

    def pss(self) -> float:
        """KiB of memory that are its own."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return float(next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:")))

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def cpu(self) -> float:
        """Seconds of processor time, to the nanosecond where the kernel tells."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


class Gate(Program):
    """A gate in front of a relay, with these rules, and these lines in its listener and its relay."""

    def __init__(
        self,
        relay: tuple[str, int],
        rules: str = RULES,
        listener: str = "",
        behind: str = "",
        threads: int | None = None,
    ):
        self.place = Path(tempfile.mkdtemp(prefix="gatepost-attack-"))
        self.target, self.admin = ("127.0.0.1", free_port()), free_port()
        (self.place / "rules.toml").write_text(rules)
        (self.place / "gatepost.toml").write_text(f"""\
name = "gate.{DOMAIN}"
[admin]
listen = "127.0.0.1:{self.admin}"
[[listener]]
name = "main"
listen = ["127.0.0.1:{self.target[1]}"]
rules = "rules.toml"
relay = "behind"
{listener}
[relay.behind]
address = ["{relay[0]}:{relay[1]}"]
identity = "none"
{behind}
""")
        command = [GATE, "run", "--config", str(self.place / "gatepost.toml")]
        command += ["--threads", str(threads)] if threads else []
        with open(self.place / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait("it is ready", self.is_ready)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def wait(self, what: str, holds, within: float = 30) -> None:
        end = time.monotonic() + within
        while not holds():
            if time.monotonic() > end or self.process.poll() is not None:
                sys.exit(f"waited too long: {what}\n{(self.place / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


class Peers:
    """Many connections in one thread. `lines`: what each says, a line for each reply."""

    def __init__(self, target: tuple[str, int], lines: list[bytes]):
        self.target, self.lines = target, lines
        self.selector = selectors.DefaultSelector()
        self.open: dict[socket.socket, list] = {}
        self.opened = self.closed = 0
        self.last: dict[bytes, int] = {}

    def add(self, source: str) -> None:
        peer = socket.socket()
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.bind((source, 0))
        peer.connect_ex(self.target)
        self.selector.register(peer, selectors.EVENT_READ)
        self.open[peer] = [0, b"", time.monotonic()]
        self.opened += 1

    def turn(self, wait: float) -> None:
        for key, _ in self.selector.select(wait):
            self.hear(key.fileobj)

    def hear(self, peer: socket.socket) -> None:
        state = self.open[peer]
        try:
            octets = peer.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        if not octets:
            return self.drop(peer)
        *lines, state[1] = (state[1] + octets).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self.last[line[:3]] = self.last.get(line[:3], 0) + 1
                if state[0] < len(self.lines):
                    try:
                        peer.send(self.lines[state[0]] + b"\r\n")
                    except OSError:
                        return self.drop(peer)
                    state[0] += 1

    def drop(self, peer: socket.socket) -> None:
        self.selector.unregister(peer)
        peer.close()
        del self.open[peer]
        self.closed += 1

    def drop_older_than(self, age: float) -> None:
        limit = time.monotonic() - age
        for peer in [peer for peer, state in self.open.items() if state[2] < limit]:
            self.drop(peer)


def relay(slots: int) -> tuple[str, int]:
    """A relay of so many processes, in a process of its own: who comes when all are busy waits to be accepted."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    if os.fork() == 0:
        serve(listener, slots)
    return listener.getsockname()


def serve(listener: socket.socket, slots: int) -> None:
    parent, links = os.getppid(), {}
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    listening = True
    while os.getppid() == parent:
        for key, _ in selector.select(1):
            if key.fileobj is listener:
                link, _ = listener.accept()
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                link.send(b"220 relay.test ESMTP\r\n")
                links[link] = [b"", False]
                selector.register(link, selectors.EVENT_READ)
            elif not answer(key.fileobj, links[key.fileobj]):
                selector.unregister(key.fileobj)
                del links[key.fileobj]
                key.fileobj.close()
            if listening and len(links) >= slots:
                selector.unregister(listener)
            elif not listening and len(links) < slots:
                selector.register(listener, selectors.EVENT_READ)
            listening = len(links) < slots
    os._exit(0)


def answer(link: socket.socket, state: list) -> bool:
    try:
        octets = link.recv(65536)
        if not octets:
            return False
        *lines, state[0] = (state[0] + octets).split(b"\r\n")
        replies = b""
        for line in lines:
            if state[1]:
                if line == b".":
                    state[1], replies = False, replies + b"250 queued\r\n"
                continue
            verb = line[:4].upper()
            state[1] = verb == b"DATA"
            replies += {
                b"EHLO": b"250-relay.test\r\n250-SIZE 100000000\r\n250 8BITMIME\r\n",
                b"DATA": b"354 go on\r\n",
                b"QUIT": b"221 bye\r\n",
            }.get(verb, b"250 fine\r\n")
        if replies:
            link.send(replies)
        return not replies.endswith(b"221 bye\r\n")
    except OSError:
        return False


class Load:
    """Partners: ten at a time, each a connection for each message of 4 KiB."""

    BODY = b"Subject: x\r\n\r\n" + b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789\r\n" * 68 + b".\r\n"

    def __init__(self, target: tuple[str, int], connections: int = 10):
        self.target, self.connections = target, connections

    def run(self, seconds: float) -> dict:
        self.times, self.failures, end = [], {}, time.monotonic() + seconds
        threads = [threading.Thread(target=self.one, args=(end,)) for _ in range(self.connections)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - start
        ordered = sorted(self.times) or [float("nan")]
        return {
            "messages/s": round(len(self.times) / took, 1),
            "p50 ms": round(statistics.median(ordered) * 1e3, 1),
            "p99 ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1e3, 1),
            "failures": dict(self.failures),
        }

    def one(self, end: float) -> None:
        while time.monotonic() < end:
            start = time.monotonic()
            try:
                self.message()
                self.times.append(time.monotonic() - start)
            except (OSError, AssertionError) as fault:
                key = str(fault)[:60]
                self.failures[key] = self.failures.get(key, 0) + 1
                time.sleep(0.05)

    def message(self) -> None:
        with connect(self.target, PARTNER) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wants = [(None, b"220"), (b"EHLO load.test", b"250"), (b"MAIL FROM:<a@load.test>", b"250")]
            wants += [(f"RCPT TO:<b@{DOMAIN}>".encode(), b"250"), (b"DATA", b"354")]
            for line, code in wants:
                if line:
                    client.sendall(line + b"\r\n")
                self.expect(client, code)
            client.sendall(self.BODY)
            self.expect(client, b"250")
            client.sendall(b"QUIT\r\n")
            self.expect(client, b"221")

    @staticmethod
    def expect(client: socket.socket, code: bytes) -> None:
        text = b""
        while not text.endswith(b"\r\n") or text.splitlines()[-1][3:4] == b"-":
            octets = client.recv(4096)
            assert octets, "the gate has closed"
            text += octets
        assert text.startswith(code), text.decode(errors="replace").strip()
