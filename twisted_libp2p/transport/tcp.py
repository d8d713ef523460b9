# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TCP over IPv4 and IPv6, to addresses and to host names.

Host names (C{/dns}, C{/dns4}, C{/dns6}) are resolved by the reactor's name
resolver.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from struct import Struct
from typing import Any, cast

from twisted.internet import interfaces
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
)
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorSocket,
    IResolutionReceiver,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.scope import interfaceAddresses, unmapped
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.interfaces import ITransport
from twisted_libp2p.transport.binding import bindTCP
from twisted_libp2p.transport.shared import SharedPorts

__all__ = ["TCPTransport"]

#: Seconds for the connect itself, as in go-libp2p.
CONNECT_TIMEOUT = 5.0

#: How many connections the system may hold ready for us to accept.
BACKLOG = 1024

# The bytes of /ip4/.../tcp/...
_IP4_TCP = Struct("!B4sBH")

_FAMILIES: dict[str, list[type[IAddress]]] = {
    "dns4": [IPv4Address],
    "dns6": [IPv6Address],
}


@implementer(IHostnameResolver)
class _OneFamily:
    """
    The reactor's resolver, asked for addresses of one family alone.
    """

    def __init__(
        self, resolver: IHostnameResolver, addressTypes: Sequence[type[IAddress]]
    ) -> None:
        self._resolver = resolver
        self._addressTypes = addressTypes

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        return self._resolver.resolveHostName(
            resolutionReceiver,
            hostName,
            portNumber,
            self._addressTypes,
            transportSemantics,
        )


@implementer(interfaces.IReactorPluggableNameResolver)
class _ReactorOfOneFamily:
    """
    The reactor, with a resolver of one address family.
    """

    def __init__(self, reactor: Any, addressTypes: Sequence[type[IAddress]]) -> None:
        self._reactor = reactor
        self.nameResolver = _OneFamily(reactor.nameResolver, addressTypes)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        """
        Not for this one: the resolver stays.
        """
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@implementer(IStreamClientEndpoint)
class _Client:
    """
    An endpoint whose connections send small segments without waiting for
    acknowledgements: the layers above join their small writes themselves.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, as the endpoint does.
        """

        def connected(protocol: Any) -> IProtocol:
            transport = protocol.transport
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
            # What the endpoint has put around the protocol, to tell us that it is
            # connected, has done so: no byte needs to go through it.
            transport.protocol = protocol
            return cast(IProtocol, protocol)

        return self._endpoint.connect(protocolFactory).addCallback(connected)


@implementer(IStreamServerEndpoint)
class _IPv6Server:
    """
    Listens on an IPv6 address, for IPv6 alone.
    """

    def __init__(self, reactor: Any, port: int, host: str) -> None:
        self._reactor = reactor
        self._port = port
        self._host = host

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen, as Twisted's own endpoint does for both families.
        """
        reactor, port, host = self._reactor, self._port, self._host
        if IReactorSocket.providedBy(reactor) and not isinstance(reactor, SharedPorts):
            return maybeDeferred(bindTCP, reactor, port, protocolFactory, BACKLOG, host)
        return maybeDeferred(reactor.listenTCP, port, protocolFactory, BACKLOG, host)


@implementer(IStreamServerEndpoint)
class _Server:
    """
    The same for those that are accepted: they inherit the options of the
    listening socket.
    """

    def __init__(self, endpoint: IStreamServerEndpoint) -> None:
        self._endpoint = endpoint

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen, as the endpoint does.
        """

        def listening(port: Any) -> IListeningPort:
            listener = getattr(port, "socket", None)
            if listener is not None:
                try:
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                except OSError:
                    # Nobody else knows of the port.
                    port.stopListening()
                    raise
            return cast(IListeningPort, port)

        return self._endpoint.listen(protocolFactory).addCallback(listening)


@implementer(ITransport)
class TCPTransport:
    """
    Dials C{/ip4 /ip6 /dns /dns4 /dns6} with C{/tcp}, and listens on the first
    two.
    """

    name = "tcp"
    stream = True

    def __init__(self, reactor: Any) -> None:
        """
        @param reactor: what connects, listens and resolves.
        """
        self._reactor = reactor

    def canDial(self, address: Multiaddr) -> bool:
        """
        Tell whether the address is a host with a TCP port, and no more.
        """
        return (
            len(address.names) == 2
            and address.names[0] in ("ip4", "ip6", "dns", "dns4", "dns6")
            and address.names[1] == "tcp"
        )

    def canListen(self, address: Multiaddr) -> bool:
        """
        Tell whether the address is an IP address with a TCP port.
        """
        return address.names in (("ip4", "tcp"), ("ip6", "tcp"))

    def clientEndpoint(self, address: Multiaddr) -> IStreamClientEndpoint:
        """
        Give the endpoint that connects to an address.
        """
        family, host, port = self._parts(unmapped(address))
        endpoint: IStreamClientEndpoint
        if family == "ip4":
            endpoint = TCP4ClientEndpoint(self._reactor, host, port, CONNECT_TIMEOUT)
        elif family == "ip6":
            endpoint = TCP6ClientEndpoint(self._reactor, host, port, CONNECT_TIMEOUT)
        elif family in ("dns", "dns4", "dns6"):
            reactor = self._reactor
            if family in _FAMILIES:
                reactor = _ReactorOfOneFamily(reactor, _FAMILIES[family])
            endpoint = HostnameEndpoint(reactor, host, port, CONNECT_TIMEOUT)
        else:
            raise UnsupportedAddress(f"{address} cannot be dialed over TCP")
        return _Client(endpoint)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Give the endpoint that listens on an address.
        """
        family, host, port = self._parts(unmapped(address))
        if family == "ip4":
            return _Server(TCP4ServerEndpoint(self._reactor, port, BACKLOG, host))
        if family == "ip6":
            return _Server(_IPv6Server(self._reactor, port, host))
        raise UnsupportedAddress(f"{address} cannot be listened on over TCP")

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Give the real addresses of a listening port: the port number that the
        system chose, and every interface that a wildcard stands for.
        """
        host = self.toMultiaddr(port.getHost())
        return [] if host is None else interfaceAddresses(host)

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate an IP address of Twisted.  An IPv4 peer of a socket that takes
        both families has an IPv4 address.
        """
        if isinstance(address, IPv4Address):
            # Every connection needs two of these: so there is no detour over text.
            return Multiaddr.fromBytes(
                _IP4_TCP.pack(4, socket.inet_aton(address.host), 6, address.port)
            )
        if isinstance(address, IPv6Address):
            host, _, zone = address.host.partition("%")
            prefix = f"/ip6zone/{zone}" if zone else ""
            return unmapped(Multiaddr(f"{prefix}/ip6/{host}/tcp/{address.port}"))
        return None

    def _parts(self, address: Multiaddr) -> tuple[str, str, int]:
        family, host = next((each.name, each.value) for each in address)
        port = address.value("tcp")
        if host is None or port is None:
            raise UnsupportedAddress(f"{address} has no host or no TCP port")
        return family, host, int(port)
