# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.life}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.security.life import LIFE, Life, LivingLayer


class LifeTests(SynchronousTestCase):
    """
    The table of states, and a layer that follows it.
    """

    def layer(self, *events: str) -> LivingLayer:
        """
        Make a layer with which some events have happened.
        """
        layer = LivingLayer(None)
        for event in events:
            layer._advance(event)
        return layer

    def test_lost(self) -> None:
        """
        Every state after the first ends with the loss of the transport, and no event
        leads out of it.
        """
        for state in set(Life) - {Life.NEW, Life.LOST}:
            self.assertIs(LIFE[state, "lose"][0], Life.LOST)
        self.assertEqual([key for key in LIFE if key[0] is Life.LOST], [])

    def test_aborted(self) -> None:
        """
        After an abort only the loss changes the state.
        """
        events = {event for _, event in LIFE}
        for event in events - {"lose"}:
            layer = self.layer("connect", "abort", event)
            self.assertIs(layer._life, Life.ABORTED, event)

    def test_disconnecting(self) -> None:
        """
        Our side has begun to close once it closes, hangs up or aborts, and that stays
        true; the end of our direction alone is not a close.
        """
        for event in ("close", "hang up", "abort"):
            for before in (("connect",), ("connect", "secure", "shut")):
                layer = self.layer(*before)
                self.assertFalse(layer.disconnecting, before)
                layer._advance(event)
                self.assertTrue(layer.disconnecting, event)
                layer._advance("lose")
                self.assertTrue(layer.disconnecting, event)

    def test_securedWhileClosing(self) -> None:
        """
        A handshake that is completed after a close does not open the transport.
        """
        layer = self.layer("connect", "close", "secure")
        self.assertIs(layer._life, Life.CLOSING)
