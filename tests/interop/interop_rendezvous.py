# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Rendezvous points and clients of ours and of others.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.process import ForeignPeer
from twisted_libp2p.discovery.rendezvous.client import RendezvousClient
from twisted_libp2p.discovery.rendezvous.point import RendezvousPoint
from twisted_libp2p.errors import RendezvousRefused
from twisted_libp2p.node import Node

Command = Callable[[str], list[str]]

#: The namespace of the peers of others.
NAMESPACE = "interop"


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
        peer = ForeignPeer.start(reactor, self._command("rust"), "listen", *arguments)
        self._foreign.append(peer)
        hello = await peer.line(lambda line: "addrs" in line and "event" not in line)
        return peer, hello["addrs"][0]

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


@pytest.mark.parametrize("scene", [atOurPoint, atRustPoint])
@pytest_twisted.ensureDeferred
async def test_rendezvous(
    command: Command, scene: Callable[[Cast], Awaitable[None]]
) -> None:
    """
    Play each scene.
    """
    await play(command, scene)
