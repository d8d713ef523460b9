# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.advertising} and
L{twisted_libp2p.discovery.searching}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from tests.discovery.case import HostTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.advertising import LEAST, Advertisement
from twisted_libp2p.discovery.events import PeerDiscovered, PeerExpired
from twisted_libp2p.discovery.repeating import SETTLING
from twisted_libp2p.discovery.searching import INTERVAL, Search
from twisted_libp2p.errors import NoAddresses
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import AddressSource, IDiscovery

ADDRESSES = [Multiaddr(f"/ip4/192.0.2.1/tcp/{port}") for port in (1, 2)]


@implementer(IDiscovery)
class Directory:
    """
    A discovery whose answers the test gives.

    @ivar asked: the requests under way, each with its arguments.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[Any, ...], Deferred[Any]]] = []

    def _ask(self, *arguments: Any) -> Deferred[Any]:
        asking = arguments, Deferred[Any](lambda _: self.asked.remove(asking))
        self.asked.append(asking)
        return asking[1]

    def advertise(self, namespace: str, ttl: float | None = None) -> Deferred[float]:
        """
        Note a request.
        """
        return self._ask(namespace, ttl)

    def findPeers(
        self, namespace: str, count: int = 20
    ) -> Deferred[Sequence[tuple[PeerID, Sequence[Multiaddr]]]]:
        """
        Note a request.
        """
        return self._ask(namespace, count)

    def answer(self, result: object) -> None:
        """
        Answer the oldest request.
        """
        _, asking = self.asked.pop(0)
        if isinstance(result, Exception):
            asking.errback(result)
        else:
            asking.callback(result)


class DirectoryTestCase(HostTestCase):
    """
    A service that asks a directory.
    """

    def setUp(self) -> None:
        super().setUp()
        self.directory = Directory()

    def begin(self, service: Any) -> Any:
        """
        Start a service that is not one of the node.
        """
        service.startService()
        self.addCleanup(self.stop, service)
        self.clock.advance(0)
        return service

    def stop(self, service: Any) -> None:
        """
        Stop a service, which leaves nothing.
        """
        super().stop(service)
        self.assertEqual(self.directory.asked, [])


class AdvertisementTests(DirectoryTestCase):
    """
    Advertisements live.
    """

    def advertise(self) -> Advertisement:
        """
        Begin an advertisement.
        """
        return self.begin(  # type: ignore[no-any-return]
            Advertisement(self.host, self.directory, "a", 9.0, random=lambda: 0.0)
        )

    def test_renewed(self) -> None:
        """
        It is renewed when the discovery says, but not too often.
        """
        advertisement = self.advertise()
        self.assertEqual(self.directory.asked[0][0], ("a", 9.0))
        self.directory.answer(100.0)
        self.assertEqual(advertisement.announced, 0.0)
        self.clock.advance(99)
        self.assertEqual(self.directory.asked, [])
        self.clock.advance(1)
        self.directory.answer(0.0)
        self.clock.advance(LEAST - 1)
        self.assertEqual(self.directory.asked, [])
        self.clock.advance(1)
        self.assertEqual(len(self.directory.asked), 1)

    def test_failed(self) -> None:
        """
        After a failure it is tried again, with waits that grow to two minutes; the
        reason is logged once, and the end of it.
        """
        advertisement = self.advertise()
        for wait in (5, 10, 20, 40, 80, 120, 120):
            self.directory.answer(NoAddresses("no point"))
            self.assertEqual(advertisement.problem, "no point")
            self.clock.advance(wait - 0.5)
            self.assertEqual(self.directory.asked, [])
            self.clock.advance(0.5)
            self.assertEqual(len(self.directory.asked), 1)
        self.assertEqual(
            self.lines("warn"), ["a cannot be announced, trying again: no point"]
        )
        self.directory.answer(100.0)
        self.assertEqual(self.lines("info"), ["a is announced again"])
        self.assertEqual(advertisement.problem, "")

    def test_addresses(self) -> None:
        """
        It is renewed after a change of our addresses, also of one during a renewal.
        """
        self.advertise()
        self.directory.answer(100.0)
        change = self.host.ownAddresses.replace
        change(AddressSource.BOUND, ADDRESSES[:1])
        self.clock.advance(SETTLING)
        self.assertEqual(len(self.directory.asked), 1)
        change(AddressSource.BOUND, ADDRESSES)
        self.clock.advance(SETTLING)
        self.assertEqual(len(self.directory.asked), 1)
        self.directory.answer(100.0)
        self.clock.advance(SETTLING)
        self.assertEqual(len(self.directory.asked), 1)

    def test_stopped(self) -> None:
        """
        It ends when it is stopped, and can be started again.
        """
        advertisement = self.advertise()
        advertisement.stopService()
        self.assertEqual(self.directory.asked, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.lines("warn"), [])
        advertisement.startService()
        self.clock.advance(0)
        self.assertEqual(len(self.directory.asked), 1)


class SearchTests(DirectoryTestCase):
    """
    Searches go on.
    """

    def setUp(self) -> None:
        super().setUp()
        self.events: list[Any] = []
        for kind in (PeerDiscovered, PeerExpired):
            self.host.events.subscribe(kind, self.events.append)
        self.peers = [each.peerID for each in self.identities]

    def search(self, count: int = 100) -> Search:
        """
        Begin a search.
        """
        return self.begin(  # type: ignore[no-any-return]
            Search(self.host, self.directory, "a", "test", count, random=lambda: 0.5)
        )

    def test_found(self) -> None:
        """
        New peers, and new addresses, are announced once.
        """
        search = self.search()
        self.assertEqual(self.directory.asked[0][0], ("a", 100))
        first = (self.peers[0], ADDRESSES[:1])
        self.directory.answer([first])
        self.clock.advance(INTERVAL)
        self.directory.answer([first, (self.peers[1], [])])
        self.clock.advance(INTERVAL)
        self.directory.answer([(self.peers[0], ADDRESSES)])
        self.assertEqual(
            [(each.peer, each.source) for each in self.events],
            [(self.peers[each], "test") for each in (0, 1, 0)],
        )
        self.assertEqual(search.peers[self.peers[0]], tuple(ADDRESSES))

    def test_gone(self) -> None:
        """
        A peer that is missing in three answers is gone.
        """
        search = self.search()
        self.directory.answer([(self.peers[0], ADDRESSES)])
        for _ in range(3):
            self.assertEqual(len(self.events), 1)
            self.clock.advance(INTERVAL)
            self.directory.answer([])
        self.assertIsInstance(self.events[1], PeerExpired)
        self.assertEqual(search.peers, {})

    def test_bound(self) -> None:
        """
        The number of peers is bounded, also over several answers.
        """
        search = self.search(2)
        self.directory.answer([(each, ADDRESSES) for each in self.peers])
        self.assertEqual(list(search.peers), self.peers[:2])
        self.clock.advance(INTERVAL)
        self.directory.answer([(each, ADDRESSES) for each in self.peers[2:]])
        self.assertEqual(list(search.peers), self.peers[2:4])

    def test_failed(self) -> None:
        """
        After a failure it is tried again; the reason is logged once.
        """
        search = self.search()
        for wait in (5, 10, 20):
            self.directory.answer(NoAddresses("no point"))
            self.assertEqual(search.problem, "no point")
            self.clock.advance(wait)
        self.assertEqual(len(self.directory.asked), 1)
        self.assertEqual(
            self.lines("warn"),
            ["the peers of a cannot be found, trying again: no point"],
        )
        self.directory.answer([])
        self.assertEqual(search.problem, "")

    def test_stopped(self) -> None:
        """
        It ends when it is stopped.
        """
        search = self.search()
        search.stopService()
        self.assertEqual(self.directory.asked, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
