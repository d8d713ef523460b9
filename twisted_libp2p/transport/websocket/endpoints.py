# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Endpoints whose connections are WebSockets, over endpoints of TCP.

This module needs the package C{websockets}: L{twisted_libp2p.transport.websocket
.transport} imports it when it is used.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from twisted_libp2p.interfaces import FirstBytes, IPortEndpoint, ITrustedProxies
from twisted_libp2p.transport.websocket.layer import WebSocketFactory
from twisted_libp2p.transport.websocket.opening import (
    ClientOpening,
    Opening,
    ServerOpening,
)
from twisted_libp2p.transport.websocket.place import Place
from twisted_libp2p.transport.websocket.trust import NamedServer

__all__ = ["WebSocketClientEndpoint", "WebSocketServerEndpoint"]


class _TLSFactory(TLSMemoryBIOFactory):
    """
    Puts TLS below a WebSocket.
    """

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the port: that of any node.
        """
        return "libp2p"

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> TLSMemoryBIOProtocol | None:
        """
        Build the protocol of TLS and those above it.

        @return: None if the wrapped factory refuses.
        """
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return None if wrapped is None else self.protocol(self, wrapped)


@implementer(IStreamClientEndpoint)
class WebSocketClientEndpoint:
    """
    Connects to a WebSocket.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        place: Place,
        server: NamedServer | None,
        clock: IReactorTime,
    ) -> None:
        """
        @param endpoint: connects to the TCP port.
        @param place: the WebSocket.
        @param server: the server that TLS has to prove; None without TLS.
        """
        self._endpoint = endpoint
        self._place = place
        self._server = server
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the port.  The protocol is connected before the WebSocket is open,
        and its first bytes wait for that.
        """
        place, server = self._place, self._server

        def opening() -> Opening:
            return ClientOpening(
                place.host, place.port, place.secure, place.path or "/"
            )

        if server is None:
            return self._endpoint.connect(
                WebSocketFactory(protocolFactory, opening, self._clock)
            ).addCallback(_above, 1)
        factory = WebSocketFactory(
            protocolFactory, opening, self._clock, server.explain
        )
        return self._endpoint.connect(
            _TLSFactory(server, True, factory, self._clock)
        ).addCallback(_above, 2)


def _above(protocol: Any, layers: int) -> IProtocol:
    """
    Return the protocol above a number of layers.
    """
    for _ in range(layers):
        protocol = protocol.wrappedProtocol
    above: IProtocol = protocol
    return above


@implementer(IStreamServerEndpoint, IPortEndpoint)
class WebSocketServerEndpoint:
    """
    Listens for WebSockets.

    @ivar port: the address of the TCP port.
    @ivar below: the endpoint of the TCP port.
    @ivar firstBytes: the kind of its connections' first bytes.
    """

    def __init__(
        self,
        endpoint: IStreamServerEndpoint,
        place: Place,
        certificate: IOpenSSLServerConnectionCreator | None,
        origins: Collection[str] | None,
        proxies: ITrustedProxies | None,
        clock: IReactorTime,
    ) -> None:
        """
        @param endpoint: listens on the TCP port.
        @param place: the WebSocket; if it has a path, other paths are refused.
        @param certificate: begins TLS with its certificate; None without TLS.
        @param origins: the origins of the pages that may connect; None accepts any.
        @param proxies: the proxies that may state the address of their client; None
            believes nobody.
        """
        self.port = place.below
        self.below = endpoint
        self.firstBytes = FirstBytes.HTTP if certificate is None else FirstBytes.TLS
        self._place = place
        self._certificate = certificate
        self._origins = origins
        self._proxies = proxies
        self._clock = clock

    def join(self, port: IListeningPort) -> None:
        """
        Do nothing: no WebSocket is dialed from this port.
        """

    def layers(self, factory: IProtocolFactory) -> IProtocolFactory:
        """
        Put a WebSocket, and TLS below it if there is a certificate, below the protocols
        of a factory.
        """
        path, origins = self._place.path, self._origins
        wrapped: IProtocolFactory = WebSocketFactory(
            factory,
            lambda: ServerOpening(path, origins),
            self._clock,
            proxies=self._proxies,
        )
        if self._certificate is not None:
            wrapped = _TLSFactory(self._certificate, False, wrapped, self._clock)
        return wrapped

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen, as the endpoint does.
        """
        return self.below.listen(self.layers(protocolFactory))
