# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Another transport inside a private network.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from zope.interface import alsoProvides, implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    AnyTransport,
    DialOptions,
    FirstBytes,
    IKeepsToProxy,
    IOpaqueDials,
    IOpaqueListeners,
    IPeerTransport,
    IPortEndpoint,
    IReloadable,
    ITransport,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.transport.private.layer import PrivateFactory
from twisted_libp2p.transport.private.network import PrivateNetwork

__all__ = ["FORCE", "PrivateTransport", "protect"]

#: The environment variable that, if it is 1, forbids to do without a private
#: network.
FORCE: Final = "LIBP2P_FORCE_PNET"

_log = Logger()


@implementer(IStreamClientEndpoint)
class _ClientEndpoint:
    """
    Connects inside a private network.
    """

    def __init__(
        self, network: PrivateNetwork, endpoint: IStreamClientEndpoint
    ) -> None:
        self._network = network
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect, as the endpoint does.
        """

        def connected(connection: Any) -> IProtocol:
            wrapped: IProtocol = connection.wrappedProtocol
            return wrapped

        factory = PrivateFactory(self._network, protocolFactory)
        return self._endpoint.connect(factory).addCallback(connected)


@implementer(IStreamServerEndpoint)
class _ServerEndpoint:
    """
    Listens inside a private network.
    """

    def __init__(
        self, network: PrivateNetwork, endpoint: IStreamServerEndpoint
    ) -> None:
        self._network = network
        self._endpoint = endpoint

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """
        Listen, as the endpoint does.
        """
        return self._endpoint.listen(PrivateFactory(self._network, protocolFactory))


@implementer(IPortEndpoint)
class _PortEndpoint(_ServerEndpoint):
    """
    The same for an endpoint whose TCP port other transports may share.

    @ivar port: the address of the TCP port.
    @ivar below: the endpoint of the TCP port.
    @ivar firstBytes: the kind of its connections' first bytes.
    """

    _endpoint: Any

    def __init__(self, network: PrivateNetwork, endpoint: Any) -> None:
        super().__init__(network, endpoint)
        self.port: Multiaddr = endpoint.port
        self.below: IStreamServerEndpoint = endpoint.below
        first: FirstBytes = endpoint.firstBytes
        self.firstBytes = FirstBytes.RANDOM if first is FirstBytes.LIBP2P else first

    def join(self, port: IListeningPort) -> None:
        """
        Share a port as the endpoint does.
        """
        self._endpoint.join(port)

    def layers(self, factory: IProtocolFactory) -> IProtocolFactory:
        """
        Put the private network above the layers of the endpoint.
        """
        wrapped: IProtocolFactory = self._endpoint.layers(
            PrivateFactory(self._network, factory)
        )
        return wrapped


@implementer(ITransport, IReloadable)
class PrivateTransport:
    """
    Another transport, inside a private network: the same addresses, which only
    members reach.
    """

    def __init__(self, transport: AnyTransport, network: PrivateNetwork) -> None:
        """
        @param transport: carries the bytes.  Its C{byteStream} has to be true: a
            transport that encrypts by itself cannot be private.
        @param network: whose members to reach.
        @raise ConfigurationError: the transport does not say so.
        """
        if not transport.byteStream or not ITransport.providedBy(transport):
            raise ConfigurationError(
                f"the transport {transport.name} cannot be used in a private"
                " network: its connections are not plain streams of bytes"
            )
        self.name: str = transport.name
        self.byteStream = True
        self._transport = transport
        self._network = network
        for each in (IKeepsToProxy, IOpaqueDials, IOpaqueListeners, IPeerTransport):
            if each.providedBy(transport):
                alsoProvides(self, each)

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether the transport dials the address.
        """
        return self._transport.canDial(address)

    def canListen(self, address: Multiaddr) -> bool:
        """
        Check whether the transport listens on the address.
        """
        return self._transport.canListen(address)

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.
        """
        endpoint = self._transport.clientEndpoint(address, options)
        return _ClientEndpoint(self._network, endpoint)

    def clientEndpointTo(
        self,
        address: Multiaddr,
        peer: PeerID | None,
        options: DialOptions = DEFAULT_OPTIONS,
    ) -> IStreamClientEndpoint:
        """
        Return an endpoint that connects to a peer, if the transport depends on it.
        """
        assert IPeerTransport.providedBy(self._transport)
        endpoint = self._transport.clientEndpointTo(address, peer, options)
        return _ClientEndpoint(self._network, endpoint)

    def expectedPeer(self, address: IAddress | None) -> PeerID | None:
        """
        Return the peer that the transport expects.
        """
        assert IPeerTransport.providedBy(self._transport)
        return self._transport.expectedPeer(address)

    def serverEndpoint(self, address: Multiaddr) -> IStreamServerEndpoint:
        """
        Return the endpoint that listens on an address.
        """
        endpoint = self._transport.serverEndpoint(address)
        kind = _PortEndpoint if IPortEndpoint.providedBy(endpoint) else _ServerEndpoint
        return kind(self._network, endpoint)

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the real addresses of a listening port.
        """
        return self._transport.listeningOn(address, port)

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate an address as the transport does.
        """
        return self._transport.toMultiaddr(address)

    def reload(self) -> None:
        """
        Let the transport read its files again, if it has any.
        """
        if IReloadable.providedBy(self._transport):
            self._transport.reload()


def protect(
    transports: Iterable[AnyTransport],
    network: PrivateNetwork | None,
    environment: Mapping[str, str] = os.environ,
    chosen: bool = True,
) -> list[AnyTransport]:
    """
    Put all transports of a node into its private network, if it has one, and
    log which one that is.

    @param network: None for a node of the public network.
    @param environment: where L{FORCE} is looked up.
    @param chosen: whether the user has asked for these transports.  Otherwise those
        that cannot be private are left out, with one line in the log.
    @raise ConfigurationError: one of the chosen transports cannot be private, or there
        is no network, but L{FORCE} demands one.
    """
    if network is None:
        if environment.get(FORCE) == "1":
            raise ConfigurationError(
                f"{FORCE} is 1, but there is no key of a private network"
            )
        return list(transports)
    private: list[AnyTransport] = []
    for each in transports:
        if chosen or each.byteStream:
            private.append(PrivateTransport(each, network))
        else:
            _log.info(
                "the transport {name} is left out: its connections are not plain"
                " streams of bytes, which a private network needs",
                name=each.name,
            )
    _log.info("in the private network {fingerprint}", fingerprint=network.fingerprint)
    return private
