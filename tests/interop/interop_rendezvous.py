# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Rendezvous points and clients of ours and of others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.process import ForeignPeer
from twisted_libp2p.discovery.rendezvous.client import RendezvousClient
from twisted_libp2p.discovery.rendezvous.point import RendezvousPoint
from twisted_libp2p.errors import RendezvousRefused
from twisted_libp2p.identity import PeerID
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.identify import IdentifyService

Line = dict[str, Any]
Command = Callable[[str], list[str]]

#: The namespace of the peers of others.
NAMESPACE = "interop"


Found = dict[str, list[str]]


class GoPeer:
    """
    A point, or a client, on go-libp2p-rendezvous.

    @ivar peerID: its peer id.
    @ivar addresses: its addresses, without its id.
    """

    def __init__(self, peer: ForeignPeer, peerID: PeerID, addresses: list[str]) -> None:
        self._peer = peer
        self.peerID = peerID
        self.addresses = addresses

    async def ask(self, what: str) -> Line:
        """
        Let it ask its point, and return the answer.
        """
        self._peer.transport.write(f"{what} {NAMESPACE}\n".encode())
        answer: Line = await self._peer.line(lambda line: "event" in line)
        return answer

    async def register(self) -> None:
        """
        Register.
        """
        assert await self.ask("register") == {"event": "registered", "ttl": 7200}

    async def found(self) -> Found:
        """
        Return the peers that it finds, with their addresses.
        """
        answer = await self.ask("discover")
        assert answer["event"] == "discovered", answer
        found: Found = answer["peers"]
        return found


class OurPeer:
    """
    A client of ours.
    """

    def __init__(self, node: Node) -> None:
        self.peerID = node.peerID
        self.addresses = [str(each.withoutPeer()) for each in node.addresses]
        self._client = node.service(RendezvousClient)

    async def register(self) -> None:
        """
        Register.
        """
        assert await self._client.advertise(NAMESPACE) == 7200 * 7 / 8

    async def found(self) -> Found:
        """
        Return the peers that it finds, with their addresses.
        """
        found = await self._client.findPeers(NAMESPACE)
        return {str(peer): [str(each) for each in places] for peer, places in found}


