# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.presence.routing}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.presence.database import Database
from tests.relay.case import LIMITED, RelayTestCase
from twisted_libp2p.errors import NoAddresses
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IDatabase, IHostService, IPeerRouting, PeerStore
from twisted_libp2p.node import Node
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.presence import Presence, PresenceRouting
from twisted_libp2p.presence.service import INTERVAL


@implementer(IDatabase)
class Store(MemoryPeerStore):
    """
    A peerstore of one node, with the database of all of them.
    """

    def __init__(self, clock: Any, database: Database) -> None:
        super().__init__(clock)
        self._database = database
        self.placeholder, self.time = database.placeholder, database.time

    def whenLoaded(self) -> Deferred[None]:
        """
        Fire at once.
        """
        return self._database.whenLoaded()

    def transact(self, work: Any, *arguments: object) -> Deferred[Any]:
        """
        Run at once.
        """
        return self._database.transact(work, *arguments)


class PresenceRoutingTests(RelayTestCase):
    """
    Two nodes of a fleet, one of which is a relay, and a peer that is connected to that.
    """

    def setUp(self) -> None:
        """
        Start the nodes and the peer.
        """
        super().setUp()
        self.database = Database()
        self.addCleanup(self.database.close)
        self.relaying = self.relay()
        self.sibling = self.node()
        self.presences = [self.present(each) for each in (self.relaying, self.sibling)]
        self.routing = PresenceRouting(self.presences[1])
        self.peer = self.listener()
        self.nodes.clock.advance(INTERVAL)
        self.nodes.settle()

    def present(self, node: Node) -> Presence:
        """
        Let a node write to the database.
        """
        node.peerstore = cast(PeerStore, Store(self.nodes.clock, self.database))
        presence = Presence()
        node.add(presence)
        return presence

    def found(self, peer: PeerID) -> list[str]:
        """
        Ask the routing.
        """
        finding: Deferred[Any] = self.routing.findPeer(peer)
        return list(map(str, self.nodes.result(finding)))

    def test_interfaces(self) -> None:
        """
        It has the members of its contracts.
        """
        verifyObject(IHostService, self.routing)
        verifyObject(IPeerRouting, self.routing)

    def test_found(self) -> None:
        """
        The address of a peer at the relay is found, from other nodes only; it is gone
        with the connection.
        """
        peer = self.peer.peerID
        self.assertEqual(self.found(peer), [self.place])
        (relaying, _) = self.presences
        self.assertEqual(self.nodes.result(relaying.relays(peer)), [])
        self.nodes.result(self.peer.stopService())
        self.nodes.clock.advance(INTERVAL)
        self.assertEqual(self.found(peer), [])

    def test_notRelay(self) -> None:
        """
        A node that is no relay names no address, and one whose lease has expired is
        not used.
        """
        self.nodes.result(self.sibling.connect(self.address(self.peer), LIMITED))
        self.nodes.clock.advance(INTERVAL)
        peer = self.peer.peerID
        (relaying, sibling) = self.presences
        self.assertEqual(len(self.nodes.result(sibling.where(peer))), 2)
        self.assertEqual(self.nodes.result(relaying.relays(peer)), [])
        self.database.now += 3600.0
        self.assertEqual(self.found(peer), [])

    def test_connect(self) -> None:
        """
        The node reaches the peer through the relay, if it is asked to.
        """
        peer = self.peer.peerID
        with self.assertRaises(NoAddresses):
            self.nodes.result(self.sibling.connect(peer, LIMITED))
        self.sibling.add(self.routing)
        connection = self.nodes.result(self.sibling.connect(peer, LIMITED))
        self.assertEqual(connection.remotePeer, peer)
        self.assertTrue(connection.limited)
