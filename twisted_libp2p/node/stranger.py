# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The other identity of a node, which dials peers back that ask whether they are
reachable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from twisted_libp2p.address import Multiaddr, Scope
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.errors import NodeStopping, PeerMismatch, UnsupportedAddress
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    AddressSource,
    AnyTransport,
    DialOptions,
    IConnection,
    IGater,
    IMuxedTransport,
    IPeerTransport,
    ITransportProvider,
)
from twisted_libp2p.transport.private import PrivateNetwork

if TYPE_CHECKING:
    from twisted_libp2p.node.node import Node

__all__ = ["Stranger"]

#: The transports that a node can be made with.
Transports = Iterable[str | AnyTransport | ITransportProvider] | None

#: Seconds for a dial.
TIMEOUT = 10.0


class Stranger:
    """
    Dials peers as somebody else: a small node of its own, which is made when it is
    needed, and runs below the first one.
    """

    def __init__(
        self,
        node: Node,
        make: Callable[..., Node],
        transports: Transports,
        network: PrivateNetwork | None,
        gater: IGater | None,
    ) -> None:
        """
        Make no other node yet.

        @param node: the node that it belongs to.
        @param make: makes the other node, with the given options.
        @param transports: the transports with which the first node was made.
        @param network: its private network.
        @param gater: its gater.
        """
        self._node = node
        self._make = make
        self._transports = transports
        self._network = network
        self._gater = gater
        self._other: Node | None = None

    def _started(self) -> Node:
        if self._other is None:
            other = self._other = self._make(
                transports=_withoutIdentity(self._transports),
                network=self._network,
                gater=self._gater,
                holePunching=False,
                reachability=False,
            )
            other.setServiceParent(self._node)
        return self._other

    def dials(self, address: Multiaddr) -> bool:
        """
        Check whether an address can be dialed.
        """
        return (
            self._node.proxy is None
            and not isRelayed(address)
            and self._started().dials(address)
        )

    def dial(self, peer: PeerID, address: Multiaddr) -> Deferred[IConnection]:
        """
        Dial one address of a peer.
        """
        return Deferred.fromCoroutine(self._dial(peer, address))

    async def _dial(self, peer: PeerID, address: Multiaddr) -> IConnection:
        if not self._node.running:
            raise NodeStopping
        if not self.dials(address):
            raise UnsupportedAddress(f"{address} is not dialed as a stranger")
        options = DialOptions(
            fresh=True,
            fromListener=False,
            local=self._local(peer, address),
            timeout=TIMEOUT,
            routed=False,
        )
        # Without the id of the peer no other address of it is tried.
        found: IConnection = await self._started().connect(address, options)
        if found.remotePeer != peer:
            found.close()
            raise PeerMismatch(found.security, str(peer), str(found.remotePeer))
        return found

    def _local(self, peer: PeerID, address: Multiaddr) -> Multiaddr | None:
        """
        Choose an address of this host that the peer does not know, if there is one: its
        router may let in every port of an address that it has spoken to.
        """
        names = address.names
        if names[:2] not in (("ip4", "tcp"), ("ip6", "tcp")):
            return None
        used = {
            each.localAddress.host
            for each in self._node.connections.to(peer)
            if each.localAddress is not None
        }
        for each in self._node.ownAddresses.all():
            own = each.address
            if (
                each.source is AddressSource.BOUND
                and own.first == names[0]
                and own.host not in used
                and Scope.of(own) is Scope.PUBLIC
            ):
                return Multiaddr(f"/{names[0]}/{own.value(names[0])}/tcp/0")
        return None


def _withoutIdentity(transports: Transports) -> Transports:
    """
    Select the transports of a node that another identity can use too: all but the
    objects that have the identity of the node.
    """
    if transports is None or isinstance(transports, str):
        return transports
    return [
        each
        for each in transports
        if not IMuxedTransport.providedBy(each) and not IPeerTransport.providedBy(each)
    ]
