# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What every muxer has to do, as tests, and the doubles that these use.

To test a muxer of your own::

    class MyMuxerTests(MuxerConformance, SynchronousTestCase):
        def muxer(self, clock):
            return MyMuxer(clock)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IPullProducer,
    IPushProducer,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.errors import (
    ConnectionClosing,
    ProtocolViolation,
    StreamAborted,
    StreamReset,
    Truncated,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Direction,
    IMuxedConnection,
    IMuxedStream,
    IMuxer,
    IMuxerSession,
    IStreamScope,
    Role,
)
from twisted_libp2p.testing.pump import Pump, byteByByte, inReads

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _TestCase
else:
    _TestCase = object

__all__ = [
    "Collector",
    "Echo",
    "HalfCloseCollector",
    "MuxedConnectionDouble",
    "MuxerConformance",
    "MuxerPair",
    "PullProducer",
    "PushProducer",
]

_SETTLED = 120.0


class Collector(Protocol):
    """
    Keeps what it receives, and why it was lost.

    @ivar data: what was received.
    @ivar reasons: what C{connectionLost} was called with; one, or none yet.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.reasons: list[Failure] = []

    @property
    def stream(self) -> IMuxedStream:
        """
        The transport, as a stream.
        """
        assert IMuxedStream.providedBy(self.transport)
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Keep it.
        """
        self.reasons.append(reason)


class Echo(Collector):
    """
    Sends back what it receives.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        Send it back.
        """
        super().dataReceived(data)
        self.stream.write(data)


