# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Parts of a node that are made of several others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

from twisted.application.service import IService
from twisted.internet.interfaces import IResolver

from twisted_libp2p.connection import ConnectionContext, Dialer, Upgrader
from twisted_libp2p.connection.dnsaddr import DNSAddrResolver
from twisted_libp2p.connection.endpointdials import EndpointDials
from twisted_libp2p.connmanager import ConnectionManager, ConnectionPolicy
from twisted_libp2p.events import Identified
from twisted_libp2p.holepunch.service import HolePunching
from twisted_libp2p.interfaces import (
    AnyTransport,
    IGater,
    IHostService,
    IMuxer,
    IMuxerProvider,
    IPeerStore,
    ISecurity,
    ISecurityProvider,
    PeerStore,
)
from twisted_libp2p.limits import Limits
from twisted_libp2p.node.arguments import check, provided
from twisted_libp2p.node.listeners import Listenable, Listeners
from twisted_libp2p.peerstore import PeerStoreUpdater, openPeerStore
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.protocols.ping import PingService
from twisted_libp2p.reachability.service import ReachabilityService
from twisted_libp2p.transport.endpoint import EndpointTransport, NamedEndpoint
from twisted_libp2p.transport.names import NameResolver
from twisted_libp2p.transport.private import PrivateNetwork, PrivateTransport
from twisted_libp2p.transport.proxy import Proxy
from twisted_libp2p.transport.proxy.names import NoResolver

if TYPE_CHECKING:
    from twisted_libp2p.node.node import Node

__all__ = [
    "makeConnections",
    "makeDialer",
    "makeListeners",
    "makeProxy",
    "makeUpgrader",
    "openStore",
    "usualServices",
]


def openStore(peerstore: IPeerStore | str | None, node: Node) -> PeerStore:
    """
    Open the peerstore of a node; if it is a service, let it run below the node.

    @param peerstore: a store, or C{sqlite:PATH} or C{postgresql:DSN}; None for one in
        memory.
    @raise ConfigurationError: it is not a peerstore.
    """
    store: IPeerStore = (
        openPeerStore(node.reactor, peerstore or "memory:")
        if peerstore is None or isinstance(peerstore, str)
        else peerstore
    )
    check("peerstore", store, IPeerStore, "an IPeerStore or sqlite:PATH")
    writer = IService(store, None)
    if writer is not None and writer.parent is None:
        writer.setServiceParent(node)
    # Its subscriptions keep it alive.
    PeerStoreUpdater(store, node.events)
    return cast(PeerStore, store)


def usualServices(
    agent: str, protocolVersion: str, holePunching: bool, reachability: bool
) -> list[IHostService]:
    """
    Make the services that a node has without being asked for them.

    @param agent: the software that it states.
    @param protocolVersion: the network that it states.
    @param holePunching: whether it punches holes.
    @param reachability: whether it finds out at which addresses peers reach it.
    """
    services: list[IHostService] = [
        IdentifyService(agent=agent, protocolVersion=protocolVersion),
        PingService(),
    ]
    if holePunching:
        services.append(HolePunching())
    if reachability:
        services.append(ReachabilityService())
    return services


def makeProxy(node: Node, proxy: Proxy | str | None) -> Proxy | None:
    """
    Make the proxy of a node.

    @raise ConfigurationError: it is not a proxy.
    """
    if proxy is None:
        return None
    found = Proxy.of(proxy, "--dial-through")
    found.check(node.reactor, "--dial-through")
    return found


def makeConnections(
    node: Node,
    policy: ConnectionPolicy | None,
    limits: Limits | None,
    gater: IGater | None,
    random: Callable[[], float],
) -> ConnectionManager:
    """
    Make the connection manager of a node, which runs below the node.

    @param random: returns a number from 0 to 1, for waits that peers do not share.
    """
    manager = ConnectionManager(
        node.reactor,
        node.events,
        policy=policy,
        limits=limits,
        gater=gater,
        dial=node.connect,
        ping=lambda connection: node.service(PingService).ping(connection),
        random=random,
    )
    manager.setServiceParent(node)
    return manager


def makeUpgrader(
    node: Node,
    context: ConnectionContext,
    security: str | Iterable[str | ISecurity],
    muxers: str | Iterable[str | IMuxer],
) -> Upgrader:
    """
    Make the upgrader of a node.

    @param context: the objects that all connections of the node share.
    @param security: the security protocols, or their names.
    @param muxers: the muxers, or their names.
    @raise ConfigurationError: one of them is unknown.
    """
    return Upgrader(
        node.identity,
        provided(ISecurityProvider, "security", security, ISecurity, node),
        provided(IMuxerProvider, "muxers", muxers, IMuxer, node),
        context,
        node.proxies,
    )


def makeListeners(
    node: Node,
    transports: Sequence[AnyTransport],
    listen: Listenable | Iterable[Listenable],
    network: PrivateNetwork | None,
) -> tuple[Listeners, EndpointDials]:
    """
    Make the listeners of a node, and its way to connect with endpoints.

    @param listen: the addresses, or endpoints, to listen on.
    @param network: its private network, which includes its endpoints.
    """

    def endpoint(named: NamedEndpoint) -> AnyTransport:
        transport: AnyTransport = EndpointTransport(node.reactor, named)
        if network is not None:
            transport = PrivateTransport(transport, network)
        return transport

    return (
        Listeners(
            node.ownAddresses,
            transports,
            node._upgrader.listen,
            listen,
            endpoint=endpoint,
        ),
        EndpointDials(node._upgrader, endpoint, node.connections.instead),
    )


def makeDialer(
    node: Node,
    transports: Sequence[AnyTransport],
    dialect: str,
    resolver: IResolver | None,
    random: Callable[[], float],
) -> Dialer:
    """
    Make the dialer of a node.

    @param dialect: the first dialect on a transport that it opens.
    @param resolver: resolver for the TXT records of C{/dnsaddr} names.
    @param random: returns a number from 0 to 1, for waits that peers do not share.
    @raise ConfigurationError: the dialect is unknown.
    """
    if resolver is None and node.proxy is not None:
        resolver = NoResolver(node.proxy)
    dialer = Dialer(
        node._upgrader,
        transports,
        node.peerstore,
        dialect,
        addressFilter=node.addressFilter,
        resolver=DNSAddrResolver(
            node.reactor, resolver, lambda each: dialer.dials(each)
        ),
        names=NameResolver(node.reactor),
        own=node.ownAddresses.full,
        existing=node.connections.to,
        instead=node.connections.instead,
        routings=node.routing,
        random=random,
    )
    node.peerstore.prefer(dialer.dials)
    node.events.subscribe(
        Identified,
        lambda event: dialer.hearsay.heard(
            event.peer, event.connection.remoteAddress, event.listenAddresses
        ),
    )
    return dialer
