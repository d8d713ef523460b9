# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Ways to find peers whose addresses are not known, or that have something to offer.

An object may provide several of these contracts: a DHT provides the first two, a
rendezvous point or mDNS the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twisted_libp2p.address import Multiaddr, Origin
    from twisted_libp2p.identity import PeerID

__all__ = ["IContentRouting", "IDiscovery", "IExplaining", "IPeerRouting"]


class IPeerRouting(Interface):
    """
    Finds the addresses of a peer by its id.
    """

    origin: Origin = Attribute(
        "The place of the peers that name the addresses: Origin.PUBLIC for a DHT.  An"
        " address that such a peer must not make us dial is left out."
    )

    def findPeer(peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Look up the addresses of a peer.

        The dialer asks when it knows no address of the peer, and once more when all
        known addresses have failed.  It does not ask for the dials of the routing
        itself.

        @return: fires with the addresses, without or with the id of the peer at their
            end.  If the peer is not found it fires with none, or fails with an error
            that says why.  It is cancelled when the dial is over.
        """


class IExplaining(Interface):
    """
    A routing that can describe its last lookup of a key.
    """

    def explain(key: bytes) -> str:
        """
        Describe the last lookup of a key.

        @param key: the bytes of a peer id, or another key.
        @return: any number of lines, none if nothing is known.
        """


class IContentRouting(Interface):
    """
    Finds the peers that provide a piece of content, such as a file.
    """

    def provide(key: bytes) -> Deferred[None]:
        """
        Announce that this node provides a key, and go on with that until L{unprovide},
        or until the node stops.

        @param key: the key, such as a multihash.
        @return: fires when other peers can find it.
        """

    def unprovide(key: bytes) -> None:
        """
        Announce a key no longer.
        """

    def findProviders(
        key: bytes, count: int = 20
    ) -> Deferred[Sequence[tuple[PeerID, Sequence[Multiaddr]]]]:
        """
        Look up the peers that provide a key.

        @param count: maximum number of peers.
        @return: fires with peers and their addresses, which may be none.
        """


class IDiscovery(Interface):
    """
    Finds peers with a common interest, named by a text.
    """

    def advertise(namespace: str, ttl: float | None = None) -> Deferred[float]:
        """
        Announce that this node belongs to a namespace.

        @param ttl: seconds for which the announcement should last; None for the
            default of the implementation.
        @return: fires with the seconds after which to announce it again.
        """

    def findPeers(
        namespace: str, count: int = 20
    ) -> Deferred[Sequence[tuple[PeerID, Sequence[Multiaddr]]]]:
        """
        Look up the peers of a namespace.

        @param count: maximum number of peers.
        @return: fires with peers and their addresses.
        """
