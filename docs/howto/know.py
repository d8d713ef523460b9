# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from twisted.internet.task import react

from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore import openPeerStore

OFFICE = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA"


async def main(reactor):
    store = openPeerStore(reactor, "sqlite:peers.db")
    store.startService()
    await store.whenLoaded()
    for peer in store.peers():
        print(f"{peer}: {store.metadata(peer)['name']}")
    store.addAddresses(OFFICE, "/ip4/192.0.2.1/tcp/4001", Source.CONFIGURED)
    store.setMetadata(OFFICE, "name", b"the office")
    print(len(store.peers()), "known peers")
    await store.stopService()


react(main)
