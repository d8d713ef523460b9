# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of back-pressure.
"""

from __future__ import annotations

from twisted_libp2p.testing.producer import Producer
from twisted_libp2p.testing.pump import pieces
from twisted_libp2p.testing.security.base import SecurityTests

__all__ = ["FlowTests"]

MIB = 1024 * 1024


class FlowTests(SecurityTests):
    """
    A side that is not reading holds the other back.
    """

    def test_pause(self) -> None:
        """
        To an application that pauses nothing is given, nor is anything read
        for it; when it resumes it is given everything, in order.
        """
        pump, initiator, responder = self.connect()
        content = bytes(range(256)) * 2000
        responder.transport.pauseProducing()
        before = len(responder.middle.heard)
        for piece in pieces(10_000)(content):
            initiator.transport.write(piece)
        pump.flush()
        self.assertEqual(responder.application.received, b"")
        self.assertEqual(len(responder.middle.heard), before)
        responder.transport.resumeProducing()
        pump.flush()
        self.assertEqual(responder.application.received, content)
        self.cut(pump)

    def test_pauseEachTime(self) -> None:
        """
        An application that pauses at everything it receives is given no more
        than one read of the transport at a time.
        """
        pump, initiator, responder = self.connect(split=pieces(1000))
        application = responder.application
        application.answer = lambda data: responder.transport.pauseProducing()
        content = bytes(range(256)) * 400
        for piece in pieces(100)(content):
            initiator.transport.write(piece)
        pump.flush()
        while len(application.received) < len(content):
            reads, received = application.reads, len(application.received)
            pump.flush()
            self.assertEqual(application.reads, reads)
            responder.transport.resumeProducing()
            pump.flush()
            self.assertEqual(application.reads, reads + 1)
            self.assertGreater(len(application.received), received)
        self.assertEqual(application.received, content)
        self.cut(pump)

    def test_pushProducer(self) -> None:
        """
        A producer is paused when the transport is full, and resumed when it is
        not; one that is registered keeps the transport from closing.
        """
        pump, initiator, responder = self.connect()
        producer = Producer()
        initiator.transport.registerProducer(producer, True)
        initiator.transport.write(bytes(10))
        self.assertEqual(producer.calls, [])
        initiator.transport.write(bytes(100_000))
        self.assertEqual(producer.calls, ["pause"])
        pump.flush()
        self.assertEqual(producer.calls, ["pause", "resume"])
        self.assertEqual(len(responder.application.received), 100_010)
        initiator.transport.loseConnection()
        pump.flush()
        self.assertEqual(initiator.application.reasons, [])
        initiator.transport.unregisterProducer()
        pump.flush()
        self.assertOver(initiator)
        self.assertOver(responder)

    def test_pullProducer(self) -> None:
        """
        A producer that has to be asked is asked until it has nothing more.
        """
        pump, initiator, responder = self.connect()
        left = [b"one", b"two", b"x" * 100_000, b"three"]
        content = b"".join(left)

        class Pulled(Producer):
            """
            Gives one piece at a time.
            """

            def resumeProducing(self) -> None:
                """
                Give the next piece.
                """
                initiator.transport.write(left.pop(0))
                if not left:
                    initiator.transport.unregisterProducer()

        initiator.transport.registerProducer(Pulled(), False)
        pump.flush()
        self.assertEqual(responder.application.received, content)
        self.cut(pump)
