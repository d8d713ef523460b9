# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Parts of a node that are made of several others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from twisted.application.service import IService
from twisted.internet.interfaces import IResolver

from twisted_libp2p.connection import Dialer, Upgrader
from twisted_libp2p.connection.dnsaddr import DNSAddrResolver
from twisted_libp2p.connmanager import ConnectionManager, ConnectionPolicy
from twisted_libp2p.events import Identified
from twisted_libp2p.interfaces import AnyTransport, IGater, IPeerStore
from twisted_libp2p.limits import Limits
from twisted_libp2p.node.arguments import check
from twisted_libp2p.peerstore import PeerStoreUpdater, openPeerStore
from twisted_libp2p.protocols.ping import PingService
from twisted_libp2p.transport.names import NameResolver

if TYPE_CHECKING:
    from twisted_libp2p.node.node import Node

__all__ = ["makeConnections", "makeDialer", "openStore"]


def openStore(peerstore: IPeerStore | str | None, node: Node) -> IPeerStore:
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
    return store


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


def makeDialer(
    node: Node,
    upgrader: Upgrader,
    transports: Sequence[AnyTransport],
    dialect: str,
    resolver: IResolver | None,
) -> Dialer:
    """
    Make the dialer of a node.

    @param dialect: the first dialect on a transport that it opens.
    @param resolver: resolver for the TXT records of C{/dnsaddr} names.
    @raise ConfigurationError: the dialect is unknown.
    """
    dialer = Dialer(
        upgrader,
        transports,
        node.peerstore,
        dialect,
        resolver=DNSAddrResolver(
            node.reactor, resolver, lambda each: dialer.dials(each)
        ),
        names=NameResolver(node.reactor),
        own=node.ownAddresses.full,
        existing=node.connections.to,
        instead=node.connections.instead,
        routings=node.routings,
    )
    node.peerstore.prefer(dialer.dials)
    node.events.subscribe(
        Identified,
        lambda event: dialer.hearsay.heard(
            event.peer, event.connection.remoteAddress, event.listenAddresses
        ),
    )
    return dialer
