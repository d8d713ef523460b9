# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of hostile peers, over WebRTC in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from unittest import skipUnless

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.webrtc.pair import RtcSessionPair
from twisted_libp2p.errors import (
    HandshakeEnded,
    HandshakeFailed,
    PeerMismatch,
    PeerUnresponsive,
    StreamReset,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Handshake, IQuicConnections, ReceivedDatagram
from twisted_libp2p.quic.halfopen import MAX_OF_NETWORK
from twisted_libp2p.testing.quic.pair import MOMENT
from twisted_libp2p.webrtc.endpoint import RtcEndpoint
from twisted_libp2p.webrtc.native import HANDSHAKE_TIMEOUT, installed
from twisted_libp2p.webrtc.serving import RtcServing
from twisted_libp2p.webrtc.streams import STALL_TIME, RtcStreams


class _Between(RtcServing):
    """
    A dialer whose certificate is another one than it says.
    """

    def _begin(
        self,
        below: IQuicConnections,
        handle: int,
        handshake: Handshake,
        early: Sequence[tuple[object, ...]],
    ) -> RtcStreams:
        assert isinstance(below, RtcEndpoint)
        below.association(handle).hash = b"\x12\x20" + bytes(32)
        return super()._begin(below, handle, handshake, early)


@skipUnless(installed(), "twisted-libp2p-native is not installed")
class HandshakeTests(SynchronousTestCase):
    """
    A peer that has not proven who it is gets nothing.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.pair = RtcSessionPair(self.clock, begin=False)

    def assertRefused(self, error: type[Exception]) -> None:
        """
        Check that no session has begun, and nothing is left.
        """
        pair = self.pair
        pair.flush()
        self.clock.advance(3)
        pair.flush()
        mine, other = pair.upgrades
        self.assertIsNone(other.session)
        self.assertTrue(other.failures)
        self.assertIsInstance(mine.failures[0].value, error)
        self.assertEqual(pair.far.lines, {})
        self.assertEqual(pair.far.halfOpen.total, 0)

    def test_prologue(self) -> None:
        """
        A peer between two others has no valid prologue.
        """
        pair = self.pair
        pair.dialing = _Between(
            self.clock, pair.upgrades[0].handshake.identity, lambda: MOMENT
        )
        pair.dial()
        self.assertRefused(HandshakeFailed)

    def test_otherPeer(self) -> None:
        """
        Another peer than the expected one is refused.
        """
        upgrade = self.pair.upgrades[0]
        other = Identity.generate().peerID
        upgrade.handshake = replace(upgrade.handshake, expected=other)
        self.pair.dial()
        mine, _ = self.pair.upgrades
        self.assertIsInstance(mine.failures[0].value, PeerMismatch)
        self.assertIsNone(mine.session)

    def test_listenerClosed(self) -> None:
        """
        If the listener is closed during a handshake, the peer is refused: its
        certificate alone proves nothing.
        """
        pair = self.pair
        how = pair.dialing.dial(pair.hashes)
        pair.near.dial("192.0.2.2", 4002, pair.upgrades[0], web=how)
        for _ in range(2):
            self.clock.advance(0)
            pair.deliver(pair.client)
            pair.deliver(pair.server)
        self.assertTrue(pair.far.lines)
        pair.far.stopAcceptingWeb()
        self.assertRefused(HandshakeFailed)
        (failure,) = pair.upgrades[1].failures
        self.assertIn("browsers are no longer served here", str(failure.value))

    def test_left(self) -> None:
        """
        A dialer that leaves before it has proven who it is, since it is connected at
        another address, has not failed.
        """
        pair = self.pair
        how = pair.dialing.dial(pair.hashes)
        pair.near.dial("192.0.2.2", 4002, pair.upgrades[0], web=how)
        for _ in range(3):
            self.clock.advance(0)
            pair.deliver(pair.client)
            pair.deliver(pair.server)
        (line,) = pair.near.lines.values()
        line.drop()
        pair.flush()
        (failure,) = pair.upgrades[1].failures
        failure.trap(HandshakeEnded)

    def test_halfOpen(self) -> None:
        """
        Half-open connections of a network are bounded, and end after a while; their
        answers are shorter than their questions.
        """
        pair = self.pair
        how = pair.dialing.dial(pair.hashes)
        pair.near.dial("192.0.2.2", 4002, pair.upgrades[0], web=how)
        self.clock.advance(0)
        near, far = pair.wires
        (request,) = near.sent
        pair.deliver(pair.client)
        pair.deliver(pair.server)
        hello = near.sent.popleft()
        near.sent.clear()
        self.assertEqual(pair.far.halfOpen.total, 0)
        received = 0
        for port in range(5000, 5000 + MAX_OF_NETWORK + 8):
            for data in (request.data, hello.data):
                received += len(data)
                datagram = ReceivedDatagram(data, "198.51.100.7", port)
                pair.far.received([datagram])
        self.assertEqual(pair.far.halfOpen.total, MAX_OF_NETWORK)
        for _ in range(round(HANDSHAKE_TIMEOUT) + 6):
            self.clock.advance(1)
        self.assertEqual(pair.far.halfOpen.total, 0)
        sent = sum(len(each.data) for each in far.sent)
        self.assertLess(sent, 3 * received)


@skipUnless(installed(), "twisted-libp2p-native is not installed")
class SessionTests(SynchronousTestCase):
    """
    A peer that has proven who it is cannot harm others.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.pair = RtcSessionPair(self.clock)

    def test_stalled(self) -> None:
        """
        A stream that nobody reads is reset when it has filled the window of all for
        long, and the others go on.
        """
        pair = self.pair
        mine, theirs = pair.open(pair.client)
        other, otherEnd = pair.open(pair.client)
        theirs.stream.pauseProducing()
        mine.stream.write(bytes(1_000_000))
        pair.flush()
        other.stream.write(b"waits")
        pair.flush()
        self.assertEqual(otherEnd.data, b"")
        pair.advance(STALL_TIME + 5)
        pair.flush()
        self.assertEqual(otherEnd.data, b"waits")
        self.assertTrue(mine.reasons[0].check(StreamReset))
        self.assertFalse(other.reasons)

    def test_unreadAlone(self) -> None:
        """
        A stream that nobody reads harms nobody if there is no other.
        """
        pair = self.pair
        mine, theirs = pair.open(pair.client)
        theirs.stream.pauseProducing()
        mine.stream.write(bytes(1_000_000))
        pair.advance(STALL_TIME + 2)
        self.assertFalse(mine.reasons)
        theirs.stream.resumeProducing()
        pair.flush()
        self.assertEqual(len(theirs.data), 1_000_000)

    def test_vanished(self) -> None:
        """
        A peer that vanishes is lost after a while.
        """
        pair = self.pair
        pair.hold(pair.client)
        pair.advance(40)
        self.assertEqual(len(pair.server.lost), 1)
        self.assertTrue(pair.server.lost[0].check(PeerUnresponsive))
