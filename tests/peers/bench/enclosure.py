"""A private root for one mail server.

Postfix, Exim and OpenSMTPD claim the same paths and distrust folders that others can write. So each gets an overlay of
this machine's root in a mount namespace of its own: its packages are unpacked there, its configuration, users, queue
and mail lie at their default paths, and this machine sees none of it. A process namespace comes with it: when its first
process ends, everything in it ends. One that needs port 25 gets a network of its own, which is nothing but a loopback.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from .ground import STORE, make_place, remove_place, wait_until

# Debian's /bin, /sbin and /lib are links into /usr. A package that ships a folder of that name would hide the link.
_LINKS_INTO_USR = ("bin", "sbin", "lib")

# The first process inside is this shell. It lives as long as the bench holds the other end of its standard input, so
# that nothing outlives a bench that was killed. It is bash, which also buries the orphans, as a first process must.
_ENTER = """
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$PLACE/upper,workdir=$PLACE/work" "$PLACE/root"
mount --rbind /dev "$PLACE/root/dev"
mount -t proc proc "$PLACE/root/proc"
[ "$NETWORK" = shared ] || ip link set lo up
chroot "$PLACE/root" "$@" </dev/null &
read -r _ || exit 0
"""

MAILBOX_UID = 61810


class Enclosure:
    """An overlay of the root, and the processes in it."""

    def __init__(self, name: str, packages: list[str], shares_network: bool = True) -> None:
        self.name = name
        self._network = "shared" if shares_network else "private"
        self.place = make_place(name)
        self.upper = self.place / "upper"
        for folder in ("upper", "work", "root"):
            (self.place / folder).mkdir()
        for package in packages:
            self._unpack(package)
        self._accounts: list[str] = []
        self._groups: list[str] = []
        self.add_account("mailbox", MAILBOX_UID, home="/home/mailbox")
        self.process: subprocess.Popen[bytes] | None = None

    def _unpack(self, package: str) -> None:
        (archive,) = (STORE / "debs").glob(f"{package}_*.deb")
        subprocess.run(["dpkg", "-x", archive, self.upper], check=True)
        for name in _LINKS_INTO_USR:
            folder = self.upper / name
            if folder.is_dir() and not folder.is_symlink():
                shutil.copytree(folder, self.upper / "usr" / name, symlinks=True, dirs_exist_ok=True)
                shutil.rmtree(folder)

    def add_account(self, name: str, uid: int, home: str = "/nonexistent") -> None:
        """A user and a group of one name and number."""
        self._accounts.append(f"{name}:x:{uid}:{uid}::{home}:/bin/sh\n")
        self.add_group(name, uid)

    def add_group(self, name: str, gid: int) -> None:
        """A group without a user."""
        self._groups.append(f"{name}:x:{gid}:\n")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file inside."""
        target = self.upper / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def copy(self, source: Path, path: str, uid: int = 0) -> None:
        """A file or a folder of this machine inside; a file with its owner."""
        target = self.upper / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
            os.chown(target, uid, uid)

    def folder(self, path: str, uid: int = 0, mode: int = 0o755) -> Path:
        """A folder inside with its owner, empty, whatever this machine has at that path."""
        target = self.upper / path.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        os.setxattr(target, "trusted.overlay.opaque", b"y")
        os.chown(target, uid, uid)
        target.chmod(mode)
        return target

    def start(self, *command: str) -> None:
        """Runs the server inside, in the foreground; its output goes to a log."""
        for path, entries in (("etc/passwd", self._accounts), ("etc/group", self._groups)):
            # Ours stand first: this machine may know the same names by other numbers.
            self.write(path, "".join(entries) + Path("/", path).read_text())
        self.write("etc/hosts", "127.0.0.1 localhost\n")
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("etc/mailname", "example.com\n")
        with open(self.place / "output", "ab") as output:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--pid", *self._own_network, "--fork", "bash", "-c", _ENTER, "enter", *command],
                env={
                    "PLACE": str(self.place),
                    "NETWORK": self._network,
                    "PATH": os.environ["PATH"],
                    "LC_ALL": "C.UTF-8",
                },
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def _own_network(self) -> list[str]:
        return [] if self._network == "shared" else ["--net"]

    def run(self, *command: str, stdin: bytes = b"") -> bytes:
        """Runs a command inside, next to the server; it must succeed."""
        done = self.attempt(*command, stdin=stdin)
        assert done.returncode == 0, (command, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def attempt(self, *command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Runs a command inside, which may fail."""
        assert self.process is not None
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children")
        first = wait_until(f"{self.name} has a first process", lambda: children.read_text().split())[0]
        entry = ["nsenter", "--target", first, "--mount", "--pid", *self._own_network]
        entry += ["chroot", str(self.place / "root")]
        return subprocess.run([*entry, *command], input=stdin, capture_output=True, timeout=60, check=False)

    def log(self) -> str:
        """What the server wrote to its standard output."""
        return (self.place / "output").read_text(errors="replace")

    def stop(self) -> None:
        """Ends everything inside and takes the folder away."""
        if self.process is not None:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(10)
        remove_place(self.place)
