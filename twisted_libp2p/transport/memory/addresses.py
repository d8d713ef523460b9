# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses of a network in memory, such as C{/memory/7}.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IAddress, IListeningPort
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import UnsupportedAddress

__all__ = ["MemoryAddress", "MemoryAddressing"]


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class MemoryAddress:
    """
    One end of a connection in memory.

    @ivar number: the number of the listener, or of the dialer's end.
    """

    number: int

    @classmethod
    def of(cls, address: Multiaddr) -> MemoryAddress:
        """
        Read a multiaddr.

        @raise UnsupportedAddress: it is not an address of memory.
        """
        if address.names != ("memory",):
            raise UnsupportedAddress(
                f"{address} is no address of memory: /memory/7 is one"
            )
        return cls(int(address.value("memory") or 0))


class MemoryAddressing:
    """
    The methods about addresses of a transport in memory.
    """

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether the address is one of memory, and no more.
        """
        return address.names == ("memory",)

    canListen = canDial

    def listeningOn(self, address: Multiaddr, port: IListeningPort) -> list[Multiaddr]:
        """
        Return the address of a listener.
        """
        host = self.toMultiaddr(port.getHost())
        return [] if host is None else [host]

    def toMultiaddr(self, address: IAddress) -> Multiaddr | None:
        """
        Translate an address of memory.
        """
        if isinstance(address, MemoryAddress):
            return Multiaddr(f"/memory/{address.number}")
        return None
