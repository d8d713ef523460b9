# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What few peers still speak: SECIO, plaintext, and private networks.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults

from tests.interop.ours import Tasks, serve
from tests.interop.process import ForeignPeer
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.node import Node
from twisted_libp2p.transport.private import PrivateNetwork

Command = Callable[[str], list[str]]

IDS = {"secio": "/secio/1.0.0", "insecure-plaintext": "/plaintext/2.0.0"}

#: What the foreign peers call it, and who has it.
SPOKEN = [
    ("py", "secio", "secio"),
    ("py", "insecure-plaintext", "plaintext"),
    ("go", "insecure-plaintext", "plaintext"),
    ("js", "insecure-plaintext", "plaintext"),
    ("rust", "insecure-plaintext", "plaintext"),
]


async def meet(
    command: list[str], options: list[str], **ours: Any
) -> tuple[dict[str, Any], Any]:
    """
    Have a foreign peer listen for us, and dial us.

    @return: what its dialer tells, and our connection to its listener.
    """
    foreign = ForeignPeer.start(reactor, command, "listen", *options)
    node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"], **ours)
    serve(node)
    node.startService()
    try:
        hello = await foreign.line()
        connection = await node.connect(hello["addrs"][0])
        assert str(connection.remotePeer) == hello["peerId"]
        tasks = Tasks(connection)
        await node.ping(connection.remotePeer)
        await tasks.echo(100_000)
        await tasks.halfClose(100_000)
        (address,) = await node.whenListening()
        dialer = ForeignPeer.start(
            reactor,
            command,
            "dial",
            str(address),
            *options,
            "--do",
            "ping,echo,halfclose",
            "--size",
            "100000",
        )
        result = await dialer.line()
        assert result["ok"], (result, dialer.errors)
        await dialer.ended
        return result, connection
    finally:
        await node.stopService()
        await foreign.stop()


@pytest.mark.parametrize(("peer", "name", "theirs"), SPOKEN)
@pytest_twisted.ensureDeferred
async def test_weak(command: Command, peer: str, name: str, theirs: str) -> None:
    """
    Asked for by its name, it works, in both directions.
    """
    result, connection = await meet(
        command(peer), ["--security", theirs], security=[name]
    )
    assert connection.security == IDS[name]
    assert result["security"] == IDS[name]


@pytest.mark.parametrize("peer", ["go", "js", "rust"])
@pytest_twisted.ensureDeferred
async def test_private(command: Command, peer: str, tmp_path: Path) -> None:
    """
    With the key of a private network we get in, in both directions.
    """
    path = tmp_path / "swarm.key"
    path.write_text(f"/key/swarm/psk/1.0.0/\n/base16/\n{os.urandom(32).hex()}\n")
    await meet(
        command(peer), ["--psk", str(path)], network=PrivateNetwork.fromFile(path)
    )


@pytest.mark.parametrize("peer", ["go", "js", "rust"])
@pytest_twisted.ensureDeferred
async def test_otherNetwork(command: Command, peer: str, tmp_path: Path) -> None:
    """
    With another key, or none, nobody learns anything of anybody.
    """
    path = tmp_path / "swarm.key"
    path.write_text(f"/key/swarm/psk/1.0.0/\n/base16/\n{os.urandom(32).hex()}\n")
    start = command(peer)
    foreign = ForeignPeer.start(reactor, start, "listen", "--psk", str(path))

    async def refuse(network: PrivateNetwork | None) -> None:
        node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"], network=network)
        node.startService()
        try:
            (address,) = await node.whenListening()
            dialer = ForeignPeer.start(
                reactor, start, "dial", str(address), "--psk", str(path)
            )
            with pytest.raises(DialFailed):
                await node.connect(hello["addrs"][0])
            result = await dialer.line()
            assert not result["ok"]
            await dialer.ended
            assert len(node.connections) == 0
        finally:
            await node.stopService()

    try:
        hello = await foreign.line()
        # Each waits for what never comes: all at once.
        await gatherResults(
            [
                Deferred.fromCoroutine(refuse(network))
                for network in (None, PrivateNetwork(os.urandom(32)))
            ],
            consumeErrors=True,
        )
    finally:
        await foreign.stop()
