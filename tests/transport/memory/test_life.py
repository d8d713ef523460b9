# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.memory.life}.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.testing.pump import Pump
from twisted_libp2p.transport.memory.life import LIFE, Life


class LifeTests(SynchronousTestCase):
    """
    The table of states, and the ends that follow it.
    """

    def test_over(self) -> None:
        """
        Each state ends with the loss of the connection, and no event leads out of that.
        """
        for state in Life:
            over = state >= Life.LOST
            self.assertEqual(over, not any(key[0] is state for key in LIFE), state)
            if not over:
                self.assertGreaterEqual(LIFE[state, "lose"][0], Life.LOST)

    def test_abort(self) -> None:
        """
        The end that aborts is disconnecting, and the other is not, unless it closes.
        """
        for closes in (False, True):
            pump = Pump(Protocol(), Protocol())
            pump.connect()
            pump.client.abortConnection()
            if closes:
                pump.server.loseConnection()
            self.assertIs(pump.client.life, Life.ABORTED)
            self.assertEqual(pump.server.disconnecting, closes)
            pump.server.write(b"dropped")
            self.assertEqual(pump.server.waiting, 0)
            pump.client.lose(ConnectionAborted())
            pump.server.lose(ConnectionLost())
            self.assertIs(pump.client.life, Life.CLOSED)
            self.assertIs(pump.server.life, Life.CLOSED if closes else Life.LOST)
