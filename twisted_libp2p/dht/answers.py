# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The rules of a server: which answer each request gets.

See ipfs/specs, src/routing/kad-dht.md, "RPC messages".  The protocol has no error
message: a request that breaks the rules ends its stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.dht.diversity import networksOf
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.messages import (
    MAX_PROVIDER_KEY,
    MAX_SENT_ADDRESSES,
    Message,
    MessageType,
    NamedPeer,
)
from twisted_libp2p.dht.providers import ProviderStore
from twisted_libp2p.dht.table import RoutingTable
from twisted_libp2p.dht.validators import Validators
from twisted_libp2p.dht.values import ValueStore
from twisted_libp2p.errors import InvalidPeerID, InvalidRecord, ProtocolViolation
from twisted_libp2p.identity import PeerID

__all__ = ["MAX_PROVIDERS", "RECENT", "Asker", "Server"]

#: The most providers of one answer.
MAX_PROVIDERS: Final = 20

#: Seconds for which the addresses of a server in the table are kept for answers.
RECENT: Final = 2.0


class Asker:
    """
    The peer that has sent a request.

    @ivar peer: its id.
    @ivar origin: its place: it is given no address that it may not name.
    @ivar network: its network, if it has a public address; otherwise empty.
    """

    __slots__ = ("network", "origin", "peer")

    def __init__(self, peer: PeerID, remote: Multiaddr | None) -> None:
        """
        Describe the peer of a connection.

        @param remote: the address from which it is connected.
        """
        self.peer = peer
        self.origin = Origin.of(remote)
        self.network = next(iter(networksOf([remote] if remote else [])), b"")

    def visible(self, addresses: Iterable[Multiaddr]) -> tuple[Multiaddr, ...]:
        """
        Return the first addresses that the peer can use.
        """
        usable = (each for each in addresses if self.origin.refusal(each) is None)
        return tuple(islice(usable, MAX_SENT_ADDRESSES))


class _Recent:
    """
    Keeps the servers that were named in the last seconds, and their addresses: a server
    that answers many requests names the same few of them.
    """

    __slots__ = ("_byOrigin", "_until")

    def __init__(self) -> None:
        self._byOrigin: dict[Origin, dict[PeerID, NamedPeer]] = {}
        self._until = 0.0

    def peers(self, origin: Origin, now: float) -> dict[PeerID, NamedPeer]:
        """
        Return the servers as they were named to askers of an origin.

        @param now: the time in seconds.
        """
        if now >= self._until:
            self._byOrigin.clear()
            self._until = now + RECENT
        return self._byOrigin.setdefault(origin, {})


