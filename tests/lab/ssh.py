# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
OpenSSH from a machine behind a router to one behind another, by a peer id.
"""

from __future__ import annotations

import filecmp
import os
import re
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from shutil import rmtree
from subprocess import run
from tempfile import mkdtemp

from tests.lab.homes import HomesTestCase
from tests.processes import TWIST, Program
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.relay.book import RelayLimits
from twisted_libp2p.relay.service import RelayService

#: Bytes of the copied file.
SIZE = int(os.environ.get("LIBP2P_SSH_MIB", "4")) << 20

#: The file for the log of the terminals; None for no log.
LOG = os.environ.get("LIBP2P_SSH_LOG")

TOOLS = (sys.executable, "-m", "twisted_libp2p")

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")

#: What is missing, in one line; None if nothing is.
absent = (
    "there is no OpenSSH: apt-get install openssh-server"
    if SSHD is None or shutil.which("scp") is None
    else None
)

# The server does not run as the root of this namespace, which cannot change its user.
START = """\
mount --bind {folder}/passwd /etc/passwd || exit 1
exec unshare --user --map-user=1000 --map-group=1000 {sshd} -D -e -f {folder}/config
"""


class SSHTests(HomesTestCase):
    """
    The two commands of docs/howto/tunnels.rst.

    C{LIBP2P_SSH_MIB} is the size of the copied file, and C{LIBP2P_SSH_LOG} the file for
    the log of the terminals, which the manual shows.
    """

    timeout = 240 + (SIZE >> 20)
    longest = timeout + 60

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        # The path of a socket in it has to be short.
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        for each in ("host", "user"):
            key = str(self.folder / each)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        # On a slow machine the routers may not be passed in time.
        limits = RelayLimits(data=None, duration=None)
        await self.begin(RelayService(limits), KademliaDHT("/lab", "server"))
        settings = {
            "Port": 2222,
            "ListenAddress": "127.0.0.1",
            "HostKey": self.folder / "host",
            "AuthorizedKeysFile": self.folder / "user.pub",
            "PidFile": "none",
            "StrictModes": "no",
            "UsePAM": "no",
            "Subsystem": "sftp internal-sftp",
        }
        lines = (f"{name} {value}\n" for name, value in settings.items())
        (self.folder / "config").write_text("".join(lines))
        settings = {
            "IdentityFile": self.folder / "user",
            "BatchMode": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "VERBOSE",
        }
        lines = (f"{name} {value}\n" for name, value in settings.items())
        (self.folder / "settings").write_text("".join(lines))
        (self.folder / "passwd").write_text(f"me:x:1000:1000::{self.folder}:/bin/sh\n")
        (self.folder / "start").write_text(START.format(folder=self.folder, sshd=SSHD))
        server = self.command(
            self.hosts[0], "unshare", "--mount", "sh", str(self.folder / "start")
        )
        await server.says("Server (listening) on")

    async def done(self, host: int, *command: str) -> Program:
        """
        Run a program on a machine to its end, without an error.
        """
        program = self.command(self.hosts[host], *command)
        self.assertEqual(await program.ends(), 0, program.err.decode())
        return program

    async def test_reached(self) -> None:
        """
        The machine that only a relay knows is reached by its name after pairing, and
        by its id; a file is copied, and goes on when the relay is gone.
        """
        log = Transcript(self.folder)
        home, laptop = (f"--data={self.folder}/{each}" for each in ("home", "laptop"))
        network = ("--dht-prefix=/lab", f"--bootstrap={self.place}")
        relayed = self.middle.events.next(
            AddressesChanged, lambda event: any(map(isRelayed, event.addresses))
        )
        serving = (
            sys.executable, *TWIST, "--log-format=text", "libp2p", home,
            f"--relay={self.place}", "--dht=auto", *network,
            "--serve=/ssh/1.0.0=tcp:127.0.0.1:2222", "--allow-for=/ssh/1.0.0=@paired",
        )  # fmt: skip
        node = self.command(self.hosts[0], *serving)
        peer = await node.says(r"listening on \S+/p2p-circuit/p2p/(\S+)")
        log.add("home", serving, node, r"listening on \S+/p2p-circuit/\S+")
        self.assertEqual(str((await relayed).peer), peer)
        inviting = (*TOOLS, "invite", home)
        invited = await self.done(0, *inviting)
        log.add("home", inviting, invited)
        accepting = (*TOOLS, "accept", laptop, invited.out.decode().strip())
        accepted = await self.done(1, *accepting)
        log.add("laptop", accepting, accepted)
        name = accepted.out.decode().split()[-1]

        def proxy(*target: str) -> str:
            forward = (*TOOLS, "forward", "--stdio", laptop, *target, "/ssh/1.0.0")
            return f"ProxyCommand={shlex.join(forward)}"

        options = ("-F", f"{self.folder}/settings", "-o")
        asking = ("ssh", *options, proxy(name), "me@home", "echo hello")
        asked = await self.done(1, *asking)
        self.assertEqual(asked.out, b"hello\n")
        log.add("laptop", asking, asked)
        path = self.folder / "film"
        with path.open("wb") as file:
            for _ in range(SIZE >> 20):
                file.write(bytes(range(256)) * 4096)
        names = (f"{self.folder}/film", f"me@home:{self.folder}/copy")
        copying = ("scp", *options, proxy(*network, peer), *names)
        program = self.command(self.hosts[1], *copying)
        await program.says("(Authenticated)")
        # A slow machine may not pass the routers in time.
        direct = b"connected directly" in program.err
        if direct:
            await self.middle.stopService()
        self.assertEqual(await program.ends(), 0, program.err.decode())
        log.add("laptop", copying, program)
        if direct:
            log.note("the relay was stopped after the authentication")
        self.assertTrue(filecmp.cmp(path, self.folder / "copy", shallow=False))
        for machine, file_ in (("laptop", "film"), ("home", "copy")):
            summing = ("sha256sum", f"{self.folder}/{file_}")
            log.add(machine, summing, await self.done(0, *summing))
        if LOG is not None:
            Path(LOG).write_text(log.text())


class Transcript:
    """
    The terminals of the machines.
    """

    def __init__(self, folder: Path) -> None:
        """
        @param folder: is left out of paths.
        """
        self._folder = folder
        self._lines: list[str] = []

    def add(
        self,
        machine: str,
        command: Sequence[str],
        program: Program,
        shown: str = ".*",
    ) -> None:
        """
        Add a command, and what it has written.

        @param shown: matches the shown part of a line, at its end.
        """
        self._lines.append(f"{machine}$ {self._short(shlex.join(command))}")
        for line in (program.err + program.out).decode().splitlines():
            found = re.search(f"({shown})$", line)
            if found is not None and found[0]:
                self._lines.append(self._short(found[0]))
        self._lines.append("")

    def note(self, text: str) -> None:
        """
        Add a remark.
        """
        self._lines[-1:] = [f"# {text}", ""]

    def text(self) -> str:
        """
        Return everything.
        """
        return "\n".join(self._lines)

    def _short(self, text: str) -> str:
        """
        Write a command as people do.
        """
        for long, short in (
            (shlex.join((sys.executable, *TWIST)), "twist"),
            (shlex.join(TOOLS), "libp2p"),
            (f"{self._folder}/", ""),
        ):
            text = text.replace(long, short)
        text = re.sub(r"12D3KooW\w{36}(\w{8})", r"12D3KooW…\1", text)
        return re.sub(r"libp2p1-\S+", "libp2p1-…", text)
