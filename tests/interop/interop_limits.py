# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What the packages put an end to by their own limits.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from tests.interop.ours import ECHO, Watch
from tests.interop.process import ForeignPeer
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.events import ClosedConn
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.node import Node

Command = Callable[[str], list[str]]


@pytest_twisted.ensureDeferred
async def test_rustIdle(command: Command) -> None:
    """
    rust-libp2p, with its own limits, closes a connection that nobody has a
    stream on, and we are told.
    """
    foreign = ForeignPeer.start(reactor, command("rust"), "listen", "--defaults")
    node = Node(reactor)
    watch = Watch(node)
    node.startService()
    try:
        connection = await node.connect((await foreign.line())["addrs"][0])
        await node.identify(connection.remotePeer)
        closed = await watch.event(ClosedConn, lambda each: True)
        assert closed.connection is connection
        assert 9 < closed.time - connection.openedAt < 30
        await foreign.event("disconnected")
        watch.balanced()
    finally:
        await node.stopService()
        await foreign.stop()


@pytest_twisted.ensureDeferred
async def test_jsStreams(command: Command) -> None:
    """
    js-libp2p, with its own limits, ends a connection over mplex on which more
    than five streams are opened within a second, and we are told.
    """
    foreign = ForeignPeer.start(
        reactor, command("js"), "listen", "--defaults", "--muxer", "mplex"
    )
    node = Node(reactor)
    watch = Watch(node)
    node.startService()
    try:
        connection = await node.connect((await foreign.line())["addrs"][0])
        factory = Factory.forProtocol(Protocol)
        for _ in range(20):
            connection.openStream(ECHO, factory).addErrback(lambda reason: None)
        closed = await watch.event(ClosedConn, lambda each: True)
        assert closed.connection is connection
        await foreign.event("disconnected")
        watch.balanced()
    finally:
        await node.stopService()
        await foreign.stop()


@pytest_twisted.ensureDeferred
async def test_rustPlaintext(command: Command) -> None:
    """
    rust-libp2p takes no key over plaintext that is as large as one of RSA.
    """
    foreign = ForeignPeer.start(
        reactor, command("rust"), "listen", "--security", "plaintext"
    )
    node = Node(
        reactor, Identity.generate(KeyType.RSA), security=["insecure-plaintext"]
    )
    node.startService()
    try:
        with pytest.raises(DialFailed):
            await node.connect((await foreign.line())["addrs"][0])
    finally:
        await node.stopService()
        await foreign.stop()
