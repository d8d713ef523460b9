# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The scope of a DHT: the peers and addresses that belong to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.errors import ConfigurationError

__all__ = ["AMINO", "DHTScope"]

#: The prefix of the public network of IPFS.
AMINO: Final = "/ipfs"


class DHTScope(Enum):
    """
    The places whose peers belong to a DHT.
    """

    #: The internet: private addresses are neither learnt nor given away.
    PUBLIC = "public"
    #: The internet and our private networks, without this host.
    PRIVATE = "private"
    #: All places.  As in the other scopes, a peer of the internet can name only public
    #: addresses, and is given no other.
    ALL = "all"

    @classmethod
    def of(cls, scope: DHTScope | str) -> DHTScope:
        """
        Return a scope, which may be given by its name.

        @raise ConfigurationError: the name is unknown.
        """
        try:
            return cls(scope)
        except ValueError:
            raise ConfigurationError(
                f"{scope!r} is not a scope of a DHT: public, private or all"
            ) from None

    @property
    def origin(self) -> Origin:
        """
        The nearest place of the peers that may name addresses.
        """
        return _ORIGINS[self]

    def origins(self, remote: Multiaddr | None) -> Origin:
        """
        Return the origin by which to judge the addresses that a peer names.

        @param remote: the address from which it is connected.
        """
        return min(self.origin, Origin.of(remote))

    def holds(self, addresses: Iterable[Multiaddr]) -> bool:
        """
        Check whether a peer with one of these addresses belongs to the DHT.
        """
        return any(self.origin.refusal(each) is None for each in addresses)


_ORIGINS = {
    DHTScope.PUBLIC: Origin.PUBLIC,
    DHTScope.PRIVATE: Origin.NETWORK,
    DHTScope.ALL: Origin.HOST,
}
