# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TCP over IPv4 and IPv6, to addresses and to host names.

Host names (C{/dns}, C{/dns4}, C{/dns6}) are resolved here for those who use the
transport by itself; the dialer of a node resolves them before, to judge each address.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import lru_cache, partial
from struct import Struct
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
)
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorSocket,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import alsoProvides, implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.origin import HOST_NAMES
from twisted_libp2p.address.scope import Scope, interfaceAddresses, unmapped
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    FirstBytes,
    IHost,
    IKeepsToProxy,
    IOpaqueDials,
    IPortEndpoint,
    IProxy,
    ITransport,
)
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.transport.binding import bindTCP
from twisted_libp2p.transport.ipclient import (
    CONNECT_TIMEOUT,
    IPClient,
    sendSmallSegments,
    tooLate,
)
from twisted_libp2p.transport.names import NameResolver
from twisted_libp2p.transport.ports import OtherPorts
from twisted_libp2p.transport.resolved import ReactorThatKnows
from twisted_libp2p.transport.reuse import FallingBack, ReusablePorts

__all__ = ["TCPTransport"]

#: Seconds after which the next address of a name is tried beside those before it.
ATTEMPT_DELAY = 0.3

# Endpoints take it, although their types do not say so: they start no timer then.
_UNTIMED: Any = None

#: How many connections the system may hold ready for us to accept.
BACKLOG = 1024

#: The scopes of the addresses that are dialed from a port on which the node listens.
_SHARED_SCOPES = (Scope.PUBLIC, Scope.PRIVATE)

# The bytes of /ip4/.../tcp/...
_IP4_TCP = Struct("!B4sBH")


@implementer(IStreamClientEndpoint)
class _NamedClient:
    """
    Resolves a name, and connects to the first of its addresses that answers.
    """

    def __init__(
        self,
        reactor: Any,
        names: NameResolver,
        protocol: str,
        host: str,
        port: int,
        local: tuple[str, int] | None,
    ) -> None:
        self._reactor = reactor
        self._names = names
        self._protocol = protocol
        self._host = host
        self._port = port
        self._local = local

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Resolve and connect.
        """
        return self._names.resolve(self._host, self._protocol).addCallback(
            self._connect, protocolFactory
        )

    def _connect(
        self, hosts: Sequence[str], protocolFactory: IProtocolFactory
    ) -> Deferred[IProtocol]:
        # The endpoint refuses names with underscores: it gets one without, and the
        # addresses of ours.
        reactor = ReactorThatKnows(self._reactor, hosts)
        endpoint = HostnameEndpoint(
            reactor,
            "resolved",
            self._port,
            _UNTIMED,
            self._local,
            attemptDelay=ATTEMPT_DELAY,
        )
        seconds = CONNECT_TIMEOUT + ATTEMPT_DELAY * max(len(hosts) - 1, 0)
        connecting = endpoint.connect(protocolFactory)
        addTimeout(connecting, seconds, self._reactor, _late)
        return connecting.addCallback(_connected)


def _late(result: IProtocol | Failure, seconds: float) -> IProtocol:
    """
    Name the reason for which an attempt to connect was cancelled.
    """
    if isinstance(result, Failure):
        raise tooLate(seconds)
    return result


def _connected(protocol: Any) -> IProtocol:
    """
    Set the options of a connection, and let its bytes go past the protocol that the
    endpoint has put around ours.
    """
    sendSmallSegments(protocol.transport)
    protocol.transport.protocol = protocol
    return cast(IProtocol, protocol)


@implementer(IStreamServerEndpoint)
class _IPv6Wildcard:
    """
    Listens on all addresses of IPv6, and on these alone.
    """

    def __init__(self, reactor: Any, port: int) -> None:
        self._reactor = reactor
        self._port = port

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen, as Twisted's own endpoint does for both families.
        """
        return maybeDeferred(
            bindTCP, self._reactor, self._port, protocolFactory, BACKLOG, "::"
        )


def _socketOf(port: Any) -> socket.socket | None:
    """
    Return the socket of a port; None for a port in memory.
    """
    return getattr(port, "socket", None)


