# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.web.guard}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.web.guard import MAX_HEAD, GuardedEndpoint


class Client(Protocol):
    """
    Records what it gets.
    """

    def __init__(self) -> None:
        self.data = b""
        self.reason: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        """
        Record bytes.
        """
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Record the reason.
        """
        self.reason = reason


PLACE = IPv4Address("TCP", "127.0.0.1", 80)


@implementer(IStreamClientEndpoint)
class Endpoint:
    """
    Connects at once.
    """

    def __init__(self) -> None:
        self.transport = StringTransport()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """
        guard: Any = protocolFactory.buildProtocol(PLACE)
        self.guard = guard
        guard.makeConnection(self.transport)
        return succeed(guard)


class GuardTests(SynchronousTestCase):
    """
    Heads of responses.
    """

    def setUp(self) -> None:
        """
        Connect a client.
        """
        self.endpoint = Endpoint()
        factory = Factory.forProtocol(Client)
        connecting = GuardedEndpoint(self.endpoint).connect(factory)
        self.client: Any = self.successResultOf(connecting)
        self.guard = self.endpoint.guard

    def test_passed(self) -> None:
        """
        After the end of the head, however its bytes are cut, any number of bytes pass.
        """
        for end in (b"\r\n\r\n", b"\n\n"):
            self.setUp()
            for byte in b"HTTP/1.1 200 OK" + end:
                self.guard.dataReceived(bytes((byte,)))
            for _ in range(3):
                self.guard.dataReceived(bytes(MAX_HEAD))
            self.assertEqual(len(self.client.data), 15 + len(end) + 3 * MAX_HEAD)
            self.assertFalse(self.endpoint.transport.disconnected)
            self.guard.connectionLost(Failure(ConnectionDone()))
            self.client.reason.trap(ConnectionDone)

    def test_long(self) -> None:
        """
        A longer head ends the stream.
        """
        self.guard.dataReceived(b"A: b\r\n" * (MAX_HEAD // 6))
        self.assertFalse(self.endpoint.transport.disconnected)
        self.guard.dataReceived(b"A: b\r\n")
        self.assertTrue(self.endpoint.transport.disconnected)
        size = len(self.client.data)
        self.guard.dataReceived(b"more")
        self.assertEqual(len(self.client.data), size)
        self.guard.connectionLost(Failure(ConnectionLost()))
        self.client.reason.trap(ProtocolViolation)

    def test_interim(self) -> None:
        """
        Interim responses count together with the one that follows them.
        """
        for interim in (b"100 Continue", b"103 Early Hints", b"+100", b"0100 x"):
            head = b"HTTP/1.1 " + interim + b"\r\n\r\n"
            self.setUp()
            for byte in head + head + b"HTTP/1.1 200 OK\r\n\r\n":
                self.guard.dataReceived(bytes((byte,)))
            self.guard.dataReceived(bytes(2 * MAX_HEAD))
            self.assertFalse(self.endpoint.transport.disconnected)
            self.setUp()
            self.guard.dataReceived(head)
            self.guard.dataReceived(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 11_000)
            self.assertTrue(self.endpoint.transport.disconnected)
            self.setUp()
            for _ in range(MAX_HEAD // len(head) + 1):
                self.guard.dataReceived(head)
            self.assertTrue(self.endpoint.transport.disconnected)
