# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The record of all hole punching of a node, in the words of go-libp2p.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from twisted_libp2p.address import Multiaddr

__all__ = ["ANSWERING", "ASKING", "PunchRecord"]

#: The side that begins, and the side that answers.
ASKING: Final = "initiator"
ANSWERING: Final = "receiver"

_NONE_FITS: Final = "no_suitable_address"


class _Kind(NamedTuple):
    """
    The part of an address that the address of the other side must share.
    """

    version: str
    transport: str

    @classmethod
    def of(cls, address: Multiaddr) -> _Kind:
        """
        Return the kind of an address without a peer id.
        """
        names = address.names
        return cls(names[0], names[-1]) if names else cls("unknown", "unknown")


class PunchRecord:
    """
    The attempts that have ended.

    @ivar outcomes: their number by side, number of exchanges, and outcome.
    @ivar addresses: the number of our addresses in them by side, number of exchanges,
        version of IP, transport, and outcome.
    @ivar dials: the number of dials of peers that seemed to be public, by outcome.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, int, str]] = Counter()
        self.addresses: Counter[tuple[str, int, str, str, str]] = Counter()
        self.dials: Counter[str] = Counter()

    def dialed(self, success: bool) -> None:
        """
        Count a dial of the public addresses of a peer.
        """
        self.dials["success" if success else "failed"] += 1

    def ended(
        self,
        side: str,
        exchanges: int,
        ours: Iterable[Multiaddr],
        theirs: Iterable[Multiaddr],
        direct: Multiaddr | None,
    ) -> None:
        """
        Count an attempt.

        @param side: our side.
        @param exchanges: the number of exchanges of addresses.
        @param ours: our addresses.
        @param theirs: the addresses of the peer.
        @param direct: our end of the direct connection; None without one.
        """
        kinds = {_Kind.of(each) for each in theirs}
        reached = None if direct is None else _Kind.of(direct)
        fitting = False
        for kind in map(_Kind.of, ours):
            if kind not in kinds:
                outcome = _NONE_FITS
            else:
                fitting = True
                outcome = "failed" if reached is None else "cancelled"
                outcome = "success" if reached == kind else outcome
            self.addresses[side, exchanges, *kind, outcome] += 1
        if reached is not None:
            outcome = "success"
        else:
            outcome = "failed" if fitting else _NONE_FITS
        self.outcomes[side, exchanges, outcome] += 1
