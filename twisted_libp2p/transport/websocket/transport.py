# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
WebSockets as transports: C{ws}, and C{wss}, which has TLS below it.

This module can be imported without the package C{websockets}.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IOpenSSLServerConnectionCreator,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.python.reflect import requireModule
from zope.interface import alsoProvides, implementer

from twisted_libp2p.address import Multiaddr, unmapped
from twisted_libp2p.errors import ConfigurationError, UnsupportedAddress
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IHost,
    IKeepsToProxy,
    IOpaqueDials,
    IProxy,
    IReloadable,
    ITransport,
    ITransportProvider,
    ITrustedProxies,
)
from twisted_libp2p.transport.tcp import TCPTransport
from twisted_libp2p.transport.websocket.certificate import ServerCertificate
from twisted_libp2p.transport.websocket.place import Place
from twisted_libp2p.transport.websocket.trust import NamedServer, Trust

__all__ = ["SecureWebSockets", "WebSocketTransport", "WebSockets"]

#: A PEM file, or an object that begins TLS with a certificate of its own.
CertificateSource = str | os.PathLike[str] | IOpenSSLServerConnectionCreator

_WS = Multiaddr("/ws")
_TLS_WS = Multiaddr("/tls/ws")

# As browsers write it (RFC 6454).
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/A-Z\s]+")


