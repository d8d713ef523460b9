# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.testing.pump}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IConsumer, IPushProducer, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.testing.producer import Producer
from twisted_libp2p.testing.pump import Pump, PumpAddress, byteByByte


class Listener(Protocol):
    """
    Keeps each read, and why it was lost.
    """

    def __init__(self) -> None:
        self.reads: list[bytes] = []
        self.reasons: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.reads.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Keep it.
        """
        self.reasons.append(reason)


class PumpTests(SynchronousTestCase):
    """
    Two protocols in memory.
    """

    def connect(self, **options: Any) -> tuple[Listener, Listener]:
        """
        Connect two listeners.
        """
        ends = Listener(), Listener()
        self.pump = Pump(*ends, **options)
        self.pump.connect()
        return ends

    def test_interfaces(self) -> None:
        """
        The ends are transports.
        """
        self.connect()
        for interface in (ITransport, IConsumer, IPushProducer):
            verifyObject(interface, self.pump.client)

    def test_addresses(self) -> None:
        """
        The ends know which they are.
        """
        self.connect()
        for transport, host, peer in (
            (self.pump.client, "client", "server"),
            (self.pump.server, "server", "client"),
        ):
            self.assertEqual(transport.getHost(), PumpAddress(host))
            self.assertEqual(transport.getPeer(), PumpAddress(peer))

    def test_move(self) -> None:
        """
        Bytes move when the pump does, both ways, joined as on a socket.
        """
        client, server = self.connect()
        self.pump.client.write(b"one")
        self.pump.client.writeSequence([b"two", b"three"])
        self.pump.server.write(b"back")
        self.assertEqual(server.reads, [])
        self.pump.flush()
        self.assertEqual(server.reads, [b"onetwothree"])
        self.assertEqual(client.reads, [b"back"])
        self.assertEqual(self.pump.client.sent, b"onetwothree")

    def test_split(self) -> None:
        """
        Bytes are cut as one likes; a read is at most 64 KiB otherwise.
        """
        _, server = self.connect(split=byteByByte)
        self.pump.client.write(b"abc")
        self.pump.flush()
        self.assertEqual(server.reads, [b"a", b"b", b"c"])
        _, server = self.connect()
        self.pump.client.write(bytes(100_000))
        self.pump.flush()
        self.assertEqual([len(read) for read in server.reads], [65536, 34464])

    def test_onlyBytes(self) -> None:
        """
        As sockets do, a transport takes nothing but bytes.
        """
        self.connect()
        self.assertRaises(TypeError, self.pump.client.write, bytearray(b"x"))

    def test_pause(self) -> None:
        """
        A reader that pauses stops delivery at once, and loses no order.
        """
        self.connect(split=byteByByte)

        class Sipper(Listener):
            def dataReceived(sipper, data: bytes) -> None:
                super().dataReceived(data)
                self.pump.server.pauseProducing()

        self.pump.server.protocol = sipper = Sipper()
        self.pump.client.write(b"abc")
        self.pump.flush()
        self.assertEqual(sipper.reads, [b"a"])
        self.pump.client.write(b"d")
        for _ in range(3):
            self.pump.server.resumeProducing()
            self.pump.flush()
        self.assertEqual(sipper.reads, [b"a", b"b", b"c", b"d"])
        self.assertEqual(self.pump.client.waiting, 0)
        self.assertEqual(self.pump.client.peak, 3)

    def test_producer(self) -> None:
        """
        A push producer is paused above 64 KiB and resumed when all is gone.
        """
        self.connect()
        producer = Producer()
        self.pump.client.registerProducer(producer, True)
        self.assertRaises(
            RuntimeError, self.pump.client.registerProducer, producer, True
        )
        self.pump.client.write(bytes(65536))
        self.assertEqual(producer.calls, [])
        self.pump.client.write(b"x")
        self.pump.client.write(b"x")
        self.assertEqual(producer.calls, ["pause"])
        self.pump.flush()
        self.assertEqual(producer.calls, ["pause", "resume"])

    def test_pullProducer(self) -> None:
        """
        A pull producer is asked at once, and whenever all is gone.
        """
        self.connect()
        producer = Producer()
        self.pump.client.registerProducer(producer, False)
        self.pump.client.write(b"x")
        self.pump.flush()
        self.assertEqual(producer.calls, ["resume", "resume"])

    def test_close(self) -> None:
        """
        A connection closes behind the last byte, for both, once.
        """
        client, server = self.connect()
        self.pump.client.write(b"last")
        self.pump.client.loseConnection()
        self.pump.client.write(b"too late")
        self.pump.flush()
        self.assertEqual(server.reads, [b"last"])
        self.pump.server.stopProducing()
        self.pump.flush()
        for end in (client, server):
            self.assertEqual(len(end.reasons), 1)
            end.reasons[0].trap(ConnectionDone)

    def test_closeWithProducer(self) -> None:
        """
        A connection does not close while a producer is registered, whose last
        words are delivered.
        """
        client, server = self.connect()
        self.pump.client.registerProducer(Producer(), True)
        self.pump.client.loseConnection()
        self.pump.flush()
        self.assertEqual(client.reasons, [])
        self.pump.client.write(b"last words")
        self.pump.client.unregisterProducer()
        self.pump.client.write(b"too late")
        self.pump.flush()
        self.assertEqual(server.reads, [b"last words"])
        self.assertEqual(len(client.reasons), 1)

    def test_closeWithPullProducer(self) -> None:
        """
        It does not close before the last words of one that had to be asked either.
        """
        _, server = self.connect()
        transport = self.pump.client

        class Last(Producer):
            """
            Says one thing more when all else is delivered.
            """

            def resumeProducing(self) -> None:
                """
                Say it.
                """
                super().resumeProducing()
                if self.calls == ["resume", "resume"]:
                    transport.write(b"last words")
                    transport.unregisterProducer()

        transport.registerProducer(Last(), False)
        transport.write(b"first")
        transport.loseConnection()
        self.pump.flush()
        self.assertEqual(server.reads, [b"first", b"last words"])
        self.assertEqual(len(server.reasons), 1)

    def test_abortWithProducer(self) -> None:
        """
        An abort does not wait for a producer.
        """
        client, server = self.connect()
        self.pump.client.registerProducer(Producer(), True)
        self.pump.client.abortConnection()
        self.pump.client.write(b"too late")
        self.pump.flush()
        self.assertEqual((server.reads, len(client.reasons)), ([], 1))
        self.assertEqual(self.pump.client.waiting, 0)

    def test_abort(self) -> None:
        """
        An aborted connection drops what waits, and stops its producers.
        """
        client, server = self.connect()
        producer = Producer()
        self.pump.server.registerProducer(producer, True)
        self.pump.client.write(b"dropped")
        self.pump.client.abortConnection()
        self.assertEqual(client.reasons, [])
        self.pump.flush()
        self.assertEqual(server.reads, [])
        client.reasons[0].trap(ConnectionAborted)
        server.reasons[0].trap(ConnectionLost)
        self.assertEqual(producer.calls, ["stop"])

    def test_registerAfterTheEnd(self) -> None:
        """
        A producer that comes when all is over is stopped.
        """
        self.connect()
        first, second = Producer(), Producer()
        self.pump.client.registerProducer(first, True)
        self.pump.client.abortConnection()
        self.pump.flush()
        self.pump.client.registerProducer(second, False)
        self.assertEqual((first.calls, second.calls), (["stop"], ["stop"]))

    def test_stalled(self) -> None:
        """
        A dead network delivers nothing, not even the end.
        """
        client, server = self.connect()
        self.pump.client.stalled = True
        self.pump.client.write(b"x")
        self.pump.client.loseConnection()
        self.pump.flush()
        self.assertEqual((server.reads, client.reasons), ([], []))
        self.pump.client.stalled = False
        self.pump.flush()
        self.assertEqual((server.reads, len(client.reasons)), ([b"x"], 1))

    def test_time(self) -> None:
        """
        What is due runs when the pump moves, and when time passes.
        """
        self.connect(record=False)
        self.pump.clock.callLater(0, self.pump.client.write, b"now")
        self.pump.clock.callLater(5, self.pump.client.write, b"later")
        self.pump.flush()
        self.assertEqual(self.pump.server.protocol.reads, [b"now"])
        self.pump.advance(5)
        self.assertEqual(
            self.pump.server.protocol.reads,
            [b"now", b"later"],
        )
        self.assertEqual(self.pump.client.sent, b"")
