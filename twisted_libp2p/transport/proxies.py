# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Proxies that are believed when they state the address of their client.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress
from zope.interface import implementer

from twisted_libp2p.interfaces import ITrustedProxies
from twisted_libp2p.limits.subnets import BITS, parseNetwork

__all__ = ["TrustedProxies", "tcpAddress"]


@implementer(ITrustedProxies)
class TrustedProxies:
    """
    The networks of proxies that are believed.
    """

    def __init__(self, networks: str | Iterable[str] = ()) -> None:
        """
        @param networks: IP addresses, and networks such as C{10.0.0.0/8}.
        @raise ConfigurationError: one of them is not a network.
        """
        if isinstance(networks, str):
            networks = (networks,)
        self._networks = [parseNetwork(each) for each in networks]

    def trusts(self, address: IAddress | None) -> bool:
        """
        Return whether an address is that of a proxy that is believed.
        """
        if not self._networks or not isinstance(address, IPv4Address | IPv6Address):
            return False
        host = ip_address(address.host.partition("%")[0])
        version, number = host.version, int(host)
        if version == 6 and number >> 32 == 0xFFFF:
            version, number = 4, number & 0xFFFFFFFF
        return any(
            version == each and number >> (BITS[each] - length) == prefix
            for each, length, prefix in self._networks
        )

    def client(self, peer: IAddress, forwarded: Sequence[str]) -> IAddress:
        """
        Find the client whose request has come through proxies.

        Each proxy appends the address of its own peer, so the last addresses are read
        first, for as long as the proxy that has appended them is believed: a client
        that sends such a header itself gains nothing.

        @param peer: the other end of the transport.
        @param forwarded: the values of the headers C{X-Forwarded-For}, in order.
        """
        addresses = ",".join(forwarded).split(",")
        while addresses and self.trusts(peer):
            stated = _stated(addresses.pop())
            if stated is None:
                break
            peer = stated
        return peer


def _stated(text: str) -> IAddress | None:
    """
    Read an address of C{X-Forwarded-For}, which may have a port.

    @return: None for any other text; some proxies write C{unknown}.
    """
    text = text.strip()
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if "%" in host:
        return None
    try:
        number = int(port or 0)
        found = str(ip_address(host))
    except ValueError:
        return None
    return tcpAddress(found, number) if 0 <= number <= 0xFFFF else None


def tcpAddress(host: str, port: int) -> IAddress:
    """
    Return Twisted's address of an IP address and a TCP port.
    """
    return (IPv6Address if ":" in host else IPv4Address)("TCP", host, port)
