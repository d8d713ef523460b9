# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The choice of relays, without I/O.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from twisted_libp2p.identity import PeerID

__all__ = ["MAX_CANDIDATES", "Candidate", "Choosing"]

#: How many peers are known that may be relays.
MAX_CANDIDATES: Final = 64

#: Seconds until a relay that did not give a reservation is tried again: the first and
#: the longest wait.
MIN_WAIT: Final = 60.0
MAX_WAIT: Final = 3600.0


@dataclass(slots=True)
class Candidate:
    """
    A peer that may be a relay.

    @ivar network: the network of its address; relays in different ones are preferred.
    @ivar failures: how often it has failed us since its last success.
    @ivar notBefore: when it may be tried again.
    @ivar chosen: whether it is used, or tried.
    """

    network: Hashable = None
    failures: int = 0
    notBefore: float = 0.0
    chosen: bool = False


class Choosing:
    """
    Chooses some relays of the known candidates.

    @ivar wanted: how many relays are to be used.
    @ivar added: the number of candidates so far.
    """

    def __init__(self, wanted: int) -> None:
        """
        Begin without candidates.
        """
        self.wanted = wanted
        self.added = 0
        self._candidates: dict[PeerID, Candidate] = {}

    @property
    def removed(self) -> int:
        """
        The number of candidates that were dropped.
        """
        return self.added - len(self._candidates)

    @property
    def chosen(self) -> list[PeerID]:
        """
        The relays that are used, or tried.
        """
        return [peer for peer, each in self._candidates.items() if each.chosen]

    def met(self, peer: PeerID, network: Hashable = None) -> None:
        """
        Learn of a candidate.
        """
        known = self._candidates.get(peer)
        if known is not None:
            known.network = network
        elif self._makeRoom():
            self._candidates[peer] = Candidate(network)
            self.added += 1

    def gone(self, peer: PeerID) -> None:
        """
        Forget a candidate, unless it is chosen.
        """
        known = self._candidates.get(peer)
        if known is not None and not known.chosen:
            del self._candidates[peer]

    def choose(self, now: float) -> list[PeerID]:
        """
        Choose as many candidates as are missing: those that have failed least, in
        networks of which none is chosen yet.
        """
        added: list[PeerID] = []
        while len(self.chosen) < self.wanted:
            networks = {self._candidates[peer].network for peer in self.chosen}
            free = [
                (each.failures, each.network in networks, place, peer)
                for place, (peer, each) in enumerate(self._candidates.items())
                if not each.chosen and each.notBefore <= now
            ]
            if not free:
                break
            *_, peer = min(free, key=lambda each: each[:3])
            self._candidates[peer].chosen = True
            added.append(peer)
        return added

    def held(self, peer: PeerID) -> None:
        """
        Note that a chosen relay has given a reservation.
        """
        known = self._candidates.get(peer)
        if known is not None:
            known.failures = 0

    def failed(self, peer: PeerID, now: float) -> None:
        """
        Note that a chosen relay has given none, or has ended it; it is not chosen any
        longer.
        """
        known = self._candidates.get(peer)
        if known is not None:
            known.chosen = False
            known.failures += 1
            wait = MIN_WAIT * 2.0 ** min(known.failures - 1, 16)
            known.notBefore = now + min(wait, MAX_WAIT)

    def leave(self) -> Iterable[PeerID]:
        """
        Choose no relay any longer.

        @return: the relays that were chosen.
        """
        chosen = self.chosen
        for peer in chosen:
            self._candidates[peer].chosen = False
        return chosen

    def wakeUp(self, now: float) -> float | None:
        """
        Return the seconds until another candidate may be tried; None if enough are
        chosen, or no other is known.
        """
        if len(self.chosen) >= self.wanted:
            return None
        waits = [
            each.notBefore for each in self._candidates.values() if not each.chosen
        ]
        return max(0.0, min(waits) - now) if waits else None

    def _makeRoom(self) -> bool:
        """
        Drop the candidate that has failed most, if there are too many.
        """
        if len(self._candidates) < MAX_CANDIDATES:
            return True
        failed = [
            (each.failures, peer)
            for peer, each in self._candidates.items()
            if each.failures and not each.chosen
        ]
        if not failed:
            return False
        _, peer = max(failed, key=lambda each: each[0])
        del self._candidates[peer]
        return True
