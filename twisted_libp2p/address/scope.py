# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How far an address reaches, and which addresses a wildcard stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

import ifaddr

from twisted_libp2p.address.multiaddr import Multiaddr

__all__ = ["Scope", "interfaceAddresses", "ipOf", "isWildcard", "unmapped"]

# The first bytes of an IPv6 address that stands for one of IPv4 (RFC 4291, section
# 2.5.5.2).
_MAPPED = bytes(10) + b"\xff\xff"


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
        host = address.host
        return cls.UNKNOWN if host is None else _scopeOf(host)


def ipOf(address: Multiaddr) -> IPv4Address | IPv6Address | None:
    """
    Give the IP address that a multiaddr begins with.

    @return: for one of IPv6 that stands for one of IPv4, the latter; None if
        the multiaddr does not begin with any.
    """
    host = address.host
    return None if host is None else _ipOf(host)


def unmapped(address: Multiaddr) -> Multiaddr:
    """
    Write an IPv4 address that is mapped into IPv6 as what it is.

    @return: C{/ip4/192.0.2.1/...} for C{/ip6/::ffff:192.0.2.1/...}, with a zone
        or without; any other address unchanged.
    """
    host = address.host
    if host is None or len(host) != 16 or not host.startswith(_MAPPED):
        return address
    rest = address
    for component in address:
        rest = rest.withoutFirst()
        if component.name == "ip6":
            break
    return Multiaddr(f"/ip4/{_ipOf(host)}").encapsulate(rest)


# Hosts come again, and the module ipaddress takes its time.


@lru_cache(1024)
def _ipOf(host: bytes) -> IPv4Address | IPv6Address:
    ip = ip_address(host)
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


@lru_cache(1024)
def _scopeOf(host: bytes) -> Scope:
    ip = _ipOf(host)
    if ip.is_unspecified or ip.is_multicast:
        return Scope.UNKNOWN
    if ip.is_loopback:
        return Scope.LOOPBACK
    if ip.is_link_local:
        return Scope.LINK_LOCAL
    return Scope.PUBLIC if ip.is_global else Scope.PRIVATE


def isWildcard(address: Multiaddr) -> bool:
    """
    Tell whether an address begins with C{/ip4/0.0.0.0} or C{/ip6/::}, which
    stand for all addresses of this host.
    """
    host = address.host
    return host is not None and not any(host) and address.names[0] != "ip6zone"


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
