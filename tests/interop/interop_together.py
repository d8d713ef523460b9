# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One listener for everybody.
"""

from __future__ import annotations

import gc
import os
import weakref
from collections.abc import Callable
from typing import Any

import pytest_twisted
from twisted.internet import reactor

from tests.interop.matrix import MIB, PEERS
from tests.interop.ours import ECHO, Tasks, Watch, serve
from tests.interop.process import ForeignPeer
from tests.interop.sides import LISTEN
from twisted_libp2p.events import ClosedConn, OpenedConn, OpenedStream
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.ping import PROTOCOL_ID as PING

Command = Callable[[str], list[str]]

#: Seconds that everybody pings and echoes.
SECONDS = 60

#: Each peer with another stack.
STACK = {
    "go": ["--security", "noise", "--muxer", "yamux"],
    "rust": ["--security", "tls", "--muxer", "yamux"],
    "js": ["--security", "tls", "--muxer", "mplex"],
    "py": ["--security", "noise", "--muxer", "yamux"],
}


def descriptors() -> set[str]:
    """
    Tell which sockets and pipes this process has open.  Files are not among
    them: Twisted keeps one in reserve once it has accepted a connection.
    """
    return {
        target
        for name in os.listdir("/proc/self/fd")
        if (target := os.path.realpath(f"/proc/self/fd/{name}"))
        and ("socket:" in target or "pipe:" in target)
    }


@pytest_twisted.ensureDeferred
async def test_everybody(command: Command) -> None:
    """
    All languages are connected to one listener at once, each pings and echoes
    for a minute, and nothing is left of it.
    """
    commands = {peer: command(peer) for peer in PEERS}
    before = descriptors()
    node = Node(reactor, listen=[LISTEN])
    serve(node)
    watch = Watch(node)
    node.startService()
    try:
        (address,) = await node.whenListening()
        dialers = {
            peer: ForeignPeer.start(
                reactor,
                commands[peer],
                "dial",
                str(address),
                *STACK[peer],
                "--do",
                "ping,echo=100000",
                "--for",
                str(SECONDS),
            )
            for peer in PEERS
        }
        for peer, dialer in dialers.items():
            result = await dialer.line()
            assert result["ok"], (peer, result, dialer.errors)
            assert result["rounds"] > 1, (peer, result)
            await dialer.ended
        for opened in watch.seen(OpenedConn):
            await watch.closed(opened)
        assert atOnce(watch) == len(PEERS)
        for protocol in (PING, ECHO):
            used = {
                each.peer
                for each in watch.seen(OpenedStream)
                if each.protocolID == protocol and each.direction == "inbound"
            }
            assert len(used) == len(PEERS), (protocol, used)
        watch.balanced()
        assert len(node.connections) == 0
    finally:
        await node.stopService()
    left = [weakref.ref(each.connection) for each in watch.seen(OpenedConn)]
    watch.events.clear()
    del opened
    gc.collect()
    assert [each() for each in left] == [None] * len(left)
    assert descriptors() == before


def atOnce(watch: Watch) -> int:
    """
    Tell how many peers were connected at the same time at the most.
    """
    most = 0
    present: list[Any] = []
    for each in watch.events:
        if isinstance(each, OpenedConn):
            present.append(each.peer)
        elif isinstance(each, ClosedConn):
            present.remove(each.peer)
        most = max(most, len(set(present)))
    return most


@pytest_twisted.ensureDeferred
async def test_dialects(command: Command) -> None:
    """
    A bootstrap initiator, a standard initiator and foreign peers are served
    by one listener at the same time.
    """
    commands = [command(peer) for peer in PEERS]
    node = Node(reactor, listen=[LISTEN])
    serve(node)
    node.startService()
    dialers: list[Node] = []
    try:
        (address,) = await node.whenListening()
        foreign = [
            ForeignPeer.start(reactor, each, "dial", str(address)) for each in commands
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
