# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The links of this machine on which peers are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv6Address,
    IPv6Interface,
    ip_interface,
)

import ifaddr

from twisted_libp2p.address import Multiaddr, Origin, Scope
from twisted_libp2p.address.scope import ipOf

__all__ = ["Adapters", "Link", "findLinks", "onLinks", "placeOf"]

#: Returns the network adapters of this machine.
Adapters = Callable[[], Iterable[ifaddr.Adapter]]


@dataclass(frozen=True, slots=True)
class Link:
    """
    A network interface.

    @ivar name: its name, such as C{eth0}.
    @ivar index: its number in the system, for IPv6.
    @ivar addresses: its IP addresses, each with its network.
    """

    name: str
    index: int
    addresses: tuple[IPv4Interface | IPv6Interface, ...]

    @property
    def loopback(self) -> bool:
        """
        Whether it leads to this machine only.
        """
        return all(each.is_loopback for each in self.addresses)

    @property
    def ipv4(self) -> str | None:
        """
        Its first address of IPv4.
        """
        return next(
            (str(each.ip) for each in self.addresses if each.version == 4), None
        )

    @property
    def ipv6(self) -> bool:
        """
        Whether peers are looked for by IPv6.
        """
        return any(
            each.version == 6 and not each.is_loopback for each in self.addresses
        )

    @property
    def hosts(self) -> tuple[IPv4Address | IPv6Address, ...]:
        """
        Its IP addresses.
        """
        return tuple(each.ip for each in self.addresses)

    def holds(self, ip: IPv4Address | IPv6Address) -> bool:
        """
        Return whether an IP address belongs to a host on this link.
        """
        return any(ip in each.network for each in self.addresses)

    def leading(self, addresses: Iterable[Multiaddr]) -> list[Multiaddr]:
        """
        Select the addresses of this node that lead to it from this link.  TCP comes
        first: python-zeroconf keeps the first one only.
        """
        hosts = self.hosts
        found = [
            each
            for each in addresses
            if not each.relayed and ipOf(each) in hosts and len(each.names) > 1
        ]
        return sorted(found, key=lambda each: _PREFERENCE.get(each.names[1:], 2))


_PREFERENCE = {("tcp",): 0, ("udp", "quic-v1"): 1}


def findLinks(
    adapters: Adapters | None = None, names: Collection[str] = ()
) -> list[Link]:
    """
    Find the links of this machine.

    @param adapters: returns the network adapters; those of this machine by default.
    @param names: the names or IP addresses of the interfaces that are used; all of them
        by default.
    @raise OSError: the adapters cannot be listed, as in some sandboxes.
    """
    try:
        listed = list((adapters or ifaddr.get_adapters)())
    except Exception as problem:
        # ifaddr also fails by an assertion, or by a name of an adapter in no encoding.
        raise OSError(f"the network interfaces cannot be listed: {problem}") from None
    found = []
    for adapter in listed:
        addresses = tuple(
            ip_interface(
                f"{each.ip if isinstance(each.ip, str) else each.ip[0]}"
                f"/{each.network_prefix}"
            )
            for each in adapter.ips
        )
        known = {adapter.nice_name, *(str(each.ip) for each in addresses)}
        if addresses and (not names or not known.isdisjoint(names)):
            found.append(Link(adapter.nice_name, adapter.index or 0, addresses))
    return found


def placeOf(source: IPv4Address | IPv6Address, links: Iterable[Link]) -> Origin:
    """
    Return the place of a source on one of our links: this machine, or another one.
    """
    here = source.is_loopback or any(source in each.hosts for each in links)
    return Origin.HOST if here else Origin.NETWORK


def onLinks(addresses: Iterable[Multiaddr], links: Collection[Link]) -> list[Multiaddr]:
    """
    Select the addresses of hosts on a link.  A link-local address without a zone leads
    nowhere.
    """
    found = []
    for each in addresses:
        ip = ipOf(each)
        if ip is None or each.relayed or Scope.of(each) is Scope.LINK_LOCAL:
            continue
        if any(link.holds(ip) for link in links):
            found.append(each)
    return found
