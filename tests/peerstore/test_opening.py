# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.opening}.
"""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.peerstore import (
    Limits,
    MemoryPeerStore,
    openPeerStore,
)


class OpeningTests(SynchronousTestCase):
    """
    Descriptions of peerstores.
    """

    def refused(self, description: str) -> str:
        """
        There is no such store.

        @return: why, in one line.
        """
        with self.assertRaises(ConfigurationError) as caught:
            openPeerStore(Clock(), description)
        message = str(caught.exception)
        self.assertNotIn("\n", message)
        return message

    def test_memory(self) -> None:
        """
        C{memory:} is in memory.
        """
        limits = Limits(peers=1)
        store = openPeerStore(Clock(), "memory:", limits)
        self.assertIs(type(store), MemoryPeerStore)
        self.assertIs(store.limits, limits)

    def test_unknown(self) -> None:
        """
        What is not known is refused, and what would be right is told.
        """
        for description in ("", "mysql:x", "memory:x", "peers.db", "sqlite"):
            self.assertIn("sqlite:PATH", self.refused(description))

    def test_noPath(self) -> None:
        """
        SQLite needs a file.
        """
        self.assertIn("sqlite:peers.db", self.refused("sqlite:"))

    def test_wrongPath(self) -> None:
        """
        There are places where no file can be.
        """
        folder = self.mktemp()
        self.assertIn("No such file", self.refused(f"sqlite:{folder}/peers.db"))
        os.mkdir(folder)
        self.assertIn("is not a file", self.refused(f"sqlite:{folder}"))
