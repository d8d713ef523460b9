# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One lookup, without I/O: which peer to ask next, and when to stop.

A lookup first searches: it asks the nearest known peers, C{alpha} at a time, until the
C{beta} nearest have answered.  Then it follows up: it asks all of the C{k} nearest
peers, and goes on with those that come up on the way, until the C{k} nearest have
answered.

A peer that is late frees its slot; its answer is still taken, but the lookup does not
wait for it.  The numbers of peers to ask and to keep are bounded, so no answer can
prolong a lookup for ever.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Final, Generic, TypeVar

__all__ = ["Bounds", "Ending", "Phase", "Query", "State"]

P = TypeVar("P", bound=Hashable)


class State(Enum):
    """
    The states of a peer in a lookup.
    """

    HEARD = "heard"
    WAITING = "waiting"
    LATE = "late"
    ANSWERED = "answered"
    FAILED = "failed"


class _Event(Enum):
    """
    The events of a peer in a lookup.
    """

    ASK = "ask"
    DELAY = "delay"
    ANSWER = "answer"
    FAIL = "fail"


#: The next state of a peer.  An event without a line is ignored.
STATES: Final = {
    (State.HEARD, _Event.ASK): State.WAITING,
    (State.WAITING, _Event.DELAY): State.LATE,
    (State.WAITING, _Event.ANSWER): State.ANSWERED,
    (State.WAITING, _Event.FAIL): State.FAILED,
    (State.LATE, _Event.ANSWER): State.ANSWERED,
    (State.LATE, _Event.FAIL): State.FAILED,
}


class Phase(Enum):
    """
    The phases of a lookup.
    """

    SEARCHING = "searching"
    FOLLOWING = "following up"
    ENDED = "ended"


