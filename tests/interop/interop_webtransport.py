# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections over WebTransport with go-libp2p, in both directions.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.ours import Watch, doAll, serve
from tests.interop.process import ForeignPeer
from tests.interop.sides import LISTEN_QUIC, requireBackend
from twisted_libp2p.events import OpenedConn
from twisted_libp2p.node import Node
from twisted_libp2p.quic.transport import QuicProvider

Command = Callable[[str], list[str]]

#: What the dialer does; it is dialed back on a stream that we open.
TASKS = "ping,identify,echo=1000000,reset,remote-reset,back,many"


@pytest.mark.parametrize("backend", ["aioquic", "native"])
@pytest_twisted.ensureDeferred
async def test_goDials(command: Command, backend: str) -> None:
    """
    It accepts our certificate by its hash, and our proof; then everything works that
    works over QUIC.
    """
    requireBackend(backend)
    node = Node(
        reactor,
        listen=[f"{LISTEN_QUIC}/webtransport"],
        transports=[QuicProvider(backend)],
    )
    serve(node)
    watch = Watch(node)
    node.startService()
    try:
        (address,) = await node.whenListening()
        foreign = ForeignPeer.start(
            reactor,
            command("go"),
            "dial",
            str(address),
            "--transport",
            "webtransport",
            "--do",
            TASKS,
        )
        result = await foreign.line()
        assert result["ok"], (result, foreign.errors)
        assert result["remotePeer"] == str(node.peerID)
        for name, facts in result["results"].items():
            assert "error" not in facts, (name, facts)
        told = result["results"]["identify"]
        assert str(address.withoutPeer()) in told["listenAddrs"]
        (opened,) = watch.seen(OpenedConn)
        assert opened.security == "/noise"
        assert await foreign.ended == 0
        await watch.closed(opened)
    finally:
        await node.stopService()


@pytest_twisted.ensureDeferred
async def test_goListens(command: Command) -> None:
    """
    We accept its certificate by the hashes of its address, and it our proof.
    """
    foreign = ForeignPeer.start(
        reactor, command("go"), "listen", "--transport", "webtransport"
    )
    node = Node(reactor)
    serve(node)
    node.startService()
    try:
        hello = await foreign.line()
        (address,) = [each for each in hello["addrs"] if "/certhash/" in each]
        await doAll(node, address, hello["peerId"])
    finally:
        await node.stopService()
        await foreign.stop()
