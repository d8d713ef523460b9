# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The networks from which inbound connections come: how many from each, and how fast.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from twisted_libp2p.address import Multiaddr, ipOf
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import Direction, Resource, ScopeKind
from twisted_libp2p.limits.scopefull import ScopeFull
from twisted_libp2p.pacing.allowance import Allowance

__all__ = [
    "BITS",
    "EXEMPT",
    "MAX_REMEMBERED",
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
    The limit on inbound connections from one network.

    @ivar version: 4 or 6.
    @ivar prefix: number of leading bits that distinguish networks.
    @ivar connections: number of connections that each network may have, those under
        upgrade included.
    @ivar burst: number of connections that may come at once, whether they last or
        not; None for any number.
    @ivar interval: seconds after which one more may come.
    @ivar streams: number of inbound streams that these connections may have together.
    @ivar memory: bytes by which their windows may exceed their initial size.
    """

    version: int
    prefix: int
    connections: int
    burst: int | None = None
    interval: float = 5.0
    streams: int = sys.maxsize
    memory: int = sys.maxsize

    @property
    def site(self) -> bool:
        """
        Whether such a network is more than the address of one user.
        """
        return self.prefix < (32 if self.version == 4 else 56)


#: As go-libp2p: an IPv6 site has many addresses, and a provider many sites.
SUBNETS = (
    SubnetLimit(4, 32, 8, 16, 5.0),
    SubnetLimit(6, 56, 8, 16, 5.0),
    SubnetLimit(6, 48, 64, 80, 2.0),
)

#: Networks whose connections are not counted.
EXEMPT = ("127.0.0.0/8", "::1/128")

#: Number of networks whose recent connections are counted.
MAX_REMEMBERED = 10_000


class Subnet(NamedTuple):
    """
    One network that is counted.

    @ivar limit: the limit for networks of this size.
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

    @ivar counts: number of connections, of each network that has any.
    @ivar streams: number of their inbound streams, of each network that has any.
    @ivar memory: bytes by which their windows exceed the initial size, of each
        network that has any.
    """

    def __init__(
        self,
        limits: Iterable[SubnetLimit],
        exempt: Iterable[str],
        now: Callable[[], float],
    ) -> None:
        """
        Begin without any connection.

        @param now: returns the time in seconds.
        @raise ConfigurationError: an exempt network is invalid, or a limit lets no
            connection in.
        """
        self._limits = tuple(limits)
        for limit in self._limits:
            if limit.burst is not None and (limit.burst < 1 or limit.interval <= 0):
                raise ConfigurationError(
                    f"{limit.burst} at once and one in {limit.interval} s let nobody"
                    f" in from a /{limit.prefix}: at least 1, and more than 0 s"
                )
        self._now = now
        # The networks of recent connections, the latest at the end.
        self._allowances: OrderedDict[Subnet, Allowance] = OrderedDict()
        self._exempt = [parseNetwork(each) for each in exempt]
        self.counts: dict[Subnet, int] = {}
        self.streams: dict[Subnet, int] = {}
        self.memory: dict[Subnet, int] = {}

    def of(self, address: Multiaddr | None) -> list[Subnet]:
        """
        Return the networks in which an address is counted.
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
        Check that one more connection may come from these networks.

        @raise LimitExceeded: one of them has as many as it may have, or too many have
            come from it lately.
        """
        now = self._now()
        for subnet in subnets:
            current = self.counts.get(subnet, 0)
            if current >= subnet.limit.connections:
                raise _full(
                    Resource.CONNECTIONS,
                    f"inbound connections from {subnet}",
                    subnet.limit.connections,
                    current,
                )
            allowance = self._allowances.get(subnet)
            if allowance is not None and allowance.left(now) < 1.0:
                raise _full(
                    Resource.CONNECTIONS,
                    f"recent inbound connections from {subnet}",
                    allowance.burst,
                    allowance.burst,
                )

    def enter(self, subnets: Iterable[Subnet]) -> None:
        """
        Count a connection that has come from these networks.
        """
        now = self._now()
        for subnet in subnets:
            self.counts[subnet] = self.counts.get(subnet, 0) + 1
            self._came(subnet, now)

    def _came(self, subnet: Subnet, now: float) -> None:
        """
        Count a recent connection, and drop the counts of networks from which none
        has come for long.
        """
        limit, allowances = subnet.limit, self._allowances
        if limit.burst is None:
            return
        allowance = allowances.pop(subnet, None)
        if allowance is None:
            allowance = Allowance(limit.burst, limit.interval, now)
        allowance.take(now)
        allowances[subnet] = allowance
        while len(allowances) > MAX_REMEMBERED or (
            next(iter(allowances.values())).whole(now)
        ):
            allowances.popitem(last=False)

    def leave(self, subnets: Iterable[Subnet]) -> None:
        """
        Count a connection that has ended.
        """
        for subnet in subnets:
            left = self.counts[subnet] - 1
            if left:
                self.counts[subnet] = left
            else:
                del self.counts[subnet]

    # Streams and memory of the connections.  Most connections have none most of the
    # time, and take no entry.

    def openStream(self, subnets: Iterable[Subnet]) -> ScopeFull | None:
        """
        Count one more inbound stream.

        @return: the error of the first of these networks that has as many as it may
            have, and then none counts the stream; None if all have counted it.
        """
        streams = self.streams
        counted: list[Subnet] = []
        for subnet in subnets:
            current = streams.get(subnet, 0)
            if current >= subnet.limit.streams:
                self.closeStream(counted)
                return _full(
                    Resource.STREAMS,
                    f"inbound streams from {subnet}",
                    subnet.limit.streams,
                    current,
                )
            streams[subnet] = current + 1
            counted.append(subnet)
        return None

    def closeStream(self, subnets: Iterable[Subnet]) -> None:
        """
        Count one inbound stream less.
        """
        streams = self.streams
        for subnet in subnets:
            left = streams[subnet] - 1
            if left:
                streams[subnet] = left
            else:
                del streams[subnet]

    def room(self, subnets: Iterable[Subnet]) -> int:
        """
        Return the number of bytes by which the windows may grow.
        """
        return min(
            (each.limit.memory - self.memory.get(each, 0) for each in subnets),
            default=sys.maxsize,
        )

    def hold(self, subnets: Iterable[Subnet], size: int) -> None:
        """
        Count bytes by which windows have grown, or shrunk.
        """
        for subnet in subnets:
            _add(self.memory, subnet, size)


def _full(resource: Resource, what: str, limit: int, current: int) -> ScopeFull:
    """
    Make the error for a network that has as much as it may have.
    """
    return ScopeFull(
        what,
        limit,
        current,
        "Limits.subnets",
        kind=ScopeKind.SUBNET,
        resource=resource,
        direction=Direction.INBOUND,
    )


def _add(counts: dict[Subnet, int], subnet: Subnet, amount: int) -> None:
    """
    Change a count; a count of zero is not kept.
    """
    count = counts.get(subnet, 0) + amount
    if count:
        counts[subnet] = count
    else:
        counts.pop(subnet, None)


def hostOf(address: Multiaddr) -> tuple[int, int] | None:
    """
    Return the IP address that a multiaddr begins with.

    @return: its version and its number; None if the multiaddr does not begin
        with one, or leads through a relay, whose address it is then.
    """
    ip = None if address.relayed else ipOf(address)
    return None if ip is None else (ip.version, int(ip))


def networkText(version: int, length: int, prefix: int) -> str:
    """
    Return a network as text.
    """
    kind = IPv4Network if version == 4 else IPv6Network
    return str(kind((prefix << (BITS[version] - length), length)))


def _noNetwork(text: str) -> str:
    """
    Return why a text is no network, and the network that may be meant.
    """
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is no network, as 10.0.0.0/8 is"
    return f"{text!r} is an address in a network: the network is {meant}"


def parseNetwork(text: str) -> Network:
    """
    Read a network such as C{192.0.2.0/24}, or the address of one host.  A network
    of IPv4 addresses that are mapped into IPv6 is one of IPv4.

    @raise ConfigurationError: the text is not a network.
    """
    try:
        network = ip_network(text)
    except ValueError:
        raise ConfigurationError(_noNetwork(text)) from None
    bits = network.max_prefixlen - network.prefixlen
    number = int(network.network_address)
    if network.version == 6 and network.prefixlen >= 96 and number >> 32 == 0xFFFF:
        return 4, network.prefixlen - 96, (number & 0xFFFFFFFF) >> bits
    return network.version, network.prefixlen, number >> bits
