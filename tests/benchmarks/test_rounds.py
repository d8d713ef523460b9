# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.rounds}, with our own programs.
"""

from __future__ import annotations

import io

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from benchmarks import memory
from benchmarks.contenders import Contender, gather
from benchmarks.progress import Progress
from benchmarks.rounds import Rounds
from benchmarks.works import WEBSOCKET, WORKS, isMeasured


class RoundsTests(TestCase):
    """
    Tests for L{Rounds}.
    """

    timeout = 600

    def rounds(self, *contenders: Contender, stack: str = "noise+yamux") -> Rounds:
        """
        Give one short round.
        """
        return Rounds(
            reactor,
            stack,
            contenders,
            rounds=1,
            seconds=0.001,
            progress=Progress(io.StringIO()),
        )

    async def test_everyWork(self) -> None:
        """
        Ours does every work; Twisted's own TCP those that need no libp2p.
        """
        contenders, notes = gather(["ours", "raw", "tls"])
        rounds = self.rounds(*contenders)
        rows = await rounds.run(WORKS)
        self.assertEqual((notes, rounds.notes), ([], []))
        self.assertEqual({row.stack for row in rows}, {"noise+yamux"})
        self.assertTrue(all(row.median > 0 and row.rounds == 1 for row in rows))
        measured = {
            peer: {row.work for row in rows if row.peer == peer}
            for peer in ("ours", "raw", "tls")
        }
        self.assertIn("handshakes, 32 at once: listener", measured["ours"])
        self.assertIn("ping p99", measured["ours"])
        self.assertEqual(measured["raw"], measured["tls"])
        self.assertEqual(
            measured["ours"] - measured["raw"],
            {
                name + side
                for name in (
                    "upload, 100 streams",
                    "download, 100 streams",
                    "handshakes",
                    "handshakes, 32 at once",
                    "streams",
                    "streams, 32 at once",
                )
                for side in ("", ": dialer", ": listener")
            },
        )

    async def test_webSocket(self) -> None:
        """
        Transfers and idle connections are measured over WebSocket, too.
        """
        contenders, _ = gather(["ours"])
        rounds = self.rounds(*contenders, stack=WEBSOCKET)
        works = [work for work in WORKS if isMeasured(work.name, WEBSOCKET)]
        rows = await rounds.run(works)
        self.assertEqual(rounds.notes, [])
        self.assertEqual(
            {row.work for row in rows if row.unit == "MiB/s"}, {"upload", "download"}
        )
        self.assertTrue(isMeasured(memory.NAME, WEBSOCKET))
        self.assertFalse(isMeasured(memory.AFTER, WEBSOCKET))

    async def test_refused(self) -> None:
        """
        Who cannot do a work is left out, with a word why; the others go on.
        """
        (raw, ours), _ = gather(["raw", "ours"])
        rounds = self.rounds(Contender("py", raw.command), ours)
        (streams,) = (work for work in WORKS if work.name == "streams")
        rows = await rounds.run([streams])
        self.assertEqual({row.peer for row in rows}, {"ours"})
        (note,) = rounds.notes
        self.assertTrue(note.startswith("py: streams, noise+yamux: Refused:"), note)

    async def test_doesNotStart(self) -> None:
        """
        The same goes for who does not even start.
        """
        rounds = self.rounds(Contender("go", ("/bin/false",)))
        self.assertEqual(await rounds.run(WORKS[:1]), [])
        self.assertEqual(len(rounds.notes), 1)
