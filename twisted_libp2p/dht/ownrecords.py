# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The records that this node has stored at others, and stores again every 22 hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.dht.batches import Batches
from twisted_libp2p.dht.gathering import fewAtATime
from twisted_libp2p.dht.operations import Operations, Stored
from twisted_libp2p.dht.republishing import Republishing
from twisted_libp2p.dht.values import ValueStore
from twisted_libp2p.errors import NotFound

__all__ = ["AT_ONCE", "OwnRecords"]

#: The most values that are stored again at a time.
AT_ONCE: Final = 16

T = TypeVar("T")


class OwnRecords:
    """
    The provided keys and the values of this node.
    """

    def __init__(
        self,
        clock: IReactorTime,
        operations: Operations,
        values: ValueStore,
        random: Random,
    ) -> None:
        """
        Begin without a record.

        @param clock: the time and the timers.
        @param operations: stores the records.
        @param values: our values.
        @param random: makes keys to look up.
        """
        self._clock = clock
        self._operations = operations
        self._values = values
        self._batches = Batches(clock, operations, random)
        self._provided = Republishing(clock, self._announce)
        self._put = Republishing(clock, self._putDue)
        self._announcing: set[Deferred[None]] = set()

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

    def cancel(self) -> None:
        """
        Cancel L{provideAll}.
        """
        for each in list(self._announcing):
            each.cancel()

    def provide(self, key: bytes) -> Deferred[Stored]:
        """
        Announce that this node provides a key, now and again, even if it fails now.
        """
        self._provided.add(key)
        return Deferred.fromCoroutine(self._operations.provide(key))

    def provideAll(self, keys: Iterable[bytes]) -> Deferred[int]:
        """
        Announce that this node provides keys, now and again.

        @return: fires with the number of the keys that at least one server has stored.
        """
        due = list(dict.fromkeys(keys))
        stored: set[bytes] = set()
        for key in due:
            self._provided.add(key)

        def took(key: bytes) -> None:
            self._provided.stored(key)
            stored.add(key)

        announcing = self._announce(due, self._provided.keys, took)
        self._announcing.add(announcing)
        announcing.addBoth(self._ended, announcing)
        return announcing.addCallback(lambda _: len(stored.intersection(due)))

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

    def _announce(
        self,
        due: list[bytes],
        keys: Sequence[tuple[int, bytes]],
        stored: Callable[[bytes], None],
    ) -> Deferred[None]:
        return Deferred.fromCoroutine(self._batches.announce(due, keys, stored))

    def _ended(self, result: T, announcing: Deferred[None]) -> T:
        self._announcing.discard(announcing)
        return result

    def _keep(self, stored: Stored, key: bytes) -> Stored:
        self._put.add(key)
        return stored

    def _putDue(
        self,
        due: list[bytes],
        keys: Sequence[tuple[int, bytes]],
        stored: Callable[[bytes], None],
    ) -> Deferred[None]:
        """
        Store values again, a few at a time.
        """

        def failed(reason: Failure) -> Failure | None:
            return reason if reason.check(CancelledError) else None

        def begin(key: bytes) -> Deferred[None]:
            putting = self._putAgain(key)
            return putting.addCallbacks(lambda _: stored(key), failed)

        return fewAtATime(AT_ONCE, begin, due).addCallback(lambda _: None)

    def _putAgain(self, key: bytes) -> Deferred[Stored]:
        """
        Store the best known value of a key again; a newer one of others wins.
        """
        known = self._values.get(key, self._clock.seconds())
        if known is None:
            self._put.remove(key)
            return fail(NotFound("our value", reason="it has expired"))
        return Deferred.fromCoroutine(self._operations.put(key, known.value))
