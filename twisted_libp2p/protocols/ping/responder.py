# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The side that answers pings.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.identity import PeerID
from twisted_libp2p.pacing import Deadline
from twisted_libp2p.protocols.ping.protocol import SIZE, TIMEOUT

__all__ = ["MAX_STREAMS", "PingFactory", "PingResponder"]

#: Maximum number of streams on which one peer may ping us at once.
MAX_STREAMS = 2


@implementer(IHalfCloseableProtocol)
class PingResponder(Protocol):
    """
    Sends every 32 bytes back.
    """

    transport: Any
    factory: PingFactory
    _timer: Deadline | None = None

    def __init__(self, peer: PeerID) -> None:
        self._peer = peer
        self._partial = b""

    def connectionMade(self) -> None:
        """
        Wait for pings, with a deadline.
        """
        self.transport.registerProducer(self.transport, True)
        self._timer = Deadline(self.factory.clock, TIMEOUT, self._idle)

    def dataReceived(self, data: bytes) -> None:
        """
        Answer all complete pings at once.
        """
        data = self._partial + data
        whole = len(data) - len(data) % SIZE
        self._partial = data[whole:]
        if whole:
            self.transport.write(data[:whole])
            if self._timer is not None:
                self._timer.reset(TIMEOUT)

    def readConnectionLost(self) -> None:
        """
        Close: the peer sends no further pings.
        """
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Do nothing: only our own close leads here.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Let the peer open another stream.
        """
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        self.factory.release(self._peer)

    def _idle(self) -> None:
        """
        Reset a stream that the peer does not use.
        """
        self._timer = None
        self.transport.abortConnection()


class PingFactory(Factory):
    """
    Serves L{PingResponder}, on two streams of one peer at most.
    """

    noisy = False

    def __init__(self, clock: IReactorTime) -> None:
        """
        @param clock: runs the deadline of each stream.
        """
        self.clock = clock
        self._streams: dict[PeerID, int] = {}

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> PingResponder | None:
        """
        Serve one more stream, unless the peer has too many.
        """
        assert isinstance(addr, PeerAddress)
        count = self._streams.get(addr.peerID, 0)
        if count >= MAX_STREAMS:
            return None
        self._streams[addr.peerID] = count + 1
        responder = PingResponder(addr.peerID)
        responder.factory = self
        return responder

    def release(self, peer: PeerID) -> None:
        """
        Count one stream of a peer less.
        """
        left = self._streams[peer] - 1
        if left:
            self._streams[peer] = left
        else:
            del self._streams[peer]
