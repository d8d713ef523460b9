# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses that have failed recently, and for how long each is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID

__all__ = ["AddressBackoff"]

#: Seconds after the first failure, seconds for the square of the number of earlier
#: failures, and the maximum of their sum: as in go-libp2p.
FIRST = 5.0
FACTOR = 1.0
MAXIMUM = 300.0

#: Number of addresses that are kept; the one that failed longest ago goes first.
MAX_REMEMBERED = 10_000


def _key(peer: PeerID | None, address: Multiaddr) -> bytes:
    """
    Return the key of an address of a peer: a hash, as addresses may be long.
    """
    name = b"" if peer is None else peer.toBytes()
    return blake2b(address.toBytes(), key=name, digest_size=16).digest()


class AddressBackoff:
    """
    Counts the failures in a row of each address of each peer.

    After failure number C{n} the address is left alone for 5 + (C{n} - 1)²
    seconds, but no longer than 5 minutes.  If it is not tried for another 5 minutes,
    the count begins again.
    """

    def __init__(
        self, seconds: Callable[[], float], remembered: int = MAX_REMEMBERED
    ) -> None:
        """
        Count from now on.

        @param seconds: returns the time.
        @param remembered: the number of addresses that are kept.
        """
        self._seconds = seconds
        self._remembered = remembered
        # The number of failures in a row, and the time of the next attempt.
        self._failures: dict[bytes, tuple[int, float]] = {}

    def failed(self, peer: PeerID | None, address: Multiaddr) -> None:
        """
        Record that an address did not lead to the peer.
        """
        now = self._seconds()
        key = _key(peer, address)
        count, until = self._failures.pop(key, (0, now))
        if now - until > MAXIMUM:
            count = 0
        wait = min(FIRST + FACTOR * count**2, MAXIMUM)
        self._failures[key] = count + 1, now + wait
        if len(self._failures) > self._remembered:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, peer: PeerID | None, address: Multiaddr) -> None:
        """
        Forget the failures of an address that has led to the peer.
        """
        self._failures.pop(_key(peer, address), None)

    def remaining(self, peer: PeerID | None, address: Multiaddr) -> float:
        """
        Return the seconds for which an address is still left alone.
        """
        if not self._failures:
            return 0.0
        _, until = self._failures.get(_key(peer, address), (0, 0.0))
        remaining = until - self._seconds()
        # A clock that was set back must not keep an address out for hours.
        return remaining if 0 < remaining <= MAXIMUM else 0.0