@implementer(ITransport, IReloadable)
class WebSocketTransport:
    """
    Dials C{/ws} after a host, with a TCP port or without one, and listens on C{/ws}
    after an IP address and a TCP port.  With TLS it does the same for C{/tls/ws},
    C{/tls/sni/NAME/ws} and C{/wss}.  C{/http-path/...} may follow.

    If the server is dialed by an IP address, C{/sni} has the name that its certificate
    must have.  The dialer puts a name there that it has resolved.
    """

    byteStream = True

    def __init__(
        self,
        reactor: Any,
        *,
        secure: bool = False,
        roots: str | os.PathLike[str] | None = None,
        certificate: CertificateSource | None = None,
        key: str | os.PathLike[str] | None = None,
        origins: Collection[str] | None = None,
        proxies: ITrustedProxies | None = None,
        proxy: IProxy | None = None,
    ) -> None:
        """
        @param reactor: what connects, listens and runs the timers.
        @param secure: whether there is TLS.
        @param roots: a PEM file of the authorities whose certificates are believed;
            those of the system by default.
        @param certificate: a PEM file of the certificate to listen with, followed by
            those between it and the root; or an object that begins TLS with its own.
        @param key: a PEM file of its key; the same file by default.
        @param origins: the origins of the web pages that may connect, such as
            C{https://example.com}; all by default.
        @param proxies: the proxies that may state the address of their client; none by
            default.
        @param proxy: connects instead of the reactor, and resolves names.
        @raise ConfigurationError: a file cannot be used, or an origin is malformed.
        """
        self.name = "wss" if secure else "ws"
        self._secure = secure
        self._reactor = reactor
        self._tcp = TCPTransport(reactor, proxy)
        if proxy is not None:
            alsoProvides(self, IOpaqueDials, IKeepsToProxy)
        self._trust = Trust(roots)
        self._files: ServerCertificate | None = None
        self._certificate: IOpenSSLServerConnectionCreator | None = None
        if isinstance(certificate, str | os.PathLike):
            self._files = ServerCertificate(reactor, certificate, key)
            self._certificate = self._files
        elif certificate is not None:
            self._certificate = certificate
        self._origins = None if origins is None else [*map(_checkOrigin, origins)]
        self._proxies = proxies

    @classmethod
    def plain(cls, host: IHost) -> WebSocketTransport:
        """
        Make the transport C{ws} of a node.
        """
        return cls(host.reactor, proxies=host.proxies, proxy=host.proxy)

    @classmethod
    def withTLS(cls, host: IHost) -> WebSocketTransport:
        """
        Make the transport C{wss} of a node, which has no certificate to listen with.
        """
        return cls(host.reactor, secure=True, proxies=host.proxies, proxy=host.proxy)

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether an address is that of a WebSocket of this kind.
        """
        return self._place(address) is not None

    def canListen(self, address: Multiaddr) -> bool:
        """
        Check whether an address is an IP address with a TCP port and a WebSocket of
        this kind.
        """
        place = self._place(address)
        return place is not None and self._tcp.canListen(place.below)

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.

        @raise UnsupportedAddress: it cannot be dialed, or not from C{options.local}.
        @raise ConfigurationError: there are no authorities whose certificates are
            believed.
        """
        place = self._needed(address)
        if options.host is not None and place.kind.value("sni") is None:
            place = replace(place, host=options.host)
        endpoint: IStreamClientEndpoint = _endpoints().WebSocketClientEndpoint(
            self._tcp.clientEndpoint(place.below, options),
            place,
            NamedServer(self._trust, place.host) if self._secure else None,
            self._reactor,
        )
        return endpoint

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint that listens on an address.

        @raise UnsupportedAddress: it cannot be listened on.
        @raise ConfigurationError: a certificate is missing.
        """
        place = self._needed(address)
        if self._secure and self._certificate is None:
            raise ConfigurationError(
                f"{address} needs a certificate: name its files, by --tls-certificate"
                " and --tls-key, or SecureWebSockets(certificate=..., key=...)"
            )
        endpoint: IStreamServerEndpoint = _endpoints().WebSocketServerEndpoint(
            self._tcp.serverEndpoint(place.below),
            place,
            self._certificate,
            self._origins,
            self._proxies,
            self._reactor,
        )
        return endpoint

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the real addresses of a listening port, with the kind of WebSocket that
        was requested.
        """
        place = self._needed(address)
        return [
            each.encapsulate(place.kind)
            for each in self._tcp.listeningOn(place.below, port)
        ]

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate an IP address of Twisted.
        """
        found = self._tcp.toMultiaddr(address)
        if found is None:
            return None
        return found.encapsulate(_TLS_WS if self._secure else _WS)

    def reload(self) -> None:
        """
        Read the files of the certificate again.
        """
        if self._files is not None:
            self._files.reload()

    def _place(self, address: Multiaddr) -> Place | None:
        """
        Read an address; None if it is of another kind.
        """
        place = Place.of(unmapped(address))
        return place if place is not None and place.secure is self._secure else None

    def _needed(self, address: Multiaddr) -> Place:
        place = self._place(address)
        if place is None:
            raise UnsupportedAddress(
                f"{address} is no WebSocket: /ip4/127.0.0.1/tcp/4001"
                f"{_TLS_WS if self._secure else _WS} is one"
            )
        return place


def _endpoints() -> Any:
    """
    Import the part that needs the package C{websockets}.

    @raise UnsupportedAddress: it is not installed.
    """
    found = requireModule("twisted_libp2p.transport.websocket.endpoints")
    if found is None:
        raise UnsupportedAddress(
            "WebSocket needs the extra websocket:"
            " pip install 'twisted-libp2p[websocket]'"
        )
    return found


def _checkOrigin(text: str) -> str:
    """
    Check the origin of a web page.

    @raise ConfigurationError: it is malformed.
    """
    if not _ORIGIN.fullmatch(text):
        raise ConfigurationError(
            f"{text} is not the origin of a web page: https://example.com is one, and"
            " http://localhost:8080; in small letters, and without a path"
        )
    return text


@implementer(ITransportProvider)
@dataclass(frozen=True)
class WebSockets:
    """
    Provides the transport C{ws} for the pages of some origins alone.

    @ivar origins: as in L{WebSocketTransport}.
    """

    origins: Collection[str] | None = None

    name = "ws"
    description = "WebSocket, for the pages of some origins alone"

    def provide(self, host: IHost) -> WebSocketTransport:
        """
        Make the transport for a node.

        @raise ConfigurationError: one of the origins is malformed.
        """
        return WebSocketTransport(
            host.reactor,
            origins=self.origins,
            proxies=host.proxies,
            proxy=host.proxy,
        )


@implementer(ITransportProvider)
@dataclass(frozen=True)
class SecureWebSockets:
    """
    Provides the transport C{wss} with files of its own: C{Node(transports=["tcp",
    SecureWebSockets(certificate="node.pem")])}.

    @ivar roots: as in L{WebSocketTransport}, like the other attributes.
    """

    roots: str | os.PathLike[str] | None = None
    certificate: CertificateSource | None = None
    key: str | os.PathLike[str] | None = None
    origins: Collection[str] | None = None

    name = "wss"
    description = "WebSocket over TLS, with files of its own"

    def provide(self, host: IHost) -> WebSocketTransport:
        """
        Make the transport for a node.

        @raise ConfigurationError: a file cannot be used.
        """
        return WebSocketTransport(
            host.reactor,
            secure=True,
            roots=self.roots,
            certificate=self.certificate,
            key=self.key,
            origins=self.origins,
            proxies=host.proxies,
            proxy=host.proxy,
        )
