# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The record of all dials of a node: how many addresses and seconds they took, and why
addresses did not lead to their peers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

from twisted.internet.defer import CancelledError
from twisted.internet.error import (
    ConnectionRefusedError,
    TCPTimedOutError,
    TimeoutError,
)

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.blackhole import BlackHoles
from twisted_libp2p.errors import UpgradeTimeout

__all__ = ["BOUNDS", "DialRecord", "Distribution", "Fault"]

#: The bounds of seconds, which are those of go-libp2p.
BOUNDS: Final = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0)

#: A number of addresses that stands for all that are not less.
MANY: Final = 6


class Distribution:
    """
    The distribution of durations.

    @ivar counts: the number of durations up to each of L{BOUNDS} that exceed the bound
        before, and the number of all longer ones.
    @ivar total: the sum of all, in seconds.
    """

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """
        Count a duration.
        """
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


#: The cause of a failed attempt in a few words, as go-libp2p calls it, and the errors
#: that have it.
Fault = str
_FAULTS: Final[Sequence[tuple[Fault, tuple[type[Exception], ...]]]] = (
    ("deadline", (UpgradeTimeout,)),
    ("connection refused", (ConnectionRefusedError,)),
    ("timeout", (TimeoutError, TCPTimedOutError)),
)


class DialRecord:
    """
    The dials that have ended.

    @ivar holes: the networks that seem to drop all that we send.
    @ivar faults: the number of failed attempts by transport, cause and version of IP.
    @ivar times: the duration of dials by success and number of attempts; L{MANY} for
        so many or more.
    @ivar delays: the seconds for which the attempts that led to the peer had to wait
        for their turn.
    """

    def __init__(self) -> None:
        self.holes = BlackHoles()
        self.faults: Counter[tuple[str, Fault, str]] = Counter()
        self.times: defaultdict[tuple[bool, int], Distribution] = defaultdict(
            Distribution
        )
        self.delays = Distribution()

    def ended(self, success: bool, attempts: int, seconds: float) -> None:
        """
        Count a dial of a peer.

        @param attempts: the number of addresses that were dialed.
        @param seconds: its duration.
        """
        self.times[success, min(attempts, MANY)].add(seconds)

    def failed(
        self, transport: str, address: Multiaddr, error: BaseException, beaten: bool
    ) -> None:
        """
        Count an address that did not lead to the peer.

        @param transport: the name of the transport.
        @param beaten: whether another address of the peer was quicker.
        """
        if isinstance(error, CancelledError):
            fault = (
                "canceled: concurrent dial successful"
                if beaten
                else ("application canceled")
            )
        else:
            fault = next(
                (name for name, kinds in _FAULTS if isinstance(error, kinds)), "other"
            )
        first = address.names[0] if address.names else ""
        version = first if first in ("ip4", "ip6") else "unknown"
        self.faults[transport, fault, version] += 1
