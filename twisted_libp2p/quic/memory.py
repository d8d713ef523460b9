# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The facts about a peer that are kept for its next dial.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from twisted_libp2p.errors import LimitExceeded
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IMetadataBook, QuicEvent

__all__ = [
    "FACTS_LIFE",
    "MAX_PEERS",
    "MAX_TOKEN",
    "NOTE",
    "Facts",
    "PeerMemory",
    "keepEvents",
]

#: The most peers whose facts are in memory; the oldest ones are forgotten.
MAX_PEERS = 1024

#: The most bytes of a token.
MAX_TOKEN = 512

#: Seconds for which facts are kept: listeners take tokens of a day.
FACTS_LIFE = 24 * 3600.0

#: The name of the facts in the metadata book.
NOTE = "quic"

# A peer needs some milliseconds for a handshake, whatever its distance; and a peer that
# has delayed its answers must not delay our next dial for long.
_SHORTEST, _LONGEST = 0.025, 2.0

_ROUND_TRIP = struct.Struct("!d")


class Facts(NamedTuple):
    """
    The facts about a peer.

    @ivar token: the last token (NEW_TOKEN), for one dial; empty if there is none.
    @ivar roundTrip: seconds; None if it was never measured.
    """

    token: bytes = b""
    roundTrip: float | None = None


_UNKNOWN = Facts()


class PeerMemory:
    """
    The tokens and round trips of peers.

    A dial with a token needs no Retry, and one with a round trip sends its first
    packets again at the right time if they are lost.  A token carries no identity, and
    each is used once, so that a listener cannot follow us by it.  With a metadata book
    the facts survive a restart.
    """

    def __init__(self, book: IMetadataBook | None = None) -> None:
        """
        @param book: keeps the facts when a connection has ended; None for none.
        """
        self._book = book
        self._facts: OrderedDict[PeerID, Facts] = OrderedDict()

    def __len__(self) -> int:
        return len(self._facts)

    def keep(self, peer: PeerID, token: bytes) -> None:
        """
        Keep the last token of a peer.
        """
        if 0 < len(token) <= MAX_TOKEN:
            self._set(peer, self._get(peer)._replace(token=token))

    def ended(self, peer: PeerID, roundTrip: float) -> None:
        """
        Keep the round trip of a connection that we have dialed and that has ended, and
        write all facts about the peer into the book.

        @param roundTrip: seconds; 0 if it was not measured.
        """
        facts = self._get(peer)
        if roundTrip > 0:
            facts = facts._replace(roundTrip=roundTrip)
            self._set(peer, facts)
        if self._book is None or facts.roundTrip is None:
            return
        note = _ROUND_TRIP.pack(facts.roundTrip) + facts.token
        try:
            self._book.setMetadata(peer, NOTE, note, ttl=FACTS_LIFE)
        except LimitExceeded:
            # The application has filled the book: it is only a shorter way.
            return

    def recall(self, peer: PeerID | None, expectedTrip: float | None = None) -> Facts:
        """
        Return the facts for a dial, whose token is used up then.

        @param expectedTrip: the round trip of a peer without a measured one, in
            seconds; None if it is not known.
        """
        if peer is None:
            return _UNKNOWN
        facts = self._get(peer)
        if facts.token:
            self._set(peer, facts._replace(token=b""))
        trip = expectedTrip if facts.roundTrip is None else facts.roundTrip
        if trip is None:
            return facts
        return facts._replace(roundTrip=min(max(trip, _SHORTEST), _LONGEST))

    def _get(self, peer: PeerID) -> Facts:
        """
        Return the facts in memory, or those in the book.
        """
        facts = self._facts.get(peer)
        if facts is not None:
            return facts
        note = b"" if self._book is None else self._book.metadata(peer).get(NOTE, b"")
        size = _ROUND_TRIP.size
        if not size <= len(note) <= size + MAX_TOKEN:
            return _UNKNOWN
        (roundTrip,) = _ROUND_TRIP.unpack_from(note)
        return Facts(note[size:], roundTrip if 0 < roundTrip < _LONGEST else None)

    def _set(self, peer: PeerID, facts: Facts) -> None:
        self._facts[peer] = facts
        self._facts.move_to_end(peer)
        if len(self._facts) > MAX_PEERS:
            self._facts.popitem(last=False)


def keepEvents(
    kept: list[tuple[object, ...]], events: Sequence[tuple[object, ...]]
) -> None:
    """
    Keep the events of a connection that has no session yet.  A listener may send any
    number of tokens before that: only the last one is kept.

    @param kept: the events so far; these are added.
    """
    kept += events
    tokens = [each for each in kept if each[0] == QuicEvent.TOKEN]
    if len(tokens) > 1:
        kept[:] = [each for each in kept if each[0] != QuicEvent.TOKEN]
        kept.append(tokens[-1])
