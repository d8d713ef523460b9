# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.texts}.
"""

from __future__ import annotations

from sys import getsizeof, intern

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.peerstore.texts import MAX_SHARED, MAX_SIZE, share, weigh

# Of the widths that CPython stores: one byte a character, two, four; and one wide
# character that makes all others wide.
WIDTHS = (
    "a",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "\N{CJK RADICAL MEAT}",
    "\N{SNAIL}",
)
MIXED = tuple("a" * 199 + each for each in WIDTHS)


def fresh(text: str) -> str:
    """
    Make a text that is equal to another one and not the same.
    """
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogatepass")


class ShareTests(SynchronousTestCase):
    """
    Equal texts are shared, within bounds.
    """

    def test_shared(self) -> None:
        """
        Of equal texts the first one is kept.
        """
        first = share(fresh("kubo/0.40.0/"))
        self.assertIs(share(fresh("kubo/0.40.0/")), first)

    def test_large(self) -> None:
        """
        A large text is not shared: size counts, not the number of characters.
        """
        for text in (
            "b" * MAX_SIZE,
            "b" * (MAX_SIZE // 4) + "\N{SNAIL}",
            "b" * (MAX_SIZE // 2) + "\N{CJK RADICAL MEAT}",
        ):
            first = share(fresh(text))
            self.assertEqual(first, text)
            self.assertIsNot(share(fresh(text)), first)

    def test_forgotten(self) -> None:
        """
        What strangers say goes again: a text that was followed by many others is
        freed, which an interned one is not in CPython 3.12.0 to 3.12.6.
        """
        first = share(fresh("first"))
        for number in range(MAX_SHARED):
            share(f"{number}th")
        self.assertIsNot(share(fresh("first")), first)

    def test_nothingInterned(self) -> None:
        """
        What a peer says of itself is not interned: a text that is equal, and is
        interned afterwards, is another one.
        """
        store = MemoryPeerStore(Clock())
        peer = PeerID.fromBytes(b"\x12\x20" + bytes(32))
        store.learn(
            peer, Identification(fresh("agent-x"), fresh("net-x"), (fresh("/proto-x"),))
        )
        info = store.info(peer)
        assert info is not None
        for text in (info.agent, info.protocolVersion):
            again = intern(fresh(text))
            self.assertIsNot(again, text)


class WeighTests(SynchronousTestCase):
    """
    Texts are reckoned by their memory.
    """

    def test_widths(self) -> None:
        """
        No text is reckoned to take less than it does, nor less than it will with
        its UTF-8 form.
        """
        self.assertEqual(weigh(""), 0)
        for text in (*WIDTHS, *MIXED, *(each * 1000 for each in WIDTHS), "\ud800"):
            self.assertGreaterEqual(weigh(text), getsizeof(text))
            if not text.isascii() and text != "\ud800":
                utf8 = len(text.encode())
                self.assertGreaterEqual(weigh(text), getsizeof(fresh(text)) + utf8)
