# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.rendezvous.book}.
"""

from __future__ import annotations

from functools import cache

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.rendezvous.book import (
    MAX_REMEMBERED,
    Book,
    PointLimits,
)
from twisted_libp2p.discovery.rendezvous.cookie import Cookies
from twisted_libp2p.discovery.rendezvous.messages import Layout, Place, Status
from twisted_libp2p.identity import Identity, PeerID

HOUR = 3600
ADDRESSES = (Multiaddr("/ip4/192.0.2.1/tcp/1"),)


@cache
def peer(number: int) -> PeerID:
    """
    Return one of many peers.
    """
    return Identity.generate().peerID


def place(number: int, sequence: int = 1, size: int = 100) -> Place:
    """
    Make the place of a peer; its signature does not matter here.
    """
    return Place(peer(number), ADDRESSES, b"x" * size, sequence, Layout.RFC)


class BookTests(SynchronousTestCase):
    """
    The registrations of a point.
    """

    def book(self, **limits: int) -> Book:
        """
        Make a book.
        """
        return Book(PointLimits(**limits), Cookies(b"s" * 32))

    def add(self, book: Book, number: int, name: str = "a", now: float = 0.0) -> Status:
        """
        Register a peer.
        """
        return book.register(peer(number), name, place(number), 0, now)[0]

    def found(
        self, book: Book, name: str | None = "a", now: float = 0.0
    ) -> list[PeerID]:
        """
        Return the registered peers.
        """
        _, entries, _ = book.discover(name, 0, b"", now)
        return [each.place.peer for each in entries]

    def test_times(self) -> None:
        """
        A registration lasts from 2 to 72 hours, 2 by default.
        """
        book = self.book()
        register = book.register
        for ttl, expected in (
            (0, (Status.OK, 2 * HOUR)),
            (2 * HOUR, (Status.OK, 2 * HOUR)),
            (72 * HOUR, (Status.OK, 72 * HOUR)),
            (2 * HOUR - 1, (Status.INVALID_TTL, 0)),
            (72 * HOUR + 1, (Status.INVALID_TTL, 0)),
            (1 << 63, (Status.INVALID_TTL, 0)),
        ):
            self.assertEqual(register(peer(0), "a", place(0), ttl, 0.0), expected)

    def test_others(self) -> None:
        """
        A peer registers itself only, with an address, and not with an older record.
        """
        register = self.book().register
        self.assertEqual(
            register(peer(0), "a", place(1), 0, 0.0), (Status.NOT_AUTHORIZED, 0)
        )
        nowhere = Place(peer(0), (), b"x")
        invalid = Status.INVALID_SIGNED_PEER_RECORD, 0
        self.assertEqual(register(peer(0), "a", nowhere, 0, 0.0), invalid)
        register(peer(0), "a", place(0, 5), 0, 0.0)
        self.assertEqual(register(peer(0), "a", place(0, 4), 0, 0.0), invalid)
        self.assertEqual(register(peer(0), "a", place(0, 5), 0, 0.0)[0], Status.OK)

    def test_namespaces(self) -> None:
        """
        The peers of a namespace are found, or those of all, the latest last; a renewed
        one moves to the end, and one that leaves is gone.
        """
        book = self.book()
        for number, name in ((0, "a"), (1, "a"), (2, "b"), (0, "b")):
            self.add(book, number, name)
        self.assertEqual(self.found(book), [peer(0), peer(1)])
        self.assertEqual(self.found(book, None), [peer(each) for each in (0, 1, 2, 0)])
        self.add(book, 0)
        self.assertEqual(self.found(book), [peer(1), peer(0)])
        book.unregister(peer(1), "a")
        book.unregister(peer(1), "a")
        self.assertEqual(self.found(book), [peer(0)])
        self.assertEqual(self.found(book, "c"), [])

    def test_expired(self) -> None:
        """
        An expired registration is not found, and is removed.
        """
        book = self.book()
        self.add(book, 0)
        self.add(book, 1, now=HOUR)
        self.assertEqual(self.found(book, now=2 * HOUR), [peer(1)])
        book.expire(2 * HOUR)
        self.assertEqual(len(book), 1)
        book.expire(9 * HOUR)
        self.assertEqual(len(book), 0)

    def test_pages(self) -> None:
        """
        An answer is continued by its cookie, which belongs to its namespace; after the
        last page come new registrations only.
        """
        book = self.book()
        for number in range(5):
            self.add(book, number)
        cookie, pages = b"", []
        for _ in range(4):
            status, entries, cookie = book.discover("a", 2, cookie, 0.0)
            self.assertEqual(status, Status.OK)
            pages.append([each.place.peer for each in entries])
        self.assertEqual(
            pages,
            [[peer(0), peer(1)], [peer(2), peer(3)], [peer(4)], []],
        )
        self.add(book, 7)
        _, entries, _ = book.discover("a", 2, cookie, 0.0)
        self.assertEqual([each.place.peer for each in entries], [peer(7)])
        for name, wrong in (("b", cookie), ("a", b"x" * 24), (None, cookie)):
            status, entries, _ = book.discover(name, 2, wrong, 0.0)
            self.assertEqual((status, entries), (Status.INVALID_COOKIE, []))

    def test_answers(self) -> None:
        """
        An answer has a bounded number of registrations, and of bytes.
        """
        book = self.book(answer=3)
        for number in range(5):
            self.add(book, number)
        self.assertEqual(len(book.discover("a", 1 << 64, b"", 0.0)[1]), 3)
        book = self.book(answerSize=500)
        for number in range(9):
            self.add(book, number)
        self.assertEqual(len(book.discover("a", 0, b"", 0.0)[1]), 3)

    def test_old(self) -> None:
        """
        A registration without a signature is given to askers of that layout only; an
        asker of the RFC's layout is given no other.
        """
        book = self.book()
        self.add(book, 0)
        unsigned = Place(peer(1), ADDRESSES)
        book.register(peer(1), "a", unsigned, 0, 0.0)
        self.assertIs(book.layoutOf(peer(1)), Layout.OLD)
        self.assertIs(book.layoutOf(peer(0)), Layout.RFC)
        self.assertIsNone(book.layoutOf(peer(2)))
        self.assertEqual(self.found(book), [peer(0)])
        signed = Place(peer(2), ADDRESSES, b"x", 1, Layout.SIGNED)
        book.register(peer(2), "a", signed, 0, 0.0)
        for layout, count in (
            (Layout.OLD, 3),
            (Layout.SIGNED, 2),
            (Layout.RFC, 1),
            (None, 2),
        ):
            self.assertEqual(len(book.discover("a", 0, b"", 0.0, layout)[1]), count)
        self.add(book, 1)
        self.assertIs(book.layoutOf(peer(1)), Layout.RFC)

    def test_layouts(self) -> None:
        """
        A peer that registers the same addresses in several layouts has one
        registration, and each asker is given the layout that it reads best.
        """
        book = self.book()
        for layout in (Layout.RFC, Layout.SIGNED):
            for sequence in (1, 2):
                each = Place(peer(0), ADDRESSES, b"x" * 100, sequence, layout)
                book.register(peer(0), "a", each, 0, 0.0)
        self.assertEqual(len(book), 1)
        for asker, expected in (
            (Layout.OLD, Layout.RFC),
            (Layout.SIGNED, Layout.SIGNED),
            (Layout.RFC, Layout.RFC),
            (None, Layout.RFC),
        ):
            (found,) = book.discover("a", 0, b"", 0.0, asker)[1]
            self.assertEqual((found.place.layout, found.place.sequence), (expected, 2))
        moved = Place(peer(0), (*ADDRESSES, *ADDRESSES), b"x", 3, Layout.SIGNED)
        book.register(peer(0), "a", moved, 0, 0.0)
        self.assertEqual(book.discover("a", 0, b"", 0.0, Layout.RFC)[1], [])
        book.unregister(peer(0), "a")
        self.assertEqual(book._size, 0)

    def test_perPeer(self) -> None:
        """
        A peer has a bounded number of registrations.
        """
        book = self.book(registrationsPerPeer=3)
        for number in range(3):
            self.assertEqual(self.add(book, 0, f"n{number}"), Status.OK)
        self.assertEqual(self.add(book, 0, "n3"), Status.UNAVAILABLE)
        self.assertEqual(self.add(book, 0, "n0"), Status.OK)

    def test_full(self) -> None:
        """
        If there is no room, the peer with the most registrations loses its oldest, and
        cannot add one.
        """
        book = self.book(registrations=10)
        for number in range(9):
            self.add(book, 0, f"n{number}")
        self.add(book, 1)
        self.assertEqual(self.add(book, 0, "more"), Status.UNAVAILABLE)
        self.assertEqual(self.add(book, 2), Status.OK)
        self.assertEqual(len(book), 10)
        self.assertEqual(self.found(book), [peer(1), peer(2)])
        self.assertEqual(self.found(book, "n0"), [])
        self.assertEqual(self.found(book, "n1"), [peer(0)])

    def test_size(self) -> None:
        """
        The records have a bounded size in all; the oldest make room.
        """
        book = self.book(size=1000)
        for number in range(20):
            self.add(book, number)
        self.assertEqual(self.found(book), [peer(number) for number in range(10, 20)])

    def test_rate(self) -> None:
        """
        A peer has a bounded number of requests in a second.
        """
        book = self.book()
        self.assertEqual(sum(book.allowed(peer(0), 0.0) for _ in range(99)), 32)
        self.assertTrue(book.allowed(peer(1), 0.0))
        self.assertEqual(sum(book.allowed(peer(0), 0.5) for _ in range(99)), 16)
        for number in range(MAX_REMEMBERED):
            book.allowed(PeerID(b"\x12\x20" + number.to_bytes(32, "big")), 0.5)
        self.assertEqual(len(book._allowances), MAX_REMEMBERED)
