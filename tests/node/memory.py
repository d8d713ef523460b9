# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The test case of nodes in memory, and a factory that counts its starts.
"""

from __future__ import annotations

from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.protocols.echo import Echo
from twisted_libp2p.testing.nodes import MemoryNodes


class CountingFactory(Factory):
    """
    Counts its starts and stops.
    """

    noisy = False
    protocol = Echo
    started = stopped = 0

    def startFactory(self) -> None:
        self.started += 1

    def stopFactory(self) -> None:
        self.stopped += 1


class NodeTestCase(SynchronousTestCase):
    """
    Nodes in memory.
    """

    def setUp(self) -> None:
        """
        Have a network.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
