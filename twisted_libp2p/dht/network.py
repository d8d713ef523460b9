# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The DHT's view of its node: requests, peers and their addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.dht.client import Client
from twisted_libp2p.dht.diversity import networksOf, withoutCrowds
from twisted_libp2p.dht.messages import (
    MAX_ADDRESSES,
    MAX_SENT_ADDRESSES,
    Message,
    NamedPeer,
)
from twisted_libp2p.dht.scope import DHTScope
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnection, IHost, Source

__all__ = ["HostNetwork"]

#: Seconds for which the addresses in answers are kept, and those of providers.
ADDRESS_TTL: Final = 600.0
PROVIDER_TTL: Final = 24 * 3600.0


class HostNetwork:
    """
    The network as a lookup sees it, on a node.

    @ivar clock: the time.
    @ivar own: our peer.
    @ivar protocol: the protocol id.
    @ivar client: sends the requests.
    @ivar succeeded: called with each peer that has answered.
    """

    clock: IReactorTime
    own: PeerID

    def __init__(
        self,
        host: IHost,
        protocol: str,
        scope: DHTScope,
        succeeded: Callable[[PeerID], None],
        failed: Callable[[Failure | None, PeerID], None],
    ) -> None:
        """
        Make the view of a node.

        @param host: the node.
        @param protocol: the protocol id.
        @param scope: the scope of the DHT.
        @param succeeded: called with each peer that has answered.
        @param failed: called with the error of each peer that has not.
        """
        self.clock = host.clock
        self.own = host.peerID
        self.protocol = protocol
        self.client = Client(host, protocol)
        self.succeeded = succeeded
        self._failed = failed
        self._host = host
        self._scope = scope

    def failed(self, peer: PeerID, reason: Failure) -> None:
        """
        Record that a peer has not answered.
        """
        self._failed(reason, peer)

    def ask(self, peer: PeerID, request: Message) -> Deferred[Message]:
        """
        Send a request.
        """
        return self.client.ask(peer, request)

    # Peers

    @property
    def peers(self) -> int:
        """
        The number of connected peers.
        """
        return len({each.remotePeer for each in self._host.connections})

    def direct(self, peer: PeerID) -> IConnection | None:
        """
        Return a connection to a peer that does not lead through a relay.
        """
        for each in self._host.connections.to(peer):
            if each.connected and not each.limited:
                return each
        return None

    def isServer(self, peer: PeerID) -> bool:
        """
        Check whether a peer says that it is a server of this DHT.
        """
        return self.protocol in self._host.peerstore.protocols(peer)

    def networks(self, peer: PeerID) -> frozenset[bytes] | None:
        """
        Return the networks of a peer by its open connections.

        @return: None if it is not connected directly, or is outside of the scope.
        """
        remotes = [
            each.remoteAddress
            for each in self._host.connections.to(peer)
            if not each.limited
        ]
        if not remotes:
            return None
        known = [each for each in remotes if each is not None]
        if known and not self._scope.holds(
            [*known, *self._host.peerstore.addresses(peer)]
        ):
            return None
        return networksOf(known)

    # Addresses

    def usable(self, peer: PeerID, named: Iterable[NamedPeer]) -> list[NamedPeer]:
        """
        Return those of the named peers, with those of their addresses, that a peer may
        name: without this node, crowds of one network, and peers without an address.
        """
        return withoutCrowds(
            [
                (each, networksOf(each.addresses))
                for each in self.usableProviders(peer, named)
                if each.addresses or self._host.peerstore.addresses(each.peer)
            ]
        )

    def usableProviders(
        self, peer: PeerID, named: Iterable[NamedPeer]
    ) -> list[NamedPeer]:
        """
        Return the named peers, without this node, with those of their addresses that a
        peer may name, which may be none.
        """
        origin = self._origin(peer)
        select = self._host.addressFilter.select
        return [
            NamedPeer(each.peer, tuple(select(origin, each.addresses, each.peer)))
            for each in named
            if each.peer != self.own
        ]

    def _origin(self, peer: PeerID) -> Origin:
        """
        Return the origin of the addresses that a peer names.
        """
        connection = self.direct(peer)
        remote = None if connection is None else connection.remoteAddress
        return self._scope.origins(remote)

    def learn(self, peer: PeerID, addresses: Sequence[Multiaddr]) -> None:
        """
        Store the addresses of a peer that is about to be asked.
        """
        if addresses:
            self._host.peerstore.addAddresses(
                peer, addresses, Source.DISCOVERED, ADDRESS_TTL
            )

    def learnProvider(self, peer: PeerID, addresses: Sequence[Multiaddr]) -> None:
        """
        Store the addresses of a provider.
        """
        usable = self._host.addressFilter.select(
            self._origin(peer), addresses, peer, MAX_ADDRESSES
        )
        self._host.peerstore.addAddresses(peer, usable, Source.DISCOVERED, PROVIDER_TTL)

    def addresses(self, peer: PeerID) -> list[Multiaddr]:
        """
        Return the addresses of a peer, or of this node, that belong to the scope.
        """
        if peer == self.own:
            known = [each.withoutPeer() for each in self._host.addresses]
        else:
            known = self._host.peerstore.addresses(peer)
        origin = self._scope.origin
        return [each for each in known if origin.refusal(each) is None]

    def visible(self, peer: PeerID) -> tuple[Multiaddr, ...]:
        """
        Return our addresses that a peer can use.
        """
        origin = self._origin(peer)
        usable = (
            each for each in self.addresses(self.own) if origin.refusal(each) is None
        )
        return tuple(islice(usable, MAX_SENT_ADDRESSES))

    def connected(self, peer: PeerID) -> bool:
        """
        Check whether this node is connected to a peer.
        """
        return bool(self._host.connections.to(peer))

    def stop(self) -> None:
        """
        Stop the timers.
        """
        self.client.stop()
