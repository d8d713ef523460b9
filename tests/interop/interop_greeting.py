# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program that is shown in the manual: js-libp2p asks a node of ours for its greeting.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest_twisted
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol

from tests.processes import outputOf
from twisted_libp2p.node import Node

Command = Callable[[str], list[str]]

PROGRAM = Path(__file__).parents[2] / "docs" / "howto" / "greet.mjs"
TIMES = 5


class Greeter(Protocol):
    """
    Greets, and closes at once.
    """

    def connectionMade(self) -> None:
        """
        Greet.
        """
        self.transport.write(b"hello\n")  # type: ignore[union-attr]
        self.transport.loseConnection()  # type: ignore[union-attr]


@pytest_twisted.ensureDeferred
async def test_greeting(command: Command, tmp_path: Path) -> None:
    """
    The program prints the greeting and ends, although the end of the stream comes
    right after the negotiation, time after time.
    """
    node, peer = command("js")[0], Path(command("js")[-1]).parent
    (tmp_path / "node_modules").symlink_to(peer / "node_modules")
    shutil.copy(PROGRAM, tmp_path)
    # Node 20 lacks what the package needs.
    shutil.copy(peer / "polyfill.mjs", tmp_path)
    served = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
    served.listener("/greeting/1.0.0").listen(Factory.forProtocol(Greeter))
    served.startService()
    try:
        (address,) = await served.whenListening()
        for _ in range(TIMES):
            out, err, code = await outputOf(
                node,
                "--import",
                "./polyfill.mjs",
                PROGRAM.name,
                str(address),
                path=str(tmp_path),
            ).addTimeout(30, reactor)
            assert (out, code) == (b"hello\n", 0), err
    finally:
        await served.stopService()
