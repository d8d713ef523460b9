# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The values of peers: tags, which may decay, and protection.

The value of a peer is the sum of its tags.  No timer touches a value that decays: the
rest of it is computed when it is read.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from twisted_libp2p.identity import PeerID

__all__ = ["Decay", "Tags", "expiring", "fading", "halving"]

#: Number of peers that are not connected whose tags are kept; those of the peer that
#: left first are dropped.
MAX_ABSENT = 4096

#: A decayed value nearer to zero than this counts as zero.
NEGLIGIBLE = 1e-3

#: Returns the rest of a value after a number of seconds.
Decay = Callable[[float, float], float]


def halving(seconds: float) -> Decay:
    """
    Make a decay by which a value is halved in each period.

    @param seconds: the length of a period.
    """
    return lambda value, elapsed: value * 0.5 ** (elapsed / seconds)


def fading(perSecond: float) -> Decay:
    """
    Make a decay by which a value moves towards zero at an even pace.

    @param perSecond: the change in each second.
    """
    return lambda value, elapsed: math.copysign(
        max(abs(value) - perSecond * elapsed, 0.0), value
    )


def expiring(seconds: float) -> Decay:
    """
    Make a decay by which a value lasts for a time, and is zero after it.

    @param seconds: the time since the value was last set or added to.
    """
    return lambda value, elapsed: value if elapsed < seconds else 0.0


class _Tag(NamedTuple):
    """
    One value of one peer.

    @ivar value: the value when it was set.
    @ivar since: the time when it was set.
    @ivar decay: returns the rest of it; None if it lasts.
    """

    value: float
    since: float
    decay: Decay | None

    def at(self, now: float) -> float:
        """
        Return the present value.
        """
        if self.decay is None:
            return self.value
        left = self.decay(self.value, max(now - self.since, 0.0))
        return left if abs(left) >= NEGLIGIBLE else 0.0


class Tags:
    """
    The values of peers, and their protection.

    The tags of a peer may be set before it is connected, and outlive its connections;
    but L{MAX_ABSENT} bounds the number of peers that are not connected.  Protection
    lasts until it is taken away.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """
        Begin without tags.

        @param now: returns the time in seconds.
        """
        self._now = now
        self._present: dict[PeerID, dict[str, _Tag]] = {}
        self._absent: OrderedDict[PeerID, dict[str, _Tag]] = OrderedDict()
        self._protected: dict[PeerID, set[str]] = {}

    def set(
        self, peer: PeerID | str, tag: str, value: float, decay: Decay | None = None
    ) -> None:
        """
        Set a tag of a peer, in place of the one of this name.

        @param tag: the part of the program that values the peer, such as C{"dht"}.
        @param value: connections of peers with less are trimmed first.  It may be
            negative.
        @param decay: L{halving}, L{fading}, L{expiring}, or any function of a value
            and seconds; None lets the value last.
        """
        peer = PeerID.of(peer)
        self._of(peer)[tag] = _Tag(value, self._now(), decay)

    def add(
        self, peer: PeerID | str, tag: str, amount: float, decay: Decay | None = None
    ) -> float:
        """
        Raise, or lower, the rest of a tag; the decay starts again.

        @return: the new value.
        """
        peer = PeerID.of(peer)
        tags, now = self._of(peer), self._now()
        known = tags.get(tag)
        value = amount if known is None else known.at(now) + amount
        tags[tag] = _Tag(value, now, decay)
        return value

    def get(self, peer: PeerID | str, tag: str) -> float:
        """
        Return the rest of a tag; 0 if the peer has none of this name.
        """
        peer = PeerID.of(peer)
        known = self._known(peer).get(tag)
        return 0.0 if known is None else known.at(self._now())

    def remove(self, peer: PeerID | str, tag: str) -> None:
        """
        Remove a tag, if the peer has it.
        """
        peer = PeerID.of(peer)
        tags = self._known(peer)
        tags.pop(tag, None)
        if not tags:
            self._absent.pop(peer, None)

    def value(self, peer: PeerID | str) -> float:
        """
        Return the value of a peer: the sum of its tags.
        """
        peer = PeerID.of(peer)
        tags = self._known(peer)
        if not tags:
            return 0.0
        now = self._now()
        return sum(tag.at(now) for tag in tags.values())

    # Protection

    def protect(self, peer: PeerID | str, tag: str) -> None:
        """
        Keep a peer's connections, whatever its value, until L{unprotect} was called
        for each tag of a call of this method.
        """
        peer = PeerID.of(peer)
        self._protected.setdefault(peer, set()).add(tag)

    def unprotect(self, peer: PeerID | str, tag: str) -> bool:
        """
        End the protection of a peer for a tag.

        @return: whether the peer is still protected, for another tag.
        """
        peer = PeerID.of(peer)
        tags = self._protected.get(peer)
        if tags is None:
            return False
        tags.discard(tag)
        if not tags:
            del self._protected[peer]
        return bool(tags)

    def protected(self, peer: PeerID | str, tag: str | None = None) -> bool:
        """
        Return whether a peer is protected, for this tag or for any.
        """
        peer = PeerID.of(peer)
        tags = self._protected.get(peer, ())
        return bool(tags) if tag is None else tag in tags

    # Connected peers

    def connected(self, peer: PeerID) -> None:
        """
        Note the first connection of a peer.
        """
        tags = self._absent.pop(peer, None)
        self._present[peer] = {} if tags is None else tags

    def disconnected(self, peer: PeerID) -> None:
        """
        Note that a peer has lost its last connection.
        """
        tags = self._present.pop(peer, None)
        if tags:
            self._absent[peer] = tags
            self._bound()

    def _known(self, peer: PeerID) -> dict[str, _Tag]:
        tags = self._present.get(peer)
        return self._absent.get(peer, {}) if tags is None else tags

    def _of(self, peer: PeerID) -> dict[str, _Tag]:
        """
        Return the mapping that keeps the tags of a peer.
        """
        tags = self._present.get(peer)
        if tags is None:
            tags = self._absent.setdefault(peer, {})
            self._bound()
        return tags

    def _bound(self) -> None:
        while len(self._absent) > MAX_ABSENT:
            self._absent.popitem(last=False)
