# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.journal}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import journal
from twisted_libp2p.peerstore.journal import Entry, Journal
from twisted_libp2p.peerstore.rows import AddressRow, Key, TagRow

ONE, TWO, THREE, FOUR = (
    PeerID.fromBytes(b"\x12\x20" + bytes([n]) * 32) for n in range(4)
)
A: Key = (TagRow, "a")
B: Key = (TagRow, "b")


class JournalTests(SynchronousTestCase):
    """
    What is not written yet.
    """

    def setUp(self) -> None:
        """
        Make a journal.
        """
        self.calls = 0
        self.journal = Journal(self.changed)

    def changed(self) -> None:
        """
        Count it.
        """
        self.calls += 1

    def test_changed(self) -> None:
        """
        It tells when something waits that did not before, each time.
        """
        self.assertFalse(self.journal)
        self.journal.note(ONE)
        self.journal.note(TWO, A)
        self.assertEqual(self.calls, 1)
        self.journal.take(10)
        self.assertTrue(self.journal)
        self.assertEqual(self.journal.waiting, 0)
        self.journal.forget(ONE)
        self.assertEqual(self.calls, 2)

    def test_take(self) -> None:
        """
        The oldest changes are taken first, each once.
        """
        self.journal.note(ONE, A)
        self.journal.note(TWO)
        self.journal.note(ONE, A)
        self.journal.note(ONE, B)
        self.assertEqual(
            self.journal.take(1), {ONE: Entry(False, dict.fromkeys([A, B]))}
        )
        self.journal.done(0.0)
        self.assertEqual(self.journal.take(1), {TWO: Entry()})
        self.journal.done(0.0)
        self.assertFalse(self.journal)

    def test_failed(self) -> None:
        """
        What could not be written waits again, before and with what has
        changed since.
        """
        self.journal.note(ONE, A)
        self.journal.note(TWO, A)
        self.journal.take(10)
        self.journal.note(ONE, B)
        self.journal.forget(TWO)
        self.journal.note(THREE)
        self.journal.failed()
        self.assertEqual(
            self.journal.take(10),
            {
                ONE: Entry(False, dict.fromkeys([A, B])),
                TWO: Entry(True),
                THREE: Entry(),
            },
        )

    def test_failedForgetting(self) -> None:
        """
        A peer stays to be forgotten whatever has become known since.
        """
        self.journal.forget(ONE)
        self.journal.take(1)
        self.journal.note(ONE, A)
        self.journal.failed()
        self.assertEqual(self.journal.take(1), {ONE: Entry(True, dict.fromkeys([A]))})

    def test_holds(self) -> None:
        """
        It knows which rows wait, or are being written.
        """
        self.journal.note(ONE, A)
        self.journal.forget(TWO)
        for _ in range(2):
            self.assertTrue(self.journal.holds(ONE, A))
            self.assertFalse(self.journal.holds(ONE, B))
            self.assertFalse(self.journal.holds(ONE))
            self.assertTrue(self.journal.holds(TWO, A))
            self.assertTrue(self.journal.holds(TWO))
            self.journal.take(10)
        self.journal.done(0.0)
        self.assertFalse(self.journal.holds(ONE, A))
        self.assertFalse(self.journal.holds(TWO))

    def test_drop(self) -> None:
        """
        A peer that had to go is not written; but that it was forgotten is, and
        what had been removed of it.
        """
        self.journal.note(ONE, A)
        self.journal.note(THREE, A)
        self.journal.note(THREE, B)
        self.journal.forget(TWO)
        for peer in (ONE, TWO, THREE, FOUR):
            self.journal.drop(peer, A.__eq__)
        self.assertEqual(
            self.journal.take(10), {TWO: Entry(True), THREE: Entry(keys={B: None})}
        )

    def test_bound(self) -> None:
        """
        The changes of one peer are bounded: the oldest are given up.
        """
        for number in range(10_000):
            self.journal.note(ONE, (TagRow, str(number)))
        keys = self.journal.take(1)[ONE].keys
        self.assertEqual(len(keys), 1024)
        self.assertIn((TagRow, "9999"), keys)

    def test_boundOfFailures(self) -> None:
        """
        They are, too, if they cannot be written time and again.
        """
        for number in range(10_000):
            self.journal.note(ONE, (TagRow, str(number)))
            if number % 1000 == 0:
                self.journal.take(1)
            elif number % 1000 == 500:
                self.journal.failed()
        keys = self.journal.take(1)[ONE].keys
        self.assertEqual(len(keys), 1024)
        self.assertIn((TagRow, "9999"), keys)

    def test_whole(self) -> None:
        """
        An entry that cannot name all of its rows stands for all that there are.
        """
        for number in range(1024):
            self.journal.note(ONE, (TagRow, str(number)))
        self.assertFalse(self.journal.take(1)[ONE].whole)
        self.journal.failed()
        self.journal.note(ONE, A)
        self.assertTrue(self.journal.take(1)[ONE].whole)

    def test_boundOfAll(self) -> None:
        """
        All entries together name a bounded number of rows, and those of peers that
        have left memory are bounded in number, whatever is written and fails in
        between.
        """
        self.patch(journal, "MAX_NAMED", 100)
        self.patch(journal, "MAX_GONE", 50)
        for number in range(2000):
            peer = PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))
            if number % 5 == 0:
                self.journal.forget(peer)
            self.journal.note(peer, A)
            self.journal.trim(peer, (AddressRow, b"name"), 1.0)
            if number % 3 == 0:
                self.journal.forget(peer)
            elif number % 7 == 0:
                self.journal.drop(peer, A.__eq__ if number % 2 else B.__eq__)
            if number % 11 == 0:
                self.journal.take(20)
                if number % 2:
                    self.journal.done(0.0)
                else:
                    self.journal.failed()
            waiting = self.journal._waiting.values()
            named = sum(each.named for each in waiting)
            gone = sum(each.gone for each in waiting)
            self.assertEqual((named, gone), (self.journal._named, self.journal._gone))
            self.assertLessEqual(named, 100)
            self.assertLessEqual(gone, 50)

    def test_boundOfRetries(self) -> None:
        """
        Entries that cannot be written, time and again, are bounded with all others,
        though their peers change meanwhile.
        """
        self.patch(journal, "MAX_NAMED", 100)
        self.patch(journal, "MAX_GONE", 50)
        peers = [
            PeerID.fromBytes(b"\x12\x20" + number.to_bytes(32, "big"))
            for number in range(90)
        ]
        for number in range(50):
            for peer in peers:
                self.journal.note(peer, (TagRow, str(number)))
            self.journal.take(100)
            if number == 25:
                for peer in peers:
                    self.journal.drop(peer, lambda key: False)
            self.journal.failed()
            waiting = [
                *self.journal._waiting.values(),
                *self.journal._writing.values(),
            ]
            named = sum(each.named for each in waiting)
            gone = sum(each.gone for each in waiting)
            self.assertLessEqual(named, 100)
            self.assertEqual((named, gone), (self.journal._named, self.journal._gone))
            self.assertLessEqual(gone, 50)
            self.assertEqual(self.journal.waiting, len(waiting))

    def test_trimmed(self) -> None:
        """
        What memory had no room for is deleted, unless it is there again.
        """
        key: Key = (AddressRow, b"name")
        self.journal.note(ONE, key)
        self.journal.trim(ONE, key, 1.0)
        self.assertTrue(self.journal.holds(ONE, key))
        entry = self.journal.take(1)[ONE]
        self.assertEqual((entry.keys, entry.trimmed), ({}, {key: 1.0}))
        self.journal.failed()
        self.journal.note(ONE, key)
        entry = self.journal.take(1)[ONE]
        self.assertEqual((entry.keys, entry.trimmed), ({key: None}, {}))
