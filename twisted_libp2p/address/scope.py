# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The scopes of addresses, and the addresses for which a wildcard stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)

import ifaddr

from twisted_libp2p.address.multiaddr import Multiaddr

__all__ = [
    "Scope",
    "hostOfText",
    "interfaceAddresses",
    "ipOf",
    "ipsOfHost",
    "isWildcard",
    "unmapped",
]

# The first bytes of an IPv6 address that stands for an IPv4 address (RFC 4291, section
# 2.5.5.2).
_MAPPED = bytes(10) + b"\xff\xff"


class Scope(Enum):
    """
    The places from which an address can be reached.
    """

    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"
    PRIVATE = "private"
    PUBLIC = "public"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, address: Multiaddr) -> Scope:
        """
        Return the scope of an address.

        The scope of an address through a relay is that of the relay.  An IPv6 address
        that stands for an IPv4 address, because it is mapped, or translated or
        tunnelled on the way, has the scope of the nearer of the two.

        @return: L{UNKNOWN} if this is not the IP address of one host: for names,
            wildcards, multicast, and all addresses that do not begin with IP.
        """
        host = address.host
        return cls.UNKNOWN if host is None else _scopeOf(host)

    @classmethod
    def ofHost(cls, host: bytes) -> Scope:
        """
        Return the scope of the 4 or 16 bytes of an IP address.
        """
        return _scopeOf(host)


def ipOf(address: Multiaddr) -> IPv4Address | IPv6Address | None:
    """
    Return the IP address with which a multiaddr begins.

    @return: the IPv4 address if it is mapped into IPv6; None if the multiaddr does not
        begin with an IP address.
    """
    host = address.host
    return None if host is None else _ipOf(host)


def hostOfText(text: str) -> bytes:
    """
    Return the bytes of an IP address in text; those of the IPv4 address if it is mapped
    into IPv6.

    @raise ValueError: the text is not an IP address.
    """
    return _ipOf(ip_address(text).packed).packed


def unmapped(address: Multiaddr) -> Multiaddr:
    """
    Return an IPv4 address that is mapped into IPv6 as an IPv4 address.

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


# The same hosts come again and again, and the module ipaddress is slow.


@lru_cache(1024)
def _ipOf(host: bytes) -> IPv4Address | IPv6Address:
    ip = ip_address(host)
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


@lru_cache(1024)
def _scopeOf(host: bytes) -> Scope:
    return max(map(_scopeOfIP, ipsOfHost(host)), key=_NEARNESS.__getitem__)


def _scopeOfIP(ip: IPv4Address | IPv6Address) -> Scope:
    """
    Return the scope of an IP address itself, ignoring addresses inside it.
    """
    if ip.is_unspecified or ip.is_multicast or any(ip in each for each in _NO_HOSTS):
        return Scope.UNKNOWN
    if ip.is_loopback:
        return Scope.LOOPBACK
    if ip.is_link_local:
        return Scope.LINK_LOCAL
    if ip.version == 6 and ip not in _GLOBAL_UNICAST:
        # NAT64 translates to an address that is judged as well.
        return Scope.PUBLIC if ip in _NAT64 else Scope.PRIVATE
    # Python's verdict on 6to4 depends on its version; the IPv4 address inside decides.
    return Scope.PUBLIC if ip.is_global or ip in _6TO4 else Scope.PRIVATE


# From the farthest to the nearest; an address without a host is worst.
_NEARNESS = {
    Scope.PUBLIC: 0,
    Scope.PRIVATE: 1,
    Scope.LINK_LOCAL: 2,
    Scope.LOOPBACK: 3,
    Scope.UNKNOWN: 4,
}

# "This network", whose first address leads to loopback; and broadcast.  Other reserved
# addresses are in use inside of some clouds.
_NO_HOSTS = (IPv4Network("0.0.0.0/8"), IPv4Network("255.255.255.255/32"))

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")


@lru_cache(1024)
def ipsOfHost(host: bytes) -> tuple[IPv4Address | IPv6Address, ...]:
    """
    Return an IP address, and the IPv4 addresses to which packets for it may be
    translated, or through which they are tunnelled.

    @param host: its 4 or 16 bytes.
    """
    ip = _ipOf(host)
    if ip.version == 4:
        return (ip,)
    inner = dict.fromkeys(IPv4Address(each) for each in _embedded(host))
    return (ip, *inner)


def _embedded(host: bytes) -> Iterator[bytes]:
    """
    Find the IPv4 addresses inside an IPv6 address.
    """
    last = host[12:]
    if host[:12] in _TRANSLATED and int.from_bytes(host, "big") > 1:
        yield last
    if host.startswith(_LOCAL_NAT64):
        yield last
    if host[:2] == b"\x20\x02":
        # 6to4 (RFC 3056).
        yield host[2:6]
    if host[:4] == b"\x20\x01\0\0":
        # Teredo (RFC 4380): the server, and the client with its bits inverted.
        yield host[4:8]
        yield bytes(each ^ 0xFF for each in last)
    if host[8:12] in (b"\0\0\x5e\xfe", b"\x02\0\x5e\xfe"):
        # ISATAP (RFC 5214).
        yield last


# IPv4-compatible (RFC 4291, 2.5.5.1), IPv4-translated (RFC 2765), NAT64 (RFC 6052).
_TRANSLATED = (
    bytes(12),
    bytes(8) + b"\xff\xff\0\0",
    b"\0\x64\xff\x9b" + bytes(8),
)

# NAT64 with a prefix of a site (RFC 8215).
_LOCAL_NAT64 = b"\0\x64\xff\x9b\0\x01"


def isWildcard(address: Multiaddr) -> bool:
    """
    Check whether an address begins with C{/ip4/0.0.0.0} or C{/ip6/::}, which
    stand for all addresses of this host.
    """
    host = address.host
    return host is not None and not any(host) and address.first != "ip6zone"


def interfaceAddresses(
    address: Multiaddr,
    adapters: Callable[[], Iterable[ifaddr.Adapter]] | None = None,
) -> list[Multiaddr]:
    """
    Replace a wildcard by the addresses of this host.

    Link-local IPv6 addresses are left out: they mean nothing without a zone,
    and zones have other names on other hosts.

    @param address: C{/ip4/0.0.0.0/...} or C{/ip6/::/...}; any other address is returned
        unchanged.
    @param adapters: returns the network adapters; those of this host by default.
    @return: the addresses in the order of the adapters, each once.
    @raise OSError: the adapters cannot be listed, as in some sandboxes.
    """
    if not isWildcard(address):
        return [address]
    wildcard, *_ = address
    rest = str(address).removeprefix(f"/{wildcard.name}/{wildcard.value}")
    found: dict[Multiaddr, None] = {}
    try:
        listed = list((adapters or ifaddr.get_adapters)())
    except Exception as problem:
        # ifaddr also fails by an assertion, or by a name of an adapter in no encoding.
        raise OSError(f"the network interfaces cannot be listed: {problem}") from None
    for adapter in listed:
        for each in adapter.ips:
            # The text of an IPv4 address, or a tuple that begins with the text of an
            # IPv6 address.
            ip = ip_address(each.ip if isinstance(each.ip, str) else each.ip[0])
            if wildcard.name != f"ip{ip.version}" or (
                ip.version == 6 and ip.is_link_local
            ):
                continue
            found[Multiaddr(f"/{wildcard.name}/{ip}{rest}")] = None
    return list(found)
