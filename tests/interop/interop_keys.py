# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Every type of key, on either side.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.matrix import IDS, KEYS, Key
from tests.interop.ours import Tasks, serve
from tests.interop.process import ForeignPeer
from tests.interop.results import Results
from tests.interop.sides import LISTEN, LISTEN_QUIC, requireBackend
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.node import Node
from twisted_libp2p.quic.transport import QuicProvider

Command = Callable[[str], list[str]]

POSSIBLE = [key for key in KEYS if key.impossible is None]
IMPOSSIBLE = [key for key in KEYS if key.impossible is not None]


def nodeFor(key: Key) -> Node:
    """
    Make our side of it.
    """
    ours = key.kind if key.side == "our" else KeyType.ED25519
    identity = Identity.generate(ours)
    if not key.backend:
        return Node(reactor, identity, [LISTEN])
    provider = QuicProvider(key.backend)
    return Node(reactor, identity, [LISTEN_QUIC], transports=[provider])


def optionsFor(key: Key) -> list[str]:
    """
    Give what makes the foreign peer their side of it.
    """
    theirs = key.kind if key.side == "their" else KeyType.ED25519
    stack = ["--transport", "quic"] if key.backend else ["--security", key.way]
    return [*stack, "--key", theirs.name.lower()]


async def meet(command: list[str], key: Key) -> None:
    """
    Dial them, and have them dial us.
    """
    node = nodeFor(key)
    serve(node)
    node.startService()
    foreign = ForeignPeer.start(reactor, command, "listen", *optionsFor(key))
    try:
        hello = await foreign.line()
        connection = await node.connect(hello["addrs"][0])
        assert str(connection.remotePeer) == hello["peerId"]
        assert connection.security == IDS["tls" if key.backend else key.way]
        if key.side == "their":
            assert connection.remoteKey.type is key.kind
        await Tasks(connection).echo(1000)
        (address,) = await node.whenListening()
        dialer = ForeignPeer.start(
            reactor, command, "dial", str(address), *optionsFor(key)
        )
        result = await dialer.line()
        assert result["ok"], (result, dialer.errors)
        assert result["remotePeer"] == str(node.peerID)
        await dialer.ended
    finally:
        await node.stopService()
        await foreign.stop()


@pytest.mark.parametrize("key", POSSIBLE, ids=lambda key: key.name)
@pytest_twisted.ensureDeferred
async def test_key(command: Command, results: Results, key: Key) -> None:
    """
    It identifies its owner, in both directions.
    """
    start = command(key.peer)
    requireBackend(key.backend)
    try:
        await meet(start, key)
    except BaseException:
        results.key(key, False)
        raise
    results.key(key, True)


@pytest.mark.parametrize("key", IMPOSSIBLE, ids=lambda key: key.name)
@pytest_twisted.ensureDeferred
async def test_impossible(command: Command, key: Key) -> None:
    """
    What the table says cannot be cannot be by now either.
    """
    start = command(key.peer)
    requireBackend(key.backend)
    foreign = ForeignPeer.start(reactor, start, "listen", *optionsFor(key))
    if key.side == "their":
        assert await foreign.ended == 1, foreign.errors
        return
    node = nodeFor(key)
    node.startService()
    try:
        with pytest.raises(DialFailed):
            connection = await node.connect((await foreign.line())["addrs"][0])
            # The TLS handshake of a client is over before the server has judged.
            await connection.whenClosed()
            raise DialFailed(key.peer, [])
    finally:
        await node.stopService()
        await foreign.stop()
