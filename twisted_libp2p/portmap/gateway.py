# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The gateway of this host, found without asking the network.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address, IPv4Interface
from typing import Final

import ifaddr

from twisted_libp2p.address import Scope
from twisted_libp2p.portmap.lease import Gateway

__all__ = ["defaultGateway", "defaultRoutes"]

#: The IPv4 routes of this thread's network, where there is such a file (Linux).
ROUTES: Final = "/proc/thread-self/net/route"

#: The flags of a route that is up and leads to a gateway.
_UP_GATEWAY: Final = 0x3


def defaultGateway(
    routes: str = ROUTES,
    adapters: Callable[[], Iterable[ifaddr.Adapter]] = ifaddr.get_adapters,
) -> Gateway | None:
    """
    Find the gateway of the default route.

    Where the system does not show its routes in a file, it is taken for the first
    address of the first private network of this host, as most routers have it.

    @param routes: the path of the table of routes.
    @param adapters: returns the network adapters.
    @return: None if there is none.
    @raise OSError: the network adapters cannot be listed.
    """
    own = list(_interfaces(adapters()))
    try:
        with open(routes) as file:
            gateways = list(defaultRoutes(file.read()))
    except OSError:
        gateways = [
            each.network.network_address + 1
            for each in own
            if Scope.ofHost(each.ip.packed) is Scope.PRIVATE
            and each.network.prefixlen < 31
        ]
    for gateway in gateways:
        for each in own:
            if gateway in each.network and gateway != each.ip:
                return Gateway(gateway, each.ip)
    return None


def defaultRoutes(table: str) -> Iterator[IPv4Address]:
    """
    Read the gateways of the default routes, the preferred one first.

    @param table: the text of C{/proc/net/route}.
    """
    found = []
    for line in table.splitlines()[1:]:
        with suppress(ValueError, IndexError):
            _, destination, gateway, flags, _, _, metric, mask = line.split()[:8]
            if (
                int(destination, 16) == int(mask, 16) == 0
                and int(flags, 16) & _UP_GATEWAY == _UP_GATEWAY
            ):
                packed = int(gateway, 16).to_bytes(4, sys.byteorder)
                found.append((int(metric), IPv4Address(packed)))
    for _, address in sorted(found, key=lambda each: each[0]):
        yield address


def _interfaces(adapters: Iterable[ifaddr.Adapter]) -> Iterator[IPv4Interface]:
    """
    Return the IPv4 addresses of this host, each with its network.
    """
    for adapter in adapters:
        for each in adapter.ips:
            if isinstance(each.ip, str):
                interface = IPv4Interface(f"{each.ip}/{each.network_prefix}")
                if not interface.ip.is_loopback:
                    yield interface
