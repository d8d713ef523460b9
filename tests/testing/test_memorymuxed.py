# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the natively muxed transport in memory: its sessions, and nodes over it.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.errors import DialFailed, ErrorCode, Gated, PeerMismatch
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Role
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.testing.memorymuxed import (
    MemoryMuxedNetwork,
    MemoryMuxedTransport,
)
from twisted_libp2p.testing.muxer import SessionConformance
from twisted_libp2p.testing.muxer.pair import SessionPair
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport.memory import MemoryAddress


class SessionTests(SessionConformance, SynchronousTestCase):
    """
    The suite of sessions and streams, without any bytes between them.
    """

    def connect(self) -> SessionPair:
        """
        Connect two sessions.
        """
        pair = SessionPair(self.clock)
        network = MemoryMuxedNetwork(self.clock)
        near, far = network.sessions(Role.CLIENT, MemoryAddress(1), MemoryAddress(2))
        near.start(pair.client)
        far.start(pair.server)
        return pair


class NodeTests(SynchronousTestCase):
    """
    Nodes whose only transport is muxed natively.
    """

    def setUp(self) -> None:
        """
        Make a network.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.network = MemoryMuxedNetwork(self.nodes.clock)

    def start(self, **options: Any) -> Any:
        """
        Start a node.
        """
        transports = [MemoryMuxedTransport(self.network)]
        return self.nodes.start(transports=transports, **options)

    def test_connection(self) -> None:
        """
        A connection has an identity that is proven, and names its transport as its
        muxer.
        """
        dialer, listener = self.start(), self.start()
        near, far = self.nodes.connect(dialer, listener)
        self.assertEqual(near.remotePeer, listener.peerID)
        self.assertEqual(far.remotePeer, dialer.peerID)
        self.assertEqual(near.remoteKey, listener.identity.publicKey)
        self.assertEqual((near.security, near.muxer), ("/memory", "memory-muxed"))
        self.assertFalse(near.early)

    def test_services(self) -> None:
        """
        Identify and ping run over it, and so does an application.
        """
        dialer, listener = self.start(), self.start()
        listener.registry.register("/echo", EchoFactory())
        address = listener.addresses[0]
        facts = self.nodes.result(dialer.identify(address))
        self.assertIn("/echo", facts.protocols)
        self.assertGreaterEqual(self.nodes.result(dialer.ping(address)), 0)
        self.nodes.result(dialer.openStream(address, "/echo", EchoFactory()))
        near = self.nodes.result(dialer.connect(address))
        self.assertEqual(self.nodes.result(near.ping()), 0)

    def test_mismatch(self) -> None:
        """
        A peer that is not the expected one is refused, on both sides.
        """
        dialer, listener = self.start(), self.start()
        bare = listener.addresses[0].withoutPeer()
        other = bare.withPeer(Identity.generate().peerID)
        error = self.assertRaises(DialFailed, self.nodes.result, dialer.connect(other))
        ((_, cause),) = error.causes
        self.assertIsInstance(cause, PeerMismatch)
        for node in (dialer, listener):
            self.assertEqual(node.connections.limiter.system.used[0], 0)

    def test_gated(self) -> None:
        """
        A peer that the gater refuses gets the code of the refusal.
        """
        dialer = self.start()
        listener = self.start(gater=ListGater(blocked=[dialer.peerID]))
        near = self.nodes.result(dialer.connect(listener.addresses[0]))
        self.nodes.settle()
        self.assertEqual(near.reason.value.code, ErrorCode.GATED)
        self.assertEqual(len(listener.connections), 0)

    def test_ourGater(self) -> None:
        """
        The dialer's gater refuses a peer that has proven its identity, too.
        """
        listener = self.start()
        dialer = self.start(gater=ListGater(blocked=[listener.peerID]))
        bare = listener.addresses[0].withoutPeer()
        error = self.assertRaises(DialFailed, self.nodes.result, dialer.connect(bare))
        ((_, cause),) = error.causes
        self.assertIsInstance(cause, Gated)
        self.nodes.settle()
        self.assertEqual(len(listener.connections), 0)
