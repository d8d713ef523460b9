# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the presence of peers, on a PostgreSQL that fails, and with nodes that are
stopped and killed.
"""

from __future__ import annotations

import signal
import time

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.logger import capturedLogs

from tests.faults import LEASE, PATIENCE, THOROUGH
from tests.peerstore.postgresql import startServer
from tests.processes import Program, ProgramTestCase
from twisted_libp2p.node import Node
from twisted_libp2p.presence import Presence


class PresenceTests(ProgramTestCase):
    """
    Two nodes on one server, in real time: one in this process, which asks, and one in a
    process of its own, to which a peer is connected.
    """

    if not THOROUGH:
        skip = "it takes a server of its own: make faults"

    async def begin(self) -> None:
        """
        Start the server, the nodes and the peer.
        """
        self.server = startServer()
        self.addCleanup(self.server.close)
        self.presence = Presence(LEASE)
        asking = Node(reactor, peerstore=f"postgresql:{self.server.dsn}")
        asking.add(self.presence)
        self.peer = Node(reactor)
        for node in (asking, self.peer):
            node.startService()
            self.addCleanup(node.stopService)
        line = "-m", "tests.faults.presence_node", self.server.dsn
        self.program: Program = self.start(*line)
        said = await self.program.says(r"(\S+ is at /\S+)\n")
        self.place, address = said.split(" is at ")
        self.connection = await self.peer.connect(address)
        await self.found([self.place])

    async def where(self) -> object:
        """
        Ask, and return the error if there is one.
        """
        try:
            return await self.presence.where(self.peer.peerID)
        except Exception as error:
            return error

    async def found(self, places: list[str]) -> None:
        """
        Wait until the peer is found at these places.
        """
        end = time.monotonic() + PATIENCE
        while (found := await self.where()) != places:
            if time.monotonic() > end:
                self.fail(f"{found} instead of {places}")
            await deferLater(reactor, 0.05, lambda: None)

    async def test_away(self) -> None:
        """
        While the database is away the answer is an error; afterwards the peer is found
        where it is then, with one line in the log for each change.
        """
        await self.begin()
        with capturedLogs() as events:
            self.server.kill()
            self.assertIsInstance(await self.where(), Exception)
            await self.connection.close()
            self.server.start()
            await self.found([])
            self.connection = await self.peer.connect(self.connection.remotePeer)
            await self.found([self.place])
        said = [str(each["log_format"]) for each in events]
        for change in ("is not written", "is written again"):
            self.assertLessEqual(sum(change in each for each in said), 1)

    async def test_killed(self) -> None:
        """
        The peers of a node that was killed are forgotten when its lease has expired.
        """
        await self.begin()
        await self.program.stop("KILL")
        await self.found([])

    async def test_stopped(self) -> None:
        """
        The peers of a node that is stopped are forgotten when its lease has expired,
        and found again when it goes on.
        """
        await self.begin()
        self.program.transport.signalProcess(signal.SIGSTOP)
        await self.found([])
        self.program.transport.signalProcess(signal.SIGCONT)
        await self.found([self.place])
