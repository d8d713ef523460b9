# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One DHT of ours and of others: each finds the peers, providers and values of the others.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.interop.network import Command, Foreign, Network
from twisted_libp2p.dht.events import TableChanged
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.dht.validators import AnyValue
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.node import Node

#: The network that each implementation joins.  The protocol id of py-libp2p 0.8.1 is
#: fixed; go-libp2p-kad-dht accepts no values of others in /ipfs.
PREFIXES = {"go": "/test", "rust": "/test", "js": "/test", "py": "/ipfs"}


def multihash(content: bytes) -> bytes:
    """
    Return the key of some content.
    """
    return b"\x12\x20" + sha256(content).digest()


class Net(Network):
    """
    The peers of a test.
    """

    async def ours(
        self, prefix: str, mode: str = "server", identity: Identity | None = None
    ) -> tuple[Node, KademliaDHT]:
        """
        Start a node of ours.
        """
        validators = None if prefix == "/ipfs" else {"v": AnyValue()}
        dht = KademliaDHT(prefix, mode, validators=validators)
        return await self.node(dht, identity=identity), dht

    async def server(self, name: str) -> Foreign:
        """
        Start a server of another implementation.
        """
        return await self.foreign(name, "kad", PREFIXES[name])

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
            await other.event("entered", peer=str(node.peerID))


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
    server = await net.server(name)
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
    server = await net.server(name)
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


@pytest.mark.parametrize("name", PREFIXES)
@pytest_twisted.ensureDeferred
async def test_manyKeys(net: Net, name: str) -> None:
    """
    A foreign server stores all keys that are announced together, and names their
    provider to another node of ours.  py-libp2p 0.8.1 takes ten of a peer in 10 s.
    """
    server = await net.server(name)
    one, first = await net.ours(PREFIXES[name], "client")
    two, second = await net.ours(PREFIXES[name], "client")
    await net.join(one, first, server)
    await net.join(two, second, server)
    keys = [multihash(b"%d" % each) for each in range(8)]
    assert await first.provideAll(keys) == len(keys)
    for key in keys:
        assert [peer for peer, _ in await second.findProviders(key)] == [one.peerID]


@pytest.mark.parametrize("name", ["go", "rust", "js"])
@pytest_twisted.ensureDeferred
async def test_values(net: Net, name: str) -> None:
    """
    Each gets the values of the other; the public key of an RSA peer, too.
    """
    server = await net.server(name)
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
    servers = [await net.server(name) for name in ("go", "rust", "js")]
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
