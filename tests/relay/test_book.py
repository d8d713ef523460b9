# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.relay.book}.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.address.places import placesOf
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.relay.book import Book, RelayLimits
from twisted_libp2p.relay.messages import Status
from twisted_libp2p.testing import HostDouble

IDENTITIES = [Identity.generate() for _ in range(6)]


class BookTests(SynchronousTestCase):
    """
    The reservations and circuits of a relay.
    """

    def setUp(self) -> None:
        """
        Make a node that has connections.
        """
        self.host = HostDouble()

    def met(self, number: int = 0, address: str = "/ip4/45.45.0.1/tcp/1") -> Any:
        """
        Connect a peer.
        """
        return self.host.meet(IDENTITIES[number], address)

    def book(self, **limits: Any) -> Book:
        """
        Make a book.
        """
        return Book(RelayLimits(**limits))

    def test_reserve(self) -> None:
        """
        A reservation lasts for its time, and is renewed by the next request.
        """
        book, connection = self.book(lifetime=100.0), self.met()
        peer = connection.remotePeer
        self.assertEqual(book.reserve(connection, 0.0), (Status.OK, 100.0))
        self.assertIs(book.holder(peer, 99.0), connection)
        self.assertIsNone(book.holder(peer, 100.0))
        self.assertEqual(book.reserve(connection, 50.0), (Status.OK, 150.0))
        self.assertEqual(len(book), 1)
        self.assertEqual(book.expire(149.0), [])
        self.assertEqual(book.expire(150.0), [peer])
        self.assertEqual(len(book), 0)

    def test_full(self) -> None:
        """
        A full relay refuses newcomers, and renews the reservations that it has.
        """
        book = self.book(reservations=1)
        first, second = self.met(0), self.met(1)
        self.assertEqual(book.reserve(first, 0.0)[0], Status.OK)
        self.assertEqual(book.reserve(second, 1.0)[0], Status.RESERVATION_REFUSED)
        self.assertEqual(book.reserve(first, 2.0)[0], Status.OK)

    def test_places(self) -> None:
        """
        Addresses and networks have their shares; a renewal keeps the old place if the
        new one is full.
        """
        book = self.book(reservationsPerAddress=1, reservationsPerNetwork=2)
        answers = [
            book.reserve(self.met(number, address), 0.0)[0]
            for number, address in enumerate(
                (
                    "/ip4/45.45.0.1/tcp/1",
                    "/ip4/45.45.0.1/tcp/2",
                    "/ip4/45.45.0.2/tcp/1",
                    "/ip4/45.45.0.3/tcp/1",
                    "/ip4/45.45.1.1/tcp/1",
                )
            )
        ]
        full = Status.RESERVATION_REFUSED
        self.assertEqual(answers, [Status.OK, full, Status.OK, full, Status.OK])
        moved = self.met(4, "/ip4/45.45.0.1/tcp/9")
        self.assertEqual(book.reserve(moved, 1.0)[0], full)
        self.assertIsNotNone(book.holder(moved.remotePeer, 1.0))

    def test_ipv6(self) -> None:
        """
        A host of IPv6 is a /64, and its network a /48.
        """
        one, other, far = (
            placesOf(Multiaddr(f"/ip6/{each}/tcp/1"))
            for each in ("2a01:1::1", "2a01:1::2:3", "2a01:1:0:9::1")
        )
        self.assertEqual(one, other)
        self.assertNotEqual(one[0], far[0])
        self.assertEqual(one[1], far[1])
        self.assertEqual(placesOf(Multiaddr("/memory/1")), ())
        self.assertEqual(placesOf(None), ())

    def test_closed(self) -> None:
        """
        A reservation ends with its connection, or moves to another one of the peer.
        """
        book = self.book()
        first, second = self.met(), self.met()
        book.reserve(first, 0.0)
        self.assertFalse(book.closed(second, None))
        self.assertFalse(book.closed(first, second))
        self.assertIs(book.holder(first.remotePeer, 0.0), second)
        self.assertTrue(book.closed(second, None))
        self.assertIsNone(book.holder(first.remotePeer, 0.0))

    def test_rates(self) -> None:
        """
        A peer, and an address, may ask so often.
        """
        book = self.book(peerBurst=2, peerInterval=10.0, addressBurst=3)
        peer = self.met(0)
        answers = [book.reserve(peer, 0.0)[0] for _ in range(3)]
        self.assertEqual(answers, [Status.OK] * 2 + [Status.RESOURCE_LIMIT_EXCEEDED])
        self.assertEqual(
            book.reserve(self.met(1), 0.0)[0], Status.RESOURCE_LIMIT_EXCEEDED
        )
        self.assertEqual(book.reserve(peer, 10.0)[0], Status.OK)

    def test_connect(self) -> None:
        """
        A circuit needs a reservation, and places for both peers.
        """
        book = self.book(circuitsPerPeer=2, circuits=3)
        holder = self.met(0)
        destination = holder.remotePeer
        one, other = self.met(1), self.met(2)
        self.assertEqual(book.connect(one, destination, 0.0), Status.NO_RESERVATION)
        book.reserve(holder, 0.0)
        for each in (one, other):
            self.assertEqual(book.connect(each, destination, 0.0), Status.OK)
        full = Status.RESOURCE_LIMIT_EXCEEDED
        self.assertEqual(book.connect(self.met(3), destination, 0.0), full)
        book.ended(one, destination)
        self.assertEqual(book.connect(self.met(3), destination, 0.0), Status.OK)
        self.assertEqual(book.circuits, 2)

    def test_sources(self) -> None:
        """
        A peer, an address and a network may open so many circuits.
        """
        for limit in ("circuitsPerPeer", "circuitsPerAddress", "circuitsPerNetwork"):
            book = self.book(**{limit: 2})
            for number in (0, 1, 2):
                book.reserve(self.met(number, f"/ip4/45.9.{number}.1/tcp/1"), 0.0)
            source = self.met(3)
            answers = [
                book.connect(source, IDENTITIES[number].peerID, 0.0)
                for number in (0, 1, 2)
            ]
            full = Status.RESOURCE_LIMIT_EXCEEDED
            self.assertEqual(answers, [Status.OK, Status.OK, full], limit)

    def test_wrong(self) -> None:
        """
        Limits that make no relay are refused, and what would be right is said.
        """
        for options, text in (
            ({"lifetime": 1.0}, "at least 60 seconds"),
            ({"data": 0}, "None means no limit"),
            ({"duration": 0}, "None means no limit"),
        ):
            with self.assertRaises(ConfigurationError) as caught:
                RelayLimits(**options)
            self.assertIn(text, str(caught.exception))

    @drawn(
        50,
        st.lists(
            st.tuples(
                st.sampled_from(("reserve", "connect", "end", "close", "wait")),
                st.integers(0, 5),
                st.integers(0, 5),
            ),
            max_size=60,
        ),
    )
    def test_model(self, steps: list[tuple[str, int, int]]) -> None:
        """
        In any order of events the book counts what there is, stays within its limits,
        and is empty at the end.
        """
        book = self.book(
            reservations=4,
            reservationsPerAddress=2,
            circuits=5,
            circuitsPerPeer=2,
            circuitsPerAddress=3,
            lifetime=60.0,
            peerBurst=1000,
            addressBurst=1000,
        )
        now = 0.0
        connections = {
            number: self.met(number, f"/ip4/45.45.0.{number // 2}/tcp/{number}")
            for number in range(6)
        }
        held: dict[PeerID, float] = {}
        open_: list[tuple[int, int]] = []
        for step, one, other in steps:
            peer = IDENTITIES[one].peerID
            if step == "reserve":
                held = {each: end for each, end in held.items() if end > now}
                status, expires = book.reserve(connections[one], now)
                if status is Status.OK:
                    held[peer] = expires
            elif step == "connect" and one != other:
                target = IDENTITIES[other].peerID
                status = book.connect(connections[one], target, now)
                if status is Status.OK:
                    self.assertGreater(held[target], now)
                    open_.append((one, other))
            elif step == "end" and open_:
                source, end = open_.pop(one % len(open_))
                book.ended(connections[source], IDENTITIES[end].peerID)
            elif step == "close":
                was = held.pop(peer, None) is not None
                self.assertEqual(book.closed(connections[one], None), was)
            else:
                now += 10.0 * other
                for each in book.expire(now):
                    self.assertLessEqual(held.pop(each), now)
            self.assertEqual(set(book), set(held))
            self.assertLessEqual(len(book), 4)
            self.assertEqual(book.circuits, len(open_))
            self.assertLessEqual(book.circuits, 5)
            sources = Counter(one for one, _ in open_)
            self.assertLessEqual(max(sources.values(), default=0), 2)
        for source, end in open_:
            book.ended(connections[source], IDENTITIES[end].peerID)
        book.expire(now + 60.0)
        self.assertEqual((len(book), book.circuits), (0, 0))
        self.assertFalse(book._reserved or book._sources or book._destinations)
