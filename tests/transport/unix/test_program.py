# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the programs with Unix sockets.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile

from tests.processes import TWIST, TWISTD, Program, ProgramTestCase

LISTENING = r"listening on (/unix/\S+/p2p/\w+)"


PING = ("-m", "twisted_libp2p", "ping", "-c", "1")


class UnixProgramTests(ProgramTestCase):
    """
    C{twist libp2p}, C{twistd libp2p} and C{libp2p} with a socket.
    """

    def setUp(self) -> None:
        """
        Make a folder whose path is short enough for a socket.
        """
        super().setUp()
        self.place = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.place)
        self.socket = f"{self.place}/node"

    def address(self, program: Program) -> str:
        """
        Return the address that a program has logged.
        """
        found = re.search(LISTENING, (program.out + program.err).decode())
        assert found is not None
        return found[1]

    async def ping(self, target: str) -> None:
        """
        Ping a peer.
        """
        code, out, err = await self.execute(*PING, target)
        self.assertEqual((code, err), (0, ""), err)
        self.assertIn("1 pings", out)

    async def test_ping(self) -> None:
        """
        A node listens on a socket, and is pinged by the logged address, and by the path
        with the id after it.  A second node is refused.
        """
        listen = ("libp2p", "--listen", f"/unix{self.socket}")
        program = self.start(*TWIST, "--log-format=text", *listen)
        await program.says(LISTENING)
        address = self.address(program)
        await self.ping(address)
        await self.ping(f"/unix{self.socket}/p2p/{address.rpartition('/')[2]}")
        code, _, err = await self.execute(*TWIST, *listen)
        self.assertEqual(code, 1)
        self.assertIn("another process listens there", err)
        await program.stop("INT")
        self.assertEqual(os.listdir(self.place), [])

    async def test_user(self) -> None:
        """
        With C{--uid} it listens in a folder of root; the socket belongs to the user.
        At its end the user may not remove it, and the next start replaces it.
        """
        os.chmod(self.place, 0o755)
        # The user need not be able to read this Python.
        twistd = (TWISTD[0], "import encodings.idna; " + TWISTD[1])
        for _ in range(2):
            program = self.start(
                *twistd, "-n", "--pidfile=", "--uid=65534", "--gid=65533",
                "libp2p", "--listen", f"/unix{self.socket}",
            )  # fmt: skip
            await program.says(LISTENING)
            await program.says(r"(set uid/gid 65534/65533)")
            found = os.stat(self.socket)
            self.assertEqual((found.st_uid, found.st_gid), (65534, 65533))
            # It answers, so its reactor runs.
            await self.ping(self.address(program))
            await program.stop("INT")
            self.assertNotIn("Traceback", (program.out + program.err).decode())
            self.assertTrue(os.path.exists(self.socket))

    if os.name != "posix" or os.geteuid() != 0:
        test_user.skip = "only root may change its user"  # type: ignore[attr-defined]
