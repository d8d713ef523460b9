# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the example of a consumer that knows nothing but events.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.events import AddressesChanged, ProtocolsChanged
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.testing.nodes import MemoryNodes

EXAMPLE = Path(__file__).parents[1] / "examples" / "routing_table.py"
KAD = "/kad/1.0.0"


class RoutingTableTests(SynchronousTestCase):
    """
    SD-F6: a table of peers follows what they serve.
    """

    def setUp(self) -> None:
        """
        Have a node with a table, and one that may serve.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node, self.peer = self.nodes.start(), self.nodes.start()
        table: Any = runpy.run_path(str(EXAMPLE))["RoutingTable"]
        self.table = table(self.node, KAD)

    def test_served(self) -> None:
        """
        A peer that serves the protocol is in the table while it is connected.
        """
        self.peer.registry.register(KAD, EchoFactory())
        near, _ = self.nodes.connect(self.node, self.peer)
        self.assertEqual(self.table, {self.peer.peerID})
        self.nodes.result(near.close())
        self.nodes.settle()
        self.assertEqual(self.table, set())

    def test_changes(self) -> None:
        """
        A peer that takes the protocol up, or gives it up, comes and goes.
        """
        changes: list[ProtocolsChanged] = []
        self.node.events.subscribe(ProtocolsChanged, changes.append)
        self.nodes.connect(self.node, self.peer)
        self.assertEqual(self.table, set())
        registration = self.peer.registry.register(KAD, EchoFactory())
        self.nodes.advance(2)
        self.assertEqual(self.table, {self.peer.peerID})
        registration.cancel()
        self.nodes.advance(2)
        self.assertEqual(self.table, set())
        self.assertEqual(
            [(each.peer, each.added, each.removed) for each in changes],
            [(self.peer.peerID, (KAD,), ()), (self.peer.peerID, (), (KAD,))],
        )

    def test_ourselves(self) -> None:
        """
        Our own changes are told in the same way, and at once.
        """
        changes: list[ProtocolsChanged] = []
        moves: list[AddressesChanged] = []
        self.node.events.subscribe(ProtocolsChanged, changes.append)
        self.node.events.subscribe(AddressesChanged, moves.append)
        self.node.registry.register(KAD, EchoFactory())
        self.assertEqual(
            (changes[0].peer, changes[0].added), (self.node.peerID, (KAD,))
        )
        self.nodes.result(self.node.listenOn("/memory/700"))
        self.assertEqual(moves[0].peer, self.node.peerID)
        self.assertIn("/memory/700", map(str, moves[0].addresses))

    def test_moved(self) -> None:
        """
        A peer that listens elsewhere is told of.
        """
        moves: list[AddressesChanged] = []
        self.node.events.subscribe(AddressesChanged, moves.append)
        self.nodes.connect(self.node, self.peer)
        self.nodes.result(self.peer.listenOn("/memory/701"))
        self.nodes.advance(2)
        self.assertEqual(moves[0].peer, self.peer.peerID)
        self.assertIn("/memory/701", map(str, moves[0].addresses))
