# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The way to a peer that is connected to another node of the same fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost, IHostService, IPeerRouting
from twisted_libp2p.presence.service import Presence
from twisted_libp2p.relay.circuit import CIRCUIT

__all__ = ["PresenceRouting"]


@implementer(IHostService, IPeerRouting)
class PresenceRouting(Service):
    """
    Reaches peers through the nodes of the same fleet that they are connected to, if
    these are relays and the peers have reserved a place there.  The dialer asks when it
    knows no address of a peer, or all of them have failed.
    """

    name = "presence routing"
    #: The database names nodes that the same people run.
    origin: Final = Origin.OWN

    def __init__(self, presence: Presence) -> None:
        """
        @param presence: finds the nodes; it has to be added to the same node.
        """
        self._presence = presence

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """

    def findPeer(self, peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Return the addresses of a peer at the relays that it is connected to.
        """
        finding = self._presence.relays(peer)
        return finding.addCallback(
            lambda found: [each.encapsulate(CIRCUIT) for each in found]
        )
