# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Handshakes under way of peers that have dialed us: how many from each network, and in
all.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from ipaddress import ip_address

__all__ = [
    "MAX_HALF_OPEN",
    "MAX_OF_NETWORK",
    "RETRY_MARK",
    "Answer",
    "HalfOpen",
    "networkOf",
]

#: Above this number of handshakes under way, peers have to prove their addresses.
RETRY_MARK = 64

#: The most handshakes under way of one network: a /24 of IPv4, a /56 of IPv6.
MAX_OF_NETWORK = 64

#: The most handshakes under way in all.
MAX_HALF_OPEN = 512

_PREFIX = {4: 24, 6: 56}
_BITS = {4: 32, 6: 128}


class Answer(Enum):
    """
    What becomes of a knock.
    """

    ACCEPT = 1
    RETRY = 2
    REFUSE = 3
    IGNORE = 4


@lru_cache(MAX_HALF_OPEN)
def networkOf(host: str) -> tuple[int, int]:
    """
    Return the network of an IP address: its version and prefix.
    """
    ip = ip_address(host.partition("%")[0])
    return ip.version, int(ip) >> (_BITS[ip.version] - _PREFIX[ip.version])


class HalfOpen:
    """
    The handshakes under way of one socket.

    A peer that forges addresses causes Retry packets, which cost no memory; after them
    every address is real, and the bounds of its network apply.
    """

    def __init__(self) -> None:
        self.total = 0
        self._networks: dict[tuple[int, int], int] = {}

    def answer(self, host: str, validated: bool, retryable: bool) -> Answer:
        """
        Decide about a peer.

        @param validated: whether it has proven its address.
        @param retryable: whether it can be asked to.
        """
        if not validated and self.total >= RETRY_MARK:
            return Answer.RETRY if retryable else Answer.IGNORE
        if self.total >= MAX_HALF_OPEN:
            return Answer.REFUSE
        if self._networks.get(networkOf(host), 0) >= MAX_OF_NETWORK:
            return Answer.REFUSE if validated else Answer.RETRY
        return Answer.ACCEPT

    def began(self, host: str) -> None:
        """
        Count a handshake.
        """
        network = networkOf(host)
        self.total += 1
        self._networks[network] = self._networks.get(network, 0) + 1

    def ended(self, host: str) -> None:
        """
        Count it no longer.
        """
        network = networkOf(host)
        self.total -= 1
        left = self._networks[network] - 1
        if left:
            self._networks[network] = left
        else:
            del self._networks[network]
