# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of the address book.
"""

from __future__ import annotations

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import (
    Source,
)
from twisted_libp2p.peerstore import Limits
from twisted_libp2p.testing.peerstore.base import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    PeerStoreCase,
    tcp,
)

__all__ = ["AddressBookTests"]


class AddressBookTests(PeerStoreCase):
    """
    Addresses, their order and their lifetimes.
    """

    async def test_addresses(self) -> None:
        """
        Addresses are known, those that were added last first, and also to the store
        after a restart.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.addAddresses(peer, [tcp(1), tcp(2)])
        self.clock.advance(1)
        store.addAddresses(peer, [tcp(3)])
        for _ in range(2):
            self.assertAddresses(store, peer, [3, 1, 2])
            self.assertEqual(await store.lookup(peer), store.addresses(peer))
            self.assertEqual(store.peers(), [peer])
            store = await self.reopen(store)

    async def test_suffix(self) -> None:
        """
        The id of the peer is removed from its addresses, and addresses of another peer
        are ignored.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.addAddresses(
            peer, [tcp(1).withPeer(peer), tcp(1), tcp(2).withPeer(self.peer())]
        )
        self.assertAddresses(store, peer, [1])
        store.removeAddresses(peer, [tcp(1).withPeer(peer)])
        self.assertAddresses(store, peer, [])

    async def test_expiry(self) -> None:
        """
        The lifetime of an address depends on its source.
        """
        store = await self.open(Limits())
        for source, seconds in (
            (Source.DIALED, 15 * MINUTE),
            (Source.IDENTIFY, HOUR),
            (Source.RECORD, HOUR),
            (Source.DISCOVERED, HOUR),
        ):
            peer = self.peer()
            store.addAddresses(peer, [tcp(1)], source)
            self.clock.advance(seconds - 1)
            store = await self.reopen(store)
            self.assertAddresses(store, peer, [1])
            self.clock.advance(1)
            self.assertAddresses(store, peer, [])
            store = await self.reopen(store)
            self.assertAddresses(store, peer, [])

    async def test_configured(self) -> None:
        """
        Addresses that the user named do not expire.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.addAddresses(peer, [tcp(1)], Source.CONFIGURED)
        store.addAddresses(peer, [tcp(1)], Source.DISCOVERED)
        self.clock.advance(1000 * DAY)
        store.addAddresses(self.peer(), [tcp(2)])
        for _ in range(2):
            self.assertAddresses(store, peer, [1])
            store = await self.reopen(store)

    async def test_ttl(self) -> None:
        """
        An address may have another lifetime; of several the longest counts.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.addAddresses(peer, [tcp(1), tcp(2)], ttl=120.0)
        store.addAddresses(peer, [tcp(1)], ttl=240.0)
        store.addAddresses(peer, [tcp(1)], ttl=60.0)
        self.clock.advance(120)
        store = await self.reopen(store)
        self.assertAddresses(store, peer, [1])
        self.clock.advance(120)
        self.assertAddresses(store, peer, [])

    async def test_connected(self) -> None:
        """
        The addresses of a connected peer do not expire; those that had expired before
        stay so.  After the last connection they are valid for 15 minutes.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.addAddresses(peer, [tcp(1)], ttl=10.0)
        self.clock.advance(10)
        store.connected(peer, tcp(2))
        store.addAddresses(peer, [tcp(3)], ttl=10.0)
        store.connected(peer)
        self.clock.advance(DAY)
        self.assertAddresses(store, peer, [2, 3])
        store.disconnected(peer)
        self.clock.advance(DAY)
        self.assertAddresses(store, peer, [2, 3])
        store.disconnected(peer)
        store.disconnected(peer)
        self.clock.advance(15 * MINUTE - 1)
        store = await self.reopen(store)
        self.assertAddresses(store, peer, [2, 3])
        self.clock.advance(1)
        self.assertAddresses(store, peer, [])

    async def test_replace(self) -> None:
        """
        The addresses of a source replace those that it reported before, but not those
        of other sources.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.setAddresses(peer, map(tcp, [1, 2, 3]), Source.IDENTIFY)
        store.addAddresses(peer, [tcp(3)], Source.CONFIGURED)
        store.addAddresses(peer, [tcp(4)], Source.DISCOVERED)
        self.clock.advance(1)
        store.setAddresses(peer, [tcp(2)], Source.IDENTIFY)
        for _ in range(2):
            self.assertEqual(set(store.addresses(peer)), set(map(tcp, [2, 3, 4])))
            store = await self.reopen(store)

    async def test_remove(self) -> None:
        """
        Removed addresses are gone until they are added again.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.addAddresses(peer, map(tcp, [1, 2]))
        store = await self.reopen(store)
        self.clock.advance(1)
        store.removeAddresses(peer, map(tcp, [2, 3]))
        for _ in range(2):
            self.assertAddresses(store, peer, [1])
            store = await self.reopen(store)
        self.clock.advance(1)
        store.addAddresses(peer, [tcp(2)])
        for _ in range(2):
            self.assertAddresses(store, peer, [2, 1])
            store = await self.reopen(store)

    async def test_rank(self) -> None:
        """
        Addresses that have worked come first, the latest success first; those whose
        last attempt failed come last, the latest failure last; a success makes up for a
        failure.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.addAddresses(peer, map(tcp, [1, 2, 3, 4, 5, 6]))
        for port, work in (
            (3, store.succeeded),
            (5, store.failed),
            (1, store.succeeded),
            (6, store.failed),
            (4, store.failed),
            (4, store.succeeded),
            (3, store.failed),
        ):
            self.clock.advance(1)
            work(peer, tcp(port))
        for _ in range(2):
            self.assertAddresses(store, peer, [4, 1, 2, 5, 6, 3])
            store = await self.reopen(store)

    async def test_outcome(self) -> None:
        """
        A success adds an address, and a failure does not.
        """
        store, peer = await self.open(Limits()), self.peer()
        store.succeeded(peer, tcp(1))
        store.failed(peer, tcp(2))
        self.assertAddresses(store, peer, [1])
        self.clock.advance(1)
        store.failed(peer, tcp(1))
        for _ in range(2):
            info = store.info(peer)
            assert info is not None
            (address,) = info.addresses
            self.assertEqual(address.succeeded, NOW)
            self.assertEqual(address.failed, NOW + 1)
            self.assertEqual(address.source, Source.DIALED)
            store = await self.reopen(store)

    async def test_tooManyAddresses(self) -> None:
        """
        The addresses of one peer are bounded: those that expire next are dropped first,
        and those that have worked last.
        """
        store, peer = await self.open(Limits(addresses=4)), self.peer()
        store.succeeded(peer, tcp(1))
        store.addAddresses(peer, [tcp(2)], ttl=100.0)
        store.addAddresses(peer, [tcp(3)], ttl=300.0)
        store.addAddresses(peer, [tcp(4)], ttl=200.0)
        for port in range(5, 1000):
            store.addAddresses(peer, [tcp(port)], ttl=250.0)
            self.assertLessEqual(len(store.addresses(peer)), 4)
        for _ in range(2):
            known = store.addresses(peer)
            self.assertEqual(len(known), 4)
            self.assertIn(tcp(1), known)
            self.assertIn(tcp(3), known)
            store = await self.reopen(store)
        store.addAddresses(peer, map(tcp, range(5, 1000)))
        self.assertEqual(len(store.addresses(peer)), 4)

    async def test_undialable(self) -> None:
        """
        Of too many addresses, those that the node cannot dial are dropped first,
        however long they last and wherever they are in the list; then those that were
        named last.
        """
        store, peer = await self.open(Limits(addresses=4)), self.peer()
        store.prefer(lambda address: "udp" not in address.names)
        others = [Multiaddr(f"/ip4/192.0.2.1/udp/{port}/quic-v1") for port in range(69)]
        for usual in ([tcp(1), tcp(2), *others], [*others, tcp(1), tcp(2)]):
            store.setAddresses(peer, usual, Source.IDENTIFY)
            known = store.addresses(peer)
            self.assertEqual(len(known), 4)
            self.assertEqual(set(known) - set(others), {tcp(1), tcp(2)})
            self.assertEqual(set(known) & set(others), set(others[:2]))
        store.addAddresses(peer, others, ttl=1e6)
        store.addAddresses(peer, [tcp(3)], ttl=1.0)
        self.assertIn(tcp(3), store.addresses(peer))
        mine = self.peer()
        store.addAddresses(mine, others[:1], Source.CONFIGURED)
        store.addAddresses(mine, map(tcp, range(10)))
        self.assertIn(others[0], store.addresses(mine))
