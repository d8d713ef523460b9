# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.protocols.throttle}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.protocols.forward import ForwardFactory
from twisted_libp2p.protocols.throttle import Rate, Throttle

PLACE = IPv4Address("TCP", "127.0.0.1", 1)


class RateTests(SynchronousTestCase):
    """
    The budget.
    """

    def test_spend(self) -> None:
        """
        Bytes beyond the rate have to be waited for; of unused time only a quarter of a
        second counts.
        """
        rate = Rate(1000, 0.0)
        self.assertEqual(rate.spend(250, 0.0), 0)
        self.assertEqual(rate.spend(500, 0.0), 0.5)
        self.assertEqual(rate.spend(0, 0.25), 0.25)
        self.assertEqual(rate.spend(0, 0.5), 0)
        self.assertEqual(rate.spend(1250, 100.0), 1.0)
        # A clock that goes back gives nothing.
        self.assertEqual(rate.spend(0, 50.0), 1.0)


class Transport(StringTransport):
    """
    A transport that can be aborted.
    """

    def loseWriteConnection(self) -> None:
        """
        Half-close.
        """


class Endpoint:
    """
    An endpoint in memory.
    """

    def __init__(self) -> None:
        self.transport: Any = None
        self.protocol: Any = None

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """
        self.transport = Transport()
        self.protocol = factory.buildProtocol(PLACE)
        self.protocol.makeConnection(self.transport)
        return succeed(self.protocol)


class ThrottleTests(SynchronousTestCase):
    """
    A tunnel with a limit.
    """

    def setUp(self) -> None:
        """
        Connect one stream.
        """
        self.clock = Clock()
        endpoint: Any = Endpoint()
        self.endpoint = endpoint
        self.factory = ForwardFactory(endpoint)
        self.factory.traffic.throttle = Throttle(self.clock, 1000)
        self.near, self.stream = self.open()
        self.far: Any = self.endpoint.transport

    def open(self) -> tuple[Any, Any]:
        """
        Open a stream.
        """
        protocol, transport = self.factory.buildProtocol(None), Transport()
        protocol.makeConnection(transport)
        return transport, protocol

    def test_paused(self) -> None:
        """
        After too many bytes the transport pauses until the rate allows more; the other
        direction goes on.
        """
        self.stream.dataReceived(b"x" * 1250)
        self.assertEqual(len(self.far.value()), 1250)
        self.assertEqual(self.near.producerState, "paused")
        self.assertEqual(self.far.producerState, "producing")
        self.clock.advance(0.99)
        self.assertEqual(self.near.producerState, "paused")
        self.clock.advance(0.02)
        self.assertEqual(self.near.producerState, "producing")
        self.endpoint.protocol.dataReceived(b"x" * 1250)
        self.assertEqual(self.far.producerState, "paused")
        self.assertEqual(self.near.producerState, "producing")

    def test_backPressure(self) -> None:
        """
        A transport produces only if the rate allows it, and the other end wants it.
        """
        self.stream.dataReceived(b"x" * 1250)
        producer = self.far.producer
        producer.pauseProducing()
        self.clock.advance(2)
        self.assertEqual(self.near.producerState, "paused")
        producer.resumeProducing()
        self.assertEqual(self.near.producerState, "producing")
        self.stream.dataReceived(b"x" * 1250)
        producer.pauseProducing()
        producer.resumeProducing()
        self.assertEqual(self.near.producerState, "paused")
        self.clock.advance(2)
        self.assertEqual(self.near.producerState, "producing")

    def test_shared(self) -> None:
        """
        All streams of a tunnel share the rate.
        """
        near, other = self.open()
        self.stream.dataReceived(b"x" * 1250)
        other.dataReceived(b"x" * 1000)
        self.clock.advance(1.01)
        self.assertEqual(self.near.producerState, "paused")
        self.clock.advance(1)
        self.assertEqual(
            (self.near.producerState, near.producerState), ("producing", "producing")
        )

    def test_new(self) -> None:
        """
        A new stream waits as well, in both directions.
        """
        self.stream.dataReceived(b"x" * 1250)
        self.endpoint.protocol.dataReceived(b"x" * 2250)
        near, _ = self.open()
        far = self.endpoint.transport
        self.assertEqual((near.producerState, far.producerState), ("paused", "paused"))
        self.clock.advance(1.01)
        self.assertEqual(
            (near.producerState, far.producerState), ("producing", "paused")
        )
        self.clock.advance(1)
        self.assertEqual(far.producerState, "producing")

    def test_lost(self) -> None:
        """
        The end of a stream leaves no timer.
        """
        self.stream.dataReceived(b"x" * 1250)
        self.endpoint.protocol.dataReceived(b"x" * 1250)
        self.stream.connectionLost()
        self.endpoint.protocol.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])