@implementer(IStreamServerEndpoint, IPortEndpoint)
class _Server:
    """
    The same for accepted connections: they inherit the options of the listening socket.

    @ivar port: the address of the port.
    """

    firstBytes = FirstBytes.LIBP2P

    def __init__(
        self, port: Multiaddr, endpoint: IStreamServerEndpoint, shared: ReusablePorts
    ) -> None:
        self.port = port
        self._endpoint = endpoint
        self._shared = shared

    @property
    def below(self) -> IStreamServerEndpoint:
        """
        The endpoint itself: there are no layers.
        """
        return self

    def join(self, port: Any) -> None:
        """
        Let dials share the port too.
        """
        listener = _socketOf(port)
        if listener is not None:
            self._shared.add(port, listener)

    def layers(self, factory: IProtocolFactory) -> IProtocolFactory:
        """
        Return the factory itself: there are no layers.
        """
        return factory

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen, as the endpoint does.
        """

        def listening(port: Any) -> IListeningPort:
            listener = _socketOf(port)
            if listener is not None:
                try:
                    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                    self._shared.add(port, listener)
                except OSError:
                    # Nobody else knows of the port.
                    port.stopListening()
                    raise
            return cast(IListeningPort, port)

        return self._endpoint.listen(protocolFactory).addCallback(listening)


@implementer(ITransport)
class TCPTransport:
    """
    Dials C{/ip4 /ip6 /dns /dns4 /dns6} with C{/tcp}, and an IPv6 address with a zone
    before it; listens on the first two.
    """

    name = "tcp"
    byteStream = True

    def __init__(self, reactor: Any, proxy: IProxy | None = None) -> None:
        """
        @param reactor: what connects, listens and resolves.
        @param proxy: connects instead, and resolves names; None to connect directly.
        """
        self._reactor = reactor
        self._proxy = proxy
        self._names = NameResolver(reactor)
        self._shared = ReusablePorts()
        if proxy is not None:
            alsoProvides(self, IOpaqueDials, IKeepsToProxy)

    @classmethod
    def ofHost(cls, host: IHost) -> TCPTransport:
        """
        Make the transport of a node.
        """
        return cls(host.reactor, host.proxy)

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether the address is a host with a TCP port, and no more.
        """
        names = address.names
        return names == ("ip6zone", "ip6", "tcp") or (
            len(names) == 2
            and names[0] in ("ip4", "ip6", *HOST_NAMES)
            and names[1] == "tcp"
        )

    def canListen(self, address: Multiaddr) -> bool:
        """
        Check whether the address is an IP address with a TCP port.
        """
        return address.names in (("ip4", "tcp"), ("ip6", "tcp"))

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.

        @raise UnsupportedAddress: the address, or C{options.local}, has no IP address
            with a TCP port, or they are of different families.
        """
        family, host, port = _parts(unmapped(address))
        if self._proxy is not None:
            return self._throughProxy(self._proxy, host, port, options)
        local = self._local(family, options.local)
        if family in ("ip4", "ip6"):
            return self._ipEndpoint(family, address, host, port, local, options)
        if family in HOST_NAMES:
            return _NamedClient(self._reactor, self._names, family, host, port, local)
        raise UnsupportedAddress(f"{address} cannot be dialed over TCP")

    def _ipEndpoint(
        self,
        family: str,
        address: Multiaddr,
        host: str,
        port: int,
        local: tuple[str, int] | None,
        options: DialOptions,
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an IP address: if that is on another host,
        from a port on which the node listens, so that peers see an address at which it
        may be reached.
        """
        dialFrom = partial(IPClient, self._reactor, host, port)
        if local is not None:
            return dialFrom(local)
        shared = None
        if options.fromListener or (
            options.fromListener is None and Scope.of(address) in _SHARED_SCOPES
        ):
            shared = self._shared.binding(family)
        if options.fromListener:
            if shared is None:
                raise UnsupportedAddress(f"no port to dial {address} from is open")
            return dialFrom(shared)
        if shared is None:
            return dialFrom(None)
        return FallingBack(dialFrom(shared), dialFrom(None), self._reactor)

    def _throughProxy(
        self, proxy: IProxy, host: str, port: int, options: DialOptions
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects through a proxy.
        """
        if options.local is not None or options.fromListener or "%" in host:
            raise UnsupportedAddress(
                f"the proxy {proxy} can dial neither from an address of ours nor on a"
                " link of ours"
            )
        return proxy.clientEndpoint(self._reactor, host, port)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint that listens on an address.
        """
        address = unmapped(address)
        family, host, port = _parts(address)
        if family == "ip4":
            return _Server(
                address,
                TCP4ServerEndpoint(self._reactor, port, BACKLOG, host),
                self._shared,
            )
        if family == "ip6":
            reactor = self._reactor
            # Other ports do so by themselves.
            if (
                host == "::"
                and IReactorSocket.providedBy(reactor)
                and not isinstance(reactor, OtherPorts)
            ):
                return _Server(address, _IPv6Wildcard(reactor, port), self._shared)
            return _Server(
                address,
                TCP6ServerEndpoint(reactor, port, BACKLOG, host),
                self._shared,
            )
        raise UnsupportedAddress(f"{address} cannot be listened on over TCP")

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the real addresses of a listening port: the port number that the
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

    def _local(self, family: str, address: Multiaddr | None) -> tuple[str, int] | None:
        """
        Read the address to dial from.

        @param family: the first protocol of the address to dial.
        """
        if address is None:
            return None
        own, host, port = _parts(unmapped(address))
        if own not in ("ip4", "ip6") or (own != family and family in ("ip4", "ip6")):
            raise UnsupportedAddress(
                f"cannot dial from {address} here: an address such as"
                f" /{family if family in ('ip4', 'ip6') else 'ip4'}/.../tcp/0 is needed"
            )
        return host, port


@lru_cache(256)
def _parts(address: Multiaddr) -> tuple[str, str, int]:
    """
    Return the family, the host and the port of an address.  The same addresses are
    dialed again and again.

    @raise UnsupportedAddress: it has no host or no TCP port.
    """
    parts = list(address)
    zone, port = (
        None,
        next((each.value for each in parts if each.name == "tcp"), None),
    )
    if [each.name for each in parts[:2]] == ["ip6zone", "ip6"]:
        zone = parts.pop(0).value
    family, host = parts[0].name, parts[0].value
    if zone is not None:
        host = f"{host}%{zone}"
    if host is None or port is None:
        raise UnsupportedAddress(f"{address} has no host or no TCP port")
    return family, host, int(port)
