# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.service}: the costs of a database for the node.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from twisted.logger import capturedLogs

from tests.peerstore.services import ADDRESS, OTHER, Pool, ServiceTestCase, peer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore import Limits, journal
from twisted_libp2p.peerstore.book import Book


class BoundTests(ServiceTestCase):
    """
    What a database costs the node, whatever peers and the database do.
    """

    def rows(self, table: str = "addresses") -> int:
        """
        Count the rows of a table.
        """
        (count,) = self.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)

    def test_trimmed(self) -> None:
        """
        Addresses for which there was no room leave no rows, whether they were
        written before or not.
        """
        self.start()
        for turn in range(20):
            for part in range(2):
                start = 1 + 200 * turn + 100 * part
                told = [
                    Multiaddr(f"/ip4/192.0.2.1/tcp/{n}")
                    for n in range(start, start + 99)
                ]
                self.store.setAddresses(peer(1), told, Source.IDENTIFY)
                self.clock.advance(0.001)
            self.clock.advance(1)
        found = self.connection.execute(
            "SELECT address FROM addresses WHERE expires > 0"
        )
        self.assertEqual(len(found.fetchall()), 64)
        (removed,) = self.connection.execute(
            "SELECT count(*) FROM addresses WHERE expires = 0"
        ).fetchone()
        # Those that it had told, and then no longer did.
        self.assertLessEqual(removed, 64 * 40)
        self.store.forget(peer(1))
        self.clock.advance(1)
        for turn in range(40):
            told = [Multiaddr(f"/ip4/192.0.2.{turn}/tcp/{n}") for n in range(1, 100)]
            self.store.addAddresses(peer(1), told)
            self.clock.advance(1)
        self.assertEqual(self.rows(), 64)

    def test_trimmedHere(self) -> None:
        """
        An address that another service has learnt again since stays, and one
        that memory has again is written.
        """
        self.start()
        other = self.other(Limits(addresses=1000))
        self.store.addAddresses(peer(1), [ADDRESS], ttl=10.0)
        self.clock.advance(1)
        other.addAddresses(peer(1), [ADDRESS], ttl=20.0)
        self.successResultOf(other.flush())
        told = [Multiaddr(f"/ip4/192.0.2.9/tcp/{n}") for n in range(1, 65)]
        self.store.addAddresses(peer(1), told, ttl=15.0)
        self.clock.advance(0.25)
        found = self.successResultOf(self.other(Limits(addresses=99)).lookup(peer(1)))
        self.assertIn(ADDRESS, found)
        self.store.addAddresses(peer(1), [OTHER], ttl=1.0)
        self.store.addAddresses(peer(1), [OTHER], ttl=100.0)
        self.clock.advance(0.25)
        found = self.successResultOf(self.other(Limits(addresses=99)).lookup(peer(1)))
        self.assertIn(OTHER, found)

    def test_away(self) -> None:
        """
        While the database is away what is to be written is bounded, and what
        memory has is written when it is back.
        """
        self.patch(journal, "MAX_NAMED", 1000)
        self.patch(journal, "MAX_GONE", 100)
        self.start()
        self.pool.error = sqlite3.OperationalError("no")
        with capturedLogs():
            for number in range(1000):
                self.store.addAddresses(peer(number), [ADDRESS, OTHER])
                self.store.setTag(peer(number), "tag", number)
                if number % 100 == 0:
                    self.clock.advance(5)
            for number in range(1000, 3000):
                self.store.addAddresses(peer(number), [ADDRESS])
                self.store.forget(peer(number))
                if number % 100 == 0:
                    self.clock.advance(5)
        waiting = self.store._journal._waiting
        self.assertLessEqual(sum(each.named for each in waiting.values()), 1000)
        self.assertLessEqual(self.store._journal.waiting, 1000 + 100 + 2000)
        self.assertLessEqual(sum(each.gone for each in waiting.values()), 100)
        self.pool.error = None
        self.clock.advance(5)
        self.assertFalse(self.store._journal)
        other = self.other()
        self.assertEqual(len(other.peers()), 1000)
        for number in range(1000):
            self.assertEqual(other.addresses(peer(number)), [ADDRESS, OTHER])
            self.assertEqual(other.tags(peer(number)), {"tag": number})

    def test_slices(self) -> None:
        """
        No turn of the reactor makes, learns or prolongs more than a thousand rows
        and those of one peer, however many are written or read at once.
        """
        told = [Multiaddr(f"/ip4/192.0.2.1/tcp/{n}") for n in range(1, 65)]
        self.start()
        other = self.other(Limits(addresses=64))
        costs: list[int] = []
        spent = [0]
        made, took = Book.rows, Book.merge
        ran = Pool.runWithConnection

        def rows(book: Book, *arguments: Any) -> Any:
            found = made(book, *arguments)
            spent[0] += len(found)
            return found

        def take(book: Book, some: Any) -> None:
            spent[0] += len(some)
            took(book, some)

        def run(pool: Pool, *arguments: Any) -> Any:
            costs.append(spent[0])
            spent[0] = 0
            return ran(pool, *arguments)

        self.patch(Book, "rows", rows)
        self.patch(Book, "merge", take)
        self.patch(Pool, "runWithConnection", run)
        for number in range(100):
            self.store.connected(peer(number))
            self.store.addAddresses(peer(number), told)
        self.successResultOf(self.store.flush())
        self.successResultOf(other.flush())
        self.assertEqual(len(other.peers()), 100)
        self.other()
        self.clock.pump([300.0] * 12)
        self.assertGreater(sum(costs), 4 * 100 * 65)
        self.assertLessEqual(max(costs), 1100)

    def test_lostWhileLearning(self) -> None:
        """
        If the database fails in the midst of what was read, it is read again.
        """
        self.start()
        other = self.other()
        told = [Multiaddr(f"/ip4/192.0.2.1/tcp/{n}") for n in range(1, 65)]
        for number in range(60):
            other.addAddresses(peer(number), told)
        self.successResultOf(other.flush())
        took = Book.merge

        def take(book: Book, rows: Any) -> None:
            took(book, rows)
            self.pool.error = sqlite3.OperationalError("no")

        self.patch(Book, "merge", take)
        with capturedLogs():
            self.clock.advance(5)
        self.assertLess(len(self.store.peers()), 61)
        self.patch(Book, "merge", took)
        self.pool.error = None
        self.clock.advance(5)
        for number in range(60):
            self.assertEqual(len(self.store.addresses(peer(number))), 64)

    def test_idle(self) -> None:
        """
        A program that runs and has nothing to write counts: to one that starts
        beside it, time has gone on.
        """
        self.start()
        self.store.addAddresses(peer(1), [ADDRESS], ttl=250.0)
        self.clock.pump([5.0] * 40)
        other = self.other()
        self.clock.pump([5.0] * 10)
        self.assertEqual(other.addresses(peer(1)), [])
        self.assertEqual(self.store.addresses(peer(1)), [])