class Ending(Enum):
    """
    The reasons for which a lookup ends.
    """

    #: The nearest peers have answered.
    COMPLETED = "completed"
    #: All known peers were asked, and there are fewer than wanted.
    STARVED = "starved"
    #: The caller has found enough.
    STOPPED = "stopped"
    #: A bound on peers or time was reached.
    BOUNDED = "bounded"


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    The bounds of one lookup.

    @ivar k: the number of nearest peers that are wanted.
    @ivar alpha: the most requests at a time.
    @ivar beta: the number of nearest peers that have to answer before the follow-up.
    @ivar asked: the most peers to ask.
    @ivar heard: the most peers to keep; the farthest are dropped.
    @ivar named: the most peers that are taken from one answer.
    """

    k: int = 20
    alpha: int = 10
    beta: int = 3
    asked: int = 256
    heard: int = 1024
    named: int = 40


class _Candidate(Generic[P]):
    """
    A peer in a lookup.
    """

    __slots__ = ("distance", "hops", "peer", "referrer", "state")

    def __init__(
        self, peer: P, distance: int, referrer: _Candidate[P] | None, hops: int
    ) -> None:
        self.peer = peer
        self.distance = distance
        self.referrer = referrer
        self.hops = hops
        self.state = State.HEARD

    def __lt__(self, other: _Candidate[P]) -> bool:
        return self.distance < other.distance


class Query(Generic[P]):
    """
    A lookup of one place.

    The caller asks the peers that L{next} returns, reports each result with
    L{answered}, L{failed} or L{late}, and calls L{next} again after each.

    @ivar target: the place.
    @ivar phase: the present phase.
    @ivar ending: the reason of the end; None before.
    @ivar asked: the number of peers that were asked.
    @ivar dropped: the number of peers that were left out for the bounds.
    """

    def __init__(
        self,
        target: int,
        own: P | None,
        seeds: Iterable[tuple[P, int]],
        bounds: Bounds | None = None,
    ) -> None:
        """
        Begin with the nearest peers of a table.

        @param target: the place to look up.
        @param own: our own peer, which is never asked.
        @param seeds: the first peers and their places.
        @param bounds: the bounds.
        """
        self.target = target
        self.bounds = bounds or Bounds()
        self.phase = Phase.SEARCHING
        self.ending: Ending | None = None
        self.asked = 0
        self.dropped = 0
        self._own = own
        self._candidates: dict[P, _Candidate[P]] = {}
        # The candidates by distance.  Failed ones are not in it.
        self._order: list[_Candidate[P]] = []
        self._waiting = 0
        self._late = 0
        self._unasked = 0
        for peer, place in seeds:
            self._add(peer, place, None)

    # Events

    def next(self) -> list[P]:
        """
        Return the peers to ask now; if there is nothing left to do, end.
        """
        if self.phase is Phase.SEARCHING and self._done(self.bounds.beta):
            self.phase = Phase.FOLLOWING
        if self.phase is Phase.FOLLOWING and self._done(self.bounds.k):
            full = len(self.nearest()) == self.bounds.k
            self._end(Ending.COMPLETED if full else Ending.STARVED)
        if self.phase is Phase.ENDED:
            return []
        return self._start()

    def answered(self, peer: P, closer: Iterable[tuple[P, int]]) -> None:
        """
        Record an answer.

        @param closer: the peers that it names, and their places.
        """
        candidate = self._move(peer, _Event.ANSWER)
        if candidate is None or self.phase is Phase.ENDED:
            return
        for taken, (each, place) in enumerate(closer):
            if taken >= self.bounds.named:
                self.dropped += 1
                break
            self._add(each, place, candidate)

    def failed(self, peer: P) -> None:
        """
        Record that a peer has not answered, and will not.
        """
        candidate = self._move(peer, _Event.FAIL)
        if candidate is not None:
            self._order.remove(candidate)

    def late(self, peer: P) -> None:
        """
        Record that a peer takes long: another one may be asked meanwhile.
        """
        self._move(peer, _Event.DELAY)

    def stop(self) -> None:
        """
        End, because the caller has found enough.
        """
        self._end(Ending.STOPPED)

    def expire(self) -> None:
        """
        End, because the time is over.
        """
        self._end(Ending.BOUNDED)

    # Results

    @property
    def heard(self) -> int:
        """
        The number of peers that the lookup knows.
        """
        return len(self._candidates)

    @property
    def failures(self) -> int:
        """
        The number of peers that have not answered.
        """
        return len(self._candidates) - len(self._order)

    def nearest(self) -> list[P]:
        """
        Return the nearest peers that have answered, nearest first.
        """
        answered = (each.peer for each in self._order if each.state is State.ANSWERED)
        return list(islice(answered, self.bounds.k))

    def known(self, count: int) -> list[tuple[P, int]]:
        """
        Return the nearest peers that have not failed, asked or not, and their distances
        from the target, nearest first.

        @param count: the most peers to return.
        """
        return [(each.peer, each.distance) for each in self._order[:count]]

    def state(self, peer: P) -> State | None:
        """
        Return the state of a peer; None if it is unknown.
        """
        candidate = self._candidates.get(peer)
        return None if candidate is None else candidate.state

    def hops(self, peer: P) -> int:
        """
        Return the number of peers on the way to a peer, which is 1 for a seed.
        """
        return self._candidates[peer].hops

    def path(self, peer: P) -> list[P]:
        """
        Return the way to a peer: a seed, the peers that named the next one each, and
        the peer itself.
        """
        found: list[P] = []
        candidate: _Candidate[P] | None = self._candidates.get(peer)
        while candidate is not None:
            found.append(candidate.peer)
            candidate = candidate.referrer
        return found[::-1]

    def __iter__(self) -> Iterator[tuple[P, State]]:
        """
        Iterate over all known peers and their states.
        """
        for each in self._candidates.values():
            yield each.peer, each.state

    def _add(self, peer: P, place: int, referrer: _Candidate[P] | None) -> None:
        if peer == self._own or peer in self._candidates:
            return
        hops = 1 if referrer is None else referrer.hops + 1
        candidate = _Candidate(peer, place ^ self.target, referrer, hops)
        if len(self._candidates) >= self.bounds.heard and not self._dropBeyond(
            candidate
        ):
            self.dropped += 1
            return
        self._candidates[peer] = candidate
        insort(self._order, candidate)
        self._unasked += 1

    def _dropBeyond(self, candidate: _Candidate[P]) -> bool:
        """
        Make room for a candidate, if the farthest one is unasked and farther away.
        """
        farthest = self._order[-1] if self._order else None
        if (
            farthest is None
            or farthest.state is not State.HEARD
            or farthest.distance <= candidate.distance
        ):
            return False
        self._order.pop()
        del self._candidates[farthest.peer]
        self._unasked -= 1
        self.dropped += 1
        return True

    def _done(self, count: int) -> bool:
        """
        Check whether the nearest peers have answered, or nobody is left to ask.
        """
        if not self._waiting and not self._unasked:
            # If nobody has answered, late answers are all that may come.
            return not self._late or any(
                each.state is State.ANSWERED for each in self._order
            )
        return all(each.state is State.ANSWERED for each in self._timely(count))

    def _timely(self, count: int) -> Iterator[_Candidate[P]]:
        """
        Iterate over the nearest peers that are not late.
        """
        timely = (each for each in self._order if each.state is not State.LATE)
        return islice(timely, count)

    def _start(self) -> list[P]:
        """
        Take the peers to ask.
        """
        bounds = self.bounds
        following = self.phase is Phase.FOLLOWING
        pool = self._timely(bounds.k) if following else self._order
        free = (bounds.k if following else bounds.alpha) - self._waiting
        asked: list[_Candidate[P]] = []
        for each in pool:
            if free <= len(asked):
                break
            if each.state is State.HEARD:
                asked.append(each)
        asked = asked[: bounds.asked - self.asked]
        for each in asked:
            self._move(each.peer, _Event.ASK)
        self.asked += len(asked)
        if self.asked >= bounds.asked and not self._waiting:
            self._end(Ending.BOUNDED)
        return [each.peer for each in asked]

    def _move(self, peer: P, event: _Event) -> _Candidate[P] | None:
        """
        Change the state of a peer.

        @return: None if the event does not matter in its state.
        """
        candidate = self._candidates.get(peer)
        if candidate is None:
            return None
        state = STATES.get((candidate.state, event))
        if state is None:
            return None
        self._unasked -= candidate.state is State.HEARD
        self._waiting += (state is State.WAITING) - (candidate.state is State.WAITING)
        self._late += (state is State.LATE) - (candidate.state is State.LATE)
        candidate.state = state
        return candidate

    def _end(self, ending: Ending) -> None:
        if self.phase is not Phase.ENDED:
            self.phase = Phase.ENDED
            self.ending = ending
