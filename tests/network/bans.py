"""Bans on their way into the kernel: what deploy/nftables/gatepost-bans makes of /bans.txt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gates import Door, gates
from spaces import CLIENT, CLIENTS, MIDDLE, OUTSIDE, ROOT, SCRIPTED, sh, within


def calls_in(server):
    """Whether a call of the client is answered within two seconds."""
    program = "import socket,sys;print(socket.create_connection((sys.argv[1],25),2).recv(9))"
    done = subprocess.run(
        within(CLIENT, sys.executable, "-c", program, server), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "timed out" in done.stderr, done.stderr
    return done.stdout


def fill(page="http://127.0.0.1:9625/bans.txt"):
    """The helper, as nobody with CAP_NET_ADMIN."""
    keep = ["--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    keep += [f"--{which}-caps=-all,+net_admin" for which in ("inh", "ambient", "bounding")]
    keep = [word.replace("--bounding-caps", "--bounding-set") for word in keep]
    here = ROOT / "deploy/nftables"
    command = within(MIDDLE, "setpriv", *keep, str(here / "gatepost-bans"), page, str(here / "bans.nft"))
    return subprocess.run(command, capture_output=True, text=True, check=False)


def banned():
    listed = subprocess.run(
        within(MIDDLE, "nft", "-j", "list", "table", "inet", "gatepost_bans"), capture_output=True, check=True
    )
    sets = [each["set"] for each in json.loads(listed.stdout)["nftables"] if "set" in each]
    return {each["elem"]["val"] for one in sets for each in one.get("elem", [])}


def a_ban_becomes_a_call_that_nobody_answers_until_its_time_is_over(_):
    """Whoever is banned hears 421; once the kernel knows, nothing."""
    sh(within(MIDDLE, "nft", "flush", "ruleset"))
    end = time.time() + 12
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    bans = "".join(f"{network} {stamp} harvesting 7K2M9QXT\n" for network in (f"{CLIENTS[4]}/32", "2001:db8:1::/64"))
    direct = f'address = "{SCRIPTED[4]}:25"\nidentity = "none"'
    door = Door([f"{OUTSIDE[4]}:25", f"[{OUTSIDE[6]}]:25"], "direct", direct)
    with gates(door, bans=bans):
        servers = list(OUTSIDE.values())
        assert [calls_in(server) for server in servers] == ["b'421 4.7.0'\n"] * 2
        done = fill()
        assert done.returncode == 0, done
        assert banned() == {CLIENTS[4], "2001:db8:1::"}, banned()
        assert [calls_in(server) for server in servers] == [""] * 2
        # Once more changes nothing.
        assert fill().returncode == 0 and len(banned()) == 2
        time.sleep(max(0, end + 1 - time.time()))
        assert banned() == set(), banned()
        assert [calls_in(server)[2:5] for server in servers] == ["220"] * 2
    sh(within(MIDDLE, "nft", "flush", "ruleset"))


def only_networks_and_numbers_reach_the_kernel(_):
    """What is no list of bans changes nothing."""
    good = "192.0.2.77/32 600 x y\n"
    wrong = [
        "192.0.2.78/32 600 x\n",
        "192.0.2.0/24 600 x y\n",
        "192.0.2.78/32 0 x y\n",
        "192.0.2.78/32 6;flush x y\n",
        "999.0.2.78/32 600 x y\n",
        "}/32 600 x y\n",
        "192.0.2.78/32 600 x y\nadd rule inet\n",
        "<html><body>not found</body></html>\n",
    ]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        page = Path(folder) / "bans.txt"
        for text in [good, *wrong]:
            page.write_text(text, encoding="utf-8")
            page.chmod(0o644)
            done = fill(f"file://{page}")
            assert (done.returncode == 0) == (text == good), (text, done)
            assert banned() == {"192.0.2.77"}, text
        page.unlink()
        assert fill(f"file://{page}").returncode != 0 and banned() == {"192.0.2.77"}
        page.write_text("", encoding="utf-8")
        page.chmod(0o644)
        assert fill(f"file://{page}").returncode == 0 and banned() == set()
    sh(within(MIDDLE, "nft", "flush", "ruleset"))


TESTS = [
    a_ban_becomes_a_call_that_nobody_answers_until_its_time_is_over,
    only_networks_and_numbers_reach_the_kernel,
]
