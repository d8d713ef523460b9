# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program that writes to peerstores until it is killed::

    python -m tests.peerstore.crash_writer

Each line of stdin has a database and a first number.  For each, it forks; the child
prints the number of its process, makes changes, and prints how many it has made, and
how many the store has reported as written.  The parent prints when the child has ended,
and waits for the next line: so all modules are imported once.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall, react

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import Limits, PeerStoreService, openPeerStore

__all__ = ["ADDRESS", "COUNT", "peer"]

#: The number of changes, and the seconds that they take at least.
COUNT = 10_000
SECONDS = 4.0

#: The number of changes in one turn, which is then printed.
TURN = 50

#: The number of turns between two requests to write all changes.  The store also
#: writes by itself, four times a second.
FLUSH = 5

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


def peer(number: int) -> PeerID:
    """
    Invent a peer.
    """
    return PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))


def say(*words: object) -> None:
    """
    Print a line for the test.
    """
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


async def main(reactor: Any, description: str, first: int) -> None:
    """
    Make the changes.
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
        count = start + TURN
        say("changed", count)
        if count % (FLUSH * TURN) == 0:
            store.flush().addCallback(lambda _: say("kept", count))

    loop = LoopingCall(write)
    await loop.start(SECONDS * TURN / COUNT)
    # The test kills this program when it has read enough.
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
