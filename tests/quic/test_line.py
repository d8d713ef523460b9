# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.line}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.interfaces import QuicEvent
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.line import QuicLine
from twisted_libp2p.testing.quic.network import QuicSessionPair


class EarlyTests(SynchronousTestCase):
    """
    Events of a connection that has no session yet.
    """

    def test_tokens(self) -> None:
        """
        Of the tokens that a listener sends, whose number nothing limits, the last one
        is kept, and all other events.
        """
        pair = QuicSessionPair(Clock(), AioquicBackend())
        self.addCleanup(pair.advance, 10)
        self.addCleanup(pair.client.session.close)
        upgrade: Any = None
        line = QuicLine(pair.near, upgrade, 99, upgrade, True, "192.0.2.1", 4001)
        for number in range(100):
            token = (QuicEvent.TOKEN, b"%d" % number)
            line._happened([token, (QuicEvent.OPENED, 4 * number), token])
        self.assertEqual(
            line._early,
            [
                *((QuicEvent.OPENED, 4 * number) for number in range(100)),
                (QuicEvent.TOKEN, b"99"),
            ],
        )
