# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The operations of a user of the DHT: peers, providers and values, found and stored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.earlystores import Background, EarlyStores
from twisted_libp2p.dht.gathering import allOf
from twisted_libp2p.dht.lookup import Report
from twisted_libp2p.dht.lookups import Lookups
from twisted_libp2p.dht.messages import Message, MessageType, NamedPeer, Value
from twisted_libp2p.dht.network import HostNetwork
from twisted_libp2p.dht.optimism import Optimism
from twisted_libp2p.dht.providers import ProviderStore
from twisted_libp2p.dht.searches import PeerSearch, ProviderSearch, ValueSearch
from twisted_libp2p.dht.validators import Validators
from twisted_libp2p.dht.values import ValueStore
from twisted_libp2p.errors import InvalidRecord, NotFound
from twisted_libp2p.identity import PeerID

__all__ = ["FoundPeer", "FoundProviders", "FoundValue", "Operations", "Stored"]

#: The most holders of a bad or old value that are given the best one.
MAX_CORRECTED: Final = 20

Told = Callable[[PeerID, tuple[Multiaddr, ...]], object]


@dataclass(frozen=True, slots=True)
class FoundPeer:
    """
    A peer that was found.

    @ivar addresses: its addresses, which may be none.
    @ivar report: the lookup.
    """

    addresses: tuple[Multiaddr, ...]
    report: Report


@dataclass(frozen=True, slots=True)
class FoundProviders:
    """
    The providers that were found.

    @ivar providers: the providers and their addresses, which may be none.
    @ivar report: the lookup.
    """

    providers: dict[PeerID, tuple[Multiaddr, ...]]
    report: Report


@dataclass(frozen=True, slots=True)
class FoundValue:
    """
    A value that was found.

    @ivar value: the best valid value.
    @ivar holders: the number of peers that have sent a valid value.
    @ivar report: the lookup.
    """

    value: bytes
    holders: int
    report: Report


@dataclass(frozen=True, slots=True)
class Stored:
    """
    The result of storing.

    @ivar count: the number of peers that have stored it.
    @ivar report: the lookup of these peers.
    """

    count: int
    report: Report


