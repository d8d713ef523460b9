# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the memory that a connection of QUIC leaves.
"""

from __future__ import annotations

import gc

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.line import QuicLine
from twisted_libp2p.quic.session import QuicSession
from twisted_libp2p.testing.quic.network import QuicSessionPair


def _living() -> int:
    """
    Count the connections and sessions in memory.
    """
    return sum(isinstance(each, (QuicLine, QuicSession)) for each in gc.get_objects())


class CycleTests(SynchronousTestCase):
    """
    A connection that is over is free at once.
    """

    def test_closed(self) -> None:
        """
        The garbage collector has nothing to do for a connection that was closed.
        """
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        before = _living()
        pair = QuicSessionPair(Clock(), AioquicBackend())
        self.assertEqual(_living() - before, 4)
        pair.client.session.close()
        pair.advance(10)
        self.assertFalse(pair.near.lines or pair.far.lines)
        del pair.client.session, pair.server.session
        for each in pair.upgrades:
            each.session = each.drop = None
        self.assertEqual(_living(), before)
