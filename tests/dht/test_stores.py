# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.values} and L{twisted_libp2p.dht.providers}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.dht.test_answers import peer
from twisted_libp2p.dht import providers, values
from twisted_libp2p.dht.providers import ProviderStore
from twisted_libp2p.dht.values import StoredValue, ValueStore


class ValueStoreTests(SynchronousTestCase):
    """
    Stored values.
    """

    def setUp(self) -> None:
        self.store = ValueStore()
        self.changes: list[bytes] = []
        self.store.changed = self.changes.append

    def test_expiry(self) -> None:
        """
        A value expires after two days, and a sweep drops it.
        """
        self.store.put(b"a", b"1", 0.0, None)
        self.store.put(b"b", b"2", 10.0, peer(1))
        self.assertFalse(self.store.sweep(values.LIFETIME - 1.0, 9))
        self.assertFalse(self.store.sweep(values.LIFETIME, 9))
        self.assertEqual(list(self.store), [b"b"])
        self.assertIsNone(self.store.get(b"b", values.LIFETIME + 10.0))
        self.assertEqual(self.changes, [b"a", b"b", b"a", b"b"])

    def test_sweptStepwise(self) -> None:
        """
        A sweep drops only so many at once.
        """
        for each in (b"a", b"b", b"c"):
            self.store.put(each, b"1", 0.0, None)
        self.assertTrue(self.store.sweep(values.LIFETIME, 2))
        self.assertEqual(list(self.store), [b"c"])

    def test_full(self) -> None:
        """
        The oldest are dropped if there are too many, or too many bytes.
        """
        self.patch(values, "MAX_VALUES", 2)
        for each in (b"a", b"b", b"a", b"c"):
            self.store.put(each, b"1", 0.0, None)
        self.assertEqual(list(self.store), [b"a", b"c"])
        self.patch(values, "MAX_BYTES", 10)
        self.store.put(b"d", b"12345678", 0.0, None)
        self.assertEqual(list(self.store), [b"d"])

    def test_loaded(self) -> None:
        """
        A value from a database is not a change.
        """
        self.store.load(b"a", StoredValue(b"1", 5.0, b"peer"))
        self.assertEqual(self.store.get(b"a", 6.0), StoredValue(b"1", 5.0, b"peer"))
        self.assertEqual(self.changes, [])


class ProviderStoreTests(SynchronousTestCase):
    """
    Stored providers.
    """

    def setUp(self) -> None:
        self.store = ProviderStore()
        self.changes: list[object] = []
        self.store.changed = self.changes.append

    def test_order(self) -> None:
        """
        The latest announcement comes first.
        """
        for number, now in ((1, 0.0), (2, 1.0), (1, 2.0)):
            self.store.add(b"key", peer(number), now)
        self.assertEqual(self.store.of(b"key", 3.0), [peer(1), peer(2)])
        self.assertEqual(self.store.received((b"key", peer(1))), 2.0)
        self.assertEqual(self.store.of(b"other", 3.0), [])
        self.assertEqual(len(self.store), 2)

    def test_expiry(self) -> None:
        """
        An announcement expires after two days.
        """
        self.store.add(b"key", peer(1), 0.0)
        self.store.add(b"key", peer(2), 10.0)
        late = providers.LIFETIME + 5.0
        self.assertEqual(self.store.of(b"key", late), [peer(2)])
        self.assertFalse(self.store.sweep(late, 9))
        self.assertEqual(list(self.store), [(b"key", peer(2))])
        self.assertTrue(self.store.sweep(late + 10.0, 1))
        self.assertEqual(self.store._byKey, {})
        self.assertEqual(self.store._perPeer, {})

    def test_limits(self) -> None:
        """
        A peer has so many keys, and all have so many; the oldest are dropped.
        """
        self.patch(providers, "MAX_PER_PEER", 2)
        self.patch(providers, "MAX_RECORDS", 3)
        results = [self.store.add(each, peer(1), 0.0) for each in (b"a", b"b", b"c")]
        self.assertEqual(results, [True, True, False])
        self.store.add(b"a", peer(2), 0.0)
        self.store.add(b"b", peer(2), 0.0)
        self.assertEqual(
            list(self.store), [(b"b", peer(1)), (b"a", peer(2)), (b"b", peer(2))]
        )
        self.assertIn((b"a", peer(1)), self.changes)

    def test_loaded(self) -> None:
        """
        An announcement from a database is not a change; it cannot be removed twice.
        """
        self.store.load((b"a", peer(1)), 1.0)
        self.assertEqual(self.changes, [])
        self.store.remove((b"a", peer(1)))
        self.store.remove((b"a", peer(1)))
        self.assertEqual(self.changes, [(b"a", peer(1))])
