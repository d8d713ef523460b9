# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.muxer.phase}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.muxer.phase import CLOSING, GONE, PHASES, RUNNING, Phase


class PhaseTests(SynchronousTestCase):
    """
    The table of phases.
    """

    def test_onward(self) -> None:
        """
        A session never goes back, and streams can be opened in one phase only.
        """
        for (before, event), (after, _) in PHASES.items():
            self.assertGreater(after, before)
            self.assertEqual(after is RUNNING, event == "start")

    def test_once(self) -> None:
        """
        Streams are ended once: when the session ends, or else with its transport.
        """
        for (before, event), (after, effect) in PHASES.items():
            ending = before < CLOSING <= after
            self.assertEqual("end the streams" in effect, ending, event)

    def test_gone(self) -> None:
        """
        Each session is gone with its transport, which is reported, and nothing follows.
        """
        for phase in set(Phase) - {GONE}:
            after, effect = PHASES[phase, "lose"]
            self.assertIs(after, GONE)
            self.assertIn("report", effect)
        self.assertEqual([key for key in PHASES if key[0] is GONE], [])
