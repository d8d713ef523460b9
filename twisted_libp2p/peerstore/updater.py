# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The updater: stores in a peerstore what happens on the connections of a node.
"""

from __future__ import annotations

from typing import Any

from twisted_libp2p.events import (
    ClosedConn,
    EventBus,
    Identified,
    OpenedConn,
    Subscription,
)
from twisted_libp2p.interfaces import Identification, IPeerStore

__all__ = ["PeerStoreUpdater"]


class PeerStoreUpdater:
    """
    Stores connections, and the facts that their peers report about themselves.
    """

    def __init__(self, store: IPeerStore, events: EventBus) -> None:
        """
        Begin to update a peerstore.

        @param store: the peerstore to update.
        @param events: the events of the node.
        """
        self._store = store
        self._subscriptions: list[Subscription[Any]] = [
            events.subscribe(OpenedConn, self._opened),
            events.subscribe(Identified, self._identified),
            events.subscribe(ClosedConn, self._closed),
        ]

    def stop(self) -> None:
        """
        Stop updating the store.
        """
        for each in self._subscriptions:
            each.cancel()

    def _opened(self, event: OpenedConn) -> None:
        # A peer does not listen at the port from which it has dialed.
        outbound = event.direction == "outbound"
        self._store.connected(event.peer, event.remoteAddress if outbound else None)
        self._store.setPublicKey(event.peer, event.connection.remoteKey)

    def _identified(self, event: Identified) -> None:
        self._store.learn(
            event.peer,
            Identification(
                agent=event.agent,
                protocolVersion=event.protocolVersion,
                protocols=event.protocols,
                listenAddresses=event.listenAddresses,
                observedAddress=event.observedAddress,
                record=event.record,
            ),
        )

    def _closed(self, event: ClosedConn) -> None:
        self._store.disconnected(event.peer)
