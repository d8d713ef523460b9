# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.protocols.idle}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.protocols.test_throttle import Endpoint, Transport
from twisted_libp2p.protocols.forward import ForwardFactory, Traffic
from twisted_libp2p.protocols.idle import IdleRule


class IdleTests(SynchronousTestCase):
    """
    A tunnel whose streams may be idle for a minute.
    """

    def setUp(self) -> None:
        """
        Connect one stream.
        """
        self.clock = Clock()
        endpoint: Any = Endpoint()
        limits = Traffic(idle=IdleRule(self.clock, 60))
        self.near: Any = Transport()
        self.stream: Any = ForwardFactory(endpoint, traffic=limits).buildProtocol(None)
        self.stream.makeConnection(self.near)
        self.far, self.other = endpoint.transport, endpoint.protocol

    def test_idle(self) -> None:
        """
        A stream without a byte is aborted.
        """
        self.clock.advance(59)
        self.assertFalse(self.near.disconnected)
        self.clock.advance(1)
        self.clock.advance(0)
        self.assertTrue(self.near.disconnected)

    def test_bytes(self) -> None:
        """
        A byte in either direction gives it another minute.
        """
        for each in (self.stream, self.other, self.stream):
            self.clock.advance(59)
            each.dataReceived(b"x")
        self.clock.advance(59)
        self.assertFalse(self.near.disconnected)
        self.clock.advance(1)
        self.clock.advance(0)
        self.assertTrue(self.near.disconnected)

    def test_halfClosed(self) -> None:
        """
        A program that ends its half and stays is no exception.
        """
        self.stream.readConnectionLost()
        self.clock.advance(60)
        self.clock.advance(0)
        self.assertTrue(self.near.disconnected)

    def test_over(self) -> None:
        """
        Nothing is left of a stream that has ended, by whichever end.
        """
        self.other.connectionLost(Failure(ConnectionDone()))
        self.stream.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
