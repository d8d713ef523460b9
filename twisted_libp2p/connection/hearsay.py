# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The places from which peers have announced names of hosts.  A name may lead to another
place tomorrow, so it is not enough to judge the name when it is announced.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.address.origin import HOST_NAMES
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IPeerStore, Source

__all__ = ["MAX_REMEMBERED", "Hearsay"]

#: Number of peers whose place is kept; the peer that announced its names longest ago
#: goes first.
MAX_REMEMBERED = 1000

#: Number of names of one peer that are kept.
MAX_NAMES = 8

_NAMES = (*HOST_NAMES, "dnsaddr")


class Hearsay:
    """
    Knows the origin of the addresses in a peerstore.

    IP addresses of peers are judged before they are stored.  A name that a peer has
    announced may lead as far into our networks as the peer was inside of them at that
    time, and only to public addresses if that place is not known.
    """

    def __init__(
        self,
        peerstore: IPeerStore,
        dialable: Callable[[Multiaddr], bool] = lambda address: True,
    ) -> None:
        """
        Know of no announcement yet.

        @param peerstore: knows which addresses our own user has given.
        @param dialable: checks whether this node can dial an address; others are
            not kept.
        """
        self._peerstore = peerstore
        self._dialable = dialable
        self._announced: OrderedDict[PeerID, tuple[Origin, frozenset[bytes]]] = (
            OrderedDict()
        )

    def heard(
        self, peer: PeerID, remote: Multiaddr | None, addresses: Iterable[Multiaddr]
    ) -> None:
        """
        Keep the names in an announcement of a peer; they replace its earlier ones.

        @param remote: the remote address of the connection to the peer.
        """
        self._announced.pop(peer, None)
        origin = Origin.of(remote)
        if origin is Origin.PUBLIC:
            return
        usable = (each for each in addresses if isName(each) and self._dialable(each))
        found = islice(usable, MAX_NAMES)
        names = [each.withoutPeer().toBytes() for each in found]
        if names:
            self._announced[peer] = origin, frozenset(names)
            if len(self._announced) > MAX_REMEMBERED:
                self._announced.popitem(last=False)

    def origins(
        self, peer: PeerID, addresses: Iterable[Multiaddr]
    ) -> list[tuple[Multiaddr, Origin]]:
        """
        Return the addresses of a peer in the peerstore, each with its origin.
        """
        own: frozenset[Multiaddr] | None = None
        found = []
        for address in addresses:
            bare = address.withoutPeer()
            name = isName(bare)
            # An address that any peer may name needs no further check.
            origin = Origin.HOST
            if name or origin.refusal(bare) is not None:
                own = self._own(peer) if own is None else own
                if bare in own:
                    origin = Origin.OWN
                elif name:
                    place, names = self._announced.get(peer, (Origin.PUBLIC, ()))
                    origin = place if bare.toBytes() in names else Origin.PUBLIC
            found.append((address, origin))
        return found

    def _own(self, peer: PeerID) -> frozenset[Multiaddr]:
        """
        Return the addresses that our own user has given.  Of addresses with a name the
        dialer records no other success.
        """
        info = self._peerstore.info(peer)
        return frozenset(
            each.address
            for each in (info.addresses if info is not None else ())
            if each.source & (Source.CONFIGURED | Source.DIALED)
        )


def isName(address: Multiaddr) -> bool:
    """
    Check whether an address has to be resolved before it can be judged.
    """
    return bool(address) and address.names[0] in _NAMES
