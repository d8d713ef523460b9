# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The addresses of one dial: the origin of each, and what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_libp2p.address import Multiaddr, Origin, unmapped
from twisted_libp2p.connection.hearsay import isName
from twisted_libp2p.errors import AddressRefused, NoAddresses, untraced
from twisted_libp2p.identity import PeerID

__all__ = ["MAX_ADDRESSES", "MAX_NAMES", "Candidates"]

#: The most addresses of one peer that are tried in one dial.
MAX_ADDRESSES = 100

#: The maximum number of names that are resolved in one dial: of C{/dnsaddr}, and of
#: hosts that peers have named.
MAX_NAMES = 8


class Candidates:
    """
    The addresses of one dial.

    @ivar peer: the peer that has to answer; None if the end of an address says so, or
        any peer may.
    @ivar few: the number of addresses that are still tried, including those to which a
        name leads; None for all.
    @ivar attempts: the number of addresses that were dialed.
    @ivar reached: whether one of them has led to the peer.
    """

    def __init__(self, peer: PeerID | None, few: int | None = None) -> None:
        self.peer = peer
        self.few = few
        self.attempts = 0
        self.reached = False
        self._origins: dict[Multiaddr, Origin] = {}
        # For each address to which a name has led: that name.
        self._names: dict[Multiaddr, Multiaddr] = {}
        # Why each did not lead to the peer; None as long as that is not known.  A name
        # that is resolved leaves it to its addresses.
        self._causes: dict[Multiaddr, Exception | None] = {}
        self._usable = 0
        self._resolved = 0

    @property
    def empty(self) -> bool:
        """
        Whether no address with a relevant outcome is left.
        """
        return not self._causes

    @property
    def full(self) -> bool:
        """
        Whether as many addresses as allowed are tried, sooner or later.
        """
        return self._usable >= MAX_ADDRESSES

    def causes(self, unknown: Exception) -> list[tuple[str, Exception]]:
        """
        Return each address with the reason for which it did not lead to the peer.

        @param unknown: the reason of those that have not failed.
        """
        return [(str(address), why or unknown) for address, why in self._causes.items()]

    def normal(self, address: Multiaddr) -> Multiaddr:
        """
        Return the form in which an address is kept.
        """
        address = unmapped(address)
        return address if self.peer is None else address.withoutPeer()

    def way(self, address: Multiaddr) -> tuple[PeerID | None, Multiaddr]:
        """
        Return the peer that has to answer at an address, and the address alone.
        """
        return self.peer or address.peerID, address.withoutPeer()

    def origin(self, address: Multiaddr) -> Origin:
        """
        Return the place of the peer that has named an address.
        """
        return self._origins[address]

    def name(self, address: Multiaddr) -> Multiaddr | None:
        """
        Return the name that has led to an address; None if none has.
        """
        return self._names.get(address)

    def isNew(self, address: Multiaddr, origin: Origin) -> bool:
        """
        Check whether an address is new, or was refused because of the peer that had
        named it.
        """
        known = self._origins.get(address)
        if known is None:
            return True
        return origin > known and (
            isName(address) or isinstance(self._causes.get(address), AddressRefused)
        )

    def add(self, address: Multiaddr, origin: Origin) -> None:
        """
        Keep an address whose outcome is open.
        """
        self._origins[address] = origin
        self._causes[address] = None

    def use(self, address: Multiaddr, origin: Origin, resolves: bool) -> bool:
        """
        Keep an address that is going to be tried.

        @param resolves: whether a name has to be resolved before.
        @return: False if enough addresses are tried.
        """
        if self.few is not None and not resolves:
            if not self.few:
                return False
            self.few -= 1
        self._usable += 1
        self.add(address, origin)
        return True

    def refuse(self, address: Multiaddr, origin: Origin, cause: Exception) -> None:
        """
        Keep an address that is not tried, unless there are too many of these: they
        leave their room to others.
        """
        if len(self._origins) - self._usable < MAX_ADDRESSES:
            self._origins[address] = origin
            self._causes[address] = cause

    def countName(self) -> None:
        """
        Count a name that has to be resolved.

        @raise NoAddresses: these are too many.
        """
        self._resolved += 1
        if self._resolved > MAX_NAMES:
            raise NoAddresses(
                f"no more than {MAX_NAMES} names are resolved in one dial"
            )

    def resolved(self, name: Multiaddr, found: Iterable[Multiaddr] = ()) -> None:
        """
        Let the outcome of the addresses to which a name leads replace its own.

        @param found: the addresses whose outcome says something about the name.
        """
        self._causes.pop(name, None)
        for each in found:
            self._names[each] = name

    def failed(self, address: Multiaddr, error: Exception) -> None:
        """
        Keep the error of an address, or a name, that did not lead to the peer.
        """
        self._causes[address] = untraced(error)

    def admitAll(self) -> None:
        """
        Try all addresses from now on, also those to which names lead that are resolved
        already.
        """
        self.few = None
        for name in [each for each in self._origins if isName(each)]:
            del self._origins[name]
