# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The calls of the manual with their types, as a user writes them.  C{make check} checks
this file with C{mypy --strict} without a plugin; it is not run.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from twisted.web.resource import Resource

from twisted_libp2p import Connection, Identity, Multiaddr, Node, PeerID, Stream
from twisted_libp2p.connmanager import ConnectionPolicy, ListGater
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.discovery.mdns.service import MdnsService
from twisted_libp2p.events import Identified, PeerDisconnected
from twisted_libp2p.interfaces import DialOptions, PeerStore, Source
from twisted_libp2p.limits import Limits
from twisted_libp2p.pb import PeerRoot, PeerRootFactory, openRoot
from twisted_libp2p.peerstore import openPeerStore
from twisted_libp2p.pubsub import PubSub
from twisted_libp2p.relay.service import RelayService
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.status import serveMetrics, serveStatus
from twisted_libp2p.testing import MemoryNodes
from twisted_libp2p.transport.websocket.transport import WebSockets
from twisted_libp2p.tunnel.tunnel import Tunnel
from twisted_libp2p.web import Agent, WebService


class Teller(PeerRoot):
    def remote_name(self) -> str:
        return str(self.peer)


def build(reactor: Any) -> Node:
    """Give a node everything that it takes."""
    node = Node(
        reactor,
        Identity.fromFile("node.key"),
        ["/ip4/127.0.0.1/tcp/0", TCP4ServerEndpoint(reactor, 0)],
        security=[Noise(reactor), "tls"],
        muxers="yamux",
        transports=["tcp", WebSockets()],
        policy=ConnectionPolicy(lowWater=1, highWater=2),
        limits=Limits.scaled(),
        gater=ListGater(blocked=["12D3KooW"]),
        peerstore=openPeerStore(reactor, "memory:"),
        services=[RelayService(), MdnsService(), KademliaDHT()],
    )
    node.add(PubSub())
    node.add(WebService(Resource()))
    node.add(Tunnel(reactor, "tcp:2222", node.peerID, "/ssh/1.0.0"))
    node.serve("/bank/1.0.0", PeerRootFactory(Teller), allow=[node.peerID])
    serveStatus(reactor, node, "tcp:0")
    serveMetrics(reactor, node, "tcp:0")
    return node


async def use(node: Node, reactor: Any, address: str) -> None:
    """Call the methods of a node."""
    await node.listenOn(endpoint=TCP4ServerEndpoint(reactor, 0))
    peer: PeerID | None = Multiaddr(address).peerID
    connection: Connection = await node.connect(address, DialOptions(fresh=True))
    await node.connect(TCP4ClientEndpoint(reactor, "localhost", 1))
    print(connection.remotePeer == peer, connection.security)
    store: PeerStore = node.peerstore
    store.addAddresses(address, [address], source=Source.CONFIGURED)
    for known in node.connections.to(connection.remotePeer):
        await known.openStream("/echo/1.0.0", PeerRootFactory(Teller))
        await known.close()
    for each in node.connections:
        streams: list[Stream] = list(each.streams)
        print(each.remoteAddress, len(streams))
    identified: Identified = await node.events.next(Identified)
    print(identified.connection.remotePeer, identified.agent)
    node.events.subscribe(PeerDisconnected, lambda event: print(event.ending))
    response = await Agent(node).request(b"GET", b"libp2p://12D3KooW/")
    print(response.code)
    root = await openRoot(node, address, "/bank/1.0.0")
    print(await root.callRemote("name"))
    topic = await node.pubsub.join("news")
    await topic.publish(b"hello")


def inMemory() -> None:
    """Test two nodes."""
    nodes = MemoryNodes(delay=0.01)
    near, far = nodes.connect(nodes.start(), nodes.start())
    print(near.remotePeer, far.localPeer)