class Operations:
    """
    Runs lookups and stores their results.

    @ivar k: the number of servers that store a record.
    """

    def __init__(
        self,
        network: HostNetwork,
        values: ValueStore,
        providers: ProviderStore,
        validators: Validators,
        lookups: Lookups,
        optimistic: bool = False,
    ) -> None:
        """
        Work with these stores.

        @param network: the network.
        @param values: our values.
        @param providers: our providers.
        @param validators: the rules of values.
        @param lookups: runs the lookups.
        @param optimistic: whether to announce this node during a lookup, by the
            estimated size of the network.
        """
        self._network = network
        self._values = values
        self._providers = providers
        self._validators = validators
        self._lookups = lookups
        self.k = lookups.k
        self._lookUp = lookups.run
        self._optimistic = optimistic
        self._background = Background()

    # Peers

    async def closest(self, key: bytes) -> Report:
        """
        Find the servers nearest to a key.
        """
        return await self._lookUp(key, Message(MessageType.FIND_NODE, key))

    async def findPeer(self, peer: PeerID) -> FoundPeer:
        """
        Find the addresses of a peer.
        """
        search = PeerSearch(peer, self._network.usable)
        key = peer.toBytes()
        report = await self._lookUp(
            key, Message(MessageType.FIND_NODE, key), search.answered, skip=peer
        )
        return FoundPeer(tuple(search.addresses), report)

    # Providers

    async def provide(self, key: bytes) -> Stored:
        """
        Announce this node as a provider at the servers nearest to a key.

        @raise NotFound: this node has no address that it could announce, or no server
            has stored it.
        """
        now = self._network.clock.seconds()
        self.own(key)
        size = self._lookups.size.estimate(now) if self._optimistic else None
        if size is not None:
            return await self._provideEarly(key, size)
        report = await self.closest(key)
        return await self._store(report, lambda peer: self.announce(peer, key))

    def own(self, key: bytes) -> None:
        """
        Store that this node itself provides a key.

        @raise NotFound: this node has no address that it could announce.
        """
        network = self._network
        if not network.addresses(network.own):
            raise NotFound(
                "an own address", reason="other peers could not reach this node"
            )
        self._providers.add(key, network.own, network.clock.seconds())

    async def _provideEarly(self, key: bytes, size: float) -> Stored:
        """
        Announce this node during the lookup.

        @param size: the estimated size of the network.
        """
        lookups = self._lookups
        stores = EarlyStores(
            self._network,
            lookups.size,
            Optimism(size, self.k),
            lambda peer: self.announce(peer, key),
            self._background,
        )
        try:
            request = Message(MessageType.FIND_NODE, key)
            report = await lookups.run(key, request, stores.answered)
            await stores.finish(report)
        except BaseException:
            stores.stop()
            raise
        return _stored(report, stores.sent, stores.succeeded, stores.failure)

    def announce(self, peer: PeerID, *keys: bytes) -> Deferred[None]:
        """
        Announce this node as the provider of keys at a server, at the addresses that
        the server can use.

        @return: fails with L{NotFound} if it can use none, or as a request does.
        """
        network = self._network
        named = NamedPeer(network.own, network.visible(peer))
        if not named.addresses:
            return fail(
                NotFound("an own address", reason=f"{peer} could not use any of ours")
            )
        return network.client.announce(
            peer,
            *(
                Message(MessageType.ADD_PROVIDER, key, providers=(named,))
                for key in keys
            ),
        )

    async def findProviders(
        self, key: bytes, count: int, told: Told = lambda peer, addresses: None
    ) -> FoundProviders:
        """
        Find providers.

        @param count: the number of providers that are enough.
        @param told: called with each provider as soon as it is found.
        """
        network = self._network
        search = ProviderSearch(count, network.usableProviders, told)
        for each in self._providers.of(key, network.clock.seconds()):
            search.add(each, tuple(network.addresses(each)))
        report = await self._lookUp(
            key, Message(MessageType.GET_PROVIDERS, key), search.answered
        )
        return FoundProviders(search.found, report)

    # Values

    async def put(self, key: bytes, value: bytes) -> Stored:
        """
        Store a value at the servers nearest to its key.

        @raise InvalidRecord: the value is invalid, or older than one that we store.
        @raise NotFound: no server has stored it.
        """
        network = self._network
        now = network.clock.seconds()
        self._validators.validate(key, value, now)
        known = self._values.get(key, now)
        if (
            known is not None
            and known.value != value
            and self._validators.select(key, [value, known.value])
        ):
            raise InvalidRecord("this node stores a newer value of the same key")
        self._values.put(key, value, now, None)
        report = await self.closest(key)
        return await self._store(report, lambda peer: self._put(peer, key, value))

    async def get(self, key: bytes, quorum: int) -> FoundValue:
        """
        Find the best value of a key, and correct the nearest servers that have another.

        @param quorum: the number of valid answers that are enough; 0 for all.
        @raise NotFound: no valid value was found.
        """
        network = self._network
        search = ValueSearch(key, quorum, self._validators, network.clock.seconds)
        known = self._values.get(key, network.clock.seconds())
        if known is not None:
            search.add(known.value)
        report = await self._lookUp(
            key, Message(MessageType.GET_VALUE, key), search.answered
        )
        best = search.best
        if best is None:
            answered = report.asked - report.failed
            raise NotFound("a valid value", report.asked, answered)
        for each in report.nearest[:MAX_CORRECTED]:
            if search.holders.get(each) != best:
                self._put(each, key, best).addErrback(lambda _: None)
        return FoundValue(best, len(search.holders), report)

    def _put(self, peer: PeerID, key: bytes, value: bytes) -> Deferred[Message]:
        request = Message(MessageType.PUT_VALUE, key, Value(key, value))
        return self._network.ask(peer, request)

    async def _store(
        self, report: Report, store: Callable[[PeerID], Deferred[Any]]
    ) -> Stored:
        """
        Store something at the nearest servers, all at once.
        """
        results = await allOf(store(each) for each in report.nearest)
        failures = [each for success, each in results if not success]
        count = len(results) - len(failures)
        return _stored(report, len(results), count, failures[0] if failures else None)


def _stored(report: Report, sent: int, count: int, failure: Failure | None) -> Stored:
    """
    Return the result of storing.

    @param sent: the number of servers that were asked to store it.
    @param count: the number of servers that have stored it.
    @param failure: the error of another server; None without one.
    @raise NotFound: no server has stored it.
    """
    if count:
        return Stored(count, report)
    answered = report.asked - report.failed
    reason = ""
    if failure is not None:
        reason = f"none of {sent} has: {failure.getErrorMessage()}"
    raise NotFound("a server that stores this", report.asked, answered, reason)
