# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The places at which peers see the ends on which we listen, without I/O.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted_libp2p.address import Multiaddr, Origin, Scope
from twisted_libp2p.address.places import endOf
from twisted_libp2p.connection.connection import isRelayed
from twisted_libp2p.reachability.observed import Observations

__all__ = ["Sightings", "isPrivate", "isPublic"]

# The first bytes of addresses that a NAT64 has made for us (RFC 6052).
_NAT64 = b"\0\x64\xff\x9b"


def isPublic(address: Multiaddr | None) -> bool:
    """
    Check whether an address begins with the public IP address of a host, and leads
    through no relay.
    """
    return (
        address is not None
        and not isRelayed(address)
        and Scope.of(address) is Scope.PUBLIC
        and Origin.PUBLIC.refusal(address) is None
        and not (address.host or b"").startswith(_NAT64)
    )


def isPrivate(address: Multiaddr | None) -> bool:
    """
    Check whether an address begins with the IP address of a host in a private network,
    and leads through no relay.
    """
    return (
        address is not None
        and not isRelayed(address)
        and Scope.of(address) is Scope.PRIVATE
    )


class Sightings:
    """
    The reports of peers about us.

    @ivar public: the reports of peers in the internet, on public addresses.
    @ivar private: the reports of peers in private networks, on private addresses: a
        hole can be punched there, and no verdict is about them.
    """

    def __init__(self) -> None:
        self.public = Observations()
        self.private = Observations()
        self._bound: frozenset[Multiaddr] | None = None
        self._inner: frozenset[Multiaddr | None] = frozenset()

    @property
    def bound(self) -> frozenset[Multiaddr] | None:
        """
        The addresses on which we listen; None before they are known.
        """
        return self._bound

    @bound.setter
    def bound(self, bound: frozenset[Multiaddr] | None) -> None:
        self._bound = bound
        # Each connection that is identified is looked up among these.
        self._inner = frozenset(map(endOf, bound or ())) - {None}

    def ends(
        self, local: Multiaddr | None, observed: Multiaddr
    ) -> tuple[Multiaddr, Multiaddr] | None:
        """
        Return our end of a connection, and the outer end at which the peer sees it.

        @return: None if our end is not one on which we listen: peers see others at
            other ports.
        """
        inner = None if local is None else endOf(local)
        if inner is None or inner not in self._inner:
            return None
        outer = endOf(observed)
        if outer is None or inner.names != outer.names:
            return None
        return inner, outer

    def addresses(self) -> Iterator[Multiaddr]:
        """
        Generate the addresses at which peers see our listeners.
        """
        for address in sorted(self._bound or ()):
            inner = endOf(address)
            if inner is None:
                continue
            layers = address.withoutFirst().withoutFirst()
            for reports in (self.public, self.private):
                for outer in reports.outer(inner):
                    yield outer.end.encapsulate(layers) if layers else outer.end

    def networks(self) -> dict[Multiaddr, int]:
        """
        Return for each public outer end the number of networks that see it.
        """
        return {
            outer.end: outer.networks
            for local in self.public
            for outer in self.public.outer(local)
        }
