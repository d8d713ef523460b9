# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Which addresses have failed lately, and had better be left alone for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID

__all__ = ["AddressBackoff"]

#: Seconds after the first failure, seconds for the square of the number of
#: those before, and the most of both together: as in go-libp2p.
FIRST = 5.0
FACTOR = 1.0
MOST = 300.0

#: How many addresses are remembered; the one that failed longest ago goes first.
MAX_REMEMBERED = 10_000


def _key(peer: PeerID | None, address: Multiaddr) -> bytes:
    """
    Make what stands for an address of a peer: a hash, as addresses may be long.
    """
    name = b"" if peer is None else peer.toBytes()
    return blake2b(address.toBytes(), key=name, digest_size=16).digest()


class AddressBackoff:
    """
    Counts the failures in a row of each address of each peer.

    After the C{n}th of them the address is to be left alone for 5 + (C{n} - 1)²
    seconds, but no longer than 5 minutes.  If it was not tried for as long
    again the count begins anew.
    """

    def __init__(
        self, seconds: Callable[[], float], remembered: int = MAX_REMEMBERED
    ) -> None:
        """
        @param seconds: tells the time.
        @param remembered: how many addresses are remembered.
        """
        self._seconds = seconds
        self._remembered = remembered
        # How often each has failed in a row, and when it may be tried again.
        self._failures: dict[bytes, tuple[int, float]] = {}

    def failed(self, peer: PeerID | None, address: Multiaddr) -> None:
        """
        The address did not lead to the peer.
        """
        now = self._seconds()
        key = _key(peer, address)
        count, until = self._failures.pop(key, (0, now))
        if now - until > MOST:
            count = 0
        wait = min(FIRST + FACTOR * count**2, MOST)
        self._failures[key] = count + 1, now + wait
        if len(self._failures) > self._remembered:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, peer: PeerID | None, address: Multiaddr) -> None:
        """
        The address led to the peer: all is forgotten.
        """
        self._failures.pop(_key(peer, address), None)

    def remaining(self, peer: PeerID | None, address: Multiaddr) -> float:
        """
        @return: seconds for which the address is still to be left alone.
        """
        if not self._failures:
            return 0.0
        _, until = self._failures.get(_key(peer, address), (0, 0.0))
        remaining = until - self._seconds()
        # A clock that was set back must not keep an address out for hours.
        return remaining if 0 < remaining <= MOST else 0.0
