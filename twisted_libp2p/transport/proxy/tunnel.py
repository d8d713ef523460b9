# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The endpoint that connects through a proxy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ConnectionClosing, ProxyFailed, ProxyRefused
from twisted_libp2p.interfaces import ISwitchable
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.pacing.below import switchable
from twisted_libp2p.transport.proxy.opening import Opening

__all__ = ["PROXY_TIME", "TunnelEndpoint"]

#: Seconds for the connection to the proxy and its connection to the peer: Tor needs
#: many of them for an onion service.
PROXY_TIME: Final = 30.0


@implementer(IHalfCloseableProtocol)
class _Tunnel(Protocol):
    """
    Speaks with the proxy.  When the proxy has connected us, the wanted protocol is
    connected to the transport itself, and receives from it directly.

    @ivar connecting: fires with the wanted protocol, or fails.
    """

    transport: Any

    def __init__(self, opening: Opening, factory: IProtocolFactory, addr: Any) -> None:
        self._opening = opening
        self._factory = factory
        self._addr = addr
        self._inner: Any = None
        self._switch: ISwitchable | None = None
        self.connecting: Deferred[IProtocol] = Deferred(self._cancelled)

    def connectionMade(self) -> None:
        """
        Send the first message.
        """
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self._switch = switchable(self.transport)
        self.transport.write(self._opening.start())

    def unwrap(self) -> None:
        """
        Receive from the transport itself.  An endpoint has put something around this
        protocol, which has reported that it is connected.
        """
        present = None if self._switch is None else self._switch.protocol
        if self._switch is not None and present is not None and self._inner is None:
            self._switch.switchProtocol(present, self)

    def dataReceived(self, data: bytes) -> None:
        """
        Feed the machine; afterwards pass the bytes on, if the transport still delivers
        them here.
        """
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        if self.connecting.called:
            return
        try:
            answer = self._opening.receive(data)
        except (ProxyFailed, ProxyRefused) as error:
            self._fail(Failure(error))
            return
        if answer:
            self.transport.write(answer)
        if self._opening.opened:
            self._connect()

    def _connect(self) -> None:
        """
        Connect the wanted protocol.
        """
        try:
            inner = self._factory.buildProtocol(self._addr)
        except Exception:
            self._fail(Failure())
            return
        if inner is None:
            self._fail(Failure(ConnectionClosing("the dial was given up")))
            return
        self._inner = inner
        if self._switch is not None:
            self._switch.switchProtocol(self, inner)
        inner.makeConnection(self.transport)
        trailing, self._opening.trailing = self._opening.trailing, b""
        if trailing:
            if self._switch is not None and self._switch.protocol is not self:
                self._switch.unread(trailing)
            else:
                inner.dataReceived(trailing)
        if not self.connecting.called:
            self.connecting.callback(inner)

    def _fail(self, reason: Failure) -> None:
        """
        Report that there is no connection, and drop the transport.
        """
        if not self.connecting.called:
            self.connecting.errback(reason)
        self.transport.abortConnection()

    def _cancelled(self, connecting: Deferred[IProtocol]) -> None:
        connecting.errback(CancelledError())
        if self.transport is not None:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end of the transport.
        """
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self.connecting.called:
            self.connecting.errback(ProxyFailed("it has hung up without an answer"))

    def readConnectionLost(self) -> None:
        """
        Report that the peer sends nothing more; without a connection to it, the proxy
        has hung up.
        """
        if IHalfCloseableProtocol.providedBy(self._inner):
            self._inner.readConnectionLost()
        else:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Report that our side sends nothing more.
        """
        if IHalfCloseableProtocol.providedBy(self._inner):
            self._inner.writeConnectionLost()


class _TunnelFactory(Factory):
    """
    Builds the protocol that speaks with the proxy.
    """

    noisy = False

    def __init__(self, opening: Opening, factory: IProtocolFactory) -> None:
        self._opening = opening
        self._factory = factory

    def buildProtocol(self, addr: IAddress | None) -> _Tunnel:
        """
        Build it.
        """
        return _Tunnel(self._opening, self._factory, addr)


@implementer(IStreamClientEndpoint)
class TunnelEndpoint:
    """
    Connects with a peer through a proxy.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        opening: Callable[[], Opening],
        proxy: str,
        clock: IReactorTime,
    ) -> None:
        """
        @param endpoint: connects with the proxy.
        @param opening: makes the machine that asks for one connection.
        @param proxy: the proxy, for errors.
        @param clock: runs the timers.
        """
        self._endpoint = endpoint
        self._opening = opening
        self._proxy = proxy
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.

        @return: fails with L{ProxyFailed} or L{ProxyRefused}.
        """
        connecting = Deferred.fromCoroutine(self._connect(protocolFactory))
        return addTimeout(connecting, PROXY_TIME, self._clock, self._late)

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        try:
            opening = self._opening()
            try:
                tunnel: Any = await self._endpoint.connect(
                    _TunnelFactory(opening, factory)
                )
            except CancelledError:
                raise
            except Exception as error:
                reason = str(error) or type(error).__name__
                raise ProxyFailed(f"it cannot be reached: {reason}") from None
            tunnel.unwrap()
            connected: IProtocol = await tunnel.connecting
        except (ProxyFailed, ProxyRefused) as error:
            error.proxy = self._proxy
            raise
        return connected

    def _late(self, result: IProtocol | Failure, seconds: float) -> IProtocol:
        """
        Name the reason for which an attempt to connect was cancelled.
        """
        if isinstance(result, Failure):
            raise ProxyFailed(f"no connection in {seconds:g} seconds", self._proxy)
        return result
