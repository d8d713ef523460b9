# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.limits.refusallog}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.connmanager.doubles import peer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import EventBus, LimitReached
from twisted_libp2p.interfaces import Direction, Resource, ScopeKind
from twisted_libp2p.limits.limits import ScopeLimits
from twisted_libp2p.limits.refusallog import INTERVAL, RefusalLog
from twisted_libp2p.limits.scope import Scope

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/4001")


class RefusalLogTests(SynchronousTestCase):
    """
    Refusals are logged and published, once in a while.
    """

    def setUp(self) -> None:
        """
        Collect messages and events.
        """
        self.clock = Clock()
        self.published: list[LimitReached] = []
        events = EventBus()
        events.subscribe(LimitReached, self.published.append)
        self.log = RefusalLog(self.clock.seconds, events)
        self.logged: list[Any] = []
        observer = cast(ILogObserver, self.logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def texts(self) -> list[str]:
        """
        Return the messages so far.
        """
        return [formatEvent(each) for each in self.logged]

    def test_notServed(self) -> None:
        """
        The protocols that a peer has asked for are named, if it has named any.
        """
        for protocols in (("/a",), ("/a", "/b"), ()):
            self.log.notServed(protocols, peer(1))
            self.clock.advance(INTERVAL)
        self.assertEqual(
            [each.removeprefix(f"peer {peer(1)} refused: ") for each in self.texts()],
            [
                "/a is not served",
                "/a, /b are not served",
                "a list of protocols is not served",
            ],
        )

    def test_unlisted(self) -> None:
        """
        The refusals of each protocol are logged by themselves.
        """
        for _ in range(2):
            self.log.unlisted("/a", peer(1))
            self.log.unlisted("/b\x1b", peer(2))
        self.clock.advance(INTERVAL)
        self.log.unlisted("/a", peer(1))
        self.assertEqual(
            self.texts(),
            [
                f"peer {peer(1)} refused: it is not on the list of /a",
                f"peer {peer(2)} refused: it is not on the list of /b\\x1b",
                f"peer {peer(1)} refused: it is not on the list of /a"
                " (1 more since the last message)",
            ],
        )

    def test_limited(self) -> None:
        """
        The event has all that the error has, and the number of refusals.
        """
        scope = Scope(ScopeKind.PEER, ScopeLimits(inboundStreams=0), peer(1))
        full = scope.full(Resource.STREAMS, Direction.INBOUND)
        assert full is not None
        for _ in range(3):
            self.log.limited(full, peer(1))
        self.clock.advance(INTERVAL)
        self.log.limited(full, None)
        first, second = self.published
        self.assertEqual((first.count, second.count), (1, 3))
        self.assertEqual((first.peer, second.peer), (peer(1), None))
        self.assertEqual(
            (first.kind, first.resource, first.direction),
            (ScopeKind.PEER, Resource.STREAMS, Direction.INBOUND),
        )
        self.assertEqual(first.option, "Limits.peer.inboundStreams")
        self.assertIn(f"peer {peer(1)} refused: {full}", self.texts()[0])
        self.assertIn("an unknown peer refused", self.texts()[1])
        self.assertIn("(2 more since the last message)", self.texts()[1])

    def test_gated(self) -> None:
        """
        The gater's reasons are logged as often, and not published.
        """
        for _ in range(2):
            self.log.gated("not\ntoday", peer(2), ADDRESS)
        (text,) = self.texts()
        self.assertIn(f"peer {peer(2)} at {ADDRESS} refused by the gater", text)
        self.assertIn("not\\ntoday", text)
        self.assertEqual(self.published, [])
