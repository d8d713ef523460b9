# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suites of transports and sessions, over the native backend.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.quic import test_transport
from tests.quic.native import requireNative
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AnyTransport
from twisted_libp2p.testing.muxer import SessionConformance
from twisted_libp2p.testing.muxer.doubles import HalfCloseCollector
from twisted_libp2p.testing.muxer.pair import SessionPair
from twisted_libp2p.testing.quic.network import QuicSessionPair


class NativeTransportTests(test_transport.QuicTests, TestCase):
    """
    QUIC over IPv4, by the native backend.
    """

    backend = "native"

    def makeTransport(self, identity: Identity | None = None) -> AnyTransport:
        """
        Make a transport of an identity.
        """
        requireNative()
        return super().makeTransport(identity)


class NativeSixTests(test_transport.SixQuicTests, NativeTransportTests):
    """
    QUIC over IPv6, by the native backend.
    """


class NativeSessionTests(SessionConformance, SynchronousTestCase):
    """
    Sessions and streams in memory, by the native backend.
    """

    def connect(self) -> SessionPair:
        """
        Connect two sessions.
        """
        return QuicSessionPair(self.clock, requireNative().NativeBackend())

    def test_closedSoon(self) -> None:
        """
        A close does not wait for the time by which a peer may delay the acknowledgement
        of one packet, which is 25 ms.
        """
        pair = QuicSessionPair(self.clock, requireNative().NativeBackend())
        # The other end does not answer.
        pair.server.build = HalfCloseCollector
        mine, _ = pair.open(pair.client)
        pair.advance(1)
        mine.stream.write(b"the last bytes")
        mine.stream.loseConnection()
        self.clock.advance(0)
        pair.clientSession.close()
        for _ in range(10):
            self.clock.advance(0.001)
            pair.deliver(pair.client)
            pair.deliver(pair.server)
        self.assertEqual(len(pair.server.lost), 1)
