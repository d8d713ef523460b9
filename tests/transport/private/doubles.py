# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The vector of the specification, and protocols and transports that note what happens.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.vectors import hexBytes, vector
from twisted_libp2p.interfaces import IHalfCloseable

ADDRESS = IPv4Address("TCP", "192.0.2.1", 4001)

STREAM = vector("pnet.stream")
KEY = hexBytes(STREAM, "psk")
NONCE = hexBytes(STREAM, "nonce")
PLAINTEXT = hexBytes(STREAM, "plaintext")
WIRE = hexBytes(STREAM, "wire")


class Recorder(Protocol):
    """
    Notes what it is told.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.reads: list[bytes] = []
        self.reasons: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        """
        Note it.
        """
        self.reads.append(data)
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note it.
        """
        self.reasons.append(reason)


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """
    Answers when the other side has said all.
    """

    def __init__(self) -> None:
        super().__init__()
        self.halves: list[str] = []

    def readConnectionLost(self) -> None:
        """
        Note it, and answer.
        """
        self.halves.append("read")
        self.transport.write(b"heard " + self.received)
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Note it.
        """
        self.halves.append("write")


class Asking(Recorder):
    """
    Asks, and hears the answer out.
    """

    def __init__(self) -> None:
        super().__init__()
        self.over: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """
        Ask.
        """
        self.transport.write(b"this")
        self.transport.loseWriteConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The answer is complete.
        """
        super().connectionLost(reason)
        self.over.callback(None)


@implementer(IHalfCloseable)
class Told(StringTransport):
    """
    Notes what else it is told to do.
    """

    def __init__(self) -> None:
        super().__init__(ADDRESS, ADDRESS)
        self.calls: list[str] = []

    def loseWriteConnection(self) -> None:
        """
        Note it.
        """
        self.calls.append("loseWriteConnection")

    def abortConnection(self) -> None:
        """
        Note it.
        """
        self.calls.append("abortConnection")


class Prepared(Factory):
    """
    Gives protocols that are made already, one after the other, and then none.
    """

    noisy = False

    def __init__(self, *protocols: Protocol) -> None:
        self._protocols = iter(protocols)

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        """
        Give the next one.
        """
        return next(self._protocols, None)
