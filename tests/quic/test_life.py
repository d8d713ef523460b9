# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.life}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pacing import stateAfter
from twisted_libp2p.quic.life import LIFE, Life


class LifeTests(SynchronousTestCase):
    """
    The table of a connection.
    """

    def test_onward(self) -> None:
        """
        A connection never goes back.
        """
        for (before, _), (after, _) in LIFE.items():
            self.assertGreater(after, before)

    def test_session(self) -> None:
        """
        A session comes of a handshake alone, and its end is reported to whoever has
        the connection then: once.
        """
        for life in Life:
            self.assertEqual((life, "secure") in LIFE, life is Life.HANDSHAKE)
            after = stateAfter(LIFE, life, "lose")
            self.assertIs(after, Life.LOST)
            self.assertEqual((life, "lose") in LIFE, life is not Life.LOST)
        self.assertEqual(LIFE[Life.HANDSHAKE, "lose"][1], "fail the upgrade")

    def test_closed(self) -> None:
        """
        The backend is asked once to close.
        """
        for life in Life:
            closes = life < Life.CLOSING
            self.assertEqual((life, "abort") in LIFE, closes)
        self.assertIs(stateAfter(LIFE, Life.LEAVING, "close"), Life.LEAVING)
