# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contract of the one filter of addresses that peers name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted_libp2p.address import Multiaddr, Origin
    from twisted_libp2p.identity import PeerID

__all__ = ["IAddressFilter"]


class IAddressFilter(Interface):
    """
    The filter of all addresses that peers name: no peer can make a node dial an address
    that the node would not dial by itself.

    A service that learns addresses selects the usable ones before it stores or dials
    them::

        origin = host.addressFilter.origin(connection.remoteAddress)
        usable = host.addressFilter.select(origin, stated, peer)

    A public peer can name no address in a private network, on a link or on this host,
    no address of this node, and no port 0.  A host name is judged by its spelling, and
    by each IP address to which it leads when it is dialed.
    """

    refused: Mapping[str, int] = Attribute(
        "The number of refused addresses by reason: C{place}, C{own} and C{rate}."
    )

    def origin(remote: Multiaddr | None) -> Origin:
        """
        Return the origin of the addresses that a peer names.

        @param remote: the remote address of the connection to the peer.
        """

    def select(
        origin: Origin,
        addresses: Iterable[Multiaddr],
        peer: PeerID | None = None,
        maximum: int = 100,
    ) -> list[Multiaddr]:
        """
        Select the addresses that may be dialed, by this node or by a peer that asks it:
        if this node is the relay of a circuit, others can use it.

        @param origin: the place of the peer that names the addresses.
        @param peer: the peer to which the addresses have to lead; those that end in
            the id of another peer are left out.  None accepts any id.
        @param maximum: maximum number of addresses that are looked at.
        @return: the addresses without a peer id at their end if C{peer} is given,
            each once, in their order; IPv4 addresses that are mapped into IPv6 as IPv4
            addresses.
        """

    def check(origin: Origin, address: Multiaddr) -> None:
        """
        Check one address.

        @param origin: the place of the peer that has named it.
        @raise twisted_libp2p.errors.AddressRefused: it must not be dialed.
        """

    def dialing(origin: Origin, address: Multiaddr) -> None:
        """
        Check an address just before it is dialed, and count the dial: peers cannot
        make a node dial one public host more often than 64 times at once, and once a
        second after that.

        @param origin: the place of the peer that has named it.
        @raise twisted_libp2p.errors.AddressRefused: it must not be dialed, or not now.
        """
