# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A program for L{tests.faults.test_database}, in a mount namespace of its own: a
peerstore on a disk that is full, and then read-only.

It prints a line after each step.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import PeerStoreService, openPeerStore

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")


def peers(first: int) -> list[PeerID]:
    """
    Give two hundred peers.
    """
    return [
        PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))
        for number in range(first, first + 200)
    ]


async def run(reactor: Any, folder: str) -> None:
    """
    Do one step after the other.
    """

    def mount(options: str) -> None:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        subprocess.run(command, check=True)

    async def open() -> PeerStoreService:
        store = openPeerStore(reactor, f"sqlite:{folder}/peers.db")
        assert isinstance(store, PeerStoreService)
        store.startService()
        await store.whenLoaded()
        return store

    async def refused() -> str:
        try:
            await store.flush()
        except Exception as error:
            return str(error)
        raise AssertionError("it was written")

    mount("size=4m")
    store = await open()
    known: list[PeerID] = []

    def learn() -> None:
        for peer in peers(len(known)):
            store.addAddresses(peer, [ADDRESS])
            known.append(peer)

    learn()
    await store.flush()
    filler = os.open(f"{folder}/filler", os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(filler, bytes(4096))
    except OSError as error:
        print("full:", error.strerror)
    learn()
    print("full:", await refused())
    assert store.addresses(known[-1]) == [ADDRESS]
    os.unlink(f"{folder}/filler")
    os.close(filler)
    await store.flush()
    await store.stopService()
    mount("remount,ro")
    try:
        await open()
    except ConfigurationError as error:
        print("read-only:", error)
    mount("remount,rw")
    again = await open()
    lost = [peer for peer in known if again.addresses(peer) != [ADDRESS]]
    print("lost:", len(lost), "of", len(known))
    await again.stopService()


def main(reactor: Any, folder: str) -> Deferred[None]:
    """
    Run.
    """
    return Deferred.fromCoroutine(run(reactor, folder))


if __name__ == "__main__":
    react(main, sys.argv[1:])
