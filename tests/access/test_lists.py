# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.access.lists}, L{twisted_libp2p.access.groups} and
L{twisted_libp2p.access.book}.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.access.book import MAX_ADDRESSES, PeerBook, checkName
from twisted_libp2p.access.groups import parseGroups, readGroups
from twisted_libp2p.access.lists import AccessLists
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity

ONE, TWO, THREE = (Identity.generate().peerID for _ in range(3))


class GroupTests(SynchronousTestCase):
    """
    A file of groups.
    """

    def test_groups(self) -> None:
        """
        Each name has a list of peers.
        """
        text = f'family = ["{ONE}", "{TWO.toCID()}"]\nnobody = []\n'
        self.assertEqual(
            parseGroups(text), {"family": {ONE, TWO}, "nobody": frozenset()}
        )

    def test_wrong(self) -> None:
        """
        A mistake is one line with the file and the group.
        """
        path = self.mktemp()
        for text, word in (
            ("family = 3", "family has to be a list of peer ids"),
            ('family = ["me"]', "family: "),
            ("family = [3]", "family: "),
            ("family", "Expected"),
        ):
            Path(path).write_text(text)
            error = self.assertRaises(ConfigurationError, readGroups, path)
            self.assertIn(word, str(error))
            self.assertIn(path, str(error))
            self.assertNotIn("\n", str(error))
        self.assertRaises(ConfigurationError, readGroups, path + "/none")


class BookTests(SynchronousTestCase):
    """
    The file of paired peers.
    """

    def setUp(self) -> None:
        """
        Have no file.
        """
        self.path = os.path.join(self.mktemp(), "peers")
        self.book = PeerBook(self.path)

    def test_kept(self) -> None:
        """
        An added peer is in the file, which no other user reads, and in a new book.
        """
        address = Multiaddr("/ip4/192.0.2.1/tcp/4001")
        self.assertNotIn(ONE, self.book)
        entry = self.book.add(ONE, "Anna's laptop", [address])
        self.assertEqual(entry.name, "anna-s-laptop")
        again = PeerBook(self.path)
        self.assertIn(ONE, again)
        self.assertEqual(again.named("anna-s-laptop"), entry)
        self.assertEqual(list(again), [entry])
        self.assertIsNone(again.named("bob"))
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    def test_names(self) -> None:
        """
        Two peers never have one name; a peer keeps its own.
        """
        names = [self.book.add(each, "Laptop").name for each in (ONE, TWO, ONE)]
        self.assertEqual(names, ["laptop", "laptop-2", "laptop"])
        self.assertEqual(self.book.add(THREE, "\u2603\n").name, "peer")

    def test_addresses(self) -> None:
        """
        A known peer keeps its addresses, unless others are given.
        """
        one, two = (Multiaddr(f"/ip4/192.0.2.{last}/tcp/1") for last in (1, 2))
        for given, kept in (([one], one), ([], one), ([two], two)):
            self.assertEqual(self.book.add(ONE, "one", given).addresses, (kept,))

    def test_unreadable(self) -> None:
        """
        A file that cannot be read is an error with its path.
        """
        os.mkdir(os.path.dirname(self.path))
        Path(self.path).write_bytes(b"\xff\xfe")
        for path in (self.path, os.path.dirname(self.path)):
            error = self.assertRaises(ConfigurationError, PeerBook, path)
            self.assertIn(path, str(error))

    def test_bounded(self) -> None:
        """
        Few addresses of a peer are kept.
        """
        many = [Multiaddr(f"/ip4/192.0.2.1/tcp/{port}") for port in range(1, 99)]
        self.assertEqual(len(self.book.add(ONE, "a", many).addresses), MAX_ADDRESSES)

    def test_edited(self) -> None:
        """
        The user may edit the file: comments and empty lines are skipped, a mistake is
        named with its line, and the book stays as it was.
        """
        self.book.add(ONE, "one")
        Path(self.path).write_text(f"# mine\n\n{TWO} two\n")
        self.book.reload()
        self.assertEqual([each.peer for each in self.book], [TWO])
        for line in ("nobody x", f"{ONE}", f"{ONE} A_B", f"{ONE} a /nowhere"):
            Path(self.path).write_text(f"\n{line}\n")
            error = self.assertRaises(ConfigurationError, self.book.reload)
            self.assertIn("line 2", str(error))
        self.assertIn(TWO, self.book)

    def test_checkName(self) -> None:
        """
        A name may stand in a host name.
        """
        for right in ("a", "7", "a-b", "a" * 63):
            self.assertEqual(checkName(right), right)
        for wrong in ("", "-a", "a-", "A", "a.b", "a" * 64, "a\n"):
            self.assertRaises(ConfigurationError, checkName, wrong)


class ListTests(SynchronousTestCase):
    """
    The lists of protocols.
    """

    def test_entries(self) -> None:
        """
        Peers and groups are listed; a change of the files counts after a reload.
        """
        path, folder = self.mktemp(), self.mktemp()
        Path(path).write_text(f'family = ["{TWO}"]')
        book = PeerBook(os.path.join(folder, "peers"))
        lists = AccessLists(path, book)
        permits = lists.permits([str(ONE), "@family", "@paired"])
        self.assertEqual([permits(each) for each in (ONE, TWO, THREE)], [1, 1, 0])
        Path(path).write_text("family = []")
        book.add(THREE, "three")
        lists.reload()
        self.assertEqual([permits(each) for each in (ONE, TWO, THREE)], [1, 0, 1])
        Path(path).write_text("family = 1")
        self.assertRaises(ConfigurationError, lists.reload)
        self.assertEqual([permits(each) for each in (ONE, TWO, THREE)], [1, 0, 1])
        Path(path).write_text("")
        lists.reload()
        self.assertFalse(permits(TWO))

    def test_wrong(self) -> None:
        """
        An entry that is neither a peer nor a known group is a line.
        """
        lists = AccessLists()
        for entry, word in (
            ("me", "me"),
            ("@family", "--groups FILE"),
            ("@paired", "--data FOLDER"),
        ):
            error = self.assertRaises(ConfigurationError, lists.permits, [entry])
            self.assertIn(word, str(error))
