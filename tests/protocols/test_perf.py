# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of perf, both sides.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.protocols.connected import ConnectedTestCase
from twisted_libp2p.errors import (
    PeerUnresponsive,
    ProtocolViolation,
    StreamReset,
    UnsupportedProtocol,
)
from twisted_libp2p.protocols.perf import (
    BLOCK,
    MAX_SIZE,
    PROTOCOL_ID,
    TIMEOUT,
    Header,
    Measurement,
    Perf,
    PerfFactory,
    PerfResponder,
    measure,
)
from twisted_libp2p.testing.muxer import HalfCloseCollector

MIB = 1 << 20


class HalfTransport(StringTransport):
    """
    A transport whose half may be closed.

    @ivar halfClosed: whether it was.
    """

    halfClosed = False

    def loseWriteConnection(self) -> None:
        """
        Note it.
        """
        self.halfClosed = True


class HeaderTests(SynchronousTestCase):
    """
    What the client begins with.
    """

    def test_wanted(self) -> None:
        """
        The header of the specification is what is wanted, in big-endian.
        """
        self.assertEqual(Header.WANTED.pack(5, 0x0102), b"\0\0\0\0\0\0\1\2")
        self.assertEqual(Header.WANTED.pack(0, MAX_SIZE), b"\xff" * 8)

    def test_sentWanted(self) -> None:
        """
        The other one has first what is sent.
        """
        self.assertEqual(
            Header.SENT_WANTED.pack(5, 0x0102),
            b"\0\0\0\0\0\0\0\5\0\0\0\0\0\0\1\2",
        )


class PerfResponderTests(SynchronousTestCase):
    """
    The side that serves, without a node.
    """

    def serve(self, header: Header = Header.WANTED) -> PerfResponder:
        """
        Connect a client to it that says nothing yet.
        """
        self.clock = Clock()
        self.transport = HalfTransport()
        responder = PerfFactory(self.clock, header).buildProtocol(None)
        responder.makeConnection(self.transport)
        return responder

    @drawn(
        100,
        header=st.sampled_from(Header),
        sent=st.integers(0, 40),
        wanted=st.integers(0, 40),
        cuts=st.lists(st.integers(0, 60)),
    )
    def test_pieces(
        self, header: Header, sent: int, wanted: int, cuts: list[int]
    ) -> None:
        """
        In whatever pieces it is asked, it sends what is wanted: not before all
        has come, and never twice.
        """
        responder = self.serve(header)
        content = header.pack(sent, wanted) + b"x" * sent
        ends = sorted(min(cut, len(content)) for cut in cuts)
        for begin, end in zip([0, *ends], [*ends, len(content)], strict=True):
            if begin < end:
                self.assertEqual(self.transport.value(), b"")
                responder.dataReceived(content[begin:end])
        if header is Header.WANTED:
            self.assertEqual(self.transport.value(), b"")
        else:
            self.assertEqual(self.transport.value(), bytes(wanted))
        responder.readConnectionLost()
        self.assertEqual(self.transport.value(), bytes(wanted))
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(responder.received, header.value + sent)
        self.assertEqual(responder.sent, wanted)
        responder.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_short(self) -> None:
        """
        A client that ends before it has sent what it must is reset.
        """
        for header, content in (
            (Header.WANTED, b""),
            (Header.WANTED, bytes(7)),
            (Header.SENT_WANTED, bytes(15)),
            (Header.SENT_WANTED, Header.SENT_WANTED.pack(3, 0) + b"xx"),
        ):
            responder = self.serve(header)
            if content:
                responder.dataReceived(content)
            responder.readConnectionLost()
            self.assertTrue(self.transport.disconnected)
            self.assertEqual(self.transport.value(), b"")

    def test_still(self) -> None:
        """
        A client that has not moved a byte for 60 seconds is reset.
        """
        responder = self.serve()
        for _ in range(3):
            self.clock.pump([1.0] * (TIMEOUT - 1))
            responder.dataReceived(b"x")
        self.clock.pump([1.0] * TIMEOUT)
        self.assertFalse(self.transport.disconnected)
        self.clock.advance(1.0)
        self.assertTrue(self.transport.disconnected)

    def test_stillReading(self) -> None:
        """
        So is one that does not read what it has asked for.
        """
        responder = self.serve()
        responder.dataReceived(Header.WANTED.pack(0, MAX_SIZE))
        self.transport.registerProducer = lambda producer, streaming: (  # type: ignore[method-assign]
            producer.pauseProducing()
        )
        stopped: list[Any] = []
        self.transport.unregisterProducer = lambda: stopped.append(1)  # type: ignore[method-assign]
        write = self.transport.write

        def full(data: bytes) -> None:
            write(data)
            responder.pauseProducing()

        self.transport.write = full  # type: ignore[method-assign]
        responder.readConnectionLost()
        for blocks in range(1, 4):
            self.assertEqual(len(self.transport.value()), blocks * len(BLOCK))
            self.clock.pump([1.0] * (TIMEOUT - 1))
            responder.resumeProducing()
        self.clock.pump([1.0] * (TIMEOUT + 1))
        self.assertTrue(self.transport.disconnected)
        responder.stopProducing()
        responder.resumeProducing()
        self.assertEqual(len(self.transport.value()), 4 * len(BLOCK))
        self.assertEqual(stopped, [])


