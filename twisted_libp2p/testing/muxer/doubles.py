# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Applications and owners of sessions, which note the calls that they get.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IMuxedConnection,
    IMuxedStream,
    IMuxerSession,
    IStreamScope,
)

__all__ = [
    "Collector",
    "Echo",
    "HalfCloseCollector",
    "MuxedConnectionDouble",
    "StreamScopeDouble",
]


class Collector(Protocol):
    """
    An application that stores its received bytes, and the reason of its end.

    @ivar data: the received bytes.
    @ivar reasons: the arguments of C{connectionLost}; at most one.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self.reasons: list[Failure] = []

    @property
    def stream(self) -> IMuxedStream:
        """
        The transport, as a stream.
        """
        assert IMuxedStream.providedBy(self.transport)
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        """
        Store the bytes.
        """
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Store the reason.
        """
        self.reasons.append(reason)


class Echo(Collector):
    """
    An application that sends back all received bytes.
    """

    def dataReceived(self, data: bytes) -> None:
        """
        Send the bytes back.
        """
        super().dataReceived(data)
        self.stream.write(data)


@implementer(IHalfCloseableProtocol)
class HalfCloseCollector(Collector):
    """
    An application that records the ends of both halves, in order.

    @ivar ends: C{"read"} and C{"write"}.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[str] = []

    def readConnectionLost(self) -> None:
        """
        Record the call.
        """
        self.ends.append("read")

    def writeConnectionLost(self) -> None:
        """
        Record the call.
        """
        self.ends.append("write")


@implementer(IStreamScope)
class StreamScopeDouble:
    """
    The use of limits by a stream whose protocol is agreed; it counts nothing.
    """

    closed = False

    def __init__(self, protocol: str | None = None) -> None:
        self.protocol = protocol

    def agree(self, protocol: str) -> None:
        """
        Note the protocol.
        """
        self.protocol = protocol

    def hold(self, size: int) -> None:
        """
        Count nothing.
        """

    def close(self) -> None:
        """
        Record the call.
        """
        self.closed = True


@implementer(IMuxedConnection)
class MuxedConnectionDouble:
    """
    An owner that records the calls of its session.

    @ivar session: the session, once it has started.
    @ivar events: the names of the calls, in order.
    @ivar build: makes the protocol of an inbound stream; None refuses it.
    @ivar protocols: the protocols of the inbound streams, in order.
    @ivar opened: all streams, in order.
    @ivar ended: the closed streams, with the reasons.
    @ivar refused: how many streams the session has refused by itself.
    @ivar lost: the arguments of C{sessionLost}.
    @ivar endsApart: whether the ends of inbound streams are kept apart from their first
        data.
    @ivar upgradeTime: the longest time that a round trip has taken so far.
    """

    endsApart = True
    upgradeTime = 0.0
    localAddress: Multiaddr | None = None
    remoteAddress: Multiaddr | None = None

    def __init__(self, localPeer: PeerID, remotePeer: PeerID) -> None:
        self.localPeer = localPeer
        self.remotePeer = remotePeer
        self.session: IMuxerSession
        self.events: list[str] = []
        self.build: Callable[[], Any] = Collector
        self.protocols: list[Any] = []
        self.opened: list[IMuxedStream] = []
        self.ended: list[tuple[IMuxedStream, Failure]] = []
        self.refused = 0
        self.lost: list[Failure] = []

    def doStart(self) -> None:
        """
        Do nothing.
        """

    def doStop(self) -> None:
        """
        Do nothing.
        """

    def sessionStarted(self, session: IMuxerSession) -> None:
        """
        Record the call.
        """
        self.session = session
        self.events.append("sessionStarted")

    def openStream(self, protocol: IProtocol) -> IMuxedStream:
        """
        Open a stream, and note it.
        """
        self.opened.append(self.session.openStream(protocol))
        return self.opened[-1]

    def buildProtocol(self, addr: Any) -> IProtocol | None:
        """
        Build a protocol, or refuse.
        """
        protocol: IProtocol | None = self.build()
        if protocol is not None:
            self.events.append("buildProtocol")
            self.protocols.append(protocol)
            self.opened.append(addr)
        return protocol

    def streamRefused(self) -> None:
        """
        Count it.
        """
        self.refused += 1

    def streamClosed(self, stream: IMuxedStream, reason: Failure) -> None:
        """
        Record the call.
        """
        self.events.append("streamClosed")
        self.ended.append((stream, reason))

    def sessionLost(self, reason: Failure) -> None:
        """
        Record the call.
        """
        self.events.append("sessionLost")
        self.lost.append(reason)
