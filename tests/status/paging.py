# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A status page of a node in memory, for tests.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.status.browsing import Browsing
from twisted_libp2p.status import serveStatus
from twisted_libp2p.testing import MemoryNodes


class PageTestCase(SynchronousTestCase):
    """
    A test of the page of a node in memory.
    """

    def setUp(self) -> None:
        """
        Serve the page.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.node = self.nodes.start()
        self.memory: Any = MemoryReactorClock()
        self.service = serveStatus(self.memory, self.node, "tcp:8080")

    def browse(self, **options: Any) -> Browsing:
        """
        Connect to the site.
        """
        return Browsing(self.memory, **options)
