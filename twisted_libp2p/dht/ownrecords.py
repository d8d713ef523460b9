# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The records that this node has stored at others, and stores again every 22 hours.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime

from twisted_libp2p.dht.operations import Operations, Stored
from twisted_libp2p.dht.republishing import Republishing
from twisted_libp2p.dht.values import ValueStore
from twisted_libp2p.errors import NotFound

__all__ = ["OwnRecords"]


class OwnRecords:
    """
    The provided keys and the values of this node.
    """

    def __init__(
        self, clock: IReactorTime, operations: Operations, values: ValueStore
    ) -> None:
        """
        Begin without a record.

        @param clock: the time and the timers.
        @param operations: stores the records.
        @param values: our values.
        """
        self._clock = clock
        self._operations = operations
        self._values = values
        self._provided = Republishing(clock, self._provide)
        self._put = Republishing(clock, self._putAgain)

    def start(self) -> None:
        """
        Begin, or go on after a stop.
        """
        self._provided.start()
        self._put.start()

    def stop(self) -> None:
        """
        Stop; the records are kept for the next start.
        """
        self._provided.stop()
        self._put.stop()

    def provide(self, key: bytes) -> Deferred[Stored]:
        """
        Announce that this node provides a key, now and again, even if it fails now.
        """
        self._provided.add(key)
        return self._provide(key)

    def unprovide(self, key: bytes) -> None:
        """
        Announce a key no more.
        """
        self._provided.remove(key)

    def put(self, key: bytes, value: bytes) -> Deferred[Stored]:
        """
        Store a value, and again if it was stored.
        """
        putting = Deferred.fromCoroutine(self._operations.put(key, value))
        return putting.addCallback(self._keep, key)

    def _provide(self, key: bytes) -> Deferred[Stored]:
        return Deferred.fromCoroutine(self._operations.provide(key))

    def _keep(self, stored: Stored, key: bytes) -> Stored:
        self._put.add(key)
        return stored

    def _putAgain(self, key: bytes) -> Deferred[Stored]:
        """
        Store the best known value of a key again; a newer one of others wins.
        """
        known = self._values.get(key, self._clock.seconds())
        if known is None:
            self._put.remove(key)
            return fail(NotFound("our value", reason="it has expired"))
        return Deferred.fromCoroutine(self._operations.put(key, known.value))
