# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from bare_security import PROTOCOL_ID, Bare
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.testing import MemoryNodes, SecurityConformance


class BareConformanceTests(SecurityConformance, SynchronousTestCase):
    authenticates = False

    def security(self):
        return Bare(self.clock)


class BareTests(SynchronousTestCase):
    def test_nodes(self):
        """
        Two nodes that speak it connect with it.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        both = [nodes.start(security=[Bare(nodes.clock)]) for _ in range(2)]
        connection, _ = nodes.connect(*both)
        self.assertEqual(connection.security, PROTOCOL_ID)
        self.assertEqual(connection.muxer, "/yamux/1.0.0")
