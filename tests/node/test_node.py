# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the node: the object that an application holds.
"""

from __future__ import annotations

import gc
from typing import Any

from twisted.application.service import (
    Application,
    IService,
    IServiceCollection,
)
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.protocol import Factory
from zope.interface.verify import verifyObject

from tests.node.memory import Client, CountingFactory, NodeTestCase
from twisted_libp2p.address import PeerRecord
from twisted_libp2p.errors import (
    ConfigurationError,
    InvalidMultiaddr,
    UnsupportedAddress,
)
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    ListenClose,
    PeerDisconnected,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID


class ServiceTests(NodeTestCase):
    """
    A node is a service.
    """

    def test_service(self) -> None:
        """
        It is started and stopped below an application.
        """
        node = Node(self.nodes.clock, transports=[])
        verifyObject(IService, node)
        application = Application("test")
        node.setServiceParent(IServiceCollection(application))
        IService(application).startService()
        self.assertTrue(node.running)
        self.assertEqual(self.nodes.result(node.whenListening()), [])
        self.successResultOf(IService(application).stopService())
        self.assertFalse(node.running)

    def test_order(self) -> None:
        """
        Stopping ends the listeners first, then the streams and connections,
        and leaves nothing for the reactor to do.
        """
        server, client = self.nodes.start(), self.nodes.start()
        server.registry.register(PROTOCOL_ID, CountingFactory())
        quiet = Factory.forProtocol(Client)
        quiet.noisy = False
        protocol: Any = self.nodes.result(
            client.connector(server.addresses[0], PROTOCOL_ID).connect(quiet)
        )
        heard: list[Event] = []
        server.events.subscribe(Event, heard.append)
        self.nodes.result(server.stopService())
        kinds = [type(event) for event in heard]
        self.assertEqual(kinds[0], ListenClose)
        self.assertEqual(kinds[-2:], [ClosedConn, PeerDisconnected])
        self.assertIn(ClosedStream, kinds)
        self.assertEqual(len(server.connections), 0)
        self.assertEqual(server.addresses, [])
        self.nodes.settle()
        self.assertEqual(len(protocol.lost), 1)
        self.assertEqual(len(client.connections), 0)

    def test_bound(self) -> None:
        """
        A peer that takes nothing holds the stopping up for two seconds, not
        longer.
        """
        server, client = self.nodes.start(), self.nodes.start()
        near, _ = self.nodes.connect(client, server)
        raw: Any = near._session
        bottom = raw.transport
        while hasattr(bottom, "transport"):
            bottom = bottom.transport
        bottom.pauseProducing()
        stopping = server.stopService()
        self.nodes.advance(1.9)
        self.assertNoResult(stopping)
        self.nodes.advance(0.2)
        self.successResultOf(stopping)
        self.assertEqual(len(server.connections), 0)

    def test_restart(self) -> None:
        """
        A node that was stopped can be started again, as the same peer.
        """
        node = self.nodes.start(listen=["/memory/5"])
        self.nodes.result(node.stopService())
        self.assertEqual(node.addresses, [])
        node.startService()
        node.startService()
        (address,) = self.nodes.result(node.whenListening())
        self.assertEqual(str(address), f"/memory/5/p2p/{node.peerID}")
        other = self.nodes.start()
        self.nodes.connect(other, node)

    def test_cannotListen(self) -> None:
        """
        An address that is taken fails those who wait, and says so once.
        """
        self.nodes.start(listen=["/memory/5"])
        node = self.nodes.start(listen=["/memory/5"])
        self.failureResultOf(node.whenListening(), CannotListenError)
        self.assertEqual(node.addresses, [])

    def test_notStarted(self) -> None:
        """
        A node that was never started does not listen.
        """
        node = Node(self.nodes.clock, transports=[])
        self.failureResultOf(node.whenListening(), ConfigurationError)


class OptionTests(NodeTestCase):
    """
    Options that make no sense are refused in one line, at once.
    """

    def test_refused(self) -> None:
        """
        The error names what is wrong and what would be right.
        """
        other = Identity.generate().peerID
        for options, error, word in (
            ({"security": ["telepathy"]}, ConfigurationError, "noise"),
            ({"muxers": ["funnel"]}, ConfigurationError, "yamux"),
            ({"listen": ["nowhere"]}, InvalidMultiaddr, "nowhere"),
            ({"listen": ["/memory/x"]}, InvalidMultiaddr, "memory"),
            ({"listen": ["/ip4/1.2.3.4/udp/1"]}, UnsupportedAddress, "/udp/1"),
            ({"listen": [f"/memory/1/p2p/{other}"]}, ConfigurationError, str(other)),
        ):
            raised = self.assertRaises(error, self.nodes.start, **options)
            self.assertIn(word, str(raised))
            self.assertNotIn("\n", str(raised))

    def test_ownPeerID(self) -> None:
        """
        Our own peer id at the end of an address to listen on does not hurt.
        """
        identity = Identity.generate()
        node = self.nodes.start(
            listen=[f"/memory/9/p2p/{identity.peerID}"], identity=identity
        )
        self.assertEqual(
            [str(each) for each in node.addresses],
            [f"/memory/9/p2p/{identity.peerID}"],
        )


class QuestionTests(NodeTestCase):
    """
    A node asks its peers.
    """

    def test_ping(self) -> None:
        """
        A ping measures the round trip, and leaves no stream behind.
        """
        server, client = self.nodes.start(), self.nodes.start()
        seconds = self.nodes.result(
            Deferred.fromCoroutine(client.ping(server.addresses[0]))
        )
        self.assertGreater(seconds, 0.0)
        self.nodes.settle()
        self.assertEqual(len(client.connections.to(server.peerID)[0].streams), 0)

    def test_pings(self) -> None:
        """
        Many pings at once do not need more streams than a peer takes.
        """
        server, client = self.nodes.start(), self.nodes.start()
        pings = [
            Deferred.fromCoroutine(client.ping(server.addresses[0])) for _ in range(10)
        ]
        self.nodes.settle()
        for each in pings:
            self.successResultOf(each)

    def test_pingGivenUp(self) -> None:
        """
        A ping that is given up while it waits for its turn never begins.
        """
        server, client = self.nodes.start(), self.nodes.start()
        self.nodes.connect(client, server)
        pings = [Deferred.fromCoroutine(client.ping(server.peerID)) for _ in range(3)]
        for each in pings[1:]:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.nodes.result(pings[0])
        del pings
        gc.collect()
        self.assertEqual(self.flushWarnings(), [])
        self.nodes.result(Deferred.fromCoroutine(client.ping(server.peerID)))

    def test_identify(self) -> None:
        """
        A peer says what it is, where it listens and what it speaks.
        """
        server = self.nodes.start(agent="tester/1", protocolVersion="test/1")
        client = self.nodes.start()
        server.registry.register(PROTOCOL_ID, CountingFactory())
        told = self.nodes.result(
            Deferred.fromCoroutine(client.identify(server.addresses[0]))
        )
        self.assertEqual((told.agent, told.protocolVersion), ("tester/1", "test/1"))
        self.assertIn(PROTOCOL_ID, told.protocols)
        self.assertEqual(told.listenAddresses, (server.addresses[0].withoutPeer(),))

    def test_learnt(self) -> None:
        """
        SD-22: the peerstore learns from the events what a peer is: its key,
        its protocols, its signed record.
        """
        server, client = self.nodes.start(), self.nodes.start()
        self.nodes.connect(client, server)
        store, peer = client.peerstore, server.peerID
        record = store.record(peer)
        assert record is not None
        self.assertEqual(PeerRecord.open(record).peerID, peer)
        self.assertEqual(store.certifiedAddresses(peer), store.addresses(peer))
        self.assertEqual(store.publicKey(peer), server.identity.publicKey)
        self.assertIn("/ipfs/ping/1.0.0", store.protocols(peer))

    def test_reconnect(self) -> None:
        """
        SD-23: where a peer listens is learnt from itself, even by the side
        that was dialed.
        """
        server, client = self.nodes.start(), self.nodes.start()
        near, far = self.nodes.connect(client, server)
        self.nodes.result(near.close())
        self.nodes.settle()
        self.assertTrue(far.reason is not None and far.reason.check(ConnectionDone))
        back = self.nodes.result(server.connect(client.peerID))
        self.assertEqual(back.remotePeer, client.peerID)