class Server:
    """
    Answers requests from the table and the stores.
    """

    def __init__(
        self,
        protocol: str,
        own: PeerID,
        table: RoutingTable[PeerID],
        values: ValueStore,
        providers: ProviderStore,
        validators: Validators,
        addresses: Callable[[PeerID], Iterable[Multiaddr]],
        learn: Callable[[PeerID, Sequence[Multiaddr]], object],
        connected: Callable[[PeerID], bool],
    ) -> None:
        """
        Answer from these stores.

        @param protocol: the protocol id, for errors.
        @param own: our peer.
        @param table: the servers that we know.
        @param values: the values that we store.
        @param providers: the providers that we store.
        @param validators: the rules of values.
        @param addresses: returns the known addresses of a peer, or of this node.
        @param learn: takes the addresses of a provider.
        @param connected: checks whether we are connected to a peer.
        """
        self._protocol = protocol
        self._own = own
        self._table = table
        self._values = values
        self._providers = providers
        self._validators = validators
        self._addresses = addresses
        self._learn = learn
        self._connected = connected
        self._recent = _Recent()
        self._rules = {
            MessageType.PUT_VALUE: self._putValue,
            MessageType.GET_VALUE: self._getValue,
            MessageType.ADD_PROVIDER: self._addProvider,
            MessageType.GET_PROVIDERS: self._getProviders,
            MessageType.FIND_NODE: self._findNode,
            MessageType.PING: self._ping,
        }

    def answer(self, request: Message, asker: Asker, now: float) -> Message | None:
        """
        Answer a request.

        @param now: the time in seconds since the epoch.
        @return: None if the request gets no answer.
        @raise ProtocolViolation: the request breaks the rules.
        """
        return self._rules[request.type](request, asker, now)

    def _findNode(self, request: Message, asker: Asker, now: float) -> Message:
        key = self._keyOf(request)
        closer = self._closer(key, asker, now)
        try:
            target = PeerID.fromBytes(key)
        except InvalidPeerID:
            target = None
        # The peer itself, although it may be a client, the asker, or this node.
        if target is not None and all(each.peer != target for each in closer):
            found = self._named(target, asker)
            if found.addresses:
                closer.insert(0, found)
        return Message(request.type, key, closer=closer)

    def _getValue(self, request: Message, asker: Asker, now: float) -> Message:
        key = self._keyOf(request)
        stored = self._values.get(key, now)
        if stored is not None:
            try:
                self._validators.validate(key, stored.value, now)
            except InvalidRecord:
                stored = None
        return Message(
            request.type,
            key,
            None if stored is None else stored.message(key),
            self._closer(key, asker, now),
        )

    def _putValue(self, request: Message, asker: Asker, now: float) -> Message:
        key, value = self._keyOf(request), request.value
        if value is None or value.key != key:
            raise self._breach("a value without its key")
        try:
            self._validators.validate(key, value.value, now)
            stored = self._values.get(key, now)
            if stored is not None and stored.value != value.value:
                best = self._validators.select(key, [value.value, stored.value])
                if best:
                    raise InvalidRecord("a value that is older than the stored one")
        except InvalidRecord as error:
            raise self._breach(str(error)) from None
        if not self._values.put(key, value.value, now, asker.peer):
            raise self._breach("too many values of one peer")
        return Message(request.type, key, value)

    def _addProvider(self, request: Message, asker: Asker, now: float) -> None:
        key = self._contentKey(request)
        # rust-libp2p 0.57 without a confirmed address announces itself without any;
        # identify has its addresses.
        known = bool(list(self._addresses(asker.peer)))
        own = (
            each
            for each in request.providers
            if each.peer == asker.peer and (each.addresses or known)
        )
        provider = next(own, None)
        if provider is None:
            raise self._breach("no provider that is the sender and has an address")
        if not self._providers.add(key, asker.peer, now, asker.network):
            raise self._breach("too many providers of a key, or keys of a provider")
        self._learn(asker.peer, asker.visible(provider.addresses))

    def _getProviders(self, request: Message, asker: Asker, now: float) -> Message:
        key = self._contentKey(request)
        named = (self._named(each, asker) for each in self._providers.of(key, now))
        providers = list(
            islice((each for each in named if each.addresses), MAX_PROVIDERS)
        )
        return Message(
            request.type, key, closer=self._closer(key, asker, now), providers=providers
        )

    def _ping(self, request: Message, asker: Asker, now: float) -> Message:
        return Message(request.type, request.key)

    def _keyOf(self, request: Message) -> bytes:
        if not request.key:
            raise self._breach("a request without a key")
        return request.key

    def _contentKey(self, request: Message) -> bytes:
        if not 1 <= len(request.key) <= MAX_PROVIDER_KEY:
            raise self._breach(
                f"the key of content has {len(request.key)} bytes:"
                f" from 1 to {MAX_PROVIDER_KEY} are allowed"
            )
        return request.key

    def _closer(self, key: bytes, asker: Asker, now: float) -> list[NamedPeer]:
        """
        Return the nearest peers of the table, without the asker.
        """
        place, size = placeOf(key), self._table.size
        if asker.peer in self._table:
            nearest = self._table.nearest(place, size + 1)
            nearest = [each for each in nearest if each != asker.peer][:size]
        else:
            nearest = self._table.nearest(place, size)
        recent = self._recent.peers(asker.origin, now)
        named = []
        for each in nearest:
            known = recent.get(each)
            if known is None:
                known = recent[each] = self._named(each, asker)
            if known.addresses:
                named.append(known)
        return named

    def _named(self, peer: PeerID, asker: Asker) -> NamedPeer:
        return NamedPeer(
            peer, asker.visible(self._addresses(peer)), self._connected(peer)
        )

    def _breach(self, text: str) -> ProtocolViolation:
        return ProtocolViolation(self._protocol, text)
