# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How far an address reaches, and which addresses a wildcard stands for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address

import ifaddr

from twisted_libp2p.address.multiaddr import Multiaddr

__all__ = ["Scope", "interfaceAddresses", "ipOf", "isWildcard"]


class Scope(Enum):
    """
    From where an address can be reached.
    """

    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    PRIVATE = "private"
    PUBLIC = "public"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, address: Multiaddr) -> Scope:
        """
        The scope of an address.

        For an address by way of a relay this is the scope of the relay.

        @return: L{UNKNOWN} for what is not the IP address of one host: names,
            wildcards, multicast, anything that does not begin with IP.
        """
        ip = ipOf(address)
        if ip is None or ip.is_unspecified or ip.is_multicast:
            return cls.UNKNOWN
        if ip.is_loopback:
            return cls.LOOPBACK
        if ip.is_link_local:
            return cls.LINK_LOCAL
        return cls.PUBLIC if ip.is_global else cls.PRIVATE


def ipOf(address: Multiaddr) -> IPv4Address | IPv6Address | None:
    """
    Give the IP address that a multiaddr begins with.

    @return: for one of IPv6 that stands for one of IPv4, the latter; None if
        the multiaddr does not begin with any.
    """
    for component in address:
        if component.name in ("ip4", "ip6"):
            ip = ip_address(component.data)
            mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
            return mapped or ip
        if component.name != "ip6zone":
            break
    return None


def isWildcard(address: Multiaddr) -> bool:
    """
    Tell whether an address begins with C{/ip4/0.0.0.0} or C{/ip6/::}, which
    stand for all addresses of this host.
    """
    return any(
        component.name in ("ip4", "ip6") and not any(component.data)
        for component in itertools.islice(address, 1)
    )


def interfaceAddresses(
    address: Multiaddr,
    adapters: Callable[[], Iterable[ifaddr.Adapter]] = ifaddr.get_adapters,
) -> list[Multiaddr]:
    """
    Replace a wildcard by the addresses of this host.

    Link-local IPv6 addresses are left out: they mean nothing without a zone,
    and zones have other names on other hosts.

    @param address: C{/ip4/0.0.0.0/...} or C{/ip6/::/...}; any other is given
        back as the only one.
    @param adapters: gives the network adapters of this host.
    @return: in the order of the adapters, each once.
    """
    if not isWildcard(address):
        return [address]
    wildcard, *_ = address
    rest = str(address).removeprefix(f"/{wildcard.name}/{wildcard.value}")
    found: dict[Multiaddr, None] = {}
    for adapter in adapters():
        for each in adapter.ips:
            # The text of an IPv4 address, or a tuple that begins with that of
            # an IPv6 address.
            ip = ip_address(each.ip if isinstance(each.ip, str) else each.ip[0])
            if wildcard.name != f"ip{ip.version}" or (
                ip.version == 6 and ip.is_link_local
            ):
                continue
            found[Multiaddr(f"/{wildcard.name}/{ip}{rest}")] = None
    return list(found)
