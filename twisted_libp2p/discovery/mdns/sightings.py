# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The peers that have been seen on the local network, without I/O.

Everything on the network is hearsay: anybody may name any peer.  Each source has its
share of the room, so that one that names ten thousand peers drives out only its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.mdns.packet import MAX_KNOWN, Named
from twisted_libp2p.identity import PeerID

__all__ = ["Sightings"]

#: Maximum number of peers.
MAX_PEERS: Final = 256

#: Maximum number of addresses of a peer that one source names.
MAX_ADDRESSES: Final = 16

#: Maximum number of sources that name the same peer; the latest ones count.
MAX_SOURCES: Final = 4

#: Maximum number of seconds for which an answer is valid, whatever it says.
MAX_TTL: Final = 3600


class _Sighting:
    """
    A peer, as one source names it.
    """

    __slots__ = ("addresses", "expires", "name", "ttl")

    def __init__(self, named: Named, now: float) -> None:
        self.name = named.name
        self.addresses = named.addresses[:MAX_ADDRESSES]
        self.ttl = Sightings.lifetime(named.ttl)
        self.expires = now + self.ttl


class Sightings:
    """
    The peers that are there now, by id: rust-libp2p answers under another name each
    time.
    """

    def __init__(self) -> None:
        # The peer that was named longest ago first.
        self._peers: dict[PeerID, dict[str, _Sighting]] = {}

    def __iter__(self) -> Iterator[PeerID]:
        return iter(self._peers)

    def __len__(self) -> int:
        return len(self._peers)

    def addresses(self, peer: PeerID) -> list[Multiaddr]:
        """
        Return the addresses of a peer; none if it is not there.
        """
        sources = self._peers.get(peer, {})
        named = (each for seen in sources.values() for each in seen.addresses)
        return list(dict.fromkeys(named))

    @staticmethod
    def lifetime(ttl: int) -> float:
        """
        Return the seconds for which an answer is valid that says it is for C{ttl}.
        """
        return min(ttl, MAX_TTL)

    def see(self, source: str, named: Named, now: float) -> tuple[bool, PeerID | None]:
        """
        Note that a source names a peer.

        @param source: the IP address of the source.
        @param named: the peer.
        @param now: the time.
        @return: whether the peer, or an address of it, is new; and the peer that had to
            make room, if any.
        """
        before = self.addresses(named.peer)
        displaced = None
        if named.peer not in self._peers and len(self._peers) >= MAX_PEERS:
            displaced = self._makeRoom(source)
        sources = self._peers.pop(named.peer, {})
        sources.pop(source, None)
        sources[source] = _Sighting(named, now)
        if len(sources) > MAX_SOURCES:
            del sources[next(iter(sources))]
        self._peers[named.peer] = sources
        return not set(self.addresses(named.peer)) <= set(before), displaced

    def _makeRoom(self, source: str) -> PeerID:
        """
        Remove the oldest peer of the source that names most peers.
        """
        shares = Counter(next(reversed(each)) for each in self._peers.values())
        shares[source] += 1
        largest = max(shares.values())
        # The share of the newcomer may be the largest, before it has any room.
        oldest = next(
            (
                peer
                for peer, sources in self._peers.items()
                if shares[next(reversed(sources))] == largest
            ),
            next(iter(self._peers)),
        )
        del self._peers[oldest]
        return oldest

    def leave(self, source: str, peer: PeerID) -> bool:
        """
        Note that a source says goodbye for a peer; it cannot for a peer of another
        source.

        @return: whether the peer is gone.
        """
        sources = self._peers.get(peer, {})
        sources.pop(source, None)
        if sources or peer not in self._peers:
            return False
        del self._peers[peer]
        return True

    def expire(self, now: float) -> list[PeerID]:
        """
        Remove the peers that have been silent for too long, and return them.
        """
        for sources in self._peers.values():
            for source in [
                each for each, seen in sources.items() if seen.expires <= now
            ]:
                del sources[source]
        gone = [peer for peer, sources in self._peers.items() if not sources]
        for peer in gone:
            del self._peers[peer]
        return gone

    def due(self) -> float | None:
        """
        Return the time of the next L{expire}; None without a peer.
        """
        return min(
            (
                seen.expires
                for sources in self._peers.values()
                for seen in sources.values()
            ),
            default=None,
        )

    def known(self, now: float) -> list[tuple[bytes, int]]:
        """
        Return the names that need not answer the next question, and for how many
        seconds they are still known: more than half of their time (RFC 6762, section
        7.1).
        """
        found = [
            (seen.name, int(seen.expires - now))
            for sources in self._peers.values()
            for seen in sources.values()
            if seen.expires - now > seen.ttl / 2
        ]
        return found[-MAX_KNOWN:]
