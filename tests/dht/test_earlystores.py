# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.earlystores}.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.dht.case import PREFIX, DHTTestCase
from tests.dht.test_answers import peer
from twisted_libp2p.dht.earlystores import MAX_BACKGROUND, Background, EarlyStores
from twisted_libp2p.dht.lookup import Report
from twisted_libp2p.dht.netsize import MIN_LOOKUPS, NetworkSize
from twisted_libp2p.dht.optimism import Optimism
from twisted_libp2p.dht.query import Ending
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.errors import NotFound

KEY = b"\x12\x20" + sha256(b"content").digest()


class FinishTests(SynchronousTestCase):
    """
    The end of an announcement, for its caller.
    """

    def setUp(self) -> None:
        self.requests: list[Deferred[Any]] = []
        self.background = Background()
        network: Any = None
        self.stores = EarlyStores(
            network, NetworkSize(), Optimism(1000, 20), self.store, self.background
        )

    def store(self, _: object) -> Deferred[Any]:
        """
        Send a request.
        """
        self.requests.append(Deferred())
        return self.requests[-1]

    def finish(self) -> Deferred[None]:
        """
        End a lookup that has found 20 servers.
        """
        nearest = tuple(peer(each) for each in range(20))
        report = Report(KEY, Ending.COMPLETED, nearest, 20, 20, 0, 1, (), 1.0)
        return Deferred.fromCoroutine(self.stores.finish(report))

    def test_returns(self) -> None:
        """
        The caller goes on after 15 of 20 requests; the others go on in the background.
        """
        finished = self.finish()
        for each in self.requests[:14]:
            each.callback(None)
        self.assertNoResult(finished)
        self.requests[14].callback(None)
        self.successResultOf(finished)
        self.assertEqual((self.stores.succeeded, self.background.count), (15, 5))
        for each in self.requests[15:]:
            each.errback(Failure(OSError()))
        self.assertEqual(self.background.count, 0)

    def test_success(self) -> None:
        """
        Failures end requests, too, but the caller waits for one success.
        """
        finished = self.finish()
        for each in self.requests[:19]:
            each.errback(Failure(OSError()))
        self.assertNoResult(finished)
        self.requests[19].callback(None)
        self.successResultOf(finished)
        self.assertEqual(self.stores.succeeded, 1)
        assert self.stores.failure is not None
        self.stores.failure.trap(OSError)

    def test_manyInBackground(self) -> None:
        """
        With too many requests in the background, the caller waits for all of its own.
        """
        self.background.count = MAX_BACKGROUND - 4
        finished = self.finish()
        for each in self.requests[:19]:
            each.callback(None)
        self.assertNoResult(finished)
        self.requests[19].callback(None)
        self.successResultOf(finished)

    def test_stop(self) -> None:
        """
        A caller that gives up cancels the requests.
        """
        finished = self.finish()
        finished.addErrback(lambda _: None)
        finished.cancel()
        self.stores.stop()
        self.assertTrue(all(each.called for each in self.requests))


class ServiceTests(DHTTestCase):
    """
    Nodes of ours.
    """

    def setUp(self) -> None:
        super().setUp()
        self.servers = [KademliaDHT(PREFIX, "server", k=4) for _ in range(12)]
        self.dht = KademliaDHT(PREFIX, "client", k=4, optimistic=True)
        self.node = self.nodes.start(services=[self.dht])
        for each in self.servers:
            self.nodes.connect(self.node, self.nodes.start(services=[each]))
        for number in range(MIN_LOOKUPS):
            self.nodes.result(self.dht.closest(b"\x12\x20" + bytes([number] * 32)))
        self.assertIsNotNone(self.dht.size)

    def test_provide(self) -> None:
        """
        An announcement during the lookup is stored by three of four servers before its
        caller goes on, and by four after that.
        """
        stored = self.nodes.result(self.dht.provide(KEY))
        self.assertGreaterEqual(stored.count, 3)
        self.nodes.settle()
        holders = [
            each
            for each in self.servers
            if each.providers.of(KEY, self.nodes.clock.seconds())
        ]
        self.assertGreaterEqual(len(holders), 4)

    def test_refused(self) -> None:
        """
        If no server stores the record, the error says so.
        """
        for each in self.servers:
            self.patch(each.providers, "add", lambda *_: False)
        error = self.assertRaises(NotFound, self.nodes.result, self.dht.provide(KEY))
        self.assertIn("has: ", str(error))
