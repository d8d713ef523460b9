# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for what is measured once: L{benchmarks.memory}, L{benchmarks.growth},
L{benchmarks.books} and L{benchmarks.startup}.
"""

from __future__ import annotations

import io

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from benchmarks import books, growth, memory, startup
from benchmarks.contenders import OURS, Contender, gather
from benchmarks.progress import Progress


class OnceTests(TestCase):
    """
    Each gives its figures.
    """

    timeout = 600

    def setUp(self) -> None:
        """
        Be content with little.
        """
        self.progress = Progress(io.StringIO())
        self.patch(memory, "SETTLING", 0.0)
        self.patch(memory, "FEW", 2)
        self.patch(memory, "MANY", 10)
        self.patch(growth, "PINGS", 3)
        self.patch(growth, "OPENINGS", 3)
        self.patch(growth, "UPLOAD", 1024)
        self.patch(books, "PEERS", (10, 100))

    async def test_memory(self) -> None:
        """
        The memory of an idle connection, and after a transfer.
        """
        for work in (memory.NAME, memory.AFTER):
            row = await memory.idle(reactor, "noise+yamux", OURS, work)
            self.assertEqual((row.work, row.unit), (work, "KiB"))

    async def test_growth(self) -> None:
        """
        What grows with connections, and with streams; more than a node has
        by default.
        """
        self.patch(growth, "CONNECTIONS", (2, 4))
        self.patch(growth, "STREAMS", (1, 600))
        rows, notes = await growth.growth(reactor, self.progress)
        self.assertEqual(notes, [])
        works = [row.work for row in rows]
        self.assertIn("4 connections: memory of each, listener", works)
        self.assertIn("600 streams: ping p50", works)

    async def test_growthEnds(self) -> None:
        """
        What was measured until something went wrong is kept, with a word why.
        """
        # A node that is not told of a crowd has its limits.
        self.patch(growth, "OURS", Contender("js", OURS.command))
        self.patch(growth, "CONNECTIONS", (2,))
        self.patch(growth, "STREAMS", (1, 600))
        rows, notes = await growth.growth(reactor, self.progress)
        works = [row.work for row in rows]
        self.assertIn("2 connections: upload", works)
        self.assertIn("1 streams: upload", works)
        self.assertNotIn("600 streams: upload", works)
        (note,) = notes
        self.assertTrue(note.startswith("growth: streams: Refused:"), note)

    def test_books(self) -> None:
        """
        What grows with peers.
        """
        self.patch(books, "CONNECTIONS", (4, 8))
        rows = books.books(self.progress)
        works = [row.work for row in rows]
        self.assertIn("100 peers: look-up of addresses", works)
        self.assertIn("8 connections: each that is trimmed", works)

    async def test_startUp(self) -> None:
        """
        How long it takes to start.
        """
        contenders, _ = gather(["ours", "raw"])
        rows, notes = await startup.startUp(reactor, contenders, 1, self.progress)
        self.assertEqual(notes, [])
        median = {(row.work, row.peer): row.median for row in rows}
        self.assertGreater(
            median["start to listen: CPU", "ours"],
            median["import of the package: CPU", "raw"],
        )

    async def test_doesNotStart(self) -> None:
        """
        Who does not start is left out, with a word why.
        """
        contenders = [Contender("raw", ("/bin/false",))]
        rows, notes = await startup.startUp(reactor, contenders, 1, self.progress)
        self.assertEqual(rows, [])
        self.assertEqual(len(notes), 2)
        begin = "raw: import of a node: PeerEnded: A process has ended"
        self.assertTrue(notes[1].startswith(begin), notes)
