# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.batches}.
"""

from __future__ import annotations

from hashlib import sha256

from twisted.internet.defer import CancelledError

from tests.dht.case import PREFIX, DHTTestCase
from twisted_libp2p.dht.batches import BATCH, PAUSE
from twisted_libp2p.dht.messages import MessageType
from twisted_libp2p.dht.ownrecords import AT_ONCE
from twisted_libp2p.dht.republishing import LOOK
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.errors import NotFound
from twisted_libp2p.testing import MemoryNodes

KEYS = [b"\x12\x20" + sha256(b"%d" % each).digest() for each in range(2 * BATCH + 10)]


class BatchesTests(DHTTestCase):
    """
    Many keys of one node.
    """

    def network(self, count: int) -> tuple[KademliaDHT, list[KademliaDHT]]:
        """
        Start servers, and a provider that knows all of them.
        """
        dht = KademliaDHT(PREFIX, "client", k=4)
        node = self.nodes.start(services=[dht])
        servers = [KademliaDHT(PREFIX, "server", k=4) for _ in range(count)]
        for each in servers:
            self.nodes.connect(node, self.nodes.start(services=[each]))
        return dht, servers

    def test_all(self) -> None:
        """
        Each key is stored by four servers, with fewer lookups than keys.
        """
        dht, servers = self.network(9)
        announcing = dht.provideAll(KEYS[:60])
        self.assertEqual(self.nodes.result(announcing), 60)
        now = self.nodes.clock.seconds()
        for key in KEYS[:60]:
            holders = [each for each in servers if each.providers.of(key, now)]
            self.assertGreaterEqual(len(holders), 4)
        usage = dht.usage()
        self.assertLess(usage.sent[MessageType.FIND_NODE], 60 * 4)
        self.assertEqual(usage.failed[MessageType.ADD_PROVIDER], 0)

    def test_paced(self) -> None:
        """
        A server gets a batch of keys in a second, and refuses none.
        """
        dht, (server,) = self.network(1)
        announcing = dht.provideAll(KEYS)
        self.nodes.settle()
        self.assertEqual(len(server.providers), BATCH)
        self.nodes.advance(PAUSE)
        self.assertEqual(len(server.providers), 2 * BATCH)
        self.nodes.advance(PAUSE)
        self.assertEqual(self.successResultOf(announcing), len(KEYS))
        self.assertEqual(server.usage().refused, 0)

    def test_cancelled(self) -> None:
        """
        Whoever gives up ends all of it, while keys are looked up, while they are sent,
        and between two batches.
        """
        self.nodes = MemoryNodes(delay=0.01)
        self.addCleanup(self.nodes.stop)
        dht, _ = self.network(1)
        sent = dht.usage().sent
        seen: set[int] = set()
        for steps in range(20):
            announcing = dht.provideAll(KEYS)
            before = sent[MessageType.ADD_PROVIDER]
            self.nodes.advance(steps * 0.01)
            announcing.cancel()
            self.failureResultOf(announcing, CancelledError)
            after = sent[MessageType.ADD_PROVIDER]
            self.nodes.advance(3 * PAUSE)
            self.assertEqual(sent[MessageType.ADD_PROVIDER], after)
            seen.add(after - before)
        self.assertEqual(seen, {0, BATCH})

    def test_stopped(self) -> None:
        """
        A service that stops announces nothing more, and leaves no timer.
        """
        dht, _ = self.network(1)
        announcing = dht.provideAll(KEYS)
        self.nodes.settle()
        self.nodes.stop()
        self.failureResultOf(announcing, CancelledError)

    def test_nobody(self) -> None:
        """
        Without a server no key is announced now, and all are later.
        """
        dht, _ = self.network(0)
        announcing = dht.provideAll(KEYS[:5])
        self.nodes.advance(20.0)
        self.failureResultOf(announcing, NotFound)
        self.assertEqual(len(dht._own._provided), 5)

    def test_refused(self) -> None:
        """
        A key that no server stores does not count.
        """
        dht, (server,) = self.network(1)
        self.patch(server.providers, "add", lambda *_: False)
        self.assertEqual(self.nodes.result(dht.provideAll(KEYS[:5])), 0)

    def test_valuesStopped(self) -> None:
        """
        When the upkeep stops, no other value has its turn.
        """
        _, dht = self.chain(2)[0]
        for each in range(AT_ONCE + 4):
            self.nodes.result(dht.put(b"/v/%d" % each, b"value"))
        put = dht._own._put
        put._due.update(dict.fromkeys(put._due, 0.0))
        put.stop()
        before = dht.usage().sent[MessageType.FIND_NODE]
        put._look()
        self.assertEqual(dht.usage().sent[MessageType.FIND_NODE], before + AT_ONCE)
        put.stop()
        self.nodes.settle()
        self.assertEqual(dht.usage().sent[MessageType.FIND_NODE], before + AT_ONCE)

    def test_values(self) -> None:
        """
        All values that are due are stored again.
        """
        node, dht = self.chain(2)[0]
        for each in range(AT_ONCE + 4):
            self.nodes.result(dht.put(b"/v/%d" % each, b"value"))
        late, later = self.start()
        self.nodes.connect(late, node)
        put = dht._own._put
        put._due.update(dict.fromkeys(put._due, 0.0))
        self.nodes.advance(2 * LOOK)
        now = self.nodes.clock.seconds()
        for each in range(AT_ONCE + 4):
            self.assertIsNotNone(later.values.get(b"/v/%d" % each, now))
