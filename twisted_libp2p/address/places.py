# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The places at which peers are counted: IP addresses and networks, and the ends of
transports.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

from twisted_libp2p.address.multiaddr import Multiaddr
from twisted_libp2p.address.scope import ipOf

__all__ = ["endOf", "networkOf", "placesOf"]

#: The bits of an address and of a network, by version of IP: a host of IPv6 has as many
#: addresses as it likes in its /64.
_HOST: Final = {4: 32, 6: 64}
_NETWORK: Final = {4: 24, 6: 48}


def placesOf(address: Multiaddr | None) -> tuple[Hashable, ...]:
    """
    Return the IP address and the network in which an address is counted.

    @return: empty for an address without an IP address.
    """
    ip = None if address is None else ipOf(address)
    if ip is None:
        return ()
    bits, number = ip.max_prefixlen, int(ip)
    return tuple(
        (kind, ip.version, number >> (bits - prefix[ip.version]))
        for kind, prefix in (("address", _HOST), ("network", _NETWORK))
    )


def networkOf(address: Multiaddr | None) -> Hashable | None:
    """
    Return the network in which an address is counted: a /24 of IPv4, a /48 of IPv6.

    @return: None for an address without an IP address.
    """
    places = placesOf(address)
    return places[1] if places else None


def endOf(address: Multiaddr) -> Multiaddr | None:
    """
    Return the end of a transport over IP: the IP address and the port of TCP or UDP
    with which an address begins.

    @return: None for an address that does not begin in this way.
    """
    names = address.names
    if len(names) < 2 or names[0] not in ("ip4", "ip6") or names[1] not in _PORTS:
        return None
    if len(names) == 2:
        return address
    layers = address.withoutFirst().withoutFirst().toBytes()
    return Multiaddr.fromBytes(address.toBytes().removesuffix(layers))


_PORTS: Final = ("tcp", "udp")
