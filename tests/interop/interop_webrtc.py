# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections over WebRTC-direct with go-libp2p, js-libp2p and rust-libp2p, in both
directions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.ours import Watch, doAll, serve
from tests.interop.process import ForeignPeer
from tests.needs import skipWithout
from twisted_libp2p.events import Identified, OpenedConn
from twisted_libp2p.node import Node
from twisted_libp2p.quic import halfopen
from twisted_libp2p.webrtc.endpoint import RtcEndpoint
from twisted_libp2p.webrtc.native import installed

Command = Callable[[str], list[str]]

LISTEN = "/ip4/127.0.0.1/udp/0/webrtc-direct"

#: What the dialer does; it is dialed back on a stream that we open.
TASKS = "ping,identify,echo=%d,reset,remote-reset,back,many"

#: The bytes of the echo.  Rust fails to write more without a flush: a write goes out
#: together with the rest of the former, in one message of SCTP of more than 16 KiB
#: (libp2p-webrtc-utils 0.5.0, src/stream/framed_dc.rs).
SIZES = {"go": 1_000_000, "js": 1_000_000, "rustrtc": 16_000}


def requireNative() -> None:
    """
    Skip a test without the native part.
    """
    if not installed():
        skipWithout("native", "twisted-libp2p-native is not installed: make native")


@pytest.mark.parametrize("name", ["go", "js", "rustrtc"])
@pytest_twisted.ensureDeferred
async def test_dialed(command: Command, name: str) -> None:
    """
    It accepts our certificate by its hash, and our proof; then everything works that
    works over QUIC.
    """
    requireNative()
    node = Node(reactor, listen=[LISTEN])
    serve(node)
    watch = Watch(node)
    node.startService()
    try:
        (address,) = await node.whenListening()
        arguments = ["dial", str(address), "--transport", "webrtc-direct"]
        tasks = TASKS % SIZES[name]
        foreign = ForeignPeer.start(reactor, command(name), *arguments, "--do", tasks)
        result = await foreign.line()
        assert result["ok"], (result, foreign.errors)
        assert result["remotePeer"] == str(node.peerID)
        for task, facts in result["results"].items():
            assert "error" not in facts, (task, facts)
        told = result["results"]["identify"]
        assert str(address.withoutPeer()) in told["listenAddrs"]
        (opened,) = watch.seen(OpenedConn)
        assert opened.security == "/noise"
        # Rust would lose a stream that we open too early.
        assert watch.seen(Identified)
        assert await foreign.ended == 0
        await watch.closed(opened)
    finally:
        await node.stopService()


@pytest.mark.parametrize("name", ["go", "js", "rustrtc"])
@pytest_twisted.ensureDeferred
async def test_crowded(
    command: Command, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    While many handshakes are under way, a peer is asked to prove its address by a
    cookie of DTLS, and we keep nothing for it; then it connects.
    """
    requireNative()
    monkeypatch.setattr(halfopen, "RETRY_MARK", 0)
    asked: list[object] = []
    monkeypatch.setattr(RtcEndpoint, "retry", _noted(RtcEndpoint.retry, asked))
    node = Node(reactor, listen=[LISTEN])
    serve(node)
    node.startService()
    try:
        (address,) = await node.whenListening()
        arguments = ["dial", str(address), "--transport", "webrtc-direct"]
        foreign = ForeignPeer.start(reactor, command(name), *arguments, "--do", "ping")
        result = await foreign.line()
        assert result["ok"], (result, foreign.errors)
        assert asked
    finally:
        await node.stopService()


def _noted(call: Any, calls: list[object]) -> Any:
    """
    Return a method that notes its calls.
    """

    def noting(*arguments: Any) -> Any:
        calls.append(arguments)
        return call(*arguments)

    return noting


@pytest.mark.parametrize("name", ["go", "js", "rustrtc"])
@pytest_twisted.ensureDeferred
async def test_listens(command: Command, name: str) -> None:
    """
    We accept its certificate by the hash of its address, and it our proof.
    """
    requireNative()
    foreign = ForeignPeer.start(
        reactor, command(name), "listen", "--transport", "webrtc-direct"
    )
    node = Node(reactor)
    serve(node)
    node.startService()
    try:
        hello = await foreign.line()
        address, *_ = [each for each in hello["addrs"] if "/certhash/" in each]
        await doAll(node, address, hello["peerId"])
    finally:
        await node.stopService()
        await foreign.stop()
