# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dials that meet somebody else than they expect.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.matrix import PEERS
from tests.interop.ours import Tasks
from tests.interop.process import ForeignPeer
from tests.interop.sides import LISTEN, requireBackend
from twisted_libp2p.connection.talk import Talk
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.identity import Identity
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID as ECHO_ID
from twisted_libp2p.quic.transport import QuicProvider

Command = Callable[[str], list[str]]

everyPeer = pytest.mark.parametrize("peer", PEERS)


@everyPeer
@pytest_twisted.ensureDeferred
async def test_wrongPeer(command: Command, peer: str) -> None:
    """
    A foreign dialer that expects somebody else refuses us, and we it.
    """
    start = command(peer)
    node = Node(reactor, listen=[LISTEN])
    node.startService()
    other = Identity.generate().peerID
    foreign = ForeignPeer.start(reactor, start, "listen")
    try:
        (address,) = await node.whenListening()
        wrong = address.withoutPeer().withPeer(other)
        dialer = ForeignPeer.start(reactor, start, "dial", str(wrong))
        # Meanwhile, since py tries four times before it gives up.
        theirs = (await foreign.line())["addrs"][0].rsplit("/", 1)[0]
        with pytest.raises(DialFailed):
            await node.connect(f"{theirs}/{other}")
        result = await dialer.line()
        assert not result["ok"]
        await dialer.ended
        assert len(node.connections) == 0
    finally:
        await node.stopService()
        await foreign.stop()


@everyPeer
@pytest.mark.parametrize("backend", ["aioquic", "native"])
@pytest_twisted.ensureDeferred
async def test_early(command: Command, peer: str, backend: str) -> None:
    """
    Over QUIC a stream is opened before they have accepted us, and they answer on it.
    """
    start = command(peer)
    requireBackend(backend)
    node = Node(reactor, transports=[QuicProvider(backend)])
    node.startService()
    foreign = ForeignPeer.start(reactor, start, "listen", "--transport", "quic")
    connected: list[int] = []

    class Early(Talk):
        def connectionMade(self) -> None:
            connected.append(len(node.connections))
            super().connectionMade()

    try:
        hello = await foreign.line()
        opening = node.openStream(hello["addrs"][0], ECHO_ID, Early)
        async with await opening as talk:
            await talk.write(b"hello")
            assert await talk.readExactly(5) == b"hello"
        assert connected == [0]
    finally:
        await node.stopService()
        await foreign.stop()


@everyPeer
@pytest_twisted.ensureDeferred
async def test_legacy(command: Command, peer: str) -> None:
    """
    A dialer that tries the draft's dialect recognises a peer that does not
    speak it, dials it in the standard one, and remembers.
    """
    foreign = ForeignPeer.start(reactor, command(peer), "listen")
    node = Node(reactor, dialect="auto")
    node.startService()
    try:
        hello = await foreign.line()
        connection = await node.connect(hello["addrs"][0])
        await Tasks(connection).echo(1000)
        assert node.peerstore.dialect(connection.remotePeer) == "multistream"
    finally:
        await node.stopService()
        await foreign.stop()
