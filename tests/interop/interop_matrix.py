# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The matrix: foreign peers, both directions, every stack that both sides have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.ours import Tasks, serve
from tests.interop.process import ForeignPeer
from twisted_libp2p.errors import StreamReset
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.node import MUXERS, SECURITIES, Node

MIB = 1024 * 1024

PEERS = ("go", "js")

IDS = {"noise": "/noise", "tls": "/tls/1.0.0", "yamux": "/yamux/1.0.0"}
IDS["mplex"] = "/mplex/6.7.0"

STACKS = [(security, muxer) for security in SECURITIES for muxer in MUXERS]

Command = Callable[[str], list[str]]

everyStack = pytest.mark.parametrize(("security", "muxer"), STACKS)
everyPeer = pytest.mark.parametrize("peer", PEERS)
earlyOrLate = pytest.mark.parametrize("late", [False, True], ids=["early", "late"])


def stack(security: str, muxer: str, late: bool) -> list[str]:
    """
    Give the options that make a foreign peer speak one stack.
    """
    options = ["--security", security, "--muxer", muxer]
    return [*options, "--late-muxer"] if late else options


@everyPeer
@everyStack
@earlyOrLate
@pytest_twisted.ensureDeferred
async def test_weDial(
    command: Command, peer: str, security: str, muxer: str, late: bool
) -> None:
    """
    We dial, and do every task.
    """
    foreign = ForeignPeer.start(
        reactor, command(peer), "listen", *stack(security, muxer, late)
    )
    node = Node(reactor)
    serve(node)
    node.startService()
    try:
        hello = await foreign.line()
        connection = await node.connect(hello["addrs"][0])
        assert str(connection.remotePeer) == hello["peerId"]
        assert connection.security == IDS[security]
        assert connection.muxer == IDS[muxer]
        assert connection.early is not late
        tasks = Tasks(connection)
        assert await node.ping(connection.remotePeer) < 10
        told = await node.identify(connection.remotePeer)
        assert "/test/sink/1.0.0" in told.protocols
        assert told.observedAddress is not None
        assert told.agent
        for size in (0, 1, 1400, MIB):
            await tasks.echo(size)
        await tasks.halfClose(MIB)
        await tasks.reset()
        await foreign.event("reset", protocol="/echo/1.0.0")
        reason = await tasks.remoteReset()
        assert reason.check(StreamReset), reason
        await tasks.back()
        await tasks.many()
        await connection.close()
        await foreign.event("disconnected")
    finally:
        await node.stopService()
        await foreign.stop()


@everyPeer
@everyStack
@earlyOrLate
@pytest_twisted.ensureDeferred
async def test_theyDial(
    command: Command, peer: str, security: str, muxer: str, late: bool
) -> None:
    """
    They dial, and do every task.
    """
    node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
    serve(node)
    node.startService()
    closed: list[ClosedConn] = []
    node.events.subscribe(ClosedConn, closed.append)
    try:
        (address,) = await node.whenListening()
        foreign = ForeignPeer.start(
            reactor,
            command(peer),
            "dial",
            str(address),
            *stack(security, muxer, late),
            "--do",
            "ping,identify,echo,halfclose,reset,remote-reset,back,many",
        )
        result = await foreign.line()
        assert result["ok"], (result, foreign.errors)
        assert result["remotePeer"] == str(node.peerID)
        assert result["security"] == IDS[security]
        assert result["muxer"] == IDS[muxer]
        assert result["early"] in (None, not late)
        told = result["results"]["identify"]
        assert told["agentVersion"].startswith("twisted_libp2p/")
        assert "/echo/1.0.0" in told["protocols"]
        assert str(address.withoutPeer()) in str(told["listenAddrs"])
        assert "127.0.0.1" in told["observedAddr"]
        await foreign.ended
        if not closed:
            await node.events.next(ClosedConn)
        assert len(node.connections) == 0
    finally:
        await node.stopService()


@everyPeer
@pytest.mark.parametrize("key", list(KeyType), ids=lambda key: key.name.lower())
@pytest_twisted.ensureDeferred
async def test_keys(command: Command, peer: str, key: KeyType) -> None:
    """
    Every type of key identifies either side, in both directions.
    """
    if peer == "js" and key is KeyType.ECDSA:
        pytest.skip("js-libp2p has no peer ids for ECDSA keys")
    kind = key.name.lower()
    node = Node(reactor, Identity.generate(key), ["/ip4/127.0.0.1/tcp/0"])
    serve(node)
    node.startService()
    foreign = ForeignPeer.start(reactor, command(peer), "listen", "--key", kind)
    try:
        hello = await foreign.line()
        connection = await node.connect(hello["addrs"][0])
        assert str(connection.remotePeer) == hello["peerId"]
        await Tasks(connection).echo(1000)
        (address,) = await node.whenListening()
        dialer = ForeignPeer.start(
            reactor, command(peer), "dial", str(address), "--key", kind
        )
        result = await dialer.line()
        assert result["ok"], (result, dialer.errors)
        assert result["remotePeer"] == str(node.peerID)
        await dialer.ended
    finally:
        await node.stopService()
        await foreign.stop()


@everyPeer
@pytest_twisted.ensureDeferred
async def test_wrongPeer(command: Command, peer: str) -> None:
    """
    A foreign dialer that expects another peer refuses us, and we it.
    """
    node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
    node.startService()
    other = Identity.generate().peerID
    try:
        (address,) = await node.whenListening()
        dialer = ForeignPeer.start(
            reactor, command(peer), "dial", str(address.withoutPeer().withPeer(other))
        )
        result = await dialer.line()
        assert not result["ok"]
        await dialer.ended
        assert len(node.connections) == 0
    finally:
        await node.stopService()


@pytest_twisted.ensureDeferred
async def test_oneListener(command: Command) -> None:
    """
    A bootstrap initiator, a standard initiator and foreign peers are served
    by one listener at the same time.
    """
    node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
    serve(node)
    node.startService()
    dialers: list[Any] = []
    try:
        (address,) = await node.whenListening()
        foreign = [
            ForeignPeer.start(reactor, command(peer), "dial", str(address))
            for peer in PEERS
        ]
        for dialect in ("multistream", "bootstrap", "auto"):
            dialer = Node(reactor, dialect=dialect)
            dialer.startService()
            dialers.append(dialer)
            await Tasks(await dialer.connect(address)).echo(MIB)
            expected = "multistream" if dialect == "multistream" else "bootstrap"
            assert dialer.peerstore.dialect(node.peerID) == expected
        for each in foreign:
            result = await each.line()
            assert result["ok"], (result, each.errors)
    finally:
        for dialer in dialers:
            await dialer.stopService()
        await node.stopService()


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
