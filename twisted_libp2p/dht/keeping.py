# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The servers of the table as the node keeps them: in the peerstore over a restart, and
connected if they are hard to replace.
"""

from __future__ import annotations

from random import Random
from typing import Final

from twisted_libp2p.dht.events import TableChanged
from twisted_libp2p.dht.table import RoutingTable
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IHost

__all__ = ["PROTECTED", "TAG", "Keeping"]

#: The name under which servers are protected, and their tag in the peerstore.
TAG: Final = "kad"

#: The first buckets, whose peers are hardest to replace: they are not disconnected.
PROTECTED: Final = 2


class Keeping:
    """
    Marks the servers of the table for the peerstore and the connection manager.
    """

    def __init__(self, host: IHost, table: RoutingTable[PeerID]) -> None:
        """
        Mark the servers of a table.

        @param host: the node.
        @param table: the table.
        """
        self._host = host
        self._table = table

    def changed(self, peer: PeerID, added: bool) -> None:
        """
        Mark a server that has entered the table, or take the marks from one that has
        left it, and announce the change.
        """
        host = self._host
        if added:
            host.peerstore.protect(peer)
            host.peerstore.setTag(peer, TAG, 5)
            if self._table.prefix(peer) < PROTECTED:
                host.connections.protect(peer, TAG, redial=False)
        else:
            host.peerstore.removeTag(peer, TAG)
            host.peerstore.unprotect(peer)
            host.connections.unprotect(peer, TAG)
        host.events.publish(
            TableChanged(
                time=host.clock.seconds(),
                peer=peer,
                added=added,
                size=len(self._table),
            )
        )

    def known(self, random: Random) -> list[PeerID]:
        """
        Return the servers of the last run, in any order.
        """
        store = self._host.peerstore
        known = [each for each in store.peers() if TAG in store.tags(each)]
        random.shuffle(known)
        return known
