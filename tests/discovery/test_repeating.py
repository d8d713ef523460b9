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
    Work that is stopped.
    """

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
