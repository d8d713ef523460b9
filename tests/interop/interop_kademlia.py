# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One DHT of ours and of others: each finds the peers, providers and values of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.interop.process import ForeignPeer
from twisted_libp2p.dht.events import TableChanged
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.dht.validators import AnyValue
from twisted_libp2p.identity import Identity, KeyType, PeerID
from twisted_libp2p.node import Node

Command = Callable[[str], list[str]]

#: The network that each implementation joins.  The protocol id of py-libp2p 0.8.1 is
#: fixed; go-libp2p-kad-dht accepts no values of others in /ipfs.
PREFIXES = {"go": "/test", "rust": "/test", "js": "/test", "py": "/ipfs"}


def multihash(content: bytes) -> bytes:
    """
    Return the key of some content.
    """
    return b"\x12\x20" + sha256(content).digest()


class Foreign:
    """
    A server of another implementation.
    """

    def __init__(self, process: ForeignPeer, peer: PeerID, address: str) -> None:
        self._process = process
        self.peerID = peer
        self.address = address

    async def entered(self, peer: PeerID) -> None:
        """
        Wait until a peer is in its table.
        """
        await self._process.event("entered", peer=str(peer))

    async def ask(self, *words: str) -> Any:
        """
        Send a request, and return its result.
        """
        self._process.transport.write(" ".join(words).encode() + b"\n")
        line = await self._process.line(lambda line: "ok" in line)
        assert line["ok"], (words, line, self._process.errors[-2000:])
        return line["result"]


class Net:
    """
    The peers of a test.
    """

    def __init__(self, command: Command) -> None:
        self._command = command
        self._nodes: list[Node] = []
        self._foreign: list[ForeignPeer] = []

    async def ours(
        self, prefix: str, mode: str = "server", identity: Identity | None = None
    ) -> tuple[Node, KademliaDHT]:
        """
        Start a node of ours.
        """
        validators = None if prefix == "/ipfs" else {"v": AnyValue()}
        dht = KademliaDHT(prefix, mode, validators=validators)
        node = Node(
            reactor, listen=["/ip4/127.0.0.1/tcp/0"], services=[dht], identity=identity
        )
        self._nodes.append(node)
        node.startService()
        await node.whenListening()
        return node, dht

    async def foreign(self, name: str) -> Foreign:
        """
        Start a server of another implementation.
        """
        process = ForeignPeer.start(reactor, self._command(name), "kad", PREFIXES[name])
        self._foreign.append(process)
        hello = await process.line(lambda line: "addrs" in line)
        return Foreign(process, PeerID.of(hello["peerId"]), hello["addrs"][0])

    async def join(self, node: Node, dht: KademliaDHT, other: Foreign) -> None:
        """
        Connect a node of ours, and wait until each is in the table of the other.
        """
        entered: Deferred[Any] = node.events.next(
            TableChanged, lambda event: event.peer == other.peerID and event.added
        )
        await node.connect(other.address)
        if other.peerID not in dht.table:
            await entered
        entered.addErrback(lambda _: None).cancel()
        if dht.serving:
            await other.entered(node.peerID)

    async def stop(self) -> None:
        """
        End all peers.
        """
        for node in self._nodes:
            await node.stopService()
        for process in self._foreign:
            await process.stop()


@pytest.fixture
def net(command: Command) -> Any:
    """
    Make an empty network.
    """
    made = Net(command)
    yield made
    pytest_twisted.blockon(Deferred.fromCoroutine(made.stop()))


@pytest.mark.parametrize("name", PREFIXES)
@pytest_twisted.ensureDeferred
async def test_peers(net: Net, name: str) -> None:
    """
    A client of ours finds another client by way of the foreign server, and the foreign
    server finds a server of ours by way of another one.
    """
    prefix = PREFIXES[name]
    server = await net.foreign(name)
    one, first = await net.ours(prefix)
    two, second = await net.ours(prefix)
    await net.join(one, first, server)
    await net.join(two, second, server)
    # They know each other by the server alone.
    client, dht = await net.ours(prefix, "client")
    await net.join(client, dht, server)
    found = await dht.locate(one.peerID)
    assert one.addresses[0].withoutPeer() in found.addresses
    connection = await client.connect(two.peerID)
    assert connection.remotePeer == two.peerID
    nearest = await server.ask("find", str(two.peerID))
    if name == "rust":
        # get_closest_peers gives ids.
        assert str(two.peerID) in nearest
    else:
        assert str(two.addresses[0].withoutPeer()) in [
            each.partition("/p2p/")[0] for each in nearest
        ]


@pytest.mark.parametrize("name", PREFIXES)
@pytest_twisted.ensureDeferred
async def test_providers(net: Net, name: str) -> None:
    """
    Each finds the other as a provider: at a server of ours, and at the foreign one.
    """
    server = await net.foreign(name)
    one, first = await net.ours(PREFIXES[name])
    two, second = await net.ours(PREFIXES[name])
    await net.join(one, first, server)
    await net.join(two, second, server)
    mine, theirs = multihash(b"ours"), multihash(b"theirs")
    stored = await first.provide(mine)
    assert stored.count >= 1
    # rust-libp2p reports each answer.
    assert set(await server.ask("providers", mine.hex())) == {str(one.peerID)}
    arrived: Deferred[Any] = Deferred()
    first.providers.changed = arrived.callback
    await server.ask("provide", theirs.hex())
    [(peer, _)] = await second.findProviders(theirs)
    assert peer == server.peerID
    # It announces itself at servers of ours as well.
    assert await arrived == (theirs, server.peerID)


@pytest.mark.parametrize("name", ["go", "rust", "js"])
@pytest_twisted.ensureDeferred
async def test_values(net: Net, name: str) -> None:
    """
    Each gets the values of the other; the public key of an RSA peer, too.
    """
    server = await net.foreign(name)
    one, first = await net.ours(PREFIXES[name])
    two, second = await net.ours(PREFIXES[name])
    await net.join(one, first, server)
    await net.join(two, second, server)
    key, other = b"/v/ours", b"/v/theirs"
    assert (await first.put(key, b"one")).count >= 1
    got = await server.ask("get", key.hex())
    assert b"one".hex() in (got if isinstance(got, list) else [got])
    await server.ask("put", other.hex(), b"two".hex())
    assert (await second.get(other)).value == b"two"
    identity = Identity.generate(KeyType.RSA)
    key = b"/pk/" + identity.peerID.toBytes()
    value = identity.publicKey.toBytes()
    await first.put(key, value)
    assert (await second.get(key)).value == value
    got = await server.ask("get", key.hex())
    assert value.hex() in (got if isinstance(got, list) else [got])


@pytest_twisted.ensureDeferred
async def test_chain(net: Net) -> None:
    """
    A lookup of ours leads through servers of go, rust and js.
    """
    servers = [await net.foreign(name) for name in ("go", "rust", "js")]
    for near, far in pairwise(servers):
        await far.ask("connect", near.address)
    first, dht = await net.ours("/test")
    await net.join(first, dht, servers[0])
    last, other = await net.ours("/test")
    await net.join(last, other, servers[-1])
    found = await dht.locate(last.peerID)
    assert last.addresses[0].withoutPeer() in found.addresses
    connection = await first.connect(servers[-1].peerID)
    assert connection.remotePeer == servers[-1].peerID
