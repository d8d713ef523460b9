# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A DHT of nodes in memory.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.dht.validators import AnyValue
from twisted_libp2p.node import Node
from twisted_libp2p.testing import MemoryNodes

PREFIX = "/test"
PROTOCOL = "/test/kad/1.0.0"


class DHTTestCase(SynchronousTestCase):
    """
    Nodes with a DHT.
    """

    def setUp(self) -> None:
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)

    def start(self, mode: str = "server", **options: Any) -> tuple[Node, KademliaDHT]:
        """
        Start a node.
        """
        dht = KademliaDHT(PREFIX, mode, validators={"v": AnyValue()})
        return self.nodes.start(services=[dht], **options), dht

    def chain(self, count: int) -> list[tuple[Node, KademliaDHT]]:
        """
        Start servers, each connected to the one before.
        """
        found = [self.start() for _ in range(count)]
        for (near, _), (far, _) in pairwise(found):
            self.nodes.connect(far, near)
        self.nodes.settle()
        return found
