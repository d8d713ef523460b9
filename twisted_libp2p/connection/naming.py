# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The names in addresses, which are resolved before anything is dialed.

A peer must not lead us to places to which we would not go by ourselves: each name is
judged by its spelling, and each IP address just before it is dialed.
"""

from __future__ import annotations

from typing import NoReturn

from twisted.internet.defer import CancelledError
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr, Origin, unmapped
from twisted_libp2p.address.servername import withServerName
from twisted_libp2p.connection.choice import literal
from twisted_libp2p.connection.dnsaddr import DNSAddrResolver
from twisted_libp2p.errors import NoAddresses
from twisted_libp2p.interfaces import IAddressFilter
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.transport.lane import Lane
from twisted_libp2p.transport.names import NameResolver

__all__ = ["MAX_PEER_NAMES", "MAX_WAITING_NAMES", "Naming"]

#: Number of C{/dnsaddr} of peers that are resolved at once, in all dials, and number
#: of those that may wait.
MAX_PEER_NAMES = 4
MAX_WAITING_NAMES = 64


class Naming:
    """
    Resolves the names in the addresses of peers.
    """

    def __init__(
        self,
        addressFilter: IAddressFilter,
        resolver: DNSAddrResolver,
        names: NameResolver,
        clock: IReactorTime,
        limit: float,
    ) -> None:
        """
        Prepare to resolve names.

        @param addressFilter: decides whether a name may be resolved.
        @param resolver: resolves C{/dnsaddr}.
        @param names: resolves C{/dns}, C{/dns4} and C{/dns6}.
        @param clock: runs the timers.
        @param limit: seconds for the name of a host.
        """
        self._filter = addressFilter
        self._resolver = resolver
        self._names = names
        self._clock = clock
        self._limit = limit
        self._lane: Lane[list[Multiaddr]] = Lane(
            MAX_PEER_NAMES, MAX_WAITING_NAMES, _tooMany
        )

    async def addresses(self, address: Multiaddr, origin: Origin) -> list[Multiaddr]:
        """
        Resolve a C{/dnsaddr}.

        @param address: the address, with the id of the peer if that is known.
        """
        self._filter.check(origin, address)
        return await (
            self._resolver.resolve(address)
            if origin is Origin.OWN
            else self._lane.run(lambda: self._resolver.resolve(address))
        )

    async def hosts(self, address: Multiaddr, origin: Origin) -> list[Multiaddr]:
        """
        Resolve the name of a host.

        It is resolved once: the addresses that are judged are the addresses that
        are dialed.
        """
        first = next(iter(address))
        hosts = await addTimeout(
            self._names.resolve(first.value or "", first.name, origin is Origin.OWN),
            self._limit,
            self._clock,
            _late,
        )
        rest = withServerName(address.withoutFirst(), first.value or "")
        return [unmapped(literal(host).encapsulate(rest)) for host in hosts]


def _tooMany() -> NoAddresses:
    return NoAddresses(f"more than {MAX_WAITING_NAMES} names wait to be resolved")


def _late(result: object, seconds: float) -> NoReturn:
    """
    Raise the error of a name that is not resolved in time.
    """
    if isinstance(result, Failure):
        result.trap(CancelledError)
    raise DNSLookupError(f"the name was not resolved within {seconds:g} s")
