# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.hub} and L{twisted_libp2p.quic.line}: knocks,
handshakes, and the end of a socket.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import (
    HandshakeEnded,
    HandshakeFailed,
    PeerMismatch,
    StreamReset,
    UpgradeTimeout,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import (
    Handshake,
    ReceivedDatagram,
    Role,
    SentDatagram,
)
from twisted_libp2p.protocols.echo import Echo
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.halfopen import MAX_HALF_OPEN, RETRY_MARK
from twisted_libp2p.quic.hub import PUNCH_SIZE
from twisted_libp2p.quic.judge import CertificateJudge
from twisted_libp2p.quic.line import EARLY
from twisted_libp2p.quic.memory import Facts
from twisted_libp2p.testing.quic.network import QuicSessionPair, UpgradeDouble


class _Greeter(Protocol):
    """
    Writes a byte.
    """

    def connectionMade(self) -> None:
        """
        Write it.
        """
        assert self.transport is not None
        self.transport.write(b"1")


class ResetTests(SynchronousTestCase):
    """
    Streams that the peer resets.
    """

    def test_counted(self) -> None:
        """
        A reset ends both halves on the wire: the peer may open another stream for each,
        however many these are.
        """
        pair = QuicSessionPair(Clock(), AioquicBackend(), maxStreams=4)
        for _ in range(12):
            mine, theirs = pair.open(pair.client)
            mine.stream.abortConnection()
            pair.advance(0.2)
            theirs.reasons[0].trap(StreamReset)
        self.assertEqual(len(pair.server.protocols), 12)


class EarlyTests(SynchronousTestCase):
    """
    Answers to one datagram that concerns many streams.
    """

    def test_middle(self) -> None:
        """
        The first answers leave before the last streams have been opened.
        """
        count = EARLY
        pair = QuicSessionPair(Clock(), AioquicBackend())
        seen: list[int] = []

        def sent(datagram: SentDatagram) -> bool:
            seen.append(len(pair.server.protocols))
            return False

        pair.server.build = Echo
        for _ in range(count):
            pair.client.openStream(_Greeter())
        pair.clock.advance(0)
        self.patch(pair.wires[1], "send", sent)
        pair.deliver(pair.client)
        self.assertEqual(len(pair.server.protocols), count)
        self.assertEqual((seen[0], seen[-1]), (count // 2, count))


class HubTests(SynchronousTestCase):
    """
    Two sockets in memory.
    """

    def setUp(self) -> None:
        """
        Make a clock.
        """
        self.clock = Clock()

    def pair(self, **settings: Any) -> QuicSessionPair:
        """
        Make two hubs, which are not connected.
        """
        return QuicSessionPair(self.clock, AioquicBackend(), start=False, **settings)

    def dial(self, pair: QuicSessionPair) -> UpgradeDouble:
        """
        Dial, and return the upgrade of the dialer.
        """
        pair.near.dial("192.0.2.2", 4002, pair.upgrades[0])
        pair.flush()
        return pair.upgrades[0]

    def crowd(self, pair: QuicSessionPair, count: int) -> None:
        """
        Count handshakes of strangers.
        """
        for number in range(count):
            pair.far.halfOpen.began(f"10.{number // 256}.{number % 256}.1")

    def test_connected(self) -> None:
        """
        Each side learns the identity of the other, and nothing is half open any longer.
        """
        pair = self.pair()
        near = self.dial(pair)
        far = pair.upgrades[1]
        assert near.secured is not None and far.secured is not None
        self.assertEqual(near.secured.remotePeer, far.handshake.identity.peerID)
        self.assertEqual(far.secured.remotePeer, near.handshake.identity.peerID)
        self.assertEqual(pair.far.halfOpen.total, 0)

    def test_confirmedFirst(self) -> None:
        """
        A listener confirms the handshake before it begins with the new connection.
        """
        pair = self.pair()
        confirmed: list[bool] = []
        pair.upgrades[1].ready = lambda session: confirmed.append(
            len(pair.wires[1].sent) > 0
        )
        self.dial(pair)
        self.assertEqual(confirmed, [True])

    def test_token(self) -> None:
        """
        The token of a listener, and the round trip to it, are kept for the next dial.
        """
        pair = self.pair()
        near = self.dial(pair)
        near.session.start(pair.client)
        pair.flush()
        assert near.secured is not None
        peer = near.secured.remotePeer
        near.session.close()
        pair.advance(5)
        facts = pair.near.memory.recall(peer)
        self.assertNotEqual(facts.token, b"")
        self.assertIsNotNone(facts.roundTrip)
        far = pair.upgrades[1].secured
        assert far is not None
        self.assertEqual(pair.far.memory.recall(far.remotePeer), Facts())

    def test_retry(self) -> None:
        """
        In a crowd a peer has to prove its address, and connects.
        """
        pair = self.pair()
        self.crowd(pair, RETRY_MARK)
        sent: list[SentDatagram] = []

        def seen(datagram: SentDatagram) -> bool:
            sent.append(datagram)
            return False

        pair.dropped = seen
        self.assertIsNotNone(self.dial(pair).secured)
        # The first answer is a Retry.
        self.assertEqual(sent[1].data[0] & 0xF0, 0xF0)

    def test_full(self) -> None:
        """
        If there are too many handshakes, a peer with a proven address is refused.
        """
        pair = self.pair()
        self.crowd(pair, MAX_HALF_OPEN)
        (failure,) = self.dial(pair).failures
        self.assertIn("takes no further connection", str(failure.value))

    def test_unwanted(self) -> None:
        """
        A peer whose address is not wanted is refused before there is any state.
        """
        pair = self.pair()
        pair.far.accept = lambda address: None
        (failure,) = self.dial(pair).failures
        failure.trap(HandshakeFailed)
        self.assertEqual(pair.far.lines, {})

    def test_nobody(self) -> None:
        """
        A socket on which nobody listens does not answer.
        """
        pair = self.pair(idleTimeout=5.0)
        pair.far.accept = None
        near = self.dial(pair)
        self.assertEqual(pair.wires[1].sent, type(pair.wires[1].sent)())
        pair.advance(30)
        (failure,) = near.failures
        failure.trap(UpgradeTimeout)

    def test_left(self) -> None:
        """
        A dialer that leaves during the handshake, since it is connected at another
        address, has not failed.
        """
        pair = self.pair()
        pair.near.dial("192.0.2.2", 4002, pair.upgrades[0])
        self.clock.advance(0)
        pair.deliver(pair.client)
        (line,) = pair.near.lines.values()
        line.drop()
        pair.flush()
        (failure,) = pair.upgrades[1].failures
        failure.trap(HandshakeEnded)
        self.assertEqual(str(failure.value), "/quic-v1: the peer has closed")

    def test_failing(self) -> None:
        """
        A handshake that has failed counts until its state is gone: otherwise a crowd
        whose handshakes fail at once would have no bound.
        """
        pair = self.pair()

        def refuse(*_: object) -> bytes:
            raise HandshakeFailed("/quic-v1", "nobody")

        self.patch(CertificateJudge, "__call__", refuse)
        self.dial(pair)
        (line,) = pair.far.lines.values()
        self.assertTrue(line.lost)
        self.assertEqual(pair.far.halfOpen.total, 1)
        pair.advance(10)
        self.assertEqual(pair.far.lines, {})
        self.assertEqual(pair.far.halfOpen.total, 0)

    def test_mismatch(self) -> None:
        """
        Another peer than the expected one is a typed error.
        """
        pair = self.pair()
        other = Identity.generate().peerID
        ours = pair.upgrades[0].handshake.identity
        pair.upgrades[0].handshake = Handshake(
            ours, Role.CLIENT, other, (), lambda reason: None
        )
        (failure,) = self.dial(pair).failures
        error = failure.trap(PeerMismatch)
        self.assertIs(error, PeerMismatch)
        self.assertIsNone(pair.upgrades[0].secured)
        self.assertEqual(len(pair.upgrades[1].failures), 1)

    def test_unreachable(self) -> None:
        """
        A dial fails at once if nobody receives at the address; a connection does not.
        """
        pair = self.pair()
        pair.dropped = lambda datagram: True
        near = self.dial(pair)
        pair.near.unreachable("192.0.2.2", 4002)
        (failure,) = near.failures
        failure.trap(ConnectionRefusedError)
        pair = self.pair()
        near = self.dial(pair)
        pair.near.unreachable("192.0.2.2", 4002)
        self.assertEqual(near.failures, [])

    def test_punches(self) -> None:
        """
        The sources of packets without meaning are reported to those who wait for the
        packets of their host.
        """
        pair, ports = self.pair(), list[int]()
        watcher = ("192.0.2.7", ports.append)
        pair.near.punches.append(watcher)
        meant, other = b"x" * PUNCH_SIZE, b"x" * (PUNCH_SIZE + 1)
        pair.near.received(
            [
                ReceivedDatagram(meant, "192.0.2.7", 1001),
                ReceivedDatagram(meant, "192.0.2.8", 1002),
                ReceivedDatagram(other, "192.0.2.7", 1003),
                ReceivedDatagram(meant + meant, "192.0.2.7", 1004, PUNCH_SIZE),
            ]
        )
        self.assertEqual(ports, [1001, 1004])
        pair.near.punches.remove(watcher)
        pair.near.received([ReceivedDatagram(meant, "192.0.2.7", 1001)])
        self.assertEqual(ports, [1001, 1004])

    def test_dropped(self) -> None:
        """
        A dial that is given up leaves nothing.
        """
        pair = self.pair()
        pair.near.dial("192.0.2.2", 4002, pair.upgrades[0])
        drop = pair.upgrades[0].drop
        assert drop is not None
        drop()
        pair.advance(10)
        self.assertEqual(pair.near.lines, {})
        self.assertTrue(pair.wires[0].closed)

    def test_error(self) -> None:
        """
        An error of the backend ends one connection, and no other.
        """
        pair = self.pair()
        near = self.dial(pair)
        near.session.start(pair.client)
        endpoint: Any = pair.near._endpoint

        def broken(handle: int, now: float) -> Any:
            raise ZeroDivisionError

        self.patch(endpoint, "poll", broken)
        near.session._line.touch()
        near.session._line.drive()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(pair.client.lost), 1)
        self.assertEqual(pair.near.lines, {})

    def test_closed(self) -> None:
        """
        A socket is closed when nobody listens and its connections have ended.
        """
        pair = self.pair()
        near = self.dial(pair)
        pair.upgrades[1].session.start(pair.server)
        near.session.start(pair.client)
        pair.far.stopAccepting()
        pair.flush()
        self.assertFalse(pair.wires[1].closed)
        near.session.close()
        pair.flush()
        self.assertTrue(pair.wires[0].closed)
        self.assertTrue(pair.wires[1].closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])
