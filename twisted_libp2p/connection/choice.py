# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The choice of a transport for an address.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.address.origin import HOST_NAMES
from twisted_libp2p.connection.dnsaddr import isDNSAddr
from twisted_libp2p.interfaces import AnyTransport, IOpaqueDials

__all__ = ["TransportChoice", "literal"]

_EXAMPLE_4 = Multiaddr("/ip4/192.0.2.1")
_EXAMPLE_6 = Multiaddr("/ip6/2001:db8::1")


class TransportChoice:
    """
    Finds the first transport of a node that dials an address.
    """

    def __init__(self, transports: Sequence[AnyTransport]) -> None:
        """
        Choose among some transports.

        @param transports: the transports, the preferred one first.
        """
        self._transports = transports

    def dials(self, address: Multiaddr, origin: Origin = Origin.OWN) -> bool:
        """
        Check whether an address can be dialed, by a transport or after its name is
        resolved.
        """
        bare = address.withoutPeer()
        return isDNSAddr(bare) or self.find(bare, origin) is not None

    def find(self, bare: Multiaddr, origin: Origin) -> AnyTransport | None:
        """
        Find the transport that dials an address, or the addresses of the named host.

        @param bare: the address, without a peer id.
        @param origin: the place of the peer that has named the address.
        """
        resolved = _example(bare)
        named = resolved is not bare
        for transport in self._transports:
            if transport.canDial(resolved) and not (
                named and IOpaqueDials.providedBy(transport)
            ):
                return transport
        if origin is not Origin.OWN and named:
            # Nobody could judge the address to which the transport connects.
            return None
        return next((each for each in self._transports if each.canDial(bare)), None)

    def resolves(self, address: Multiaddr, transport: AnyTransport) -> bool:
        """
        Check whether the name in an address is resolved here.  It is not if the
        transport dials names alone, or if a proxy resolves them.
        """
        if IOpaqueDials.providedBy(transport):
            return False
        bare = address.withoutPeer()
        resolved = _example(bare)
        return resolved is not bare and transport.canDial(resolved)


def _example(bare: Multiaddr) -> Multiaddr:
    """
    Replace the name of a host by an IP address to which it might be resolved.

    @return: the same object for an address without the name of a host.
    """
    if not bare or bare.names[0] not in HOST_NAMES:
        return bare
    host = _EXAMPLE_6 if bare.names[0] == "dns6" else _EXAMPLE_4
    return host.encapsulate(bare.withoutFirst())


def literal(host: str) -> Multiaddr:
    """
    Write an IP address as a multiaddr.

    @param host: the address, with a zone after C{%} if it has one.
    """
    ip, _, zone = host.partition("%")
    if ":" not in ip:
        return Multiaddr(f"/ip4/{ip}")
    return Multiaddr(f"/ip6zone/{zone}/ip6/{ip}" if zone else f"/ip6/{ip}")
