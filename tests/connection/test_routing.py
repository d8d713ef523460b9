# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the dialer and the routings that it asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.errors import AddressRefused, DialFailed, NoAddresses
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import DialOptions, IPeerRouting
from twisted_libp2p.node import Node
from twisted_libp2p.testing.nodes import MemoryNodes


@implementer(IPeerRouting)
class Routing:
    """
    Finds what a test says.
    """

    origin = Origin.PUBLIC

    def __init__(self, answer: Any = ()) -> None:
        self.answer = answer
        self.asked: list[PeerID] = []

    def findPeer(self, peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Note the question.
        """
        self.asked.append(peer)
        if isinstance(self.answer, Deferred):
            return self.answer
        if isinstance(self.answer, Exception):
            return fail(self.answer)
        return succeed(self.answer)


class RoutingTests(SynchronousTestCase):
    """
    Routings are asked when no address is known, and when all have failed.
    """

    def setUp(self) -> None:
        """
        Start a node that peers can find.  Only nodes on the same host may name
        addresses of memory: the filter lets them pass here.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.nodes.start()
        self.address = self.server.addresses[0]

    def client(self, *routings: Routing) -> Node:
        """
        Start a node with routings.
        """
        node = self.nodes.start(routings=routings)
        addresses = node.addressFilter
        self.patch(addresses, "check", lambda origin, address: None)
        return node

    def test_unknown(self) -> None:
        """
        A peer of which no address is known is found.
        """
        routing = Routing([self.address])
        node = self.client(routing)
        connection = self.nodes.result(node.connect(self.server.peerID))
        self.assertEqual(connection.remotePeer, self.server.peerID)
        self.assertEqual(routing.asked, [self.server.peerID])

    def test_stale(self) -> None:
        """
        So is a peer whose known addresses have all failed.
        """
        routing = Routing([self.address.withoutPeer()])
        node = self.client(routing)
        node.peerstore.addAddresses(self.server.peerID, ["/memory/404", "/memory/405"])
        connection = self.nodes.result(node.connect(self.server.peerID))
        self.assertEqual(connection.remoteAddress, self.address.withoutPeer())
        self.assertEqual(len(routing.asked), 1)

    def test_known(self) -> None:
        """
        No routing is asked for a peer that answers at a known address.
        """
        routing = Routing()
        node = self.client(routing)
        node.peerstore.addAddresses(self.server.peerID, [self.address])
        self.nodes.result(node.connect(self.server.peerID))
        self.assertEqual(routing.asked, [])

    def test_several(self) -> None:
        """
        All routings are asked at once; those that fail, or find nothing, do not matter.
        """
        cancelled: list[object] = []
        slow: Deferred[Any] = Deferred(cancelled.append)
        routings = [
            Routing(ValueError("no route")),
            Routing(),
            Routing(slow),
            Routing([self.address]),
        ]
        node = self.client(*routings)
        self.nodes.result(node.connect(self.server.peerID))
        self.assertEqual([len(each.asked) for each in routings], [1] * 4)
        self.assertEqual(cancelled, [slow])

    def test_nothing(self) -> None:
        """
        A peer that nobody finds has no addresses; a peer that is at none of those that
        were found has failed there.
        """
        peer = Identity.generate().peerID
        self.assertRaises(
            NoAddresses, self.nodes.result, self.client(Routing()).connect(peer)
        )
        found = Routing([Multiaddr("/memory/404")])
        error = self.assertRaises(
            DialFailed, self.nodes.result, self.client(found).connect(peer)
        )
        self.assertEqual([address for address, _ in error.causes], ["/memory/404"])
        self.assertEqual(len(found.asked), 1)

    def test_otherPeer(self) -> None:
        """
        Addresses of another peer are left out.
        """
        routing = Routing([self.address])
        peer = Identity.generate().peerID
        self.assertRaises(
            NoAddresses, self.nodes.result, self.client(routing).connect(peer)
        )

    def test_judged(self) -> None:
        """
        The addresses come from peers at unknown places, which must not lead us into
        our own networks.
        """
        node = self.nodes.start(routings=[Routing([self.address])])
        error = self.assertRaises(
            DialFailed, self.nodes.result, node.connect(self.server.peerID)
        )
        ((_, cause),) = error.causes
        self.assertIsInstance(cause, AddressRefused)

    def test_own(self) -> None:
        """
        The dials of a routing itself ask no routing.
        """
        routing = Routing([self.address])
        node = self.client(routing)
        own = node.connect(self.server.peerID, DialOptions(routed=False))
        self.nodes.settle()
        self.failureResultOf(own, NoAddresses)
        self.assertEqual(routing.asked, [])

    def test_few(self) -> None:
        """
        A dial in the background, of few addresses, asks none either.
        """
        routing = Routing([self.address])
        node = self.client(routing)
        peer = self.server.peerID
        node.peerstore.addAddresses(peer, ["/memory/404"])
        background = node._dialer.dial(peer, few=1)
        self.nodes.settle()
        self.failureResultOf(background, DialFailed)
        self.assertEqual(routing.asked, [])

    def test_cancel(self) -> None:
        """
        To give up the dial is to give up the question.
        """
        cancelled: list[object] = []
        answer: Deferred[Any] = Deferred(cancelled.append)
        node = self.client(Routing(answer))
        dial = node.connect(self.server.peerID)
        self.nodes.settle()
        self.assertNoResult(dial)
        dial.cancel()
        self.failureResultOf(dial, CancelledError)
        self.assertEqual(cancelled, [answer])
