# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Forwarding: a stream, or a connection of any other server, is joined with a
connection to any Twisted endpoint.

Bytes, back-pressure, half-closes and resets pass in both directions.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocol,
    ISSLTransport,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import StreamAborted, StreamReset
from twisted_libp2p.printable import printable
from twisted_libp2p.protocols.streamfactory import StreamFactory

__all__ = ["ForwardFactory", "Pipe"]

_log = Logger()


@implementer(IHalfCloseableProtocol)
class Pipe(Protocol):
    """
    One end of a pipe: the other end sends the bytes that this one receives.

    @ivar other: the other end, as long as both are connected.
    """

    transport: Any
    other: Pipe | None = None
    _ended = False

    def join(self, other: Pipe) -> None:
        """
        Join two connected ends: each transport produces for the other.
        """
        self.other, other.other = other, self
        other.transport.registerProducer(self.transport, True)
        self.transport.registerProducer(other.transport, True)

    def dataReceived(self, data: bytes) -> None:
        """
        Pass bytes on.
        """
        if self.other is not None:
            self.other.transport.write(data)

    def readConnectionLost(self) -> None:
        """
        Half-close the other end: no further bytes come from here.
        """
        self._ended = True
        other = self.other
        if other is None:
            return
        other.transport.unregisterProducer()
        if other._ended or not _canHalfClose(other.transport):
            other.transport.loseConnection()
        else:
            other.transport.loseWriteConnection()

    def writeConnectionLost(self) -> None:
        """
        Abort the other end, unless it has caused this by its own end: its bytes could
        not be sent from here.
        """
        other = self.other
        if other is not None and not other._ended:
            _abort(other.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the other end, since both directions of this one have ended.  It is closed
        in order only if everything that was received here is complete: because this end
        was closed in order, or because its peer had ended its direction before the
        connection was lost.  A reset of the peer always aborts.
        """
        other, self.other = self.other, None
        if other is None:
            return
        other.other = None
        transport = other.transport
        if not self._ended:
            transport.unregisterProducer()
        whole = self._ended and not reason.check(StreamReset, StreamAborted)
        if whole or reason.check(ConnectionDone):
            transport.loseConnection()
        else:
            _abort(transport)


def _abort(transport: Any) -> None:
    """
    End a transport at once, if it can be.
    """
    getattr(transport, "abortConnection", transport.loseConnection)()


def _canHalfClose(transport: Any) -> bool:
    """
    Check whether one direction of a transport can be closed.  Twisted's TLS cannot;
    but its C{loseConnection} announces the end to the peer, and it still receives until
    the peer announces its own.
    """
    return hasattr(transport, "loseWriteConnection") and not (
        ISSLTransport.providedBy(transport)
    )


class _Inbound(Pipe):
    """
    The end on the accepted side, which waits for the other end to be connected.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint
        self._connecting: Deferred[IProtocol] | None = None

    def connectionMade(self) -> None:
        """
        Connect the other end, and receive nothing until that is done.
        """
        self.transport.pauseProducing()
        self._connecting = maybeDeferred(self._endpoint.connect, StreamFactory(Pipe))
        # An error in joining the two ends this one too.
        self._connecting.addCallback(self._connected).addErrback(self._failed)

    def _connected(self, other: Any) -> None:
        if self._connecting is None:
            # The endpoint has not noticed that it was cancelled.
            _abort(other.transport)
            return
        self.join(other)
        self._connecting = None
        self.transport.resumeProducing()

    def _failed(self, reason: Failure) -> None:
        if self._connecting is None:
            # It was cancelled: this end has ended.
            return
        self._connecting = None
        # Any server may use the factory.
        peer = self.transport.getPeer()
        protocol = peer.protocolID if isinstance(peer, PeerAddress) else "a connection"
        _log.info(
            "cannot forward {protocol} of {peer}: {reason}",
            protocol=printable(protocol or ""),
            peer=peer,
            reason=reason.getErrorMessage(),
        )
        _abort(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the other end, or cancel its connecting.
        """
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
        super().connectionLost(reason)


class ForwardFactory(Factory):
    """
    Joins each stream with a new connection to an endpoint.

    The other way round it opens a libp2p stream for each connection to a port of this
    machine: C{serverEndpoint.listen(ForwardFactory(node.connector(peer, protocol)))}.
    A connection whose endpoint cannot be reached is aborted.
    """

    noisy = False

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        """
        Make a factory that forwards streams to an endpoint.

        @param endpoint: connects the other end of each stream.
        """
        self._endpoint = endpoint

    def buildProtocol(self, addr: IAddress | None) -> Pipe:
        """
        Serve one more stream.
        """
        return _Inbound(self._endpoint)
