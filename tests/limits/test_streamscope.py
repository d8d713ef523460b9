# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.limits.streamscope}.
"""

from __future__ import annotations

from dataclasses import replace

from tests.connmanager.doubles import peer
from tests.limits.counting import INBOUND, OUTBOUND, ScopesTestCase
from twisted_libp2p.errors import ConnectionClosing, LimitExceeded
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.limits.limiter import Limiter
from twisted_libp2p.limits.limits import Limits, ScopeLimits


class StreamTests(ScopesTestCase):
    """
    Streams in the scopes.
    """

    def test_life(self) -> None:
        """
        A stream is counted for the system, its peer and its protocol; an
        inbound one is transient until it has a protocol.
        """
        scope = self.connect()
        inbound = scope.openStream(INBOUND)
        self.assertEqual(self.limiter.system.used[2:4], (1, 1))
        self.assertEqual(self.limiter.peers[peer(1)].used[2:4], (1, 1))
        self.assertEqual(self.limiter.transient.used[2:4], (1, 1))
        inbound.agree("/a")
        self.assertEqual(self.limiter.transient.used[2:4], (0, 0))
        self.assertEqual(self.limiter.protocols["/a"].used[2:4], (1, 1))
        outbound = scope.openStream(OUTBOUND)
        self.assertEqual(self.limiter.transient.used[2:4], (0, 0))
        outbound.agree("/a")
        self.assertEqual(self.limiter.protocols["/a"].used[2:4], (2, 1))
        inbound.close()
        outbound.close()
        scope.close()
        self.assertNothingUsed()

    def test_neverAgreed(self) -> None:
        """
        Streams without a protocol give back what they had.
        """
        scope = self.connect()
        for direction in Direction:
            scope.openStream(direction).close()
        scope.close()
        self.assertNothingUsed()

    def test_peer(self) -> None:
        """
        All connections of a peer share its streams; others have their own.
        """
        self.limited(peer=ScopeLimits(streams=3, inboundStreams=2))
        first, second, other = self.connect(1), self.connect(1), self.connect(2)
        first.openStream(INBOUND)
        second.openStream(INBOUND)
        error = self.assertRaises(LimitExceeded, first.openStream, INBOUND)
        self.assertEqual(error.option, "Limits.peer.inboundStreams")
        self.assertEqual(self.refusals, [(error, peer(1))])
        other.openStream(INBOUND)
        first.openStream(OUTBOUND)
        error = self.assertRaises(LimitExceeded, second.openStream, OUTBOUND)
        self.assertEqual(error.option, "Limits.peer.streams")

    def test_allOrNothing(self) -> None:
        """
        What one scope refuses is counted in none.
        """
        for limits in (ScopeLimits(streams=0), ScopeLimits(inboundStreams=0)):
            self.limited(transient=limits)
            scope = self.connect()
            self.assertRaises(LimitExceeded, scope.openStream, INBOUND)
            self.assertEqual(self.limiter.transient.used[2:4], (0, 0))
            self.assertEqual(self.limiter.system.used[2:4], (0, 0))
            self.assertEqual(self.limiter.peers[peer(1)].used[2:4], (0, 0))
            scope.openStream(OUTBOUND)

    def test_protocol(self) -> None:
        """
        All peers share the streams of a protocol; a stream that is refused is
        still to be closed.
        """
        self.limited(protocol=ScopeLimits(inboundStreams=1))
        first, second = self.connect(1), self.connect(2)
        served = first.openStream(INBOUND)
        served.agree("/a")
        refused = second.openStream(INBOUND)
        error = self.assertRaises(LimitExceeded, refused.agree, "/a")
        self.assertEqual(error.scope, "inbound streams of protocol /a")
        self.assertEqual(error.option, "Limits.protocol.inboundStreams")
        self.assertEqual(self.refusals, [(error, peer(2))])
        refused.close()
        other = second.openStream(INBOUND)
        other.agree("/b")
        served.close()
        other.close()
        first.close()
        second.close()
        self.assertNothingUsed()

    def test_specialProtocol(self) -> None:
        """
        A protocol may have other limits, and the error says which.
        """
        limits = replace(Limits.none(), protocols={"/a": ScopeLimits(streams=0)})
        self.limiter = Limiter(limits, self.clock.seconds)
        stream = self.connect().openStream(OUTBOUND)
        error = self.assertRaises(LimitExceeded, stream.agree, "/a")
        self.assertEqual(error.option, "Limits.protocols[/a].streams")

    def test_inventedProtocols(self) -> None:
        """
        The scopes of protocols that peers think up do not pile up; those in use
        are kept.
        """
        scope = self.connect()
        scope.openStream(INBOUND).agree("/used")
        for number in range(1000):
            stream = scope.openStream(INBOUND)
            stream.agree(f"/{number}")
            stream.close()
        self.assertLess(len(self.limiter.protocols), 300)
        self.assertIn("/used", self.limiter.protocols)

    def test_idleSince(self) -> None:
        """
        A connection is idle since its last stream, or since it was admitted;
        background protocols do not count.
        """
        self.clock.advance(5)
        scope = self.connect()
        self.assertEqual(scope.idleSince, 5)
        for protocol, expected in (("/a", 6), ("/background", 6), (None, 8)):
            self.clock.advance(1)
            stream = scope.openStream(INBOUND)
            if protocol is not None:
                stream.agree(protocol)
            stream.close()
            self.assertEqual(scope.idleSince, expected)

    def test_held(self) -> None:
        """
        Bytes that are held for a stream are counted with the connection's, and
        given back with the stream.
        """
        scope = self.connect()
        stream = scope.openStream(INBOUND)
        stream.hold(5)
        stream.hold(-2)
        self.assertEqual(self.limiter.system.used.memory, 3)
        stream.close()
        stream.hold(7)
        scope.close()
        self.assertNothingUsed()

    def test_afterTheConnection(self) -> None:
        """
        A stream that closes after its connection's scope gives back all the
        same, and only once; nothing can be opened or agreed by then.
        """
        scope = self.connect()
        agreed, asking = scope.openStream(INBOUND), scope.openStream(INBOUND)
        agreed.agree("/a")
        agreed.hold(5)
        scope.close()
        self.assertRaises(ConnectionClosing, scope.openStream, INBOUND)
        for stream in (agreed, asking):
            stream.close()
            stream.close()
            self.assertRaises(ConnectionClosing, stream.agree, "/b")
        self.assertNothingUsed()
        self.assertEqual(self.limiter.peers, {})

    def test_notAdmitted(self) -> None:
        """
        A connection that is not admitted yet has no streams: they would be
        counted nowhere.
        """
        scope = self.limiter.dial()
        self.assertRaises(ConnectionClosing, scope.openStream, OUTBOUND)
