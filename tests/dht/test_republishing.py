# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.republishing}.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.dht.case import DHTTestCase
from twisted_libp2p.dht.keyspace import placeOf
from twisted_libp2p.dht.republishing import INTERVAL, LOOK, RETRY, Republishing


class RepublishingTests(SynchronousTestCase):
    """
    When records are stored again.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.rounds: list[tuple[list[bytes], Deferred[None]]] = []
        self.records = Republishing(self.clock, self.publish)
        self.addCleanup(self.records.stop)

    def publish(
        self,
        due: list[bytes],
        keys: Sequence[tuple[int, bytes]],
        stored: Callable[[bytes], None],
    ) -> Deferred[None]:
        """
        Record the round.
        """
        self.assertEqual([placeOf(key) for _, key in keys], [each for each, _ in keys])
        self.rounds.append((due, Deferred()))
        return self.rounds[-1][1]

    def wait(self, seconds: float) -> None:
        """
        Let time pass, and a look.
        """
        for _ in range(int(seconds / LOOK) + 1):
            self.clock.advance(LOOK)

    def test_again(self) -> None:
        """
        A record is stored again after 22 hours, and soon after a failure.
        """
        self.records.add(b"key")
        self.wait(INTERVAL - 2 * LOOK)
        self.assertEqual(self.rounds, [])
        self.wait(2 * LOOK)
        [(due, ended)] = self.rounds
        self.assertEqual(due, [b"key"])
        ended.errback(Failure(OSError()))
        self.wait(RETRY)
        self.assertEqual(len(self.rounds), 2)
        self.records.stored(b"key")
        self.rounds[1][1].callback(None)
        self.wait(INTERVAL - 2 * LOOK)
        self.assertEqual(len(self.rounds), 2)
        self.wait(2 * LOOK)
        self.assertEqual(len(self.rounds), 3)

    def test_rounds(self) -> None:
        """
        All records that are due are stored in one round, and no other begins before its
        end.
        """
        for each in range(50):
            self.records.add(b"%d" % each)
        self.wait(INTERVAL)
        [(due, ended)] = self.rounds
        self.assertEqual(len(due), 50)
        self.wait(2 * RETRY)
        self.assertEqual(len(self.rounds), 1)
        self.records.stored(due[0])
        ended.callback(None)
        self.clock.advance(LOOK)
        self.assertEqual(len(self.rounds[1][0]), 49)

    def test_removed(self) -> None:
        """
        A removed record is not stored again; a stop cancels the round.
        """
        self.records.add(b"a")
        self.records.add(b"b")
        self.records.remove(b"a")
        self.records.remove(b"a")
        self.records.stored(b"a")
        self.assertEqual(len(self.records), 1)
        self.wait(INTERVAL)
        [(due, ended)] = self.rounds
        self.assertEqual(due, [b"b"])
        self.records.stop()
        self.assertTrue(ended.called)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.records.start()
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)


class ServiceTests(DHTTestCase):
    """
    Records of a node.
    """

    def test_provided(self) -> None:
        """
        A server that joins later gets the announcement of a provider and its value.
        """
        chain = self.chain(2)
        node, dht = chain[0]
        self.nodes.result(dht.provide(b"\x12\x20" + bytes(32)))
        self.nodes.result(dht.put(b"/v/key", b"value"))
        late, later = self.start()
        self.nodes.connect(late, node)
        for records in (dht._own._provided, dht._own._put):
            for key in records._due:
                records._due[key] = LOOK
        self.nodes.advance(2 * LOOK)
        now = self.nodes.clock.seconds()
        self.assertEqual(
            later.providers.of(b"\x12\x20" + bytes(32), now), [node.peerID]
        )
        self.assertIsNotNone(later.values.get(b"/v/key", now))
