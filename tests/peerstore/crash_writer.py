# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program that writes to peerstores until it is killed::

    python -m tests.peerstore.crash_writer

On each line of stdin it is told a database and a first number.  It then forks;
the child says which process it is, writes, and says how much it has written
when.  The parent says when the child has ended, and waits for the next line:
so all that has to be imported is so once.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import Limits, PeerStoreService, openPeerStore

__all__ = ["ADDRESS", "COUNT", "peer"]

#: How many writes there are, and in how many seconds.
COUNT = 10_000
SECONDS = 4.0

#: After how many writes it says so.
TURN = 50

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


def peer(number: int) -> PeerID:
    """
    Invent a peer.
    """
    return PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))


def say(*words: object) -> None:
    """
    Tell whoever has started this.
    """
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def main(reactor: Any, description: str, first: int) -> None:
    """
    Write.
    """
    store = openPeerStore(reactor, description, Limits(peers=10**6))
    assert isinstance(store, PeerStoreService)
    store.startService()
    await store.whenLoaded()
    turns = iter(range(first, first + COUNT, TURN))

    def write() -> None:
        start = next(turns, None)
        if start is None:
            loop.stop()
            return
        for number in range(start, start + TURN):
            store.addAddresses(peer(number), [ADDRESS])
        say("wrote", start + TURN, time.monotonic())

    loop = LoopingCall(write)
    await loop.start(SECONDS * TURN / COUNT)
    # All is written, and this should be dead by now.
    await Deferred()


if __name__ == "__main__":
    for line in sys.stdin:
        description, first = line.split()
        child = os.fork()
        if child:
            say("ended", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        else:
            say("process", os.getpid())
            react(main, (description, int(first)))
