# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Our programs for the public suite with foreign peers.  The peers follow the
contract of C{peers/README.rst}; what the suite's programs do beyond that, which
is to tell and find an address in Redis, is done for them here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.interop.matrix import IDS, PEERS, Cell
from tests.interop.process import ForeignPeer
from tests.interop.sides import Sides
from tests.unified.harness import Harness, measured

Command = Callable[[str], list[str]]
Stack = tuple[str, str, str]

everyPeer = pytest.mark.parametrize("peer", PEERS)
STACKS = [
    ("tcp", "noise", "yamux"),
    ("tcp", "tls", "mplex"),
    ("ws", "noise", "yamux"),
    ("wss", "noise", "yamux"),
    ("quic-v1", "", ""),
]

#: Those over which foreign peers dial ours.
THEIRS = [stack for stack in STACKS if stack[0] != "wss"]


def cellOf(peer: str, direction: str, stack: Stack) -> Cell:
    """
    Return the connection of a stack.
    """
    transport, security, muxer = stack
    if not security:
        return Cell(peer, direction, "quic", "tls", "quic", False)
    return Cell(peer, direction, transport, security, muxer, True)


def agreed(stack: Stack) -> dict[str, str]:
    """
    Return the facts that a foreign peer reports of a connection.
    """
    _, security, muxer = stack
    return {"security": IDS[security], "muxer": IDS[muxer]} if security else {}


SMALL = {
    "UPLOAD_BYTES": "3000000",
    "UPLOAD_ITERATIONS": "2",
    "DOWNLOAD_BYTES": "2000000",
    "DOWNLOAD_ITERATIONS": "2",
    "LATENCY_ITERATIONS": "3",
}


@everyPeer
@pytest.mark.parametrize("stack", STACKS, ids="-".join)
@pytest_twisted.ensureDeferred
async def test_weDial(
    command: Command, sides: Sides, tmp_path: Path, peer: str, stack: Stack
) -> None:
    """
    Our dialers find a foreign listener, and measure it.
    """
    foreign = command(peer)
    transport, security, muxer = stack
    options = sides.options(cellOf(peer, "we dial", stack))
    harness = Harness(tmp_path)
    try:
        redis = await harness.start()
        listener = ForeignPeer.start(reactor, foreign, "listen", *options)
        try:
            address = (await listener.line())["addrs"][0]
            facts = agreed(stack)

            key = harness.key()
            await redis.call("RPUSH", f"{key}_listener_multiaddr", address)
            dialer = harness.run("transport", True, key, security, muxer, transport)
            assert await dialer.ends() == 0, dialer.err
            told = measured("transport", dialer.out.decode())
            assert float(told["latency"]["ping_rtt"]) > 0
            await listener.event("connected", **facts)

            key = harness.key()
            await redis.call("SET", f"{key}_listener_multiaddr", address)
            dialer = harness.run("perf", True, key, security, muxer, transport, **SMALL)
            assert await dialer.ends() == 0, dialer.err
            told = measured("perf", dialer.out.decode())
            assert list(told) == ["upload", "download", "latency"]
            assert told["upload"]["iterations"] == "2"
            await listener.event("connected", **facts)
        finally:
            await listener.stop()
    finally:
        await harness.stop()


@everyPeer
@pytest.mark.parametrize("stack", THEIRS, ids="-".join)
@pytest_twisted.ensureDeferred
async def test_theyDial(
    command: Command, sides: Sides, tmp_path: Path, peer: str, stack: Stack
) -> None:
    """
    A foreign dialer finds our listeners.  Over C{wss} it would refuse them: the suite's
    listeners sign their own certificates, and the test peers check them.
    """
    foreign = command(peer)
    transport, security, muxer = stack
    options = sides.options(cellOf(peer, "they dial", stack))
    harness = Harness(tmp_path)

    async def dial(address: str, task: str) -> dict[str, object]:
        dialer = ForeignPeer.start(
            reactor, foreign, "dial", address, *options,
            "--do", task, "--size", "3000000",
        )  # fmt: skip
        result = await dialer.line()
        assert result["ok"], (result, dialer.errors)
        for name, value in agreed(stack).items():
            assert result[name] == value
        assert await dialer.ended == 0
        facts: dict[str, object] = result["results"][task]
        return facts

    try:
        redis = await harness.start()
        key = harness.key()
        harness.run("transport", False, key, security, muxer, transport)
        reply = await redis.call("BLPOP", f"{key}_listener_multiaddr", "60")
        assert isinstance(reply, list), reply
        await dial(str(reply[1]), "ping")

        key = harness.key()
        listener = harness.run(
            "perf", False, key, security, muxer, transport, DEBUG="true"
        )
        address = await listener.says(r"told (/\S+)")
        assert await redis.call("GET", f"{key}_listener_multiaddr") == address
        facts = await dial(address, "perf")
        assert facts["downloadBytes"] == 3000000
    finally:
        await harness.stop()
