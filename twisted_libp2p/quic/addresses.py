# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Addresses of QUIC: a host, a UDP port, and C{/quic-v1}.
"""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress

from twisted_libp2p.address import Multiaddr, unmapped
from twisted_libp2p.address.origin import HOST_NAMES
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.quic.port import zoneName
from twisted_libp2p.wire import varint

__all__ = ["TAIL", "fits", "hostAndPort", "udpAddress"]

#: The protocols after the host.
TAIL = ("udp", "quic-v1")

# The codes of the protocols of an IPv4 address of QUIC, and its bytes before the last.
_IP4, _UDP, _QUIC = 4, varint.encode(273), varint.encode(461)
_IP4_UDP = struct.Struct("!B4sBBH")


def fits(address: Multiaddr) -> bool:
    """
    Check whether an address is one of QUIC.
    """
    names = address.names
    return names == ("ip6zone", "ip6", *TAIL) or (
        len(names) == 3
        and names[0] in ("ip4", "ip6", *HOST_NAMES)
        and names[1:] == TAIL
    )


def hostAndPort(address: Multiaddr) -> tuple[str, int]:
    """
    Return the IP address and the port of an address.

    @raise UnsupportedAddress: it has none.
    """
    address = unmapped(address)
    zone, first, port = None, address, address.value("udp")
    if address.names[:1] == ("ip6zone",):
        zone, first = address.value("ip6zone"), address.withoutFirst()
        if zone is not None and zone.isdecimal():
            # Datagrams from there have its name.
            zone = zoneName(int(zone))
    host = next((each.value for each in first), None)
    if host is None or port is None or not fits(address):
        raise UnsupportedAddress(
            f"{address} is no address of QUIC: /ip4/192.0.2.1/udp/4001/quic-v1 is one"
        )
    try:
        ip_address(host)
    except ValueError:
        raise UnsupportedAddress(
            f"{address} has a name, which has to be resolved before it is dialed"
        ) from None
    return (f"{host}%{zone}" if zone else host), int(port)


def udpAddress(address: IAddress) -> Multiaddr | None:
    """
    Translate a UDP address of Twisted.
    """
    if isinstance(address, IPv4Address) and address.type == "UDP":
        # Every connection needs two of these: so there is no detour over text.
        packed = socket.inet_aton(address.host)
        return Multiaddr.fromBytes(
            _IP4_UDP.pack(_IP4, packed, *_UDP, address.port) + _QUIC
        )
    if isinstance(address, IPv6Address) and address.type == "UDP":
        host, _, zone = address.host.partition("%")
        prefix = f"/ip6zone/{zone}" if zone else ""
        return unmapped(Multiaddr(f"{prefix}/ip6/{host}/udp/{address.port}/quic-v1"))
    return None
