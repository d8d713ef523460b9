# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite that every peerstore must pass::

    base        opens stores, and makes peers, addresses and records
    addresses, records, facts, metadata, bounds, peers
                the tests, by subject
    conformance the suite that joins them

To test a peerstore of your own::

    class MyPeerStoreTests(PeerStoreConformance, TestCase):
        async def open(self, limits: Limits) -> IPeerStore:
            store = MyPeerStore(self.clock, limits, self.path)
            await store.start()
            return store

        async def reopen(self, store: IPeerStore) -> IPeerStore:
            await store.stop()
            return await self.open(store.limits)
"""

from twisted_libp2p.testing.peerstore.conformance import PeerStoreConformance

__all__ = ["PeerStoreConformance"]
