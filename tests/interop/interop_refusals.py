# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections of QUIC that come to nothing: each side gets one clear error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from tests.interop.matrix import BACKENDS, PEERS
from tests.interop.process import ForeignPeer
from tests.interop.sides import LISTEN_QUIC, Sides, requireBackend
from twisted_libp2p.errors import DialFailed, HandshakeFailed, PeerMismatch
from twisted_libp2p.events import LimitReached
from twisted_libp2p.identity import Identity
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.quic.transport import QuicProvider

Command = Callable[[str], list[str]]

bothBackends = pytest.mark.parametrize("backend", BACKENDS)

STRANGER = [sys.executable, "-m", "tests.interop.stranger"]


class Refusals:
    """
    The lines of the log about refused inbound connections.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._waiting: list[Deferred[str]] = []

    def observe(self, event: LogEvent) -> None:
        """
        Keep a line.
        """
        if "refused: {reason}" in event.get("log_format", ""):
            line = f"{event['address']} {event['reason']}"
            self.lines.append(line)
            for each in self._waiting:
                each.callback(line)
            self._waiting.clear()

    async def first(self) -> str:
        """
        Wait for the first line.
        """
        if not self.lines:
            waiting: Deferred[str] = Deferred()
            self._waiting.append(waiting)
            await waiting
        return self.lines[0]


@pytest.fixture
def refusals() -> Iterator[Refusals]:
    """
    Observe the log during a test.
    """
    kept = Refusals()
    observer = cast(ILogObserver, kept.observe)
    globalLogPublisher.addObserver(observer)
    yield kept
    globalLogPublisher.removeObserver(observer)


def started(backend: str, **options: Any) -> Node:
    """
    Start a node that listens over QUIC.
    """
    requireBackend(backend)
    transports = [QuicProvider(backend)]
    node = Node(reactor, listen=[LISTEN_QUIC], transports=transports, **options)
    node.startService()
    return node


async def failure(node: Node, address: str) -> Exception:
    """
    Dial, and return the one error of the address.
    """
    with pytest.raises(DialFailed) as caught:
        await node.connect(address)
    assert "\n" not in str(caught.value)
    ((_, error),) = caught.value.causes
    return cast(Exception, error)


# js and py dial again for some seconds: each peer meets one backend.
@pytest.mark.parametrize(
    ("peer", "backend"),
    [*((peer, "native") for peer in PEERS), ("go", "aioquic")],
)
@pytest_twisted.ensureDeferred
async def test_otherPeer(
    command: Command, refusals: Refusals, peer: str, backend: str
) -> None:
    """
    A foreign dialer that expects another peer refuses us, and we refuse it.
    """
    start = command(peer)
    node = started(backend)
    other = Identity.generate().peerID
    foreign = ForeignPeer.start(reactor, start, "listen", "--transport", "quic")
    try:
        (address,) = await node.whenListening()
        wrong = address.withoutPeer().withPeer(other)
        dialer = ForeignPeer.start(
            reactor, start, "dial", str(wrong), "--transport", "quic"
        )
        hello = await foreign.line()
        theirs = hello["addrs"][0].rsplit("/", 1)[0]
        error = await failure(node, f"{theirs}/{other}")
        assert isinstance(error, PeerMismatch), error
        assert hello["peerId"] in str(error)
        result = await dialer.line()
        assert not result["ok"]
        await dialer.ended
        # rust completes the handshake with any peer, and closes afterwards.
        assert peer == "rust" or len(node.connections) == 0
        assert all(each.startswith("/ip4/127.0.0.1/udp/") for each in refusals.lines)
    finally:
        await node.stopService()
        await foreign.stop()


# js dials again for a minute.
@pytest.mark.parametrize("peer", ["go", "rust"])
@pytest_twisted.ensureDeferred
async def test_full(command: Command, peer: str) -> None:
    """
    A node that takes no further connection refuses a foreign dialer at once, and says
    which limit it was.
    """
    start = command(peer)
    limits = Limits.none()
    full = limits.system._replace(inboundConnections=0)
    node = started("aioquic", limits=replace(limits, system=full))
    reached: list[LimitReached] = []
    node.events.subscribe(LimitReached, reached.append)
    try:
        (address,) = await node.whenListening()
        dialer = ForeignPeer.start(
            reactor, start, "dial", str(address), "--transport", "quic"
        )
        result = await dialer.line()
        assert not result["ok"], result
        assert result["error"] and "not done within" not in result["error"], result
        await dialer.ended
        scopes = {str(each.scope) for each in reached}
        assert scopes == {"inbound connections of the system"}
        assert len(node.connections) == 0
    finally:
        await node.stopService()


@bothBackends
@pytest_twisted.ensureDeferred
async def test_stranger(sides: Sides, refusals: Refusals, backend: str) -> None:
    """
    A peer that speaks QUIC, but not libp2p, cannot connect, in either direction.
    """
    node = started(backend)
    listener = ForeignPeer.start(reactor, STRANGER, "listen", str(sides.certificate))
    try:
        port = (await listener.line())["port"]
        error = await failure(node, f"/ip4/127.0.0.1/udp/{port}/quic-v1")
        assert isinstance(error, HandshakeFailed), error
        assert "TLS alert 120, no application protocol" in str(error)
        (address,) = await node.whenListening()
        dialer = ForeignPeer.start(reactor, STRANGER, "dial", str(address.value("udp")))
        assert (await dialer.line())["error"] is not None
        await dialer.ended
        line = await refusals.first()
        assert line.startswith("/ip4/127.0.0.1/udp/")
        assert "no application protocol" in line, line
        assert len(node.connections) == 0
    finally:
        await node.stopService()
        await listener.stop()
