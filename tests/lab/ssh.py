# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
OpenSSH from a machine behind a router to one behind another, by a peer id.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from shutil import rmtree
from subprocess import run
from tempfile import mkdtemp

from tests.lab.homes import HomesTestCase
from tests.processes import TWIST
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.events import AddressesChanged
from twisted_libp2p.relay.book import RelayLimits
from twisted_libp2p.relay.service import RelayService

#: Bytes of the copied file.
SIZE = 4 << 20

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
    """

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
        (self.folder / "passwd").write_text(f"me:x:1000:1000::{self.folder}:/bin/sh\n")
        (self.folder / "start").write_text(START.format(folder=self.folder, sshd=SSHD))
        server = self.command(
            self.hosts[0], "unshare", "--mount", "sh", str(self.folder / "start")
        )
        await server.says("Server (listening) on")

    async def done(self, host: int, *command: str) -> str:
        """
        Run a program on a machine to its end, without an error.

        @return: its stdout.
        """
        program = self.command(self.hosts[host], *command)
        self.assertEqual(await program.ends(), 0, program.err.decode())
        return program.out.decode()

    async def test_reached(self) -> None:
        """
        The machine that only a relay knows is reached by its name after pairing, and
        by its id; a file is copied.
        """
        tools = (sys.executable, "-m", "twisted_libp2p")
        home, laptop = (f"--data={self.folder}/{each}" for each in ("home", "laptop"))
        network = ("--dht-prefix=/lab", f"--bootstrap={self.place}")
        relayed = self.middle.events.next(
            AddressesChanged, lambda event: any(map(isRelayed, event.addresses))
        )
        node = self.command(
            self.hosts[0], sys.executable, *TWIST, "--log-format=text", "libp2p", home,
            f"--relay={self.place}", "--dht=auto", *network,
            "--serve=/ssh/1.0.0=tcp:127.0.0.1:2222", "--allow-for=/ssh/1.0.0=@paired",
        )  # fmt: skip
        peer = await node.says(r"listening on \S+/p2p-circuit/p2p/(\S+)")
        self.assertEqual(str((await relayed).peer), peer)
        ticket = await self.done(0, *tools, "invite", home)
        name = (await self.done(1, *tools, "accept", laptop, ticket.strip())).split()[
            -1
        ]

        def options(*target: str) -> tuple[str, ...]:
            forward = (*tools, "forward", "--stdio", laptop, *target, "/ssh/1.0.0")
            return (
                "-i", f"{self.folder}/user", "-o", "BatchMode=yes",
                "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                "-o", f"ProxyCommand={shlex.join(forward)}",
            )  # fmt: skip

        out = await self.done(1, "ssh", *options(name), "me@home", "echo hello")
        self.assertEqual(out, "hello\n")
        data = bytes(range(256)) * (SIZE // 256)
        (self.folder / "sent").write_bytes(data)
        files = (f"{self.folder}/sent", f"me@home:{self.folder}/copy")
        await self.done(1, "scp", *options(*network, peer), *files)
        self.assertEqual((self.folder / "copy").read_bytes(), data)
