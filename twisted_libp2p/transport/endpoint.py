# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Any endpoint of Twisted as a transport: sockets of systemd, the standard streams,
another process, and whatever else there is a plugin for.

Such an endpoint has no multiaddr that would lead to it.  Its connections have
multiaddrs as far as their sockets show any.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    UNIXServerEndpoint,
    clientFromString,
    serverFromString,
)
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
    ITCPTransport,
    IUNIXTransport,
)
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.python.reflect import requireModule
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.scope import interfaceAddresses
from twisted_libp2p.errors import ConfigurationError, UnsupportedAddress
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, ITransport
from twisted_libp2p.pacing import Layer
from twisted_libp2p.pacing.below import switchable
from twisted_libp2p.transport.tcp import TCPTransport
from twisted_libp2p.transport.unix import pathOf

__all__ = ["NOWHERE", "PREFIX", "EndpointTransport", "NamedEndpoint"]

#: The beginning of the text of an endpoint, where an address could stand.
PREFIX = "endpoint:"

# The endpoints whose ports peers reach by the address of the port alone.
_PLAIN = (
    AdoptedStreamServerEndpoint,
    TCP4ServerEndpoint,
    TCP6ServerEndpoint,
    UNIXServerEndpoint,
)


# The kinds of endpoints for which there is the package txtorcon.
_TOR = ("onion", "tor")

_EXAMPLES = {"client": "endpoint:tcp:localhost:4001", "server": "endpoint:tcp:4001"}

#: The address that is given to the transport of an endpoint, which needs none.
NOWHERE = Multiaddr("/ws").withoutFirst()


@dataclass(frozen=True)
class NamedEndpoint:
    """
    An endpoint, in place of an address.

    @ivar text: its name: C{endpoint:} and its description.
    @ivar endpoint: the endpoint, to listen on or to connect with.
    """

    text: str
    endpoint: IStreamServerEndpoint | IStreamClientEndpoint = field(
        compare=False, repr=False
    )

    @classmethod
    def server(
        cls, endpoint: IStreamServerEndpoint | str, reactor: Any
    ) -> NamedEndpoint:
        """
        Return an endpoint to listen on.

        @param endpoint: an endpoint, or its description, after C{endpoint:} or alone.
        @raise ConfigurationError: there is no such endpoint.
        """
        return cls._of(
            endpoint, "server", IStreamServerEndpoint, serverFromString, reactor
        )

    @classmethod
    def client(
        cls, endpoint: IStreamClientEndpoint | str, reactor: Any
    ) -> NamedEndpoint:
        """
        Return an endpoint to connect with.

        @param endpoint: an endpoint, or its description, after C{endpoint:} or alone.
        @raise ConfigurationError: there is no such endpoint.
        """
        return cls._of(
            endpoint, "client", IStreamClientEndpoint, clientFromString, reactor
        )

    @classmethod
    def _of(
        cls, endpoint: Any, kind: str, contract: Any, parse: Any, reactor: Any
    ) -> NamedEndpoint:
        if contract.providedBy(endpoint):
            return cls(f"{PREFIX}{endpoint!r}", endpoint)
        if not isinstance(endpoint, str):
            raise ConfigurationError(
                f"endpoint={type(endpoint).__name__}: it has to be a {kind} endpoint of"
                " Twisted, or its description"
            )
        description = endpoint.removeprefix(PREFIX)
        if description.partition(":")[0] in _TOR and requireModule("txtorcon") is None:
            raise ConfigurationError(
                f"{description!r} needs the extra tor: pip install"
                " 'twisted-libp2p[tor]'"
            )
        try:
            found = parse(reactor, description)
        except Exception as error:
            # Parsers are plugins, and may raise any exception.
            raise ConfigurationError(
                f"{description!r} is not a {kind} endpoint of Twisted, as"
                f" {_EXAMPLES[kind]} has one: {str(error) or type(error).__name__}"
            ) from None
        return cls(f"{PREFIX}{description}", found)

    def __str__(self) -> str:
        return self.text


@implementer(IHalfCloseableProtocol)
class _Edge(Layer):
    """
    The layer between an unknown kind of transport and ours.  It steps out of the path
    of a socket; pipes, such as those to a process, lack methods that sockets have.
    """

    factory: _EdgeFactory
    _unread = False

    def makeConnection(self, transport: Any) -> None:
        """
        Connect the wrapped protocol: to a socket itself, and otherwise to this layer.
        """
        if not (
            ITCPTransport.providedBy(transport) or IUNIXTransport.providedBy(transport)
        ):
            super().makeConnection(transport)
            return
        self.connected = 1
        self.transport = transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
            transport.setTcpKeepAlive(True)
        switch = switchable(transport)
        if switch is not None:
            switch.switchProtocol(self, self.wrappedProtocol)
        self.wrappedProtocol.makeConnection(transport)

    def getPeer(self) -> Any:
        """
        Return an address that says nothing: a pipe may have none, or raise.
        """
        return _NO_ADDRESS

    def getHost(self) -> Any:
        """
        Return an address that says nothing.
        """
        return _NO_ADDRESS

    def writeConnectionLost(self) -> None:
        """
        Note that the other end of the pipe reads no longer.
        """
        self._unread = True
        super().writeConnectionLost()

    def loseConnection(self) -> None:
        """
        Close.  Twisted's standard streams do not report the end if the other end reads
        no longer, so it is reported here.
        """
        self.transport.loseConnection()
        if self._unread:
            self.factory.clock.callLater(0, self._ended)

    def abortConnection(self) -> None:
        """
        Close: pipes cannot be closed in another way.
        """
        self.loseConnection()

    def _ended(self) -> None:
        if self.connected:
            self.connectionLost(Failure(ConnectionDone()))


