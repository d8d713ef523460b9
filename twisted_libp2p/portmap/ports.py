# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ports that are to be mapped, and the public addresses of these mappings.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.portmap.lease import Gateway, IPProtocol, Lease, Port

__all__ = ["MAX_PORTS", "publicAddresses", "wantedPorts"]

#: Maximum number of ports that are mapped; of more, the first ones are.
MAX_PORTS: Final = 16

_PROTOCOLS: Final = {each.name.lower(): each for each in IPProtocol}


def _split(address: Multiaddr) -> tuple[IPv4Address, Port, Multiaddr] | None:
    """
    Split an address into its host, its port, and the rest.

    @return: None if it does not begin with IPv4 and a port of TCP or UDP.
    """
    names = address.names
    if len(names) < 2 or names[0] != "ip4" or names[1] not in _PROTOCOLS:
        return None
    host, port = address.value("ip4"), address.value(names[1])
    assert host is not None and port is not None
    rest = address.withoutFirst().withoutFirst()
    return IPv4Address(host), Port(_PROTOCOLS[names[1]], int(port)), rest


def wantedPorts(addresses: Iterable[Multiaddr], gateway: Gateway) -> list[Port]:
    """
    Return the ports of addresses of ours in the network of the gateway, each once.

    @param addresses: the addresses to which the listeners are bound.
    """
    found: dict[Port, None] = {}
    for each in addresses:
        parts = _split(each)
        if parts is not None and parts[0] == gateway.local and parts[1].number:
            found[parts[1]] = None
    return list(found)[:MAX_PORTS]


def publicAddresses(
    addresses: Iterable[Multiaddr], gateway: Gateway, port: Port, lease: Lease
) -> list[Multiaddr]:
    """
    Return the public addresses to which a mapping leads.

    @param addresses: the addresses to which the listeners are bound.
    """
    public = Multiaddr(
        f"/ip4/{lease.address}/{port.protocol.name.lower()}/{lease.port}"
    )
    found: dict[Multiaddr, None] = {}
    for each in addresses:
        parts = _split(each)
        if parts is not None and parts[:2] == (gateway.local, port):
            found[public.encapsulate(parts[2]) if parts[2] else public] = None
    return list(found)
