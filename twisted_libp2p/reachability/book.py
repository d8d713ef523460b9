# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The limits of our answers to peers that ask whether they are reachable, without I/O.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable
from typing import Final

from twisted_libp2p.identity import PeerID
from twisted_libp2p.pacing.allowance import Allowance

__all__ = ["AnswerBook", "Rate"]

#: Number of peers and of networks whose requests are counted.
MAX_REMEMBERED: Final = 4096


class Rate:
    """
    Allowances of a kind, one for each key.
    """

    def __init__(self, burst: int, interval: float) -> None:
        """
        Allow everything so far.

        @param burst: the number of actions at once.
        @param interval: seconds after which one more is allowed.
        """
        self._burst = burst
        self._interval = interval
        self._allowances: OrderedDict[Hashable, Allowance] = OrderedDict()

    def take(self, key: Hashable, now: float) -> bool:
        """
        Use one action.

        @return: whether it is allowed.
        """
        allowance = self._allowances.pop(key, None)
        if allowance is None:
            allowance = Allowance(self._burst, self._interval, now)
            if len(self._allowances) >= MAX_REMEMBERED:
                self._allowances.popitem(last=False)
        self._allowances[key] = allowance
        return allowance.take(now)


class AnswerBook:
    """
    Counts the requests that are answered.
    """

    def __init__(
        self,
        *,
        total: tuple[int, float],
        peer: tuple[int, float],
        network: tuple[int, float],
        atOnce: int,
        atOnceOfPeer: int,
    ) -> None:
        """
        Begin without requests.

        @param total: how many requests are answered at once, and the seconds after
            which one more is.
        @param peer: the same for one peer.
        @param network: the same for one network.
        @param atOnce: number of requests that are under way.
        @param atOnceOfPeer: number of requests of one peer that are under way.
        """
        self._total = Rate(*total)
        self._peer = Rate(*peer)
        self._network = Rate(*network)
        self._atOnce = atOnce
        self._atOnceOfPeer = atOnceOfPeer
        self._running: Counter[PeerID] = Counter()

    @property
    def running(self) -> int:
        """
        The number of requests that are under way.
        """
        return self._running.total()

    def begin(self, peer: PeerID, network: Hashable, now: float) -> bool:
        """
        Begin to answer a request, unless there are too many.

        @return: whether it is answered; the answer has to L{end} then.
        """
        if self.running >= self._atOnce or self._running[peer] >= self._atOnceOfPeer:
            return False
        # A peer that asks too often uses nothing of the others' allowances.
        if not (
            self._peer.take(peer, now)
            and self._network.take(network, now)
            and self._total.take(None, now)
        ):
            return False
        self._running[peer] += 1
        return True

    def end(self, peer: PeerID) -> None:
        """
        End the answer to a request.
        """
        self._running[peer] -= 1
        if not self._running[peer]:
            del self._running[peer]
