# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.layer}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.muxer.raw import RawPeer
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import StreamAborted
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IMuxerSession, Role
from twisted_libp2p.muxer import Yamux
from twisted_libp2p.muxer.layer import MuxerLayer
from twisted_libp2p.muxer.yamux.frame import PING, SYN, pack
from twisted_libp2p.pacing import Layer
from twisted_libp2p.testing.muxer import MuxedConnectionDouble


class MuxerLayerTests(SynchronousTestCase):
    """
    The layer that stacks a session on its transport.
    """

    def setUp(self) -> None:
        """
        Connect a session with a peer.
        """
        self.peer = RawPeer(Yamux(Clock()), Clock())
        self.layer: Any = self.peer.layer

    def test_stacked(self) -> None:
        """
        It is a layer as all others are; its session is not.
        """
        self.assertIsInstance(self.layer, MuxerLayer)
        self.assertIsInstance(self.layer, Layer)
        verifyObject(IMuxerSession, self.layer.session)
        self.assertIs(self.layer.session, self.peer.owner.session)

    def test_noBytes(self) -> None:
        """
        Bytes that belong to no stream are refused: they would fall between frames.
        """
        self.peer.take()
        for write in (self.layer.write, self.layer.writeNow):
            self.assertRaises(TypeError, write, b"x")
        self.assertRaises(TypeError, self.layer.writeSequence, [b"x"])
        self.peer.pump.flush()
        self.assertEqual(self.peer.take(), b"")

    def test_first(self) -> None:
        """
        The first frames leave as soon as the layer is connected, without another
        turn of the reactor.
        """
        clock = Clock()
        ours, theirs = (Identity.generate().peerID for _ in range(2))
        connection = MuxedConnectionDouble(ours, theirs)
        layer = Yamux(clock, keepAlive=None).wrap(Role.CLIENT, connection)
        transport = StringTransport()
        connection.sessionStarted = lambda session: session.ping()  # type: ignore[assignment,method-assign]
        layer.buildProtocol(PeerAddress(theirs)).makeConnection(transport)
        self.assertEqual(transport.value(), pack(PING, SYN, 0, 0))
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_close(self) -> None:
        """
        To close the layer is to end the session, in order.
        """
        for close in ("loseConnection", "loseWriteConnection"):
            self.setUp()
            getattr(self.layer, close)()
            self.peer.pump.flush()
            self.assertTrue(self.layer.session.ended)
            self.peer.owner.lost[0].trap(ConnectionDone)

    def test_abort(self) -> None:
        """
        To abort the layer is to end the session at once.
        """
        self.layer.abortConnection()
        self.peer.pump.flush()
        self.peer.owner.lost[0].trap(StreamAborted)

    def test_once(self) -> None:
        """
        There is one layer for a session.
        """
        self.assertRaises(AssertionError, self.layer.factory.buildProtocol, None)
