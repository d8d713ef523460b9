# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.repeating}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.discovery.test_advertising import Directory, DirectoryTestCase
from twisted_libp2p.discovery.advertising import Advertisement
from twisted_libp2p.discovery.searching import Search


class Hasty(Directory):
    """
    A discovery that answers at once when it is told not to.
    """

    def _ask(self, *arguments: Any) -> Deferred[Any]:
        result: Any = 5.0 if arguments[1] is None else []
        return Deferred(lambda asking: asking.callback(result))


class RepeatingTests(DirectoryTestCase):
    """
    Work that is stopped, or has an odd result.
    """

    def test_odd(self) -> None:
        """
        A discovery that answers with something else has failed, and is asked again.
        """
        for service in (
            Advertisement(self.host, self.directory, "a", random=lambda: 0.0),
            Search(self.host, self.directory, "a", "test", random=lambda: 0.0),
        ):
            self.begin(service)
            for wait in (5, 10):
                self.directory.answer(None)
                self.assertIn("NoneType", service.problem)
                self.clock.advance(wait)
                self.assertEqual(len(self.directory.asked), 1)
            self.stop(service)

    def test_late(self) -> None:
        """
        An answer that comes when it is stopped begins nothing.
        """
        directory = Hasty()
        for service in (
            Advertisement(self.host, directory, "a"),
            Search(self.host, directory, "a", "test"),
        ):
            self.begin(service)
            service.stopService()
            self.assertEqual(self.clock.getDelayedCalls(), [])