_NO_ADDRESS = UNIXAddress(None)


class _EdgeFactory(Factory):
    """
    Puts the layer below other protocols.
    """

    noisy = False

    def __init__(self, wrapped: IProtocolFactory, clock: IReactorTime) -> None:
        self._wrapped = wrapped
        self.clock = clock

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the port: that of any node.
        """
        return "libp2p"

    def buildProtocol(self, addr: Any) -> IProtocol | None:  # type: ignore[override]
        """
        Build the layer, unless the wrapped factory refuses.
        """
        inner = self._wrapped.buildProtocol(addr)
        return None if inner is None else _Edge(self, inner)


def _placeOf(address: Any) -> Multiaddr | None:
    """
    Translate the address of a port that does not see the addresses of its clients: a
    Unix socket, or an onion service of the package txtorcon.

    @return: None for any other port.
    """
    if type(address).__module__.partition(".")[0] != "txtorcon":
        return pathOf(address)
    service = address.onion_uri.removesuffix(".onion")
    return Multiaddr(f"/onion3/{service}:{address.onion_port}")


@implementer(IListeningPort)
class _Port:
    """
    The port of an endpoint that has none, such as that of the standard streams.
    """

    def startListening(self) -> None:
        """
        Do nothing.
        """

    def stopListening(self) -> None:
        """
        Do nothing: its connection ends with those of the node.
        """

    def getHost(self) -> IAddress:
        """
        Return an address that says nothing.
        """
        return _NO_ADDRESS


@implementer(IStreamClientEndpoint)
class _Client:
    """
    Connects as an endpoint does.
    """

    def __init__(self, endpoint: IStreamClientEndpoint, clock: IReactorTime) -> None:
        self._endpoint = endpoint
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect.
        """

        def connected(edge: Any) -> IProtocol:
            inner: IProtocol = edge.wrappedProtocol
            return inner

        return maybeDeferred(
            self._endpoint.connect, _EdgeFactory(protocolFactory, self._clock)
        ).addCallback(connected)


@implementer(IStreamServerEndpoint)
class _Server:
    """
    Listens as an endpoint does, and learns its address.
    """

    def __init__(
        self,
        endpoint: IStreamServerEndpoint,
        transport: EndpointTransport,
        clock: IReactorTime,
    ) -> None:
        self._endpoint = endpoint
        self._clock = clock
        self._transport = transport

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen.
        """

        def listening(port: Any) -> IListeningPort:
            found: IListeningPort = port if IListeningPort.providedBy(port) else _Port()
            self._transport.place = _placeOf(found.getHost())
            return found

        return maybeDeferred(
            self._endpoint.listen, _EdgeFactory(protocolFactory, self._clock)
        ).addCallback(listening)


@implementer(ITransport)
class EndpointTransport:
    """
    The transport of one endpoint.

    @ivar place: the address of its Unix socket or onion service, which its connections
        have at both ends; None for other endpoints.
    """

    name = "endpoint"
    byteStream = True

    def __init__(self, reactor: Any, named: NamedEndpoint) -> None:
        """
        @param reactor: the reactor of the node.
        @param named: the endpoint.
        """
        self._reactor = reactor
        self._tcp = TCPTransport(reactor)
        self._named = named
        self.place: Multiaddr | None = None

    def canDial(self, address: Multiaddr) -> bool:
        """
        Return False: no address leads to an endpoint.
        """
        return False

    def canListen(self, address: Multiaddr) -> bool:
        """
        Return False: no address leads to an endpoint.
        """
        return False

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint, to connect with.
        """
        endpoint = self._named.endpoint
        if not IStreamClientEndpoint.providedBy(endpoint):
            raise UnsupportedAddress(f"{self._named} cannot be connected with")
        return _Client(endpoint, self._reactor)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint, to listen on.
        """
        endpoint = self._named.endpoint
        if not IStreamServerEndpoint.providedBy(endpoint):
            raise UnsupportedAddress(f"{self._named} cannot be listened on")
        return _Server(endpoint, self, self._reactor)

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the addresses at which peers reach a port: those of its socket, unless
        something else may be at the endpoint, such as TLS or a proxy.
        """
        if self.place is not None:
            return [self.place]
        host = self.toMultiaddr(port.getHost())
        if host is None or not isinstance(self._named.endpoint, _PLAIN):
            return []
        return interfaceAddresses(host)

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate the address of a socket.
        """
        return self.place or pathOf(address) or self._tcp.toMultiaddr(address)
