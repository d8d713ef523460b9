# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of C{twist libp2p --processes}: the real program.
"""

from __future__ import annotations

from twisted.internet import reactor

from tests.processes import TWIST, ProgramTestCase
from twisted_libp2p.node import Node


class ProcessesTests(ProgramTestCase):
    """
    A node in several processes.
    """

    async def test_supervisorKilled(self) -> None:
        """
        A worker accepts connections, and ends with its supervisor even if that is
        killed.
        """
        program = self.start(
            *TWIST,
            "--log-format=text",
            "libp2p",
            "--processes=1",
            "--listen=/ip4/127.0.0.1/tcp/0",
        )
        address = await program.says(r"1 processes are reached at (\S+/p2p/\w+)")
        client = Node(reactor)
        client.startService()
        self.addCleanup(client.stopService)
        connection = await client.connect(address)
        self.assertEqual(await program.stop("KILL"), -9)
        await connection.whenClosed()