class PerfTests(SynchronousTestCase):
    """
    The client, without a node.
    """

    def setUp(self) -> None:
        """
        Have a clock and a transport.
        """
        self.clock = Clock()
        self.transport = HalfTransport()
        self.told: list[tuple[int, int]] = []

    def client(self, upload: int, download: int, **options: Any) -> Perf:
        """
        Connect a client to nobody.
        """
        perf = Perf(
            self.clock,
            upload,
            download,
            progress=lambda *sizes: self.told.append(sizes),
            now=self.clock.seconds,
            **options,
        )
        perf.makeConnection(self.transport)
        return perf

    def test_asks(self) -> None:
        """
        It sends its header, as many bytes as it should, and the end of its
        half.
        """
        for header in Header:
            self.transport = HalfTransport()
            self.client(100_000, 3, header=header)
            self.assertEqual(
                self.transport.value(), header.pack(100_000, 3) + bytes(100_000)
            )
            self.assertTrue(self.transport.halfClosed)
            self.assertIsNone(self.transport.producer)

    def test_seconds(self) -> None:
        """
        The upload lasts until the answer begins, the download until it ends.
        """
        perf = self.client(10, 5)
        waiting = perf.measured()
        self.clock.advance(2.0)
        perf.dataReceived(b"xx")
        self.clock.advance(0.5)
        perf.dataReceived(b"xxx")
        self.clock.advance(0.25)
        self.assertNoResult(waiting)
        perf.readConnectionLost()
        self.assertEqual(self.successResultOf(waiting), Measurement(10, 2.0, 5, 0.75))
        self.assertTrue(self.transport.disconnecting)

    def test_onlyUpload(self) -> None:
        """
        With nothing to download, the upload lasts until the peer ends.
        """
        perf = self.client(10, 0)
        self.clock.advance(2.0)
        perf.readConnectionLost()
        self.assertEqual(
            self.successResultOf(perf.measured()), Measurement(10, 2.0, 0, 0.0)
        )

    def test_onlyDownload(self) -> None:
        """
        With nothing to upload, all the time is the download's.
        """
        perf = self.client(0, 1)
        self.clock.advance(2.0)
        perf.dataReceived(b"x")
        self.clock.advance(1.0)
        perf.readConnectionLost()
        self.assertEqual(
            self.successResultOf(perf.measured()), Measurement(0, 0.0, 1, 3.0)
        )

    def test_progress(self) -> None:
        """
        Every second it tells what has moved until then.
        """
        perf = self.client(10, 20)
        self.clock.advance(0.9)
        self.assertEqual(self.told, [])
        self.clock.advance(0.1)
        perf.dataReceived(bytes(20))
        self.clock.advance(1.0)
        self.assertEqual(self.told, [(10, 0), (10, 20)])
        perf.readConnectionLost()
        perf.connectionLost(Failure(ConnectionDone()))
        self.clock.advance(1.0)
        self.assertEqual(len(self.told), 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_progressRaises(self) -> None:
        """
        What is raised by whoever is told ends the stream, and is the outcome.
        """
        perf = self.client(10, 20)
        perf._progress = lambda sent, received: 1 // 0  # type: ignore[assignment]
        waiting = perf.measured()
        self.clock.advance(1.0)
        self.failureResultOf(waiting, ZeroDivisionError)
        self.assertTrue(self.transport.disconnected)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tooLittle(self) -> None:
        """
        An answer that is too short is told, with how short it is.
        """
        perf = self.client(1, 10)
        waiting = perf.measured()
        perf.dataReceived(b"xxx")
        perf.readConnectionLost()
        error = self.failureResultOf(waiting, ProtocolViolation).value
        self.assertIn("3 of 10 bytes", str(error))
        self.assertTrue(self.transport.disconnected)

    def test_tooMuch(self) -> None:
        """
        An answer that is too long is not read to its end.
        """
        perf = self.client(1, 10)
        waiting = perf.measured()
        perf.dataReceived(bytes(10))
        self.assertNoResult(waiting)
        perf.dataReceived(b"x")
        self.failureResultOf(waiting, ProtocolViolation)
        self.assertTrue(self.transport.disconnected)

    def test_tooEarly(self) -> None:
        """
        Neither an answer nor an end may come before all is sent.
        """
        for early in (
            lambda perf: perf.dataReceived(b"x"),
            lambda perf: perf.readConnectionLost(),
        ):
            self.transport = HalfTransport()
            write = self.transport.write

            def full(data: bytes, write: Any = write) -> None:
                write(data)
                if self.transport.producer is not None:
                    self.transport.producer.pauseProducing()

            self.transport.write = full  # type: ignore[method-assign]
            perf = self.client(MIB, 10)
            waiting = perf.measured()
            early(perf)
            error = self.failureResultOf(waiting, ProtocolViolation).value
            self.assertIn("before all was sent", str(error))
            self.assertTrue(self.transport.disconnected)

    def test_still(self) -> None:
        """
        A server that does nothing for 60 seconds is reset.
        """
        perf = self.client(1, 10)
        waiting = perf.measured()
        self.clock.pump([1.0] * TIMEOUT)
        self.assertNoResult(waiting)
        self.clock.advance(1.0)
        self.failureResultOf(waiting, PeerUnresponsive)
        self.assertTrue(self.transport.disconnected)

    def test_lost(self) -> None:
        """
        What ends the stream is the answer to who waits, and who will.
        """
        perf = self.client(1, 1)
        waiting = perf.measured()
        perf.connectionLost(Failure(StreamReset(7)))
        self.failureResultOf(waiting, StreamReset)
        self.failureResultOf(perf.measured(), StreamReset)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancel(self) -> None:
        """
        Who does not want to know resets the stream.
        """
        perf = self.client(1, 1)
        waiting = perf.measured()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertTrue(self.transport.disconnected)
        perf.connectionLost(Failure(ConnectionDone()))

    def test_sizes(self) -> None:
        """
        A size that cannot be told to the peer is refused.
        """
        for upload, download in ((-1, 0), (0, -1), (MAX_SIZE + 1, 0), (0, 1 << 64)):
            with self.assertRaises(ValueError):
                Perf(self.clock, upload, download)


class Greedy(Protocol):
    """
    A server that sends too much.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        Do it at once.
        """
        self.transport.write(bytes(100))


class Busy(PerfFactory):
    """
    Servers that do not read until they are told to.

    @ivar serving: all of them.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.serving: list[PerfResponder] = []

    def buildProtocol(self, addr: IAddress | None) -> PerfResponder:
        """
        Let it be busy as soon as it is connected.
        """
        responder = super().buildProtocol(addr)
        connected = responder.connectionMade

        def connectionMade() -> None:
            connected()
            responder.transport.pauseProducing()

        responder.connectionMade = connectionMade  # type: ignore[method-assign]
        self.serving.append(responder)
        return responder


class NodePerfTests(ConnectedTestCase):
    """
    Both sides, on nodes.
    """

    def measure(
        self, upload: int, download: int, **options: Any
    ) -> Deferred[Measurement]:
        """
        Measure the way from one to the other.
        """
        return Deferred.fromCoroutine(
            measure(self.nodes.clock, self.connection, upload, download, **options)
        )

    def test_sizes(self) -> None:
        """
        As many bytes arrive as should, in each direction, with each header.
        """
        for header in Header:
            serving = self.server.registry.register(
                PROTOCOL_ID, PerfFactory(self.nodes.clock, header)
            )
            for upload, download in (
                (0, 0), (1, 1), (0, 3 * MIB), (3 * MIB, 0), (1_234_567, 7_654_321),
            ):  # fmt: skip
                told = self.nodes.result(self.measure(upload, download, header=header))
                self.assertEqual((told.uploaded, told.downloaded), (upload, download))
            serving.cancel()
        self.assertEqual(list(self.connection.streams), [])
        self.assertEqual(list(self.accepted.streams), [])

    def test_otherHeader(self) -> None:
        """
        A server of the other header is noticed, in either direction.
        """
        for served, used in (
            (Header.WANTED, Header.SENT_WANTED),
            (Header.SENT_WANTED, Header.WANTED),
        ):
            serving = self.server.registry.register(
                PROTOCOL_ID, PerfFactory(self.nodes.clock, served)
            )
            waiting = self.measure(1000, 2000, header=used)
            self.nodes.settle()
            self.failureResultOf(waiting, ProtocolViolation, StreamReset)
            serving.cancel()

    def test_default(self) -> None:
        """
        A node does not serve it unless it is told to.
        """
        waiting = self.measure(0, 1)
        self.nodes.settle()
        self.failureResultOf(waiting, UnsupportedProtocol)
        self.assertEqual(list(self.connection.streams), [])

    def test_endless(self) -> None:
        """
        A peer that wants all that there is, and does not read it, costs the
        server no more than the windows and the stream hold.
        """
        self.server.registry.register(PROTOCOL_ID, PerfFactory(self.nodes.clock))
        collector = self.open(PROTOCOL_ID, HalfCloseCollector())
        collector.stream.pauseProducing()
        collector.stream.write(Header.WANTED.pack(0, MAX_SIZE))
        collector.stream.loseWriteConnection()
        self.nodes.settle()
        (serving,) = self.accepted.streams
        self.assertLess(serving.unsentSize, 4 * len(BLOCK))
        self.assertLess(collector.stream.unreadSize, 2 * MIB)
        self.nodes.advance(TIMEOUT + 1.0)
        collector.reasons[0].trap(StreamReset)
        self.assertEqual(list(self.accepted.streams), [])

    def test_slowServer(self) -> None:
        """
        A client whose server does not read keeps no more than its stream
        takes; the rest follows when it reads.
        """
        busy = Busy(self.nodes.clock)
        self.server.registry.register(PROTOCOL_ID, busy)
        waiting = self.measure(8 * MIB, 1)
        self.nodes.settle()
        (asking,) = self.connection.streams
        (serving,) = self.accepted.streams
        self.assertNoResult(waiting)
        self.assertLess(asking.unsentSize, 4 * len(BLOCK))
        self.assertLess(serving.unreadSize, MIB)
        busy.serving[0].transport.resumeProducing()
        self.nodes.settle()
        self.assertEqual(self.successResultOf(waiting).uploaded, 8 * MIB)

    def test_greedy(self) -> None:
        """
        A server that sends what nobody asked for is reset.
        """
        self.server.registry.register(PROTOCOL_ID, Factory.forProtocol(Greedy))
        waiting = self.measure(0, 10)
        self.nodes.settle()
        self.failureResultOf(waiting, ProtocolViolation)
        self.assertEqual(list(self.accepted.streams), [])

    def test_cancel(self) -> None:
        """
        To cancel a measurement leaves nothing behind, whenever that is.
        """
        self.server.registry.register(PROTOCOL_ID, Busy(self.nodes.clock))
        for settled in (False, True):
            waiting = self.measure(MIB, MIB)
            if settled:
                self.nodes.settle()
            waiting.cancel()
            self.failureResultOf(waiting, CancelledError)
            self.nodes.settle()
            self.assertEqual(list(self.connection.streams), [])
            self.assertEqual(list(self.accepted.streams), [])
