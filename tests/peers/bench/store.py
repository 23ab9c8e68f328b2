"""A Redis for the gates to share. Valkey answers to the same commands."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from .ground import free_port, listens, make_place, remove_place, wait_until

# Debian's redis-tools holds the server as well, and no service that would start by itself.
PROGRAM = "/usr/bin/redis-check-rdb"
PASSWORD = "bench-of-no-secret"


class Store:
    """It keeps nothing over its end."""

    def __init__(self) -> None:
        self.place: Path = make_place("store")
        self.port = free_port()
        self.url_file = self.place / "url"
        self.url_file.write_text(f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0\n")
        self.url_file.chmod(0o600)
        self.start()

    def start(self) -> None:
        """Starts it, for the first time or again."""
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        self.process = subprocess.Popen(
            ["redis-server", *arguments],
            executable=PROGRAM,
            cwd=self.place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_until("the store listens", lambda: listens(self.port))

    def kill(self) -> None:
        """It is gone at once."""
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        """It takes connections and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """It says what it had to say."""
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        remove_place(self.place)
