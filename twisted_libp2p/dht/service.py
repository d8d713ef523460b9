# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Kademlia as a service of a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.dht.admission import Admission
from twisted_libp2p.dht.answers import Server
from twisted_libp2p.dht.diversity import Diversity
from twisted_libp2p.dht.ipns import IpnsValidator
from twisted_libp2p.dht.keeping import Keeping
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.lookup import Report
from twisted_libp2p.dht.lookups import Lookups
from twisted_libp2p.dht.mode import DHTMode
from twisted_libp2p.dht.network import HostNetwork
from twisted_libp2p.dht.operations import (
    FoundPeer,
    FoundProviders,
    FoundValue,
    Operations,
    Stored,
    Told,
)
from twisted_libp2p.dht.ownrecords import OwnRecords
from twisted_libp2p.dht.persistence import Persistence
from twisted_libp2p.dht.providers import ProviderStore
from twisted_libp2p.dht.rejoining import Rejoining
from twisted_libp2p.dht.scope import AMINO, DHTScope
from twisted_libp2p.dht.serving import Requests
from twisted_libp2p.dht.switch import ServerSwitch
from twisted_libp2p.dht.table import SIZE, RoutingTable
from twisted_libp2p.dht.upkeep import Upkeep
from twisted_libp2p.dht.usage import DHTUsage
from twisted_libp2p.dht.validators import IValidator, PublicKeyValidator, Validators
from twisted_libp2p.dht.values import ValueStore
from twisted_libp2p.errors import ConfigurationError, NotFound
from twisted_libp2p.events import (
    AddressesChanged,
    ClosedConn,
    Identified,
    ProtocolsChanged,
    ReachabilityChanged,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IContentRouting,
    IDatabase,
    IDrainable,
    IExplaining,
    IHost,
    IHostService,
    IPeerRouting,
    ISubscription,
)

__all__ = ["KademliaDHT"]

#: The most expired records that are dropped at once.
_SWEEP: Final = 1000


