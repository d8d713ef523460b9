# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The discovery of peers by what they provide: the peers of a namespace are the providers
of the hash of its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.advertising import Advertisement
from twisted_libp2p.discovery.searching import Search
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    IContentRouting,
    IDiscovery,
    IDrainable,
    IHost,
    IHostService,
    Source,
)

__all__ = ["ProviderDiscovery", "keyOf"]

#: The name of this discovery in events.
SOURCE: Final = "providers"

#: Seconds after which a node announces itself again: servers of a DHT forget it after
#: two days.
RENEWAL: Final = 22 * 3600.0

#: Seconds for which the addresses of a found peer are kept.
ADDRESS_TTL: Final = 600.0


def keyOf(namespace: str) -> bytes:
    """
    Return the key of a namespace: the multihash of its name, as in the
    C{RoutingDiscovery} of go-libp2p.

    @raise ConfigurationError: the namespace is empty.
    """
    if not namespace:
        raise ConfigurationError("a namespace is empty: give it a name, such as chess")
    return b"\x12\x20" + sha256(namespace.encode("utf-8")).digest()


@implementer(IDrainable, IHostService, IDiscovery)
class ProviderDiscovery(MultiService):
    """
    Finds peers by a DHT: C{node.add(ProviderDiscovery(dht, ["chess"]))}.

    It announces the node in the given namespaces, and goes on to look for their peers,
    for as long as it runs.  Found peers are announced by C{PeerDiscovered}.
    """

    def __init__(
        self, routing: IContentRouting, namespaces: Iterable[str] = ()
    ) -> None:
        """
        Take a routing.

        @param routing: the DHT.
        @param namespaces: the names under which the node is found and looks for peers.
        @raise ConfigurationError: a name is empty.
        """
        super().__init__()
        self.setName(SOURCE)
        self.namespaces = list(namespaces)
        for each in self.namespaces:
            keyOf(each)
        self._routing = routing
        self._provided: set[bytes] = set()

    def attach(self, host: IHost) -> None:
        """
        Take the node.
        """
        self._host = host
        for each in self.namespaces:
            Advertisement(host, self, each).setServiceParent(self)
            Search(host, self, each, SOURCE).setServiceParent(self)

    def drain(self) -> None:
        """
        Look for no peers any longer, and announce the node no longer.
        """
        self.stopService()

    def stopService(self) -> Any:
        """
        Look for no peers any longer, and announce the node no longer.
        """
        provided, self._provided = self._provided, set()
        for key in provided:
            self._routing.unprovide(key)
        return super().stopService()

    def advertise(self, namespace: str, ttl: float | None = None) -> Deferred[float]:
        """
        Announce the node under a name.

        @param ttl: has no effect: the servers of a DHT decide.
        @return: fires with the seconds after which to announce it again.
        """
        key = keyOf(namespace)
        self._provided.add(key)
        return self._routing.provide(key).addCallback(lambda _: RENEWAL)

    def findPeers(
        self, namespace: str, count: int = 20
    ) -> Deferred[Sequence[tuple[PeerID, Sequence[Multiaddr]]]]:
        """
        Look up the peers of a namespace, and store their addresses.
        """
        finding = self._routing.findProviders(keyOf(namespace), count)
        return finding.addCallback(self._found)

    def _found(
        self, providers: Sequence[tuple[PeerID, Sequence[Multiaddr]]]
    ) -> Sequence[tuple[PeerID, Sequence[Multiaddr]]]:
        others = [each for each in providers if each[0] != self._host.peerID]
        for peer, addresses in others:
            self._host.peerstore.addAddresses(
                peer, addresses, Source.DISCOVERED, ADDRESS_TTL
            )
        return others
