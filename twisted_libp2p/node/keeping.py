# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Peers to which a node stays connected.
"""

from __future__ import annotations

from twisted_libp2p.connmanager.service import ConnectionManager
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IPeerStore, Source
from twisted_libp2p.node.targets import Target, parse

__all__ = ["Keeping"]


class Keeping:
    """
    A peer to which a node stays connected until this is cancelled.

    @ivar peer: the peer.
    @ivar why: the reason, as the status page shows it.
    """

    def __init__(
        self,
        connections: ConnectionManager,
        peerstore: IPeerStore,
        target: Target,
        why: str,
    ) -> None:
        """
        Dial the peer at once, unless it is connected.

        @param target: the peer, or an address that ends in its id.
        @raise ConfigurationError: it is an address without a peer id.
        """
        peer, addresses = parse(target)
        if peer is None:
            raise ConfigurationError(
                f"{target} names no peer: an address to keep ends in /p2p/12D3KooW…"
            )
        self.peer: PeerID = peer
        self.why = why
        # Each caller has a tag of its own, so that none ends what another has begun.
        tag, number = why, 1
        while connections.tags.protected(peer, tag):
            number += 1
            tag = f"{why} ({number})"
        self._tag = tag
        self._connections: ConnectionManager | None = connections
        if addresses:
            peerstore.addAddresses(peer, addresses, source=Source.CONFIGURED)
        # A peer that is kept already may wait; one that is new is dialed by "protect".
        connections.redialNow(peer)
        connections.protect(peer, tag)

    def cancel(self) -> None:
        """
        Stay connected no longer: the connection may be trimmed, and is not dialed
        again.  Further calls do nothing.
        """
        connections, self._connections = self._connections, None
        if connections is not None:
            connections.unprotect(self.peer, self._tag)
