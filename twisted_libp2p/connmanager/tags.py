# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What peers are worth: tags with values, which may decay, and protection.

The worth of a peer is the sum of its tags.  A value that decays is not touched
by any timer: what is left of it is computed when somebody asks.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from twisted_libp2p.identity import PeerID

__all__ = ["Decay", "Tags", "expiring", "fading", "halving"]

#: The tags of so many peers that are not connected are remembered; those of the
#: peer that left first are forgotten.
MAX_ABSENT = 4096

#: A decayed value nearer to zero than this has gone.
NEGLIGIBLE = 1e-3

#: What is left of a value after so many seconds.
Decay = Callable[[float, float], float]


def halving(seconds: float) -> Decay:
    """
    Values lose half of what is left in each period.

    @param seconds: how long a period is.
    """
    return lambda value, elapsed: value * 0.5 ** (elapsed / seconds)


def fading(perSecond: float) -> Decay:
    """
    Values move towards zero at an even pace.

    @param perSecond: by how much in a second.
    """
    return lambda value, elapsed: math.copysign(
        max(abs(value) - perSecond * elapsed, 0.0), value
    )


def expiring(seconds: float) -> Decay:
    """
    Values last for a time, and are gone after it.

    @param seconds: for how long, since they were last set or added to.
    """
    return lambda value, elapsed: value if elapsed < seconds else 0.0


class _Tag(NamedTuple):
    """
    One value of one peer.

    @ivar value: what it was.
    @ivar since: when.
    @ivar decay: what became of it; None if it lasts.
    """

    value: float
    since: float
    decay: Decay | None

    def at(self, now: float) -> float:
        """
        What it is.
        """
        if self.decay is None:
            return self.value
        left = self.decay(self.value, max(now - self.since, 0.0))
        return left if abs(left) >= NEGLIGIBLE else 0.0


class Tags:
    """
    What each peer is worth, and which are protected.

    The tags of a peer may be given before it is connected, and outlive its
    connections; but of those who are not connected only so many are kept.
    Protection lasts until it is taken away.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """
        @param now: tells the time in seconds.
        """
        self._now = now
        self._present: dict[PeerID, dict[str, _Tag]] = {}
        self._absent: OrderedDict[PeerID, dict[str, _Tag]] = OrderedDict()
        self._protected: dict[PeerID, set[str]] = {}

    def set(
        self, peer: PeerID | str, tag: str, value: float, decay: Decay | None = None
    ) -> None:
        """
        Give a peer a tag, in place of the one of this name.

        @param tag: who values the peer, and for what, such as C{"dht"}.
        @param value: how much; connections of peers with less are trimmed
            first.  It may be negative.
        @param decay: how it gets less by time: L{halving}, L{fading},
            L{expiring}, or any function; None lets it last.
        """
        peer = PeerID.of(peer)
        self._of(peer)[tag] = _Tag(value, self._now(), decay)

    def add(
        self, peer: PeerID | str, tag: str, amount: float, decay: Decay | None = None
    ) -> float:
        """
        Raise, or lower, what is left of a tag; the decay starts anew.

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
        @return: what is left of a tag; 0 if the peer has none of this name.
        """
        peer = PeerID.of(peer)
        known = self._known(peer).get(tag)
        return 0.0 if known is None else known.at(self._now())

    def remove(self, peer: PeerID | str, tag: str) -> None:
        """
        Take a tag away; it does not matter whether the peer had it.
        """
        peer = PeerID.of(peer)
        tags = self._known(peer)
        tags.pop(tag, None)
        if not tags:
            self._absent.pop(peer, None)

    def value(self, peer: PeerID | str) -> float:
        """
        @return: what a peer is worth: the sum of its tags.
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
        Keep a peer's connections, whatever it is worth, until L{unprotect} was
        called for each tag for which this was.
        """
        peer = PeerID.of(peer)
        self._protected.setdefault(peer, set()).add(tag)

    def unprotect(self, peer: PeerID | str, tag: str) -> bool:
        """
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
        @return: whether a peer is protected, for this tag or for any.
        """
        peer = PeerID.of(peer)
        tags = self._protected.get(peer, ())
        return bool(tags) if tag is None else tag in tags

    # Who is connected

    def connected(self, peer: PeerID) -> None:
        """
        A peer has its first connection.
        """
        tags = self._absent.pop(peer, None)
        self._present[peer] = {} if tags is None else tags

    def disconnected(self, peer: PeerID) -> None:
        """
        A peer has lost its last connection.
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
        @return: where the tags of a peer are kept.
        """
        tags = self._present.get(peer)
        if tags is None:
            tags = self._absent.setdefault(peer, {})
            self._bound()
        return tags

    def _bound(self) -> None:
        while len(self._absent) > MAX_ABSENT:
            self._absent.popitem(last=False)
