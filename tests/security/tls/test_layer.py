# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the channel of TLS as a layer: producers, joined writes.
"""

from __future__ import annotations

from tests.security.application import Application
from tests.security.tls.foreign import Foreign
from tests.security.tls.meeting import Meeting
from twisted_libp2p.testing.producer import Producer


class ProducerTests(Meeting):
    """
    Producers.
    """

    def test_flag(self) -> None:
        """
        A push producer is told of each change, once.
        """
        self.meet(True, Foreign(False))
        producer = Producer()
        self.secure.registerProducer(producer, True)
        for _ in range(3):
            self.secure.write(bytes(100_000))
        self.assertEqual(producer.calls, ["pause"])
        self.pump.flush()
        self.assertEqual(producer.calls, ["pause", "resume"])
        self.cut()
        self.assertEqual(producer.calls, ["pause", "resume", "stop"])

    def test_pulled(self) -> None:
        """
        A producer that has to be asked is asked when the transport is empty,
        and not before.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)

        class Pulled(Producer):
            """
            Gives much.
            """

            def resumeProducing(self) -> None:
                """
                Give it.
                """
                super().resumeProducing()
                secure.write(bytes(40_000))

        secure, producer = self.secure, Pulled()
        secure.registerProducer(producer, False)
        for times in (1, 2, 3):
            for _ in range(5):
                self.clock.advance(0)
            self.assertEqual(producer.calls, ["resume"] * times)
            self.below.stroke()
        secure.unregisterProducer()
        self.pump.flush()
        self.assertEqual(producer.calls, ["resume"] * 4)
        self.assertEqual(len(foreign.received), 160_000)
        self.cut()

    def test_pulledToTheEnd(self) -> None:
        """
        It is told when the transport is gone.
        """
        self.meet(True, Foreign(False))
        producer = Producer()
        self.secure.registerProducer(producer, False)
        self.cut()
        self.assertEqual(producer.calls, ["resume", "stop"])

    def test_oneAtATime(self) -> None:
        """
        There is one producer at a time, of whatever kind.
        """
        self.meet(True, Foreign(False))
        producer = Producer()
        self.secure.registerProducer(producer, True)
        for streaming in (True, False):
            self.assertRaises(
                RuntimeError, self.secure.registerProducer, Producer(), streaming
            )
        self.secure.write(bytes(100_000))
        self.assertEqual(producer.calls, ["pause"])
        self.cut()


class LayerTests(Meeting):
    """
    What is between our protocols.
    """

    def test_notAround(self) -> None:
        """
        Nothing of the transport that would get around TLS is to be had from
        above.
        """
        self.meet(True, Foreign(False))
        for name in ("startTLS", "setTcpNoDelay", "getHandle", "sent"):
            self.assertFalse(hasattr(self.secure, name))
        self.cut()

    def test_joined(self) -> None:
        """
        Small writes of one turn of the reactor leave as one record.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        before = len(self.below.sent)
        for _ in range(100):
            self.secure.write(b"ten bytes.")
        self.assertEqual(len(self.below.sent), before)
        self.pump.flush()
        # The header, the kind of content and the tag take 22 bytes.
        self.assertEqual(len(self.below.sent) - before, 1000 + 22)
        self.assertEqual(foreign.received, b"ten bytes." * 100)
        self.cut()

    def test_oneFlight(self) -> None:
        """
        What a client's application says at once leaves in one write with the
        end of the handshake.
        """

        def prepare(application: Application) -> None:
            application.onMade = lambda: application.transport.write(b"hello")

        self.prepare = prepare
        foreign = Foreign(False)
        self.meet(True, foreign, until=lambda: self.application.connected == 1)
        self.assertEqual(len(self.below._written), 1)
        self.pump.flush()
        self.assertEqual(foreign.received, b"hello")
        self.cut()
