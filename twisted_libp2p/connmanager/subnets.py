# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
From which networks inbound connections come, and how many from each.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from twisted_libp2p.address import Multiaddr, ipOf
from twisted_libp2p.errors import ConfigurationError, LimitExceeded

__all__ = [
    "BITS",
    "EXEMPT",
    "SUBNETS",
    "Network",
    "Subnet",
    "SubnetLimit",
    "Subnets",
    "hostOf",
    "parseNetwork",
]

#: The version of a network, the length of its prefix, and the prefix.
Network = tuple[int, int, int]

#: How many bits the addresses of each version have.
BITS = {4: 32, 6: 128}


class SubnetLimit(NamedTuple):
    """
    How many inbound connections may come from one network.

    @ivar version: 4 or 6.
    @ivar prefix: how many bits tell one network from another.
    @ivar connections: how many connections each of them may have, those under
        upgrade included.
    """

    version: int
    prefix: int
    connections: int


#: As go-libp2p: an IPv6 site has many addresses, and a provider many sites.
SUBNETS = (SubnetLimit(4, 32, 8), SubnetLimit(6, 56, 8), SubnetLimit(6, 48, 64))

#: Networks whose connections are not counted.
EXEMPT = ("127.0.0.0/8", "::1/128")


class Subnet(NamedTuple):
    """
    One network that is counted.

    @ivar limit: what holds for it.
    @ivar number: its leading bits.
    """

    limit: SubnetLimit
    number: int

    def __str__(self) -> str:
        bits = BITS[self.limit.version]
        host = self.number << (bits - self.limit.prefix)
        return f"{ip_address(host.to_bytes(bits // 8, 'big'))}/{self.limit.prefix}"


class Subnets:
    """
    Counts the inbound connections of each network.

    @ivar counts: how many there are, of the networks that have any.
    """

    def __init__(self, limits: Iterable[SubnetLimit], exempt: Iterable[str]) -> None:
        """
        @raise ConfigurationError: an exempt network is none.
        """
        self._limits = tuple(limits)
        self._exempt = [parseNetwork(each) for each in exempt]
        self.counts: dict[Subnet, int] = {}

    def of(self, address: Multiaddr | None) -> list[Subnet]:
        """
        @return: the networks in which an address is counted.
        """
        host = None if address is None else hostOf(address)
        if host is None:
            return []
        version, number = host
        bits = BITS[version]
        for exempt, prefix, network in self._exempt:
            if version == exempt and number >> (bits - prefix) == network:
                return []
        return [
            Subnet(limit, number >> (bits - limit.prefix))
            for limit in self._limits
            if limit.version == version
        ]

    def check(self, subnets: Iterable[Subnet]) -> None:
        """
        @raise LimitExceeded: one of these networks has all that it may have.
        """
        for subnet in subnets:
            current = self.counts.get(subnet, 0)
            if current >= subnet.limit.connections:
                raise LimitExceeded(
                    f"inbound connections from {subnet}",
                    subnet.limit.connections,
                    current,
                    "Limits.subnets",
                )

    def enter(self, subnets: Iterable[Subnet]) -> None:
        """
        A connection has come from these networks.
        """
        for subnet in subnets:
            self.counts[subnet] = self.counts.get(subnet, 0) + 1

    def leave(self, subnets: Iterable[Subnet]) -> None:
        """
        It has ended.
        """
        for subnet in subnets:
            left = self.counts[subnet] - 1
            if left:
                self.counts[subnet] = left
            else:
                del self.counts[subnet]


def hostOf(address: Multiaddr) -> tuple[int, int] | None:
    """
    Give the IP address that a multiaddr begins with.

    @return: its version and its number; None if the multiaddr does not begin
        with one, or leads through a relay, whose address that is.
    """
    ip = None if "p2p-circuit" in address.names else ipOf(address)
    return None if ip is None else (ip.version, int(ip))


def parseNetwork(text: str) -> Network:
    """
    Read a network such as C{192.0.2.0/24}, or the address of one host.

    @raise ConfigurationError: it is none.
    """
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no network: {error}") from None
    bits = network.max_prefixlen - network.prefixlen
    return network.version, network.prefixlen, int(network.network_address) >> bits
