# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The services by which the attacked node finds peers, and is found: what can be asked
about them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from twisted.internet import reactor

from twisted_libp2p.dht.events import CrowdedKey
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.discovery.delegated.client import DelegatedRouting
from twisted_libp2p.discovery.mdns.service import MdnsService
from twisted_libp2p.discovery.rendezvous.client import RendezvousClient
from twisted_libp2p.discovery.rendezvous.point import RendezvousPoint
from twisted_libp2p.errors import Libp2pError, NotFound
from twisted_libp2p.identity import PeerID
from twisted_libp2p.node import Node
from twisted_libp2p.portmap.events import PortMapped, PortMappingFailed
from twisted_libp2p.portmap.lease import Gateway
from twisted_libp2p.portmap.service import PortMapping

__all__ = ["Finding"]

loop: Any = reactor


class Finding:
    """
    These services of a node.

    @ivar dht: the DHT.
    @ivar commands: the questions.
    """

    def __init__(self, node: Node, dht: bool, point: bool) -> None:
        """
        @param dht: whether the node is a server of a DHT.
        @param point: whether it is a rendezvous point.
        """
        self._node = node
        self.dht = KademliaDHT("/attacked", "server" if dht else "client")
        if dht:
            node.add(self.dht)
        self._point = RendezvousPoint()
        if point:
            node.add(self._point)
        self._counts: Counter[str] = Counter()
        for kind in (CrowdedKey, PortMapped, PortMappingFailed):
            node.events.subscribe(
                kind, lambda event: self._counts.update([type(event).__name__])
            )
        self.commands: list[Callable[..., Any]] = [
            self.table,
            self.lookup,
            self.providers,
            self.value,
            self.store,
            self.multicast,
            self.register,
            self.meet,
            self.route,
            self.mapping,
            self.mapped,
        ]

    # The DHT

    async def table(self) -> dict[str, Any]:
        """
        Name the servers in the routing table.
        """
        return {"peers": [str(each.peer) for each in self.dht.table]}

    async def lookup(self, key: str) -> dict[str, Any]:
        """
        Look up a key in the DHT.
        """
        try:
            report = await self.dht.closest(bytes.fromhex(key))
        except NotFound as error:
            return {"seconds": 0.0, "ending": str(error), "nearest": []}
        return {
            "asked": report.asked,
            "heard": report.heard,
            "seconds": report.seconds,
            "ending": report.ending.value,
            "nearest": [str(each) for each in report.nearest],
            "alarms": self._counts[CrowdedKey.__name__],
        }

    async def providers(self, key: str) -> dict[str, Any]:
        """
        Find the providers of a key.
        """
        found = await self.dht.locateProviders(bytes.fromhex(key))
        return {
            "peers": [str(each) for each in found.providers],
            "alarms": self._counts[CrowdedKey.__name__],
        }

    async def value(self, key: str) -> dict[str, Any]:
        """
        Find the best value of a key.
        """
        try:
            found = await self.dht.get(bytes.fromhex(key))
        except NotFound as error:
            return {"value": "", "error": str(error)}
        return {"value": found.value.hex()}

    async def store(self, key: str, value: str) -> dict[str, Any]:
        """
        Store a value.
        """
        try:
            stored = await self.dht.put(bytes.fromhex(key), bytes.fromhex(value))
        except Libp2pError as error:
            return {"count": 0, "error": str(error)}
        return {"count": stored.count}

    # The local network, and rendezvous points

    async def multicast(self, switch: str) -> dict[str, Any]:
        """
        Begin to find peers on the local network, or end it.
        """
        if switch == "on":
            self._node.add(MdnsService())
        else:
            await self._node.service(MdnsService).disownServiceParent()
        return {}

    async def register(self) -> dict[str, Any]:
        """
        Count the registrations at this point.
        """
        return {"registrations": self._point.registrations}

    async def meet(self, point: str, namespace: str) -> dict[str, Any]:
        """
        Ask a rendezvous point for the peers of a namespace.
        """
        began = loop.seconds()
        client = RendezvousClient([point])
        self._node.add(client)
        try:
            found = await client.findPeers(namespace)
        except Libp2pError as error:
            return {"peers": {}, "error": str(error), "seconds": loop.seconds() - began}
        finally:
            await client.disownServiceParent()
        return {
            "peers": {str(peer): list(map(str, some)) for peer, some in found},
            "seconds": loop.seconds() - began,
        }

    async def route(self, url: str, peer: str) -> dict[str, Any]:
        """
        Ask a server over HTTP for a peer, and then all routings.
        """
        began = loop.seconds()
        routing = DelegatedRouting(url)
        self._node.add(routing)
        error = ""
        try:
            await routing.findPeer(PeerID.fromText(peer))
        except NotFound as failed:
            error = str(failed)
        alone = loop.seconds() - began
        try:
            found = await self._node.routing.findPeer(PeerID.fromText(peer))
        finally:
            routing.disownServiceParent()
        return {"addresses": list(map(str, found)), "error": error, "alone": alone}

    # The router

    async def mapping(self, gateway: str, local: str = "") -> dict[str, Any]:
        """
        Begin to have a router forward ports; end it if there is no router.
        """
        self._counts.clear()
        if gateway != "off":
            found = Gateway(IPv4Address(gateway), IPv4Address(local))
            self._node.add(PortMapping(lambda: found))
        else:
            await self._node.service(PortMapping).disownServiceParent()
        return {}

    async def mapped(self) -> dict[str, Any]:
        """
        Report the mapped ports, and the attempts that have ended.
        """
        service = self._node.service(PortMapping)
        return {
            "addresses": [
                str(each) for some in service.mapped.values() for each in some
            ],
            "failures": self._counts[PortMappingFailed.__name__],
            "problem": str(service.problem or ""),
            "state": self._node.reachability.state.value,
        }