class Cast:
    """
    The peers of a test.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._nodes: list[Node] = []
        self._foreign: list[ForeignPeer] = []

    async def node(self, *services: Any) -> Node:
        """
        Start a node of ours.
        """
        node = Node(reactor, listen="/ip4/127.0.0.1/tcp/0", services=services)
        self._nodes.append(node)
        node.startService()
        await node.whenListening()
        return node

    async def foreign(self, *arguments: str) -> tuple[ForeignPeer, str]:
        """
        Start a peer on rust-libp2p.

        @return: the peer, and its address.
        """
        peer, hello = await self._start("rust", "listen", *arguments)
        return peer, hello["addrs"][0]

    async def go(self, *arguments: str) -> GoPeer:
        """
        Start a point, or a client, on go-libp2p-rendezvous.
        """
        peer, hello = await self._start("rendezvous", *arguments)
        return GoPeer(peer, PeerID.of(hello["peer"]), hello["addrs"])

    async def _start(self, name: str, *arguments: str) -> tuple[ForeignPeer, Line]:
        peer = ForeignPeer.start(reactor, self._command(name), *arguments)
        self._foreign.append(peer)
        hello = await peer.line(lambda line: "addrs" in line and "event" not in line)
        return peer, hello

    async def stop(self) -> None:
        """
        End all peers.
        """
        for peer in self._foreign:
            await peer.stop()
        for node in self._nodes:
            await node.stopService()


async def play(command: Command, scene: Callable[[Cast], Awaitable[None]]) -> None:
    """
    Play a test, and end its peers.
    """
    cast = Cast(command)
    try:
        await scene(cast)
    finally:
        await cast.stop()


async def atOurPoint(cast: Cast) -> None:
    """
    Peers on rust-libp2p register at our point, and find each other and ours.
    """
    point = await cast.node(RendezvousPoint())
    address = str(point.addresses[0])
    ours = await cast.node(RendezvousClient([address]))
    await ours.service(RendezvousClient).advertise(NAMESPACE)
    first, _ = await cast.foreign("--register", address)
    assert (await first.event("registered"))["ttl"] == 7200
    assert point.service(RendezvousPoint).registrations == 2
    second, _ = await cast.foreign("--discover", address)
    found = [await second.event("found"), await second.event("found")]
    assert {each["peer"] for each in found} >= {str(ours.peerID)}
    assert (await second.event("discovered"))["count"] == 2
    peers = dict(await ours.service(RendezvousClient).findPeers(NAMESPACE))
    (other,) = {each["peer"] for each in found} - {str(ours.peerID)}
    assert [str(each) for each in peers] == [other]


async def atRustPoint(cast: Cast) -> None:
    """
    Our peers register at a point of rust-libp2p, and find each other and a peer on
    rust-libp2p.
    """
    _, address = await cast.foreign("--rendezvous-point")
    near = await cast.node(RendezvousClient([address]))
    far = await cast.node(RendezvousClient([address]))
    client = near.service(RendezvousClient)
    assert await client.advertise(NAMESPACE) == 7200 * 7 / 8
    peer, _ = await cast.foreign("--register", address)
    await peer.event("registered")
    found = dict(await far.service(RendezvousClient).findPeers(NAMESPACE))
    assert near.peerID in found
    assert len(found) == 2
    asker, _ = await cast.foreign("--discover", address)
    assert (await asker.event("discovered"))["count"] == 2
    with pytest.raises(RendezvousRefused) as refused:
        await client.advertise(NAMESPACE, 60)
    assert "invalid ttl" in str(refused.value)
    await client.withdraw(NAMESPACE)
    await near.connect(address)


class GoScene:
    """
    A point, a peer that registers, and one that looks for others: of ours, or of
    go-libp2p-rendezvous.
    """

    def __init__(self, point: str, registrant: str, discoverer: str) -> None:
        self._point = point
        self._registrant = registrant
        self._discoverer = discoverer
        self.__name__ = f"{registrant}-at-{point}-found-by-{discoverer}"

    async def __call__(self, cast: Cast) -> None:
        """
        Let the one find the other, and let both find each other.
        """
        ours: Node | None = None
        if self._point == "go":
            point = await cast.go("point")
            address = f"{point.addresses[0]}/p2p/{point.peerID}"
        else:
            ours = await cast.node(RendezvousPoint())
            address = str(ours.addresses[0])
        registrant = await self._client(cast, self._registrant, address)
        discoverer = await self._client(cast, self._discoverer, address)
        if ours is not None and self._discoverer == "go":
            # The point knows the layout of a peer that has not registered by identify.
            (connection,) = ours.connections.to(discoverer.peerID)
            await ours.service(IdentifyService).identified(connection)
        assert await discoverer.found() == {}
        await registrant.register()
        expected = {str(registrant.peerID): registrant.addresses}
        assert await discoverer.found() == expected
        await discoverer.register()
        assert (await discoverer.found()).items() >= expected.items()
        assert str(discoverer.peerID) in await registrant.found()

    async def _client(self, cast: Cast, side: str, point: str) -> GoPeer | OurPeer:
        if side == "go":
            return await cast.go("client", point)
        return OurPeer(await cast.node(RendezvousClient([point])))


SIDES = ("ours", "go")
GO_SCENES = [GoScene(*each) for each in product(SIDES, SIDES, SIDES) if "ours" in each]


async def allAtOurPoint(cast: Cast) -> None:
    """
    Peers on rust-libp2p and on go-libp2p-rendezvous find ours at our point, and ours
    finds both; they do not find each other, whose records they cannot read.
    """
    point = await cast.node(RendezvousPoint())
    address = str(point.addresses[0])
    ours = OurPeer(await cast.node(RendezvousClient([address])))
    await ours.register()
    go = await cast.go("client", address)
    await go.register()
    rust, _ = await cast.foreign("--register", address)
    await rust.event("registered")
    assert point.service(RendezvousPoint).registrations == 3
    found = await ours.found()
    assert len(found) == 2
    assert str(go.peerID) in found
    assert set(await go.found()) == {str(ours.peerID), str(go.peerID)}
    asker, _ = await cast.foreign("--discover", address)
    discovered = (await asker.event("discovered"))["count"]
    assert discovered == 2
    names = {(await asker.event("found"))["peer"] for _ in range(discovered)}
    assert str(ours.peerID) in names
    assert str(go.peerID) not in names


@pytest.mark.parametrize("scene", [atOurPoint, atRustPoint, allAtOurPoint, *GO_SCENES])
@pytest_twisted.ensureDeferred
async def test_rendezvous(
    command: Command, scene: Callable[[Cast], Awaitable[None]]
) -> None:
    """
    Play each scene.
    """
    await play(command, scene)
