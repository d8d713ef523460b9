# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The answers that the lookups of peers, providers and values collect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.lookup import Lookup
from twisted_libp2p.dht.messages import Message, NamedPeer
from twisted_libp2p.dht.validators import Validators
from twisted_libp2p.errors import InvalidRecord
from twisted_libp2p.identity import PeerID

__all__ = ["PeerSearch", "ProviderSearch", "ValueSearch"]

#: The number of peers that have to name addresses of a peer until it counts as found: a
#: single one may lie.
ENOUGH_ANSWERS = 3

#: Returns those of the named peers and addresses that the answering peer may name.
Usable = Callable[[PeerID, Iterable[NamedPeer]], list[NamedPeer]]


class PeerSearch:
    """
    Collects the addresses of one peer.

    @ivar addresses: the addresses, in the order in which they were named.
    """

    def __init__(self, target: PeerID, usable: Usable) -> None:
        self._target = target
        self._usable = usable
        self._sources: set[PeerID] = set()
        self.addresses: dict[Multiaddr, None] = {}

    def answered(self, lookup: Lookup, peer: PeerID, answer: Message) -> bool:
        """
        Take an answer.

        @return: whether enough is found.
        """
        mine = (each for each in answer.closer if each.peer == self._target)
        for each in self._usable(peer, mine):
            if each.addresses:
                self._sources.add(peer)
                self.addresses.update(dict.fromkeys(each.addresses))
        return len(self._sources) >= ENOUGH_ANSWERS


class ProviderSearch:
    """
    Collects the providers of a key.

    @ivar found: the providers and their addresses.
    """

    def __init__(
        self,
        count: int,
        usable: Usable,
        told: Callable[[PeerID, tuple[Multiaddr, ...]], object],
    ) -> None:
        """
        Begin without a provider.

        @param count: the number of providers that are enough.
        @param told: called with each new provider.
        """
        self._count = count
        self._usable = usable
        self._told = told
        self.found: dict[PeerID, tuple[Multiaddr, ...]] = {}

    def answered(self, lookup: Lookup, peer: PeerID, answer: Message) -> bool:
        """
        Take an answer.

        @return: whether enough is found.
        """
        for each in self._usable(peer, answer.providers):
            self.add(each.peer, each.addresses)
        return len(self.found) >= self._count

    def add(self, peer: PeerID, addresses: tuple[Multiaddr, ...]) -> None:
        """
        Take a provider.
        """
        if peer not in self.found and len(self.found) < self._count:
            self.found[peer] = addresses
            self._told(peer, addresses)


class ValueSearch:
    """
    Collects the values of a key, and keeps the best.

    @ivar best: the best valid value; None so far.
    @ivar holders: the value of each peer that has sent a valid one.
    """

    def __init__(
        self, key: bytes, quorum: int, validators: Validators, now: Callable[[], float]
    ) -> None:
        """
        Begin without a value.

        @param quorum: the number of valid answers that are enough; 0 for all.
        """
        self._key = key
        self._quorum = quorum
        self._validators = validators
        self._now = now
        self.best: bytes | None = None
        self.holders: dict[PeerID, bytes] = {}

    def answered(self, lookup: Lookup, peer: PeerID, answer: Message) -> bool:
        """
        Take an answer.

        @return: whether enough is found.
        """
        found = answer.value
        if found is not None and found.key == self._key and self.add(found.value):
            self.holders[peer] = found.value
        return 0 < self._quorum <= len(self.holders)

    def add(self, value: bytes) -> bool:
        """
        Take a value.

        @return: whether it is valid.
        """
        try:
            self._validators.validate(self._key, value, self._now())
            if self.best is None or (
                value != self.best
                and self._validators.select(self._key, [self.best, value])
            ):
                self.best = value
        except InvalidRecord:
            return False
        return True
