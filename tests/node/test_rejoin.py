# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the first connections of a node that was started before.
"""

from __future__ import annotations

from random import Random
from typing import Any

from twisted.application.service import (
    Service,
)
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase, TestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.events import (
    OpenedConn,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, Source
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.node.rejoin import REJOINED, REJOINED_ADDRESSES, SURE
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport
from twisted_libp2p.transport.memory import MemoryAddress


class KeptStore(MemoryPeerStore, Service):
    """
    A peerstore that a node takes for one that outlives it.
    """


class CountingTransport(MemoryTransport):
    """
    A transport that notes what is dialed.
    """

    def __init__(self, network: MemoryNetwork) -> None:
        super().__init__(network)
        self.dialed: list[str] = []

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> Any:
        """
        Note the address.
        """
        self.dialed.append(str(address))
        return super().clientEndpoint(address, options)


class RejoinChoiceTests(SynchronousTestCase):
    """
    Which peers a node comes back to, and at how many addresses.
    """

    def setUp(self) -> None:
        """
        Have a node that has not started, and its peerstore.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        # A time of 0 would stand for never.
        self.nodes.clock.advance(1e6)
        self.store = KeptStore(self.nodes.clock)
        self.transport = CountingTransport(self.nodes.network)

    def node(self, **options: Any) -> Node:
        """
        Make the node.
        """
        node = Node(
            self.nodes.clock,
            transports=[self.transport],
            peerstore=self.store,
            **options,
        )
        self.nodes._nodes.append(node)
        return node

    def strangers(self, count: int) -> None:
        """
        Have strangers come, say that they listen in many places, and go.
        """
        for number in range(count):
            peer = Identity.generate().peerID
            self.store.connected(peer)
            addresses = [
                Multiaddr(f"/memory/{1000 + 100 * number + each}") for each in range(50)
            ]
            self.store.addAddresses(peer, addresses, Source.IDENTIFY)
            self.store.disconnected(peer)

    def test_strangers(self) -> None:
        """
        A peer that was dialed once comes before any number of strangers, and of
        each peer only a few addresses are dialed.
        """
        friend = self.nodes.start()
        (address,) = friend.addresses
        self.store.connected(friend.peerID, address.withoutPeer())
        self.store.disconnected(friend.peerID)
        self.strangers(40)
        node = self.node()
        node.startService()
        self.nodes.advance(60)
        self.assertEqual(len(node.connections.to(friend.peerID)), 1)
        dialed = self.transport.dialed
        self.assertEqual(dialed[0], str(address.withoutPeer()))
        self.assertEqual(len(dialed), 1 + (REJOINED - 1) * REJOINED_ADDRESSES)

    def test_spread(self) -> None:
        """
        Nodes that start together and know the same peers dial some of them all, and
        others each for itself.
        """
        for number in range(100):
            peer = Identity.generate().peerID
            self.store.connected(peer, Multiaddr(f"/memory/{1000 + number}"))
            self.store.disconnected(peer)
        dialed = []
        for start in (1, 2, 3):
            self.transport.dialed.clear()
            node = self.node(random=Random(start).random)
            node.startService()
            self.nodes.advance(60)
            self.nodes.result(node.stopService())
            dialed.append(set(self.transport.dialed))
        self.assertEqual([len(each) for each in dialed], [REJOINED] * 3)
        self.assertGreaterEqual(len(set.intersection(*dialed)), SURE)
        self.assertGreater(len(set.union(*dialed)), REJOINED + SURE)

    def test_undialable(self) -> None:
        """
        Addresses that no transport dials are not among the few, and peers with no
        others are not among those that are dialed.
        """
        friend = self.nodes.start()
        quic = [Multiaddr(f"/ip4/192.0.2.1/udp/{n}/quic-v1") for n in range(1, 70)]
        for peer in (
            friend.peerID,
            *(Identity.generate().peerID for _ in range(2 * REJOINED)),
        ):
            self.store.connected(peer)
            self.nodes.advance(1)
            self.store.addAddresses(peer, quic[:30], Source.IDENTIFY)
            self.store.disconnected(peer)
        live = friend.addresses[0].withoutPeer()
        self.store.addAddresses(friend.peerID, [live], Source.IDENTIFY)
        self.nodes.advance(1)
        self.store.addAddresses(friend.peerID, quic[:30], Source.IDENTIFY)
        node = self.node()
        node.startService()
        self.nodes.advance(60)
        self.assertEqual(len(node.connections.to(friend.peerID)), 1)
        self.assertEqual(self.transport.dialed, [str(live)])

    def test_manyAddresses(self) -> None:
        """
        Of a peer that announces many addresses, those that can be dialed are kept.
        """
        client, server = self.nodes.start(), self.nodes.start()
        self.nodes.result(client.connect(server.addresses[0]))
        live = [Multiaddr("/memory/71"), Multiaddr("/memory/72")]
        quic = [Multiaddr(f"/ip4/192.0.2.1/udp/{n}/quic-v1") for n in range(1, 70)]
        client.peerstore.setAddresses(server.peerID, [*live, *quic], Source.IDENTIFY)
        known = client.peerstore.addresses(server.peerID)
        self.assertEqual(len(known), 64)
        self.assertTrue(set(live) <= set(known))

    def test_small(self) -> None:
        """
        A node that may have few connections comes back to few peers.
        """
        self.strangers(10)
        node = self.node(
            limits=Limits.scaled(connections=16),
            policy=ConnectionPolicy(lowWater=1, highWater=2),
        )
        node.startService()
        self.nodes.advance(60)
        self.assertEqual(len(self.transport.dialed), 2 * REJOINED_ADDRESSES)

    def test_joined(self) -> None:
        """
        A caller that wants a peer which is being rejoined has all its addresses
        tried.
        """
        friend = self.nodes.start()
        dead = [Multiaddr(f"/memory/{1000 + each}") for each in range(10)]
        silent = Factory.forProtocol(Protocol)
        silent.noisy = False
        for each in dead:
            number = MemoryAddress(int(each.value("memory") or 0))
            self.nodes.network.listen(number, silent)
        live = friend.addresses[0].withoutPeer()
        self.store.connected(friend.peerID)
        self.store.addAddresses(friend.peerID, [live], Source.IDENTIFY)
        self.nodes.advance(1)
        self.store.addAddresses(friend.peerID, dead, Source.IDENTIFY)
        self.store.disconnected(friend.peerID)
        node = self.node()
        node.startService()
        self.nodes.advance(2)
        self.assertEqual(len(self.transport.dialed), REJOINED_ADDRESSES)
        dial = node.connect(friend.peerID)
        self.nodes.advance(60)
        self.assertEqual(self.successResultOf(dial).remotePeer, friend.peerID)


class RejoinTests(TestCase):
    """
    SD-22: a node comes back to whom it knew, with nobody's help.
    """

    async def test_restart(self) -> None:
        """
        A node that starts again, with nothing but its peerstore, connects to
        the peer to which it was connected before.
        """
        other = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
        other.startService()
        (address,) = await other.whenListening()
        path = self.mktemp()
        for first in (True, False):
            node = Node(reactor, peerstore=f"sqlite:{path}")
            opened = node.events.next(OpenedConn)
            node.startService()
            if first:
                await node.connect(address)
            self.assertEqual((await opened).peer, other.peerID)
            await node.stopService()
        await other.stopService()
