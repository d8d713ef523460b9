# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dialing candidates until there are enough connections.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.discovery.candidates import Candidates

__all__ = ["Seeker"]

K = TypeVar("K", bound=Hashable)

#: Maximum number of dials at once.
MAX_DIALS: Final = 4


class Seeker(Generic[K]):
    """
    Dials candidates, a few at a time, while connections are missing.
    """

    def __init__(
        self,
        clock: IReactorTime,
        candidates: Candidates[K],
        missing: Callable[[], int],
        connected: Callable[[K], bool],
        dial: Callable[[K], Deferred[Any]],
        dialed: Callable[[K, Any], object],
    ) -> None:
        """
        Prepare to dial.

        @param clock: the time.
        @param candidates: the candidates.
        @param missing: returns how many connections are missing.
        @param connected: returns whether a candidate is connected.
        @param dial: dials a candidate.
        @param dialed: called with a candidate and the result of its dial: a connection,
            or a C{Failure}.
        """
        self._clock = clock
        self._candidates = candidates
        self._missing = missing
        self._connected = connected
        self._dial = dial
        self._dialed = dialed
        self._dialing: dict[K, Deferred[Any]] = {}
        self._waking: IDelayedCall | None = None
        self._running = False

    @property
    def idle(self) -> bool:
        """
        Whether no dial is under way.
        """
        return not self._dialing

    def start(self) -> None:
        """
        Begin to dial in the next turn of the reactor: the node listens by then, and
        dials from the port on which it listens, where others can punch a hole.
        """
        self._running = True
        self._wakeSoon()

    def stop(self) -> None:
        """
        Cancel the dials.
        """
        self._running = False
        self._rest()
        for each in list(self._dialing.values()):
            each.cancel()

    def seek(self) -> None:
        """
        Dial as many candidates as are missing, or wait for the next one that may be
        dialed.
        """
        self._rest()
        if not self._running:
            return
        now = self._clock.seconds()
        free = min(self._missing(), MAX_DIALS) - len(self._dialing)
        for key in self._candidates.ready(now, free, self._isTaken):
            # The dial before may have had a result at once.
            if self._running and not self._isTaken(key):
                self._begin(key)
        if self._running and self._missing() > len(self._dialing):
            due = self._candidates.next(now, self._isTaken)
            if due is not None and self._waking is None:
                self._waking = self._clock.callLater(max(due - now, 0.0), self._wake)

    def _isTaken(self, key: K) -> bool:
        return key in self._dialing or self._connected(key)

    def _begin(self, key: K) -> None:
        dialing = self._dialing[key] = self._dial(key)
        dialing.addBoth(self._ended, key)

    def _ended(self, result: Any, key: K) -> None:
        del self._dialing[key]
        if isinstance(result, Failure):
            if result.check(CancelledError) and not self._running:
                return
            self._candidates.failed(key, self._clock.seconds())
        else:
            self._candidates.succeeded(key)
        self._dialed(key, result)
        if self._running:
            self._wakeSoon()

    def _wakeSoon(self) -> None:
        """
        Seek in the next turn: a dial may fail before it has begun.
        """
        self._rest()
        self._waking = self._clock.callLater(0, self._wake)

    def _wake(self) -> None:
        self._waking = None
        self.seek()

    def _rest(self) -> None:
        waking, self._waking = self._waking, None
        if waking is not None:
            waking.cancel()
