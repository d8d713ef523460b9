# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections to IP addresses: as Twisted's own endpoints make them, with fewer steps.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectingCancelledError, NoProtocol, TimeoutError
from twisted.internet.interfaces import (
    IConnector,
    ILoggingContext,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.pacing import Deadline

__all__ = ["CONNECT_TIMEOUT", "IPClient", "sendSmallSegments", "tooLate"]

#: Seconds for the connect itself, as in go-libp2p.
CONNECT_TIMEOUT = 5.0


def tooLate(seconds: float) -> TimeoutError:
    """
    Return the error of an attempt to connect that has taken too long.
    """
    return TimeoutError(string=f"no connection in {seconds:g} seconds")


def sendSmallSegments(transport: Any) -> None:
    """
    Let a connection send small segments without waiting for acknowledgements, since
    the layers above join small writes themselves, and notice a peer that has gone.
    """
    # The peer may have gone already, which the transport is about to report.
    with suppress(OSError):
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)


@implementer(IStreamClientEndpoint)
class IPClient:
    """
    An endpoint whose connection to an IP address has to be there in time.

    Twisted's endpoints put a protocol of their own around each protocol, which later
    passes on all bytes, and their timer ends a connection that is there if this process
    was stopped or busy.  See "Few calls for each connection" in C{docs/internals.rst}.
    """

    def __init__(self, reactor: Any, host: str, port: int, place: Any) -> None:
        """
        @param host: the IP address to connect to.
        @param place: what to bind the socket to, as C{connectTCP} takes it; or None.
        """
        self._reactor = reactor
        self._host = host
        self._port = port
        self._place = place

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """
        connecting = _Connecting(self._reactor, protocolFactory)
        try:
            self._reactor.connectTCP(
                self._host,
                self._port,
                connecting,
                timeout=None,
                bindAddress=self._place,
            )
        except Exception:
            connecting.failed(Failure())
        return connecting.connected


class _Connecting(ClientFactory):
    """
    One attempt to connect.

    @ivar connected: fires with the protocol when it is connected.  To cancel it is to
        give up.
    """

    noisy = False

    def __init__(self, reactor: Any, factory: IProtocolFactory) -> None:
        self.connected: Deferred[IProtocol] = Deferred(self._cancelled)
        self._factory = factory
        self._connector: IConnector
        self._deadline = Deadline(reactor, CONNECT_TIMEOUT, self._late)

    def doStart(self) -> None:
        """
        Start the factory of the caller.
        """
        self._factory.doStart()

    def doStop(self) -> None:
        """
        Stop the factory of the caller, and let go of it: the transport keeps us.
        """
        self._factory.doStop()
        del self._factory, self._connector

    def startedConnecting(self, connector: IConnector) -> None:
        """
        Keep the object that can give up the attempt.
        """
        self._connector = connector

    def buildProtocol(self, addr: Any) -> Any:
        """
        Build the protocol of the caller.
        """
        self._deadline.cancel()
        try:
            protocol = self._factory.buildProtocol(addr)
            if protocol is None:
                raise NoProtocol
        except Exception:
            self.connected.errback()
            return None
        return _Arrival(protocol, self.connected)

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        """
        Part the connector from the transport, which it keeps otherwise, and which keeps
        it: a reference cycle of everything that the connection has left.
        """
        connector.transport = None

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """
        Report that there is no connection.
        """
        self.failed(reason)

    def failed(self, reason: Failure) -> None:
        """
        Report that there is no connection, unless the attempt was given up.
        """
        if not self.connected.called:
            self._deadline.cancel()
            self.connected.errback(reason)

    def _cancelled(self, _: Deferred[IProtocol]) -> None:
        if self._deadline.active():
            self._giveUp(ConnectingCancelledError(self._connector.getDestination()))

    def _late(self) -> None:
        """
        Name the reason for which the attempt is given up.
        """
        self._giveUp(tooLate(CONNECT_TIMEOUT))

    def _giveUp(self, error: Exception) -> None:
        if self._deadline.active():
            self._deadline.cancel()
        self.connected.errback(error)
        self._connector.stopConnecting()


@implementer(ILoggingContext)
class _Arrival:
    """
    Stands in for a protocol until its transport is there, and reports that it is
    connected.  No byte goes through it.
    """

    __slots__ = ("_connected", "_protocol")

    def __init__(self, protocol: IProtocol, connected: Deferred[IProtocol]) -> None:
        self._protocol = protocol
        self._connected = connected

    def logPrefix(self) -> str:
        """
        Name the protocol.
        """
        return type(self._protocol).__name__

    def makeConnection(self, transport: Any) -> None:
        """
        Connect the protocol, and leave.
        """
        transport.protocol = self._protocol
        sendSmallSegments(transport)
        self._protocol.makeConnection(transport)
        if not self._connected.called:
            self._connected.callback(self._protocol)
