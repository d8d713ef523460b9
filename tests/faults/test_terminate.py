# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a node that is told to end while it has much to do.
"""

from __future__ import annotations

import sqlite3

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, connectionDone
from twisted.python.failure import Failure

from tests.faults.flood import PIECE, Flood
from tests.processes import TWIST, ProgramTestCase
from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID

PEERS = 8


class Echoed(Flood):
    """
    Has its flood echoed.

    @ivar flowing: fires when much has come back.
    @ivar lost: fires when it has ended.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flowing: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()
        self._count = 0

    def dataReceived(self, data: bytes) -> None:
        """
        Count.
        """
        self._count += len(data)
        if self._count > 10 * len(PIECE) and not self.flowing.called:
            self.flowing.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        It is over.
        """
        super().connectionLost(reason)
        self.lost.callback(None)


class TerminateTests(ProgramTestCase):
    """
    SIGTERM in the midst of it all.
    """

    async def test_load(self) -> None:
        """
        The program ends, its peers know why, and it has stored all peers that it has
        met.
        """
        program = self.start(
            *TWIST,
            "--log-format=text",
            "libp2p",
            "--listen=/ip4/127.0.0.1/tcp/0",
            "--echo",
            "--peerstore=sqlite:peers.db",
        )
        address = await program.says(r"(/ip4/127\S+/p2p/\w+)")
        nodes: list[Node] = []
        floods: list[Echoed] = []
        closed: list[ClosedConn] = []
        for _ in range(PEERS):
            node = Node(reactor)
            node.events.subscribe(ClosedConn, closed.append)
            node.startService()
            self.addCleanup(node.stopService)
            factory = Factory.forProtocol(Echoed)
            factory.noisy = False
            flood = await node.connector(address, PROTOCOL_ID).connect(factory)
            assert isinstance(flood, Echoed)
            nodes.append(node)
            floods.append(flood)
        await gatherResults([flood.flowing for flood in floods])
        last = Node(reactor)
        last.startService()
        self.addCleanup(last.stopService)
        await last.ping(address)
        self.assertIn(await program.stop(), (0, -15))
        await gatherResults([flood.lost for flood in floods])
        reasons = [flood.reason for flood in floods]
        for reason in (*reasons, *(event.reason.value for event in closed)):
            self.assertIsInstance(reason, Libp2pError | ConnectionDone | ConnectionLost)
        self.assertNotIn("Traceback", (program.out + program.err).decode())
        connection = sqlite3.connect(self.folder / "peers.db")
        self.addCleanup(connection.close)
        self.assertEqual(
            connection.execute("PRAGMA integrity_check").fetchone(), ("ok",)
        )
        kept = {peer for (peer,) in connection.execute("SELECT peer FROM peers")}
        self.assertEqual(kept, {each.peerID.toBytes() for each in (*nodes, last)})
