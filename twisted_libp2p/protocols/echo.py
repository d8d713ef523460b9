# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
C{/echo/1.0.0}: every byte comes back.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

__all__ = ["PROTOCOL_ID", "Echo", "EchoFactory"]

PROTOCOL_ID = "/echo/1.0.0"


@implementer(IHalfCloseableProtocol)
class Echo(Protocol):
    """
    Sends received bytes back, and closes when the peer has.

    It reads no faster than the peer takes the echo.
    """

    transport: Any

    def connectionMade(self) -> None:
        """
        Let the stream be its own producer: full in one direction, it is not
        read in the other.
        """
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        """
        Send it back.
        """
        self.transport.write(data)

    def readConnectionLost(self) -> None:
        """
        The peer is done, and so are we, when the rest is on its way.
        """
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Nothing to do: only our own close leads here.
        """


class EchoFactory(Factory):
    """
    Serves L{Echo}.
    """

    protocol = Echo
    noisy = False
