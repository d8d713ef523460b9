# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program for L{tests.faults.test_presence}: a node whose presence has a short lease.

It prints its place and its address, and then nothing more.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.faults import LEASE
from twisted_libp2p.node import Node
from twisted_libp2p.presence import Presence


async def run(reactor: Any, dsn: str) -> None:
    """
    Run the node until the end.
    """
    presence = Presence(LEASE)
    store = f"postgresql:{dsn}"
    node = Node(reactor, listen="/ip4/127.0.0.1/tcp/0", peerstore=store)
    node.add(presence)
    async with node:
        print(f"{presence.place} is at {node.addresses[0]}", flush=True)
        await Deferred()


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, *sys.argv[1:])))
