# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The one filter of addresses that peers name.

A peer must not lead us to places to which we would not go by ourselves, and must not
use us against others.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin, Scope, unmapped
from twisted_libp2p.connection.candidates import MAX_ADDRESSES
from twisted_libp2p.errors import AddressRefused
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    AddressSource,
    Confidence,
    IAddressFilter,
    IOwnAddresses,
)
from twisted_libp2p.pacing.allowance import Allowance

__all__ = ["HOST_BURST", "HOST_INTERVAL", "MAX_HOSTS", "AddressFilter"]

#: Number of dials of one public host (an IPv4 address, or an IPv6 /64) at once at
#: addresses that peers have named, and the seconds after which one more is allowed.
HOST_BURST: Final = 64
HOST_INTERVAL: Final = 1.0

#: Number of hosts whose dials are counted; the host that was dialed longest ago is
#: forgotten first.
MAX_HOSTS: Final = 4096


@implementer(IAddressFilter)
class AddressFilter:
    """
    Decides which addresses that peers name are stored and dialed.

    @ivar refused: the number of refused addresses by reason: C{place}, C{own} and
        C{rate}.
    """

    def __init__(self, own: IOwnAddresses, seconds: Callable[[], float]) -> None:
        """
        Know of no dial yet.

        @param own: the addresses of this node.
        @param seconds: returns the time.
        """
        self._own = own
        self._seconds = seconds
        self._hosts: OrderedDict[bytes, Allowance] = OrderedDict()
        self.refused: Counter[str] = Counter()

    def origin(self, remote: Multiaddr | None) -> Origin:
        """
        Return the origin of the addresses that a peer names.  A peer with an IP
        address on which this node listens is on this host.
        """
        origin = Origin.of(remote)
        if (
            origin < Origin.HOST
            and remote is not None
            and remote.host is not None
            and not remote.relayed
            and any(
                each.address.host == remote.host
                for each in self._own.all()
                if each.source is AddressSource.BOUND
            )
        ):
            return Origin.HOST
        return origin

    def select(
        self,
        origin: Origin,
        addresses: Iterable[Multiaddr],
        peer: PeerID | None = None,
        maximum: int = MAX_ADDRESSES,
    ) -> list[Multiaddr]:
        """
        Select the addresses that may be dialed, by this node or by a peer that asks it:
        if this node is the relay of a circuit, others can use it.
        """
        hosts = self._ownHosts(origin)
        found: dict[Multiaddr, None] = {}
        for each in islice(addresses, maximum):
            if peer is not None:
                if each.peerID not in (None, peer):
                    continue
                each = each.withoutPeer()
            address = unmapped(each)
            ours = frozenset() if address and self._relays(address) else hosts
            if address and self._refusal(origin, address, ours) is None:
                found[address] = None
        return list(found)

    def _relays(self, address: Multiaddr) -> bool:
        """
        Check whether an address leads through this node.
        """
        return address.relayed and address.value("p2p") == str(self._own.peerID)

    def check(self, origin: Origin, address: Multiaddr) -> None:
        """
        Check one address.

        @raise AddressRefused: it must not be dialed.
        """
        reason = self._refusal(origin, address, self._ownHosts(origin))
        if reason is not None:
            raise AddressRefused(reason)

    def dialing(self, origin: Origin, address: Multiaddr) -> None:
        """
        Check an address just before it is dialed, and count the dial.

        The dial of a circuit is not counted, since its relay is usually connected; the
        dial of the relay is.

        @raise AddressRefused: it must not be dialed, or not now.
        """
        self.check(origin, address)
        host = address.host
        if origin is Origin.OWN or host is None or address.relayed:
            return
        if Scope.ofHost(host) is Scope.PUBLIC and not self._allows(host):
            self.refused["rate"] += 1
            raise AddressRefused(f"peers have named {address} too often")

    def _allows(self, host: bytes) -> bool:
        """
        Count a dial of a host, and return whether it is allowed.
        """
        key = host if len(host) == 4 else host[:8]
        allowance = self._hosts.pop(key, None)
        now = self._seconds()
        if allowance is None:
            allowance = Allowance(HOST_BURST, HOST_INTERVAL, now)
            if len(self._hosts) >= MAX_HOSTS:
                self._hosts.popitem(last=False)
        self._hosts[key] = allowance
        return allowance.take(now)

    def _ownHosts(self, origin: Origin) -> frozenset[bytes | None]:
        """
        Return the IP addresses of this node that a peer may not name.
        """
        if origin >= Origin.HOST:
            return frozenset()
        return frozenset(
            each.address.host
            for each in self._own.all()
            if each.source is not AddressSource.RELAYED
            and (
                each.source is not AddressSource.OBSERVED
                or each.confidence >= Confidence.LIKELY
            )
        ) - {None}

    def _refusal(
        self, origin: Origin, address: Multiaddr, hosts: frozenset[bytes | None]
    ) -> str | None:
        """
        Explain why an address must not be dialed, and count it; None if it may be.
        """
        reason = origin.refusal(address)
        if reason is not None:
            self.refused["place"] += 1
        elif hosts and address.host in hosts:
            self.refused["own"] += 1
            return f"{address} is an address of this host"
        return reason
