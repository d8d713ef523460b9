# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A way to reach peers: multiaddrs become Twisted endpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.interfaces import (
        IAddress,
        IListeningPort,
        IStreamClientEndpoint,
        IStreamServerEndpoint,
    )

    from twisted_libp2p.address import Multiaddr

__all__ = ["ITransport"]


class ITransport(Interface):
    """
    A way to reach peers: turns multiaddrs into Twisted endpoints.

    The addresses given to a transport never end in C{/p2p/...}.

    The dialer resolves the names of hosts, C{/dns}, C{/dns4} and C{/dns6}, and gives
    the IP addresses to a transport that dials these: so that what was judged is what
    is dialed.  Only a transport that dials names alone gets names.
    """

    name: str = Attribute("A short name for events and logs, such as C{tcp}.")

    def canDial(address: Multiaddr) -> bool:
        """
        Tell whether L{clientEndpoint} takes this address.
        """

    def canListen(address: Multiaddr) -> bool:
        """
        Tell whether L{serverEndpoint} takes this address.
        """

    def clientEndpoint(address: Multiaddr) -> IStreamClientEndpoint:
        """
        @return: an endpoint that connects to the address.
        """

    def serverEndpoint(address: Multiaddr) -> IStreamServerEndpoint:
        """
        @return: an endpoint that listens on the address.
        """

    def listeningOn(address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        @param address: what was asked for, with port 0 or a wildcard maybe.
        @param port: what the endpoint's C{listen} gave.
        @return: the real addresses on which peers reach the port.
        """

    def toMultiaddr(address: IAddress) -> Multiaddr | None:
        """
        @param address: C{getPeer()} or C{getHost()} of a connection.
        @return: the same as a multiaddr; None where it has no such form.
        """