@implementer(IDrainable, IHostService, IPeerRouting, IContentRouting, IExplaining)
class KademliaDHT(Service):
    """
    A node of a DHT: C{node.add(KademliaDHT("/my-network"))}.

    It finds peers and providers of content, and stores and finds values.  As a server
    it also answers the requests of others.

    @ivar protocol: the protocol id, such as C{/ipfs/kad/1.0.0}.
    @ivar table: the servers that it knows.
    @ivar values: the values that it stores for others.
    @ivar providers: the providers that it stores for others.
    """

    name = "dht"

    def __init__(
        self,
        prefix: str = AMINO,
        mode: DHTMode | str = DHTMode.AUTO,
        scope: DHTScope | str = DHTScope.ALL,
        validators: Mapping[str, IValidator] | None = None,
        *,
        k: int = SIZE,
        optimistic: bool = False,
        random: Random | None = None,
    ) -> None:
        """
        Make a DHT node, which C{node.add} attaches to a node.

        @param prefix: the prefix of the protocol id, which separates networks.
        @param mode: whether to be a server.
        @param scope: the peers and addresses that belong to the DHT.
        @param validators: the rules of values by namespace; C{pk} and C{ipns} have
            theirs.
        @param k: the size of a bucket, and the number of peers that store a record.
        @param optimistic: whether L{provide} stores during a lookup, at the servers
            that are near enough by the estimated size of the network: sooner and with
            fewer requests, but not always at the nearest.
        @param random: makes keys to look up, and varies intervals.
        @raise ConfigurationError: an argument is wrong; the message says which would
            be right.
        """
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ConfigurationError(
                f"{prefix!r} is not the prefix of a DHT, such as /ipfs or /my-network"
            )
        if prefix == AMINO and (validators or k != SIZE):
            raise ConfigurationError(
                "the DHT /ipfs has values of pk and ipns only, and k=20: take another"
                " prefix for your own network"
            )
        self.protocol = f"{prefix}/kad/1.0.0"
        self._mode = DHTMode.of(mode)
        self._scope = DHTScope.of(scope)
        self._k = k
        self._optimistic = optimistic
        self._random = random or Random()
        self._validators = Validators(
            {"pk": PublicKeyValidator(), "ipns": IpnsValidator(), **(validators or {})}
        )
        self.values = ValueStore()
        self.providers = ProviderStore()
        self._subscriptions: list[ISubscription] = []
        self._rejoining: Rejoining | None = None
        self._persistence: Persistence | None = None

    @property
    def origin(self) -> Origin:
        """
        The place of the peers that name the addresses it finds.
        """
        return self._scope.origin

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        own = host.peerID
        self.table: RoutingTable[PeerID] = RoutingTable(
            placeOf(own.toBytes()), self._k, Diversity()
        )
        self._keeping = Keeping(host, self.table)
        self._network = HostNetwork(
            host, self.protocol, self._scope, self._succeeded, self._failed
        )
        self._admission = Admission(
            host.clock,
            own,
            self.table,
            self._network.ask,
            self._network.networks,
            self._tableChanged,
        )
        self._lookups = Lookups(
            self._network,
            self.table,
            host.events.publish,
            lambda key: self._upkeep.lookedUp(key),
        )
        self._operations = Operations(
            self._network,
            self.values,
            self.providers,
            self._validators,
            self._lookups,
            self._optimistic,
        )
        self._server = Server(
            self.protocol,
            own,
            self.table,
            self.values,
            self.providers,
            self._validators,
            self._network.addresses,
            self._network.learnProvider,
            self._network.connected,
        )
        self._requests = Requests(host.clock, self.protocol, self._server.answer)
        self._switch = ServerSwitch(host, self._mode, self._scope, self._requests)
        self._own = OwnRecords(host.clock, self._operations, self.values, self._random)
        self._upkeep = Upkeep(
            host.clock,
            own,
            self.table,
            self._random,
            closest=self.closest,
            check=self._admission.consider,
            candidates=self._servers,
            sweep=self._sweep,
        )

    def startService(self) -> None:
        """
        Look for servers; serve, if that is the mode.
        """
        super().startService()
        events = self._host.events
        self._subscriptions = [
            events.subscribe(Identified, lambda event: self._met(event.peer)),
            events.subscribe(ProtocolsChanged, self._protocolsChanged),
            events.subscribe(ClosedConn, self._closed),
            events.subscribe(ReachabilityChanged, self._switch.judged),
            events.subscribe(
                AddressesChanged,
                lambda _: self._switch.choose(),
                lambda event: event.peer == self._host.peerID,
            ),
        ]
        self._upkeep.start()
        self._own.start()
        self._switch.choose()
        for each in self._servers():
            self._met(each)
        self._host.peerstore.whenLoaded().addCallbacks(
            lambda _: self._rejoin(), lambda _: None
        )
        database = IDatabase(self._host.peerstore, None)
        if database is not None:
            self._persistence = Persistence(
                database,
                self._host.clock,
                self._host.peerID.toBytes() + self.protocol.encode(),
                self.values,
                self.providers,
            )
            self._persistence.start()

    def drain(self) -> None:
        """
        Serve no longer, and end the upkeep; lookups of the application go on.
        """
        super().stopService()
        for each in self._subscriptions:
            each.cancel()
        self._upkeep.stop()
        self._own.stop()
        self._admission.stop()
        if self._rejoining is not None:
            self._rejoining.stop()
        self._switch.stop()

    def stopService(self) -> Deferred[None] | None:
        """
        Serve no longer, end all lookups, and write the records into the database.
        """
        self.drain()
        self._own.cancel()
        self._lookups.stop()
        self._network.stop()
        return None if self._persistence is None else self._persistence.stop()

    # Peers

    def closest(self, key: bytes) -> Deferred[Report]:
        """
        Find the servers nearest to a key.

        @return: fires with the result of the lookup.  Fails with L{NotFound} if no
            server is known.
        """
        return Deferred.fromCoroutine(self._operations.closest(key))

    def findPeer(self, peer: PeerID) -> Deferred[Sequence[Multiaddr]]:
        """
        Look up the addresses of a peer, for the dialer.
        """
        return self.locate(peer).addCallback(_addressesOf, peer)

    def locate(self, peer: PeerID) -> Deferred[FoundPeer]:
        """
        Look up the addresses of a peer.

        @return: fires with the addresses, which may be none, and the lookup.  Fails
            with L{NotFound} if no server is known.
        """
        return Deferred.fromCoroutine(self._operations.findPeer(peer))

    # Content

    def provide(self, key: bytes) -> Deferred[Stored]:  # type: ignore[override]
        """
        Announce that this node provides a key, and again every 22 hours.

        @param key: the multihash of the content.
        @return: fires with the number of servers that have stored it.  Fails with
            L{NotFound} if none has.
        """
        return self._own.provide(key)

    def provideAll(self, keys: Iterable[bytes]) -> Deferred[int]:
        """
        Announce that this node provides many keys, and again every 22 hours: servers
        are looked up once for each region of the key space.

        @param keys: the multihashes of the content.
        @return: fires with the number of keys that at least one server has stored.
            Fails with L{NotFound} without a server, or an own address.
        """
        return self._own.provideAll(keys)

    def unprovide(self, key: bytes) -> None:
        """
        Announce no more that this node provides a key; others forget it in two days.
        """
        self._own.unprovide(key)
        self.providers.remove((key, self._host.peerID))

    def findProviders(
        self, key: bytes, count: int = 20
    ) -> Deferred[Sequence[tuple[PeerID, Sequence[Multiaddr]]]]:
        """
        Find the peers that provide a key.

        @param key: the multihash of the content.
        @param count: the number of providers that are enough.
        """
        return self.locateProviders(key, count).addCallback(
            lambda found: list(found.providers.items())
        )

    def locateProviders(
        self, key: bytes, count: int = 20, told: Told = lambda peer, addresses: None
    ) -> Deferred[FoundProviders]:
        """
        Find the peers that provide a key.

        @param told: called with each provider as soon as it is found.
        @return: fires with the providers, which may be none, and the lookup.
        """
        return Deferred.fromCoroutine(self._operations.findProviders(key, count, told))

    # Values

    def put(self, key: bytes, value: bytes) -> Deferred[Stored]:
        """
        Store a value, and again every 22 hours.

        @param key: the whole key, such as C{b"/pk/..."}.
        @return: fires with the number of servers that have stored it.  Fails with
            L{InvalidRecord<twisted_libp2p.errors.InvalidRecord>} if its namespace
            refuses it, or with L{NotFound} if no server has stored it.
        """
        return self._own.put(key, value)

    def get(self, key: bytes, quorum: int = 0) -> Deferred[FoundValue]:
        """
        Find the best value of a key.

        @param quorum: the number of valid answers that are enough; 0 for all.
        @return: fails with L{NotFound} without a valid value.
        """
        return Deferred.fromCoroutine(self._operations.get(key, quorum))

    def explain(self, key: bytes) -> str:
        """
        Return the course of the last lookup of a key as text; empty without one.
        """
        return self._lookups.explain(key)

    @property
    def size(self) -> float | None:
        """
        The estimated number of servers in the network; None if too few lookups were
        complete.
        """
        return self._lookups.size.estimate(self._host.clock.seconds())

    @property
    def serving(self) -> bool:
        """
        Whether this node is a server now.
        """
        return self._switch.serving

    def usage(self) -> DHTUsage:
        """
        Return the numbers of requests and lookups.
        """
        client, requests = self._network.client, self._requests
        return DHTUsage(
            client.sent,
            client.failed,
            requests.received,
            requests.refused,
            self._lookups.endings,
        )

    # The table

    def _servers(self) -> list[PeerID]:
        """
        Return the connected peers that are servers.
        """
        peers = {each.remotePeer for each in self._host.connections}
        return [each for each in peers if self._network.isServer(each)]

    def _met(self, peer: PeerID) -> None:
        """
        Check a peer that has described itself.
        """
        if self._network.isServer(peer):
            self._admission.consider(peer)
        else:
            self._admission.left(peer)

    def _protocolsChanged(self, event: ProtocolsChanged) -> None:
        if event.peer != self._host.peerID and self.protocol in (
            *event.added,
            *event.removed,
        ):
            self._met(event.peer)

    def _closed(self, event: ClosedConn) -> None:
        if not self._host.connections.to(event.peer):
            self._requests.forget(event.peer)

    def _succeeded(self, peer: PeerID) -> None:
        self._admission.succeeded(peer)

    def _failed(self, reason: Failure | None, peer: PeerID) -> None:
        self._admission.failed(reason, peer)

    def _tableChanged(self, peer: PeerID, added: bool) -> None:
        if added:
            self._upkeep.entered()
            self._lookups.entered()
        self._keeping.changed(peer, added)

    def _rejoin(self) -> None:
        """
        Check the servers of the last run.
        """
        if self.running:
            known = self._keeping.known(self._random)
            self._rejoining = Rejoining(known, self._admission.consider)
            self._rejoining.start()

    # The mode

    def setMode(self, mode: DHTMode | str) -> None:
        """
        Change the mode.
        """
        self._switch.mode = DHTMode.of(mode)
        if self.running:
            self._switch.choose()

    def _sweep(self) -> None:
        """
        Drop expired records.
        """
        now = self._host.clock.seconds()
        self.values.sweep(now, _SWEEP)
        self.providers.sweep(now, _SWEEP)


def _addressesOf(found: FoundPeer, peer: PeerID) -> Sequence[Multiaddr]:
    """
    Return the addresses of a peer.

    @raise NotFound: there are none.
    """
    report = found.report
    if not found.addresses:
        raise NotFound(str(peer), report.asked, report.asked - report.failed)
    return found.addresses
