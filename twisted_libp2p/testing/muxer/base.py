# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The base of the suites: connects pairs of sessions, and checks how they have ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.task import Clock

from twisted_libp2p.testing.muxer.pair import SessionPair

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _TestCase
else:
    _TestCase = object

__all__ = ["PairTestCase"]

# Seconds after which nothing of an ended session may be left.
_SETTLED = 120.0


class PairTestCase(_TestCase):
    """
    A test case whose tests run on pairs of sessions.

    @cvar windows: whether streams have flow control of their own.
    @cvar announces: whether a session announces its end to the peer.
    @ivar clock: runs the timers of all sessions.
    """

    windows = True
    announces = True

    def connect(self) -> SessionPair:
        """
        Connect two sessions that use C{clock}; override this.
        """
        raise NotImplementedError

    def pair(self) -> SessionPair:
        """
        Connect two sessions, whose end is checked after the test.
        """
        return self.checked(self.connect())

    def checked(self, pair: SessionPair) -> SessionPair:
        """
        Check the end of a pair of sessions after the test.
        """
        self._pairs.append(pair)
        return pair

    def setUp(self) -> None:
        """
        Make the clock.
        """
        super().setUp()
        self.clock = Clock()
        self._pairs: list[SessionPair] = []

    def tearDown(self) -> None:
        """
        Check that every stream was closed once, that each session was lost once and
        last, and that no timer is left, whatever a test did.
        """
        super().tearDown()
        for pair in self._pairs:
            pair.clientSession.close()
            pair.serverSession.close()
            pair.flush()
            pair.advance(_SETTLED)
            for owner in (pair.client, pair.server):
                self.assertEqual(len(owner.lost), 1)
                self.assertEqual(owner.events[0], "sessionStarted")
                self.assertEqual(owner.events[-1], "sessionLost")
                self.assertEqual(owner.events.count("sessionStarted"), 1)
                self.assertCountEqual(
                    [stream for stream, _ in owner.ended], owner.opened
                )
        self.assertEqual(self.clock.getDelayedCalls(), [])
