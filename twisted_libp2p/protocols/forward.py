# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Forwarding: a stream, or a connection of any other server, is joined with a
connection to any Twisted endpoint.

Bytes, back-pressure, half-closes and resets pass in both directions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Contract

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
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.errors import ProtocolViolation, StreamAborted, StreamReset
from twisted_libp2p.logger import Logger
from twisted_libp2p.printable import printable
from twisted_libp2p.protocols.idle import IdleRule, IdleTimer
from twisted_libp2p.protocols.throttle import Throttle, Valve

__all__ = ["ForwardFactory", "Inbound", "Pipe", "Preface", "Traffic"]

_log = Logger()


class Traffic:
    """
    What has been forwarded so far.

    @ivar opened: number of streams, or connections, that were accepted.
    @ivar open: number of those that have not ended.
    @ivar failed: number of those whose other end could not be connected.
    @ivar received: bytes from the accepted side.
    @ivar sent: bytes to the accepted side.
    @ivar error: the latest error, as text; empty without one.
    @ivar throttle: the limit on bytes in each second; None without one.
    @ivar idle: the limit on the time without a byte; None without one.
    """

    __slots__ = (
        "error",
        "failed",
        "idle",
        "open",
        "opened",
        "received",
        "sent",
        "throttle",
    )

    def __init__(
        self, throttle: Throttle | None = None, idle: IdleRule | None = None
    ) -> None:
        self.opened = self.open = self.failed = self.received = self.sent = 0
        self.error = ""
        self.throttle = throttle
        self.idle = idle


class Preface(Contract):
    """
    Changes the beginning of a forwarded stream, to name its peer.  Without I/O.

    @ivar done: whether all further bytes pass unchanged.
    """

    done: bool

    def start(self) -> bytes:
        """
        Return the bytes to send before all others.
        """

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the stream.

        @return: the bytes to send in their place, which may be none so far.
        @raise ProtocolViolation: the peer may not say this.
        """


@implementer(IHalfCloseableProtocol)
class Pipe(Protocol):
    """
    One end of a pipe: the other end sends the bytes that this one receives.

    @ivar other: the other end, as long as both are connected.
    """

    transport: Any
    other: Pipe | None = None
    _valve: Valve | None = None
    _timer: IdleTimer | None = None
    _ended = False

    def limit(self, other: Pipe, traffic: Traffic) -> None:
        """
        Apply the limits of a tunnel to two connected ends, before they are joined.
        """
        throttle, idle = traffic.throttle, traffic.idle
        if throttle is not None:
            self._valve, other._valve = throttle.valves(self.transport, other.transport)
        if idle is not None:
            self._timer = other._timer = idle.timer(self._idled)

    def _idled(self) -> None:
        """
        End both ends at once: no byte has passed for too long, because nobody has
        anything to say, or because one of both does not read.
        """
        _log.debug("a tunnelled stream has ended: no byte has passed for too long")
        _abort(self.transport)

    def join(self, other: Pipe) -> None:
        """
        Join two connected ends: each transport produces for the other.
        """
        self.other, other.other = other, self
        other.transport.registerProducer(self._valve or self.transport, True)
        self.transport.registerProducer(other._valve or other.transport, True)

    def dataReceived(self, data: bytes) -> None:
        """
        Pass bytes on.
        """
        if self.other is not None:
            self.other.transport.write(data)
            if self._valve is not None:
                self._valve.spend(len(data))
            if self._timer is not None:
                self._timer.restart()

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
        if self._valve is not None:
            self._valve.cancel()
        if self._timer is not None:
            self._timer.cancel()
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


class _Outbound(Pipe):
    """
    The end on the side that is connected for an accepted one.
    """

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def dataReceived(self, data: bytes) -> None:
        """
        Pass bytes on, and count them.
        """
        self._traffic.sent += len(data)
        if self.other is not None:
            self.other.transport.write(data)
            if self._valve is not None:
                self._valve.spend(len(data))
            if self._timer is not None:
                self._timer.restart()


class Inbound(Pipe):
    """
    The end on the accepted side, which waits for the other end to be connected.
    """

    def __init__(self, traffic: Traffic) -> None:
        """
        @param traffic: counts this end and its bytes.
        """
        self._traffic = traffic
        self._connecting: Deferred[IProtocol] | None = None

    def connectionMade(self) -> None:
        """
        Count this end.
        """
        self._traffic.opened += 1
        self._traffic.open += 1

    def reach(self, endpoint: IStreamClientEndpoint) -> None:
        """
        Connect the other end, and receive nothing until that is done.
        """
        self.transport.pauseProducing()
        factory = StreamFactory(lambda: _Outbound(self._traffic))
        self._connecting = maybeDeferred(endpoint.connect, factory)
        # An error in joining the two ends this one too.
        self._connecting.addCallback(self._connected).addErrback(self._failed)

    def dataReceived(self, data: bytes) -> None:
        """
        Pass bytes on, and count them.
        """
        self._traffic.received += len(data)
        if self.other is not None:
            self.other.transport.write(data)
            if self._valve is not None:
                self._valve.spend(len(data))
            if self._timer is not None:
                self._timer.restart()

    def _connected(self, other: Any) -> None:
        if self._connecting is None:
            # The endpoint has not noticed that it was cancelled.
            _abort(other.transport)
            return
        self.limit(other, self._traffic)
        self.join(other)
        self._connecting = None
        (self._valve or self.transport).resumeProducing()

    def _failed(self, reason: Failure) -> None:
        if self._connecting is None:
            # It was cancelled: this end has ended.
            return
        self._connecting = None
        self._traffic.failed += 1
        self.refuse(reason)

    def refuse(self, failure: Failure) -> None:
        """
        Log the reason, and end this end.
        """
        self.logReason(failure)
        _abort(self.transport)

    def logReason(self, failure: Failure) -> None:
        """
        Log, and record, the reason for which this end is not joined with another one.
        """
        reason = self._traffic.error = failure.getErrorMessage()
        # Any server may use the factory.
        peer = self.transport.getPeer()
        protocol: str | None = "a connection"
        caller: object = peer
        if isinstance(peer, PeerAddress):
            protocol, caller = peer.protocolID, peer.peerID
        _log.info(
            "cannot forward {protocol} of {peer}: {reason}",
            protocol=printable(protocol or ""),
            peer=caller,
            reason=reason,
        )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End the other end, or cancel its connecting.
        """
        self._traffic.open -= 1
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
        super().connectionLost(reason)


