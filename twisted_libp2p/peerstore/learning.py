# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Learning: a peerstore is told what happens on the connections of a node.
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
from twisted_libp2p.interfaces import IPeerStore, Source

__all__ = ["Learner"]


class Learner:
    """
    Tells a peerstore of connections, and of what their peers say they are.
    """

    def __init__(self, store: IPeerStore, events: EventBus) -> None:
        """
        @param store: what is told.
        @param events: where it is learnt.
        """
        self._store = store
        self._subscriptions: list[Subscription[Any]] = [
            events.subscribe(OpenedConn, self._opened),
            events.subscribe(Identified, self._identified),
            events.subscribe(ClosedConn, self._closed),
        ]

    def stop(self) -> None:
        """
        Learn no more.
        """
        for each in self._subscriptions:
            each.cancel()

    def _opened(self, event: OpenedConn) -> None:
        # Where an inbound connection comes from nobody listens.
        outbound = event.direction == "outbound"
        self._store.connected(event.peer, event.remoteAddress if outbound else None)
        self._store.setPublicKey(event.peer, event.connection.remoteKey)

    def _identified(self, event: Identified) -> None:
        self._store.identified(
            event.peer, event.agent, event.protocolVersion, event.protocols
        )
        store, peer, listening = self._store, event.peer, event.listenAddresses
        store.setAddresses(peer, listening, Source.IDENTIFY)
        if event.record is not None:
            store.addRecord(peer, event.record, listening)
            # What was signed once and is told no more is not there any more.
            signed = set(store.certifiedAddresses(peer))
            still = [each for each in listening if each in signed]
            store.setAddresses(peer, still, Source.RECORD)

    def _closed(self, event: ClosedConn) -> None:
        self._store.disconnected(event.peer)