@implementer(IHalfCloseableProtocol)
class HalfCloseCollector(Collector):
    """
    Notes the ends of both halves, in order.

    @ivar ends: C{"read"} and C{"write"}.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[str] = []

    def readConnectionLost(self) -> None:
        """
        Note it.
        """
        self.ends.append("read")

    def writeConnectionLost(self) -> None:
        """
        Note it.
        """
        self.ends.append("write")


@implementer(IPushProducer)
class PushProducer:
    """
    Writes pieces of one size until it is paused.

    @ivar left: how many pieces are still to be written.
    @ivar paused: whether it is paused.
    @ivar stopped: whether it was told to stop.
    @ivar wrote: called after each piece.
    """

    def __init__(self, stream: IMuxedStream, piece: bytes, count: int) -> None:
        self.stream = stream
        self.piece = piece
        self.left = count
        self.paused = False
        self.stopped = False
        self.wrote: Callable[[], object] = lambda: None
        stream.registerProducer(self, True)
        self._write()

    def _write(self) -> None:
        while self.left and not self.paused and not self.stopped:
            self.left -= 1
            self.stream.write(self.piece)
            self.wrote()
            if not self.left:
                self.stream.unregisterProducer()

    def pauseProducing(self) -> None:
        """
        Stop writing.
        """
        self.paused = True

    def resumeProducing(self) -> None:
        """
        Go on.
        """
        self.paused = False
        self._write()

    def stopProducing(self) -> None:
        """
        Write no more.
        """
        self.stopped = True


@implementer(IPullProducer)
class PullProducer:
    """
    Writes one piece whenever it is asked.

    @ivar left: how many pieces are still to be written.
    @ivar stopped: whether it was told to stop.
    """

    def __init__(self, stream: IMuxedStream, piece: bytes, count: int) -> None:
        self.stream = stream
        self.piece = piece
        self.left = count
        self.stopped = False
        stream.registerProducer(self, False)

    def resumeProducing(self) -> None:
        """
        Write one piece.
        """
        self.left -= 1
        self.stream.write(self.piece)
        if not self.left:
            self.stream.unregisterProducer()

    def stopProducing(self) -> None:
        """
        Write no more.
        """
        self.stopped = True


@implementer(IStreamScope)
class StreamScopeDouble:
    """
    The use of limits by a stream whose protocol is agreed; it counts nothing.
    """

    closed = False

    def __init__(self, protocol: str | None = None) -> None:
        self.protocol = protocol

    def agree(self, protocol: str) -> None:
        """
        Note the protocol.
        """
        self.protocol = protocol

    def hold(self, size: int) -> None:
        """
        Count nothing.
        """

    def close(self) -> None:
        """
        Note it.
        """
        self.closed = True


@implementer(IMuxedConnection)
class MuxedConnectionDouble:
    """
    An owner that notes what its session tells it.

    @ivar session: the session, once it has started.
    @ivar events: the names of the calls, in order.
    @ivar build: makes the protocol of an inbound stream; None refuses it.
    @ivar protocols: the protocols of the inbound streams, in order.
    @ivar opened: all streams, in order.
    @ivar ended: the streams that were told to be closed.
    @ivar refused: how many streams the session has refused by itself.
    @ivar lost: what C{sessionLost} was called with.
    """

    localAddress: Multiaddr | None = None
    remoteAddress: Multiaddr | None = None

    def __init__(self, localPeer: PeerID, remotePeer: PeerID) -> None:
        self.localPeer = localPeer
        self.remotePeer = remotePeer
        self.session: IMuxerSession
        self.events: list[str] = []
        self.build: Callable[[], Any] = Collector
        self.protocols: list[Any] = []
        self.opened: list[IMuxedStream] = []
        self.ended: list[tuple[IMuxedStream, Failure]] = []
        self.refused = 0
        self.lost: list[Failure] = []

    def doStart(self) -> None:
        """
        Do nothing.
        """

    def doStop(self) -> None:
        """
        Do nothing.
        """

    def sessionStarted(self, session: IMuxerSession) -> None:
        """
        Note it.
        """
        self.session = session
        self.events.append("sessionStarted")

    def openStream(self, protocol: IProtocol) -> IMuxedStream:
        """
        Open a stream, and note it.
        """
        self.opened.append(self.session.openStream(protocol))
        return self.opened[-1]

    def buildProtocol(self, addr: Any) -> IProtocol | None:
        """
        Build a protocol, or refuse.
        """
        protocol: IProtocol | None = self.build()
        if protocol is not None:
            self.events.append("buildProtocol")
            self.protocols.append(protocol)
            self.opened.append(addr)
        return protocol

    def streamRefused(self) -> None:
        """
        Count it.
        """
        self.refused += 1

    def streamClosed(self, stream: IMuxedStream, reason: Failure) -> None:
        """
        Note it.
        """
        self.events.append("streamClosed")
        self.ended.append((stream, reason))

    def sessionLost(self, reason: Failure) -> None:
        """
        Note it.
        """
        self.events.append("sessionLost")
        self.lost.append(reason)


class MuxerPair:
    """
    Two sessions, connected by a pump.

    @ivar pump: the connection between them.
    @ivar client: the owner of the first session, which opened the connection.
    @ivar server: the owner of the second session.
    """

    def __init__(
        self,
        client: IMuxer,
        server: IMuxer,
        clock: Clock,
        split: Callable[[bytes], Iterable[bytes]] = inReads,
        record: bool = True,
    ) -> None:
        alice = PeerID(b"\x00\x01a")
        bob = PeerID(b"\x00\x01b")
        self.client = MuxedConnectionDouble(alice, bob)
        self.server = MuxedConnectionDouble(bob, alice)
        protocols: list[Any] = [
            client.wrap(Role.CLIENT, self.client).buildProtocol(PeerAddress(bob)),
            server.wrap(Role.SERVER, self.server).buildProtocol(PeerAddress(alice)),
        ]
        self.pump = Pump(*protocols, clock=clock, split=split, record=record)
        self.pump.connect()
        self.pump.flush()

    @property
    def clientSession(self) -> IMuxerSession:
        """
        The session of the side that opened the connection.
        """
        return self.client.session

    @property
    def serverSession(self) -> IMuxerSession:
        """
        The session of the other side.
        """
        return self.server.session

    def open(
        self, owner: MuxedConnectionDouble, protocol: Collector | None = None
    ) -> tuple[Any, Any]:
        """
        Open a stream.

        @param owner: C{client} or C{server}: who opens it.
        @param protocol: who is to be connected to it.
        @return: the protocols of both ends.
        """
        other = self.server if owner is self.client else self.client
        if protocol is None:
            protocol = Collector()
        owner.openStream(protocol)
        self.pump.flush()
        return protocol, other.protocols[-1]


class MuxerConformance(_TestCase):
    """
    What every muxer has to do.

    @cvar windows: whether streams have flow control of their own.
    @cvar announces: whether a session announces its end to the peer.
    """

    windows = True
    announces = False

    def muxer(self, clock: Clock) -> IMuxer:
        """
        Make the muxer to test; override this.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        Have a clock, and no pair yet.
        """
        super().setUp()
        self.clock = Clock()
        self._pairs: list[MuxerPair] = []

    def pair(
        self,
        split: Callable[[bytes], Iterable[bytes]] = inReads,
    ) -> MuxerPair:
        """
        Connect two sessions.
        """
        pair = MuxerPair(
            self.muxer(self.clock), self.muxer(self.clock), self.clock, split
        )
        self._pairs.append(pair)
        return pair

    def tearDown(self) -> None:
        """
        Whatever a test did: in the end every stream was closed once, the
        session was lost once and last, and no timer is left.
        """
        super().tearDown()
        for pair in self._pairs:
            pair.clientSession.close()
            pair.serverSession.close()
            pair.pump.flush()
            pair.pump.advance(_SETTLED)
            for owner in (pair.client, pair.server):
                self.assertEqual(len(owner.lost), 1)
                self.assertEqual(owner.events[0], "sessionStarted")
                self.assertEqual(owner.events[-1], "sessionLost")
                self.assertEqual(owner.events.count("sessionStarted"), 1)
                self.assertCountEqual(
                    [stream for stream, _ in owner.ended], owner.opened
                )
        self.assertEqual(self.clock.getDelayedCalls(), [])

    # Opening

    def test_interfaces(self) -> None:
        """
        The muxer and its session provide what they promise.
        """
        pair = self.pair()
        verifyObject(IMuxer, self.muxer(self.clock))
        verifyObject(IMuxerSession, pair.clientSession)

    def test_open(self) -> None:
        """
        A stream that is opened from either side, and not written to, is seen
        by the other side.
        """
        pair = self.pair()
        for owner, other in (
            (pair.client, pair.server),
            (pair.server, pair.client),
        ):
            mine, theirs = pair.open(owner)
            self.assertIs(mine.stream.direction, Direction.OUTBOUND)
            self.assertIs(theirs.stream.direction, Direction.INBOUND)
            self.assertIs(mine.stream.protocol, mine)
            self.assertEqual(len(other.protocols), 1)
        self.assertEqual(len(pair.clientSession.streams), 2)
        self.assertEqual(len(pair.serverSession.streams), 2)

    def test_writeInConnectionMade(self) -> None:
        """
        A protocol may write as soon as it is connected, on both sides.
        """

        class Eager(Collector):
            def connectionMade(self) -> None:
                self.stream.write(b"hello")

        pair = self.pair()
        pair.server.build = Eager
        mine, theirs = pair.open(pair.client, Eager())
        self.assertEqual((mine.data, theirs.data), (b"hello", b"hello"))

    def test_addresses(self) -> None:
        """
        A stream knows who is at its ends, and what they speak.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.adopt(StreamScopeDouble("/test"))
        self.assertEqual(mine.stream.getPeer().peerID, pair.client.remotePeer)
        self.assertEqual(mine.stream.getPeer().protocolID, "/test")
        self.assertEqual(theirs.stream.getHost().peerID, pair.client.remotePeer)
        self.assertIsNone(theirs.stream.getHost().protocolID)

    def test_refused(self) -> None:
        """
        A stream for which the owner has no protocol is reset.
        """
        pair = self.pair()
        pair.server.build = lambda: None
        mine = Collector()
        pair.client.openStream(mine)
        pair.pump.flush()
        mine.reasons[0].trap(StreamReset)
        self.assertEqual(len(pair.serverSession.streams), 0)
        self.assertEqual(len(pair.clientSession.streams), 0)

    def test_ownerRaises(self) -> None:
        """
        An owner that raises has refused, and the log has it.
        """

        def broken() -> None:
            raise ZeroDivisionError

        pair = self.pair()
        pair.server.build = broken
        mine = Collector()
        pair.client.openStream(mine)
        pair.pump.flush()
        mine.reasons[0].trap(StreamReset)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_openAfterClose(self) -> None:
        """
        No stream can be opened on a session that has ended.
        """
        pair = self.pair()
        pair.clientSession.close()
        self.assertRaises(ConnectionClosing, pair.clientSession.openStream, Collector())

    # Data

    def test_echo(self) -> None:
        """
        Messages of all sizes come back whole.
        """
        for size in (1, 5, 1400, 65507, 65536, 1024 * 1024):
            pair = self.pair()
            pair.server.build = Echo
            mine, _ = pair.open(pair.client)
            message = bytes(range(251)) * (size // 251 + 1)
            mine.stream.write(message[:size])
            pair.pump.flush()
            self.assertEqual(mine.data, message[:size], f"{size} bytes")

    def test_bothWays(self) -> None:
        """
        Both sides send at once, on streams of either side.
        """
        pair = self.pair()
        first = pair.open(pair.client)
        second = pair.open(pair.server)
        for mine, theirs in (first, second):
            mine.stream.write(b"m" * 100_000)
            theirs.stream.write(b"t" * 100_000)
        pair.pump.flush()
        for mine, theirs in (first, second):
            self.assertEqual(mine.data, b"t" * 100_000)
            self.assertEqual(theirs.data, b"m" * 100_000)

    def test_manyStreams(self) -> None:
        """
        1, 10 and 100 streams with 1 and 10 messages each do not mix.
        """
        for streams in (1, 10, 100):
            for messages in (1, 10):
                pair = self.pair()
                pair.server.build = Echo
                mine = [Collector() for _ in range(streams)]
                for collector in mine:
                    pair.client.openStream(collector)
                for message in range(messages):
                    for number, collector in enumerate(mine):
                        collector.stream.write(b"%d of %d;" % (message, number))
                pair.pump.flush()
                for number, collector in enumerate(mine):
                    self.assertEqual(
                        collector.data,
                        b"".join(b"%d of %d;" % (m, number) for m in range(messages)),
                    )
                    collector.stream.loseConnection()
                pair.pump.flush()
                self.assertEqual(len(pair.clientSession.streams), 0)
                self.assertEqual(len(pair.serverSession.streams), 0)

    def test_writeSequence(self) -> None:
        """
        Pieces arrive in order; bytearrays and memoryviews may be changed
        after the call.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        changing = bytearray(b"two")
        view = bytearray(b"three")
        mine.stream.writeSequence([b"one", changing, b"", memoryview(view)])
        mine.stream.write(changing)
        mine.stream.write(memoryview(view))
        mine.stream.write(b"")
        changing[:] = view[:3] = b"xxx"
        pair.pump.flush()
        self.assertEqual(theirs.data, b"onetwothreetwothree")
        self.assertRaises(TypeError, mine.stream.write, "text")
        self.assertRaises(TypeError, mine.stream.writeSequence, ["text"])

    def test_byteByByte(self) -> None:
        """
        What arrives does not depend on how it is cut.
        """
        pair = self.pair(split=byteByByte)
        pair.server.build = Echo
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 300)
        other, _ = pair.open(pair.client)
        other.stream.write(b"y" * 5)
        mine.stream.loseWriteConnection()
        pair.pump.flush()
        self.assertEqual(mine.data, b"x" * 300)
        self.assertEqual(other.data, b"y" * 5)
        mine.reasons[0].trap(ConnectionDone)
        theirs.reasons[0].trap(ConnectionDone)
        self.assertEqual(len(pair.serverSession.streams), 1)

    def test_fairness(self) -> None:
        """
        A stream with little to send does not wait for one with much.
        """
        pair = self.pair()
        pair.pump.client.stalled = True
        greedy, modest = Collector(), Collector()
        for collector in (greedy, modest):
            pair.client.openStream(collector)
        greedy.stream.write(b"g" * 2_000_000)
        modest.stream.write(b"m")
        arrived: list[bytes] = []

        class Order(Collector):
            def dataReceived(self, data: bytes) -> None:
                arrived.append(data[:1])

        pair.server.build = Order
        self.clock.advance(0)
        pair.pump.client.stalled = False
        pair.pump.flush()
        # What the greedy one sent before the transport was full, in a few
        # reads, is all that the modest one waits for.
        self.assertLess(arrived.index(b"m"), 6)

    # Ends of halves

    def test_halfClose(self) -> None:
        """
        Either side may end its half first; the other half goes on, and the
        connection is lost when both have ended.
        """
        for order in ((0, 1), (1, 0)):
            pair = self.pair()
            pair.server.build = HalfCloseCollector
            ends = pair.open(pair.client, HalfCloseCollector())
            first, second = (ends[index] for index in order)
            first.stream.write(b"request")
            first.stream.loseWriteConnection()
            first.stream.write(b"too late")
            pair.pump.flush()
            self.assertEqual(second.data, b"request")
            self.assertEqual((first.ends, second.ends), (["write"], ["read"]))
            self.assertEqual((first.reasons, second.reasons), ([], []))
            second.stream.write(b"response" * 10_000)
            second.stream.loseWriteConnection()
            pair.pump.flush()
            self.assertEqual(first.data, b"response" * 10_000)
            self.assertEqual(first.ends, ["write", "read"])
            self.assertEqual(second.ends, ["read", "write"])
            for protocol in ends:
                self.assertEqual(len(protocol.reasons), 1)
                protocol.reasons[0].trap(ConnectionDone)
            self.assertEqual(len(pair.clientSession.streams), 0)

    def test_peerCloses(self) -> None:
        """
        A protocol that knows no half-close loses the connection when the peer
        closes, after its own bytes are sent.
        """
        pair = self.pair()
        pair.server.build = Echo
        mine, theirs = pair.open(pair.client, HalfCloseCollector())
        mine.stream.write(b"x" * 100_000)
        mine.stream.loseWriteConnection()
        pair.pump.flush()
        self.assertEqual(mine.data, b"x" * 100_000)
        self.assertEqual(mine.ends, ["write", "read"])
        theirs.reasons[0].trap(ConnectionDone)
        self.assertEqual(len(pair.serverSession.streams), 0)

    def test_loseWriteConnectionOfSimple(self) -> None:
        """
        A protocol that knows no half-close may still do one.
        """
        pair = self.pair()
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client)
        mine.stream.loseWriteConnection()
        pair.pump.flush()
        theirs.stream.write(b"response")
        theirs.stream.loseConnection()
        pair.pump.flush()
        self.assertEqual(mine.data, b"response")
        mine.reasons[0].trap(ConnectionDone)

    def test_loseConnectionFlushes(self) -> None:
        """
        All that was written before C{loseConnection} arrives; what is written
        after it does not.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 1_000_000)
        mine.stream.loseConnection()
        mine.stream.write(b"too late")
        mine.stream.writeSequence([b"too late"])
        self.assertEqual(mine.reasons, [])
        pair.pump.flush()
        self.assertEqual(theirs.data, b"x" * 1_000_000)
        for protocol in (mine, theirs):
            self.assertEqual(len(protocol.reasons), 1)
            protocol.reasons[0].trap(ConnectionDone)

    def test_loseConnectionDiscards(self) -> None:
        """
        After C{loseConnection} nothing is delivered, but the peer can finish.
        """
        pair = self.pair()
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client)
        mine.stream.loseConnection()
        pair.pump.flush()
        mine.reasons[0].trap(ConnectionDone)
        self.assertEqual(pair.client.ended, [])
        theirs.stream.write(b"x" * 1_000_000)
        theirs.stream.loseConnection()
        pair.pump.flush()
        theirs.reasons[0].trap(ConnectionDone)
        self.assertEqual(mine.data, b"")
        self.assertEqual(len(pair.client.ended), 1)

    def test_linger(self) -> None:
        """
        A peer that does not end its half is given 30 seconds.
        """
        pair = self.pair()
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client)
        mine.stream.loseConnection()
        pair.pump.flush()
        pair.pump.advance(29)
        self.assertEqual(theirs.reasons, [])
        pair.pump.advance(1)
        theirs.reasons[0].trap(StreamReset)
        self.assertEqual(len(mine.reasons), 1)
        self.assertEqual(len(pair.clientSession.streams), 0)

    def test_loseConnectionTwice(self) -> None:
        """
        A connection can be lost only once, however often it is asked for.
        """
        pair = self.pair()
        mine, _ = pair.open(pair.client)
        stream = mine.stream
        for _ in range(2):
            stream.loseConnection()
            stream.loseWriteConnection()
        pair.pump.flush()
        stream.loseConnection()
        stream.loseWriteConnection()
        stream.abortConnection()
        stream.resumeProducing()
        stream.write(b"x")
        pair.pump.flush()
        self.assertEqual(len(mine.reasons), 1)
        self.assertTrue(stream.disconnecting)
        self.assertTrue(stream.disconnected)

    def test_loseConnectionAfterHalfClose(self) -> None:
        """
        After the half-close has left, C{loseConnection} waits for nothing.
        """
        pair = self.pair()
        pair.server.build = HalfCloseCollector
        mine, theirs = pair.open(pair.client, HalfCloseCollector())
        mine.stream.loseWriteConnection()
        pair.pump.flush()
        mine.stream.loseConnection()
        self.assertEqual(mine.reasons, [])
        pair.pump.flush()
        mine.reasons[0].trap(ConnectionDone)
        theirs.stream.loseConnection()

    # Resets

    def test_abort(self) -> None:
        """
        A reset from either side ends both, once, with typed reasons.
        """
        for index in (0, 1):
            pair = self.pair()
            ends = pair.open(pair.client)
            mine, theirs = ends[index], ends[1 - index]
            mine.stream.write(b"dropped")
            mine.stream.abortConnection()
            mine.stream.abortConnection()
            self.assertEqual(mine.reasons, [])
            pair.pump.flush()
            self.assertEqual(len(mine.reasons), 1)
            mine.reasons[0].trap(StreamAborted)
            self.assertEqual(len(theirs.reasons), 1)
            theirs.reasons[0].trap(StreamReset)
            self.assertEqual(theirs.data, b"")
            self.assertEqual(len(pair.clientSession.streams), 0)
            self.assertEqual(len(pair.serverSession.streams), 0)

    def test_abortUnseen(self) -> None:
        """
        A stream that is reset before the peer has seen it never existed.
        """
        pair = self.pair()
        mine = Collector()
        pair.client.openStream(mine)
        mine.stream.write(b"x")
        mine.stream.abortConnection()
        pair.pump.flush()
        self.assertEqual(pair.server.protocols, [])
        mine.reasons[0].trap(StreamAborted)

    def test_resetDropsUnread(self) -> None:
        """
        What was not read when the reset came is not delivered any more.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        theirs.stream.pauseProducing()
        mine.stream.write(b"unread")
        pair.pump.flush()
        mine.stream.abortConnection()
        pair.pump.flush()
        theirs.reasons[0].trap(StreamReset)
        theirs.stream.resumeProducing()
        pair.pump.flush()
        self.assertEqual(theirs.data, b"")

    def test_applicationRaises(self) -> None:
        """
        A protocol that raises loses its own stream, and no other.
        """

        class Broken(Collector):
            def dataReceived(self, data: bytes) -> None:
                raise ZeroDivisionError

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                raise ValueError

        pair = self.pair()
        bystander, _ = pair.open(pair.client)
        pair.server.build = Broken
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x")
        pair.pump.flush()
        mine.reasons[0].trap(StreamReset)
        theirs.reasons[0].trap(ZeroDivisionError)
        self.assertEqual(bystander.reasons, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_connectionMadeRaises(self) -> None:
        """
        A protocol that raises when it is connected is reset, on either side.
        """

        class Broken(Collector):
            def connectionMade(self) -> None:
                raise ZeroDivisionError

        pair = self.pair()
        pair.server.build = Broken
        mine, theirs = pair.open(pair.client)
        mine.reasons[0].trap(StreamReset)
        theirs.reasons[0].trap(ZeroDivisionError)
        broken = Broken()
        pair.client.openStream(broken)
        pair.pump.flush()
        broken.reasons[0].trap(ZeroDivisionError)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_halfCloseRaises(self) -> None:
        """
        A protocol that raises at the end of a half is reset.
        """

        @implementer(IHalfCloseableProtocol)
        class Broken(HalfCloseCollector):
            def readConnectionLost(self) -> None:
                raise ZeroDivisionError

        pair = self.pair()
        pair.server.build = Broken
        mine, theirs = pair.open(pair.client, HalfCloseCollector())
        mine.stream.loseWriteConnection()
        pair.pump.flush()
        mine.reasons[0].trap(StreamReset)
        theirs.reasons[0].trap(ZeroDivisionError)
        self.flushLoggedErrors(ZeroDivisionError)

    # Reading and pausing

    def test_pauseReading(self) -> None:
        """
        A reader that pauses gets nothing until it resumes, then all of it,
        while other streams go on.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        other, otherEnd = pair.open(pair.client)
        theirs.stream.pauseProducing()
        size = 3_000_000
        mine.stream.write(b"x" * size)
        other.stream.write(b"other")
        pair.pump.flush()
        self.assertEqual(theirs.data, b"")
        self.assertEqual(otherEnd.data, b"other")
        if self.windows:
            self.assertLessEqual(theirs.stream.unreadSize, 256 * 1024)
        pair.pump.advance(25)
        theirs.stream.resumeProducing()
        self.assertEqual(theirs.data, b"", "delivered inside of resumeProducing")
        pair.pump.flush()
        self.assertEqual(theirs.data, b"x" * size)

    def test_pauseInDataReceived(self) -> None:
        """
        Delivery stops in the middle of a read, and can be resumed at once.
        """

        class Sipper(Collector):
            calls = 0

            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                self.calls += 1
                self.stream.pauseProducing()

        pair = self.pair()
        pair.server.build = Sipper
        mine, theirs = pair.open(pair.client)
        for letter in (b"a", b"b", b"c"):
            mine.stream.write(letter * 60_000)
        pair.pump.flush()
        while len(theirs.data) < 180_000:
            before = theirs.calls
            theirs.stream.resumeProducing()
            pair.pump.flush()
            self.assertEqual(theirs.calls, before + 1)
        self.assertEqual(theirs.data, b"a" * 60_000 + b"b" * 60_000 + b"c" * 60_000)

    def test_resumeInDataReceived(self) -> None:
        """
        A reader that pauses and resumes in one breath is not called within
        itself.
        """

        class Nervous(Collector):
            depth = 0

            def dataReceived(self, data: bytes) -> None:
                assert not self.depth
                self.depth += 1
                super().dataReceived(data)
                self.stream.pauseProducing()
                self.stream.resumeProducing()
                self.depth -= 1

        pair = self.pair()
        pair.server.build = Nervous
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 500_000)
        pair.pump.flush()
        self.assertEqual(theirs.data, b"x" * 500_000)

    def test_endBehindUnread(self) -> None:
        """
        The end that came while the reader had paused is told after the bytes
        in front of it.
        """
        for factory in (Collector, HalfCloseCollector):
            pair = self.pair()
            pair.server.build = factory
            mine, theirs = pair.open(pair.client)
            theirs.stream.pauseProducing()
            mine.stream.write(b"x" * 1000)
            mine.stream.loseConnection()
            pair.pump.flush()
            self.assertEqual((theirs.data, theirs.reasons), (b"", []))
            theirs.stream.resumeProducing()
            pair.pump.flush()
            self.assertEqual(theirs.data, b"x" * 1000)
            if factory is HalfCloseCollector:
                self.assertEqual(theirs.ends, ["read"])
                theirs.stream.loseConnection()
                pair.pump.flush()
            theirs.reasons[0].trap(ConnectionDone)

    def test_unread(self) -> None:
        """
        Bytes that a protocol hands back go to the protocol that replaced it,
        in front of all others.
        """
        successor = Collector()

        class Predecessor(Collector):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data[:5])
                successor.transport = self.transport
                self.stream.protocol = successor
                self.stream.unread(data[5:])

        pair = self.pair()
        pair.server.build = Predecessor
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"firstsecond")
        mine.stream.write(b"x" * 300_000)
        pair.pump.flush()
        self.assertEqual(theirs.data, b"first")
        self.assertEqual(successor.data, b"second" + b"x" * 300_000)
        mine.stream.loseConnection()
        pair.pump.flush()
        self.assertEqual(len(successor.reasons), 1)
        self.assertEqual(theirs.reasons, [])

    # Producers

    def test_pushProducer(self) -> None:
        """
        A push producer is paused when the peer takes no more, resumed when it
        does, and loses nothing, whatever the size of its pieces.
        """
        for size, count in ((1, 5000), (1400, 1500), (65507, 30), (65536, 30)):
            pair = self.pair()
            mine, theirs = pair.open(pair.client)
            if self.windows:
                theirs.stream.pauseProducing()
            else:
                pair.pump.client.stalled = True
            most = 0

            def note(stream: IMuxedStream = mine.stream) -> None:
                nonlocal most
                most = max(most, stream.unsentSize)

            producer = PushProducer(mine.stream, b"x" * size, count)
            producer.wrote = note
            pair.pump.flush()
            if size * count > 1_000_000:
                self.assertTrue(producer.paused, f"pieces of {size}")
                self.assertGreater(producer.left, 0)
            if self.windows:
                theirs.stream.resumeProducing()
            else:
                pair.pump.client.stalled = False
            pair.pump.flush()
            self.assertEqual(producer.left, 0, f"pieces of {size}")
            self.assertEqual(len(theirs.data), size * count)
            self.assertLessEqual(most, 64 * 1024 + size)

    def test_pushProducerOfManyStreams(self) -> None:
        """
        Producers on many streams all finish over one full transport.
        """
        pair = self.pair()
        ends = [pair.open(pair.client) for _ in range(10)]
        producers = [PushProducer(mine.stream, b"x" * 65507, 10) for mine, _ in ends]
        pair.pump.flush()
        self.assertEqual([producer.left for producer in producers], [0] * 10)
        self.assertEqual([len(theirs.data) for _, theirs in ends], [655070] * 10)
        self.assertLess(pair.pump.client.peak, 256 * 1024)

    def test_pullProducer(self) -> None:
        """
        A pull producer is asked until it is done.
        """
        for size, count in ((1, 500), (1400, 500), (65507, 20), (65536, 20)):
            pair = self.pair()
            mine, theirs = pair.open(pair.client)
            producer = PullProducer(mine.stream, b"x" * size, count)
            mine.stream.loseConnection()
            pair.pump.flush()
            self.assertEqual(producer.left, 0)
            self.assertEqual(len(theirs.data), size * count)
            theirs.reasons[0].trap(ConnectionDone)

    def test_closeWithProducer(self) -> None:
        """
        The end of the session sends what producers have written until then,
        and what little of it waited for more.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        pair.pump.client.capacity = 1000
        producer = PushProducer(mine.stream, b"x" * 65536, 10)
        pair.pump.client.stroke()
        written = (10 - producer.left) * 65536
        self.assertLess(mine.stream.unsentSize, 1000)
        pair.clientSession.close()
        pair.pump.flush()
        self.assertEqual(len(theirs.data), written)
        self.assertTrue(producer.stopped)

    def test_registerProducerWhenFull(self) -> None:
        """
        A producer that registers on a full stream is paused at once, and
        resumed later; there can be only one.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 1_000_000)
        pair.pump.client.stalled = True
        mine.stream.write(b"x" * 1_000_000)
        producer = PushProducer(mine.stream, b"y" * 1000, 1)
        self.assertTrue(producer.paused)
        self.assertRaises(RuntimeError, mine.stream.registerProducer, producer, True)
        pair.pump.client.stalled = False
        pair.pump.flush()
        self.assertEqual(theirs.data, b"x" * 2_000_000 + b"y" * 1000)

    def test_loseConnectionWithProducer(self) -> None:
        """
        C{loseConnection} waits for the registered producer, which may go on
        writing.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        producer = PushProducer(mine.stream, b"x", 0)
        mine.stream.loseConnection()
        pair.pump.flush()
        mine.stream.write(b"last words")
        pair.pump.advance(60)
        self.assertEqual(mine.reasons, [])
        self.assertFalse(producer.stopped)
        mine.stream.unregisterProducer()
        pair.pump.flush()
        self.assertEqual(theirs.data, b"last words")
        mine.reasons[0].trap(ConnectionDone)

    def test_producerStopped(self) -> None:
        """
        A producer is stopped when its stream is lost, and when it registers
        too late.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        producer = PushProducer(mine.stream, b"x" * 100_000, 1000)
        stream = mine.stream
        theirs.stream.abortConnection()
        pair.pump.flush()
        self.assertTrue(producer.stopped)
        self.assertTrue(PushProducer(stream, b"x", 1).stopped)

    def test_producerRaises(self) -> None:
        """
        A producer that raises loses its stream, and nothing else.
        """

        class Broken(PushProducer):
            def resumeProducing(self) -> None:
                raise ZeroDivisionError

            def stopProducing(self) -> None:
                raise ValueError

        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        bystander, _ = pair.open(pair.client)
        Broken(mine.stream, b"x" * 100_000, 20)
        pair.pump.flush()
        mine.reasons[0].trap(ZeroDivisionError)
        theirs.reasons[0].trap(StreamReset)
        self.assertEqual(bystander.reasons, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_replacedByProducer(self) -> None:
        """
        A producer that is stopped may still replace the protocol of its stream: the
        new protocol loses the connection, and the old one does not.
        """
        replaced = Collector()

        class Replacing(PushProducer):
            def stopProducing(self) -> None:
                replaced.makeConnection(stream)
                stream.protocol = replaced

        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        stream = mine.stream
        Replacing(stream, b"x" * 100_000, 20)
        theirs.stream.abortConnection()
        pair.pump.flush()
        self.assertEqual(mine.reasons, [])
        replaced.reasons[0].trap(StreamReset)

    def test_stopProducing(self) -> None:
        """
        A consumer may stop the stream that produces for it.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.stopProducing()
        pair.pump.flush()
        mine.reasons[0].trap(ConnectionDone)
        theirs.reasons[0].trap(ConnectionDone)

    # Back-pressure and the session

    def test_noReentrance(self) -> None:
        """
        What a protocol calls does not call it back before it returns, even if
        the transport takes everything at once.
        """

        class Fragile(HalfCloseCollector):
            busy = False

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                assert not self.busy
                super().connectionLost(reason)

            def writeConnectionLost(self) -> None:
                assert not self.busy
                super().writeConnectionLost()

            def pauseProducing(self) -> None:
                """
                Nothing is written by this producer.
                """

            def resumeProducing(self) -> None:
                assert not self.busy

            def stopProducing(self) -> None:
                assert not self.busy

        for ending in ("loseConnection", "loseWriteConnection", "abortConnection"):
            pair = self.pair()
            pair.server.build = HalfCloseCollector
            mine, theirs = pair.open(pair.client, Fragile())
            mine.busy = True
            mine.stream.registerProducer(mine, True)
            for _ in range(10):
                mine.stream.write(b"x" * 65507)
            mine.stream.unregisterProducer()
            getattr(mine.stream, ending)()
            mine.busy = False
            pair.pump.flush()
            self.assertTrue(mine.ends or mine.reasons)
            theirs.stream.loseConnection()

    def test_ownerRaisesAtEnd(self) -> None:
        """
        An owner that raises when a stream has closed harms no other stream.
        """
        pair = self.pair()
        mine, _ = pair.open(pair.client)
        bystander, _ = pair.open(pair.client)
        double, told = pair.client, pair.client.streamClosed

        def broken(stream: IMuxedStream, reason: Failure) -> None:
            told(stream, reason)
            raise ZeroDivisionError

        double.streamClosed = broken  # type: ignore[method-assign]
        mine.stream.abortConnection()
        pair.pump.flush()
        self.assertEqual(len(mine.reasons), 1)
        self.assertEqual(bystander.reasons, [])
        pair.clientSession.close()
        self.assertEqual(len(bystander.reasons), 1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_transportFull(self) -> None:
        """
        While the transport is full, bytes wait in the streams.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        pair.pump.client.stalled = True
        for _ in range(100):
            mine.stream.write(b"x" * 2000)
        pair.pump.flush()
        self.assertLess(pair.pump.client.waiting, 140_000)
        self.assertGreater(mine.stream.unsentSize, 0)
        pair.pump.client.stalled = False
        pair.pump.flush()
        self.assertEqual(theirs.data, b"x" * 200_000)

    def test_close(self) -> None:
        """
        The end of the session ends its streams, on both sides, with reasons
        that are not those of a stream that ended well.
        """
        for first in (0, 1):
            pair = self.pair()
            streams = [pair.open(pair.client), pair.open(pair.server)]
            streams[0][0].stream.write(b"flushed")
            (pair.clientSession, pair.serverSession)[first].close()
            pair.pump.flush()
            self.assertEqual(streams[0][1].data, b"" if first else b"flushed")
            for ends in streams:
                for protocol in ends:
                    self.assertEqual(len(protocol.reasons), 1)
                    self.assertIsNone(protocol.reasons[0].check(ConnectionDone))
            owners = (pair.client, pair.server)
            for owner in owners:
                self.assertEqual(len(owner.lost), 1)
            owners[first].lost[0].trap(ConnectionDone)
            owners[1 - first].lost[0].trap(
                ConnectionDone, *(() if self.announces else (Truncated,))
            )

    def test_closeAfterLoseConnection(self) -> None:
        """
        A stream that was closed before its session still ends well.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x" * 100_000)
        mine.stream.loseConnection()
        pair.clientSession.close()
        mine.reasons[0].trap(ConnectionDone)
        pair.pump.flush()
        self.assertEqual(theirs.data, b"x" * 100_000)

    def test_closeWithinStream(self) -> None:
        """
        A stream's protocol may end the session it is called by.
        """

        class Quitter(Collector):
            def dataReceived(self, data: bytes) -> None:
                super().dataReceived(data)
                pair.serverSession.close()

        pair = self.pair()
        pair.server.build = Quitter
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"one")
        pair.pump.flush()
        mine.stream.write(b"two")
        pair.pump.flush()
        self.assertEqual(theirs.data, b"one")
        self.assertEqual(len(theirs.reasons), 1)
        self.assertEqual(len(mine.reasons), 1)

    def test_closeOfDeadTransport(self) -> None:
        """
        A transport that does not close is aborted.
        """
        pair = self.pair()
        pair.open(pair.client)
        pair.pump.client.stalled = True
        pair.clientSession.close()
        pair.pump.flush()
        self.assertEqual(pair.client.lost, [])
        pair.pump.advance(10)
        self.assertEqual(len(pair.client.lost), 1)

    def test_abortSession(self) -> None:
        """
        An aborted session loses its streams for the given reason.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        reason = Failure(ZeroDivisionError())
        pair.clientSession.abort(reason)
        self.assertEqual(mine.reasons, [reason])
        pair.pump.flush()
        self.assertEqual(pair.client.lost, [reason])
        self.assertEqual(len(theirs.reasons), 1)

    def test_abortAtEnd(self) -> None:
        """
        A stream that is lost with its session may take others with it, whose last
        bytes have not left.
        """

        class Jealous(Collector):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                for other in ends:
                    other.stream.abortConnection()

        pair = self.pair()
        ends = [pair.open(pair.client, Jealous())[0] for _ in range(3)]
        for each in ends:
            each.stream.write(b"too late")
        pair.clientSession.abort(Failure(ZeroDivisionError()))
        pair.pump.flush()
        for each in ends:
            self.assertEqual(len(each.reasons), 1)

    def test_transportLost(self) -> None:
        """
        A transport that is lost takes the streams with it.
        """
        pair = self.pair()
        ends = [*pair.open(pair.client), *pair.open(pair.server)]
        pair.pump.client.abortConnection()
        pair.pump.flush()
        for protocol in ends:
            self.assertEqual(len(protocol.reasons), 1)
            self.assertIsNone(protocol.reasons[0].check(ConnectionDone))

    def test_transportClosed(self) -> None:
        """
        A transport that was closed in good order, although the peer has not announced
        that it ends the session, is no good end for the streams or the session: that
        is what the crash of a peer looks like.
        """
        pair = self.pair()
        mine, _ = pair.open(pair.client)
        pair.pump.server.unregisterProducer()
        pair.pump.server.loseConnection()
        pair.pump.flush()
        mine.reasons[0].trap(Truncated)
        pair.client.lost[0].trap(Truncated)

    def test_garbage(self) -> None:
        """
        What is not this protocol ends the session with a typed error, on this
        side, and nothing else.
        """
        pair = self.pair()
        mine, _ = pair.open(pair.client)
        pair.pump.client.protocol.dataReceived(b"\xff" * 64)
        mine.reasons[0].trap(ProtocolViolation)
        pair.pump.flush()
        pair.client.lost[0].trap(ProtocolViolation)
        self.assertEqual(len(pair.server.lost), 1)