class _Forwarded(Inbound):
    """
    An accepted end whose other end is always at the same endpoint.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, traffic: Traffic) -> None:
        super().__init__(traffic)
        self._endpoint = endpoint

    def connectionMade(self) -> None:
        """
        Connect the other end at once.
        """
        super().connectionMade()
        self.reach(self._endpoint)


class _Named(_Forwarded):
    """
    An accepted end whose peer is named to the other one.
    """

    def __init__(
        self, endpoint: IStreamClientEndpoint, traffic: Traffic, preface: Preface
    ) -> None:
        super().__init__(endpoint, traffic)
        self._preface = preface

    def join(self, other: Pipe) -> None:
        """
        Join the two ends, and send the beginning.
        """
        super().join(other)
        other.transport.write(self._preface.start())

    def dataReceived(self, data: bytes) -> None:
        """
        Change the first bytes, and pass all of them on.
        """
        if not self._preface.done:
            try:
                data = self._preface.receive(data)
            except ProtocolViolation:
                self.refuse(Failure())
                return
        super().dataReceived(data)


class ForwardFactory(Factory):
    """
    Joins each stream with a new connection to an endpoint.

    The other way round it opens a libp2p stream for each connection to a port of this
    machine: C{serverEndpoint.listen(ForwardFactory(node.connector(peer, protocol)))}.
    A connection whose endpoint cannot be reached is aborted.

    @ivar traffic: what has been forwarded so far.
    """

    noisy = False

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        preface: Callable[[Any], Preface] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """
        Make a factory that forwards streams to an endpoint.

        @param endpoint: connects the other end of each stream.
        @param preface: called with the address of each peer; returns the machine that
            names it to the endpoint.
        @param traffic: counts the streams and their bytes, and has their limits.
        """
        self._endpoint = endpoint
        self._preface = preface
        self.traffic = traffic or Traffic()

    def buildProtocol(self, addr: IAddress | None) -> Pipe:
        """
        Serve one more stream.
        """
        if self._preface is None:
            return _Forwarded(self._endpoint, self.traffic)
        return _Named(self._endpoint, self.traffic, self._preface(addr))
