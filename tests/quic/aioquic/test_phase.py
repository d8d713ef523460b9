# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.aioquic.phase}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pacing import stateAfter
from twisted_libp2p.quic.aioquic.phase import PHASES, Phase


class PhaseTests(SynchronousTestCase):
    """
    The table of phases.
    """

    def test_onward(self) -> None:
        """
        A connection never goes back.
        """
        for (before, _), (after, _) in PHASES.items():
            self.assertGreater(after, before)

    def test_lost(self) -> None:
        """
        The end of each connection is reported once, and nothing follows but a reset.
        """
        for (before, event), (after, effect) in PHASES.items():
            ending = before < Phase.LOST <= after
            self.assertEqual(effect == "report LOST", ending, event)
        for phase in Phase:
            self.assertIs(stateAfter(PHASES, phase, "reset"), Phase.FORGOTTEN)
            self.assertGreaterEqual(stateAfter(PHASES, phase, "end"), Phase.LOST)

    def test_handshake(self) -> None:
        """
        A closed connection does not connect any longer.
        """
        self.assertIs(stateAfter(PHASES, Phase.CLOSING, "complete"), Phase.CLOSING)
        self.assertIs(stateAfter(PHASES, Phase.CLOSING, "confirm"), Phase.CLOSING)
