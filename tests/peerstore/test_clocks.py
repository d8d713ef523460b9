# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.service} with nodes whose clocks differ.
"""

from __future__ import annotations

from twisted.internet.task import Clock

from tests.peerstore.services import ADDRESS, NOW, OTHER, ServiceTestCase, peer
from twisted_libp2p.interfaces import Identification


class ClockTests(ServiceTestCase):
    """
    Two services whose clocks disagree by an hour.
    """

    def setUp(self) -> None:
        """
        Start a service, and one whose clock is behind.
        """
        super().setUp()
        self.start()
        self.clock.advance(3600.0)
        self.behind = Clock()
        self.behind.advance(NOW)
        self.late = self.other(clock=self.behind)

    def tearDown(self) -> None:
        """
        Nothing is left of either.
        """
        super().tearDown()
        self.assertEqual(self.behind.getDelayedCalls(), [])

    def exchange(self) -> None:
        """
        Each learns all that the other one knows.
        """
        for store in (self.store, self.late, self.store, self.late):
            self.successResultOf(store.flush())

    def test_later(self) -> None:
        """
        What the one whose clock is behind learns after it has read what the
        other one says is the later, for both: of every kind.
        """
        for store, n in ((self.store, 1), (self.late, 2), (self.store, 3)):
            store.addAddresses(peer(1), [ADDRESS, OTHER])
            store.setTag(peer(1), "tag", n)
            store.setMetadata(peer(1), "name", bytes([n]))
            store.learn(peer(1), Identification(f"agent {n}", "net", ("/a",)))
            store.setDialect(peer(1), f"dialect {n}")
            (store.succeeded if n % 2 else store.failed)(peer(1), ADDRESS)
            self.exchange()
            for each in (self.store, self.late):
                info = each.info(peer(1))
                assert info is not None
                self.assertEqual(each.tags(peer(1)), {"tag": n})
                self.assertEqual(each.metadata(peer(1)), {"name": bytes([n])})
                self.assertEqual(info.agent, f"agent {n}")
                self.assertEqual(info.dialect, f"dialect {n}")
                known = {address.address: address for address in info.addresses}
                at = known[ADDRESS]
                self.assertEqual((at.failed or 0) > (at.succeeded or 0), n == 2)

    def test_removed(self) -> None:
        """
        What it removes and forgets is removed and forgotten by both.
        """
        self.store.addAddresses(peer(1), [ADDRESS, OTHER])
        self.store.setTag(peer(1), "tag", 1)
        self.store.setMetadata(peer(1), "name", b"value")
        self.store.addAddresses(peer(2), [ADDRESS])
        self.exchange()
        self.late.removeAddresses(peer(1), [OTHER])
        self.late.removeTag(peer(1), "tag")
        self.late.setMetadata(peer(1), "name", None)
        self.late.forget(peer(2))
        self.exchange()
        for store in (self.store, self.late):
            self.assertEqual(store.addresses(peer(1)), [ADDRESS])
            self.assertEqual(store.tags(peer(1)), {})
            self.assertEqual(store.metadata(peer(1)), {})
            self.assertEqual(store.peers(), [peer(1)])

    def test_lookedUp(self) -> None:
        """
        A stamp that was read in a lookup, or while loading, counts as well.
        """
        self.store.setTag(peer(1), "tag", 1)
        self.successResultOf(self.store.flush())
        self.successResultOf(self.late.lookup(peer(1)))
        self.late.setTag(peer(1), "tag", 2)
        self.successResultOf(self.late.flush())
        loaded = self.other(clock=self.behind)
        loaded.setTag(peer(1), "tag", 3)
        self.successResultOf(loaded.flush())
        self.exchange()
        for store in (self.store, self.late):
            self.assertEqual(store.tags(peer(1)), {"tag": 3})

    def test_merged(self) -> None:
        """
        A time that was taken over from text is never later than now, and what is
        learnt afterwards is later.
        """
        told = self.store
        told.setTag(peer(1), "tag", 1)
        told.setDialect(peer(1), "old")
        told.connected(peer(1), ADDRESS)
        told.disconnected(peer(1))
        info = told.info(peer(1))
        assert info is not None
        store = self.other(clock=self.behind)
        store.merge(info)
        store.setTag(peer(1), "tag", 2)
        store.setDialect(peer(1), "new")
        merged = store.info(peer(1))
        assert merged is not None
        self.assertEqual((merged.dialect, store.tags(peer(1))), ("new", {"tag": 2}))
        for time in (
            merged.lastConnected,
            merged.dialectLearntAt,
            merged.addresses[0].learnt,
            merged.addresses[0].succeeded,
        ):
            assert time is not None
            self.assertLess(time, self.behind.seconds() + 1.0)
