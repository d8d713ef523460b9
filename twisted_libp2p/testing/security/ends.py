# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of the end of a secured connection.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost

from twisted_libp2p.testing.security.base import SecurityTests

__all__ = ["EndTests"]


class EndTests(SecurityTests):
    """
    Each side loses its connection once, with a reason.
    """

    def test_close(self) -> None:
        """
        All data that a closing side has written arrives, and each side gets one clean
        end.
        """
        for closing in (0, 1):
            pump, *sides = self.connect()
            sides[closing].transport.write(b"last words")
            sides[closing].transport.loseConnection()
            pump.flush()
            self.assertEqual(sides[1 - closing].application.received, b"last words")
            for side in sides:
                reason = self.assertOver(side)
                self.assertTrue(reason.check(ConnectionDone), reason)

    def test_closeBoth(self) -> None:
        """
        Both sides may close at the same time.
        """
        pump, *sides = self.connect()
        for side in sides:
            side.transport.loseConnection()
        pump.flush()
        for side in sides:
            reason = self.assertOver(side)
            self.assertTrue(reason.check(ConnectionDone), reason)

    def test_abort(self) -> None:
        """
        Data that an aborting side has held back does not arrive, and each side gets
        one end that is not clean.
        """
        for aborting in (0, 1):
            pump, *sides = self.connect()
            sides[aborting].transport.write(b"unsaid")
            sides[aborting].transport.abortConnection()
            pump.flush()
            self.assertEqual(sides[1 - aborting].application.received, b"")
            ours = self.assertOver(sides[aborting])
            self.assertTrue(ours.check(ConnectionAborted), ours)
            theirs = self.assertOver(sides[1 - aborting])
            self.assertTrue(theirs.check(ConnectionLost), theirs)

    def test_afterTheEnd(self) -> None:
        """
        A transport that goes on after its end is not heard, and what is said
        then is not kept.
        """
        pump, initiator, responder = self.connect()
        initiator.transport.write(b"early")
        pump.flush()
        late = bytes(responder.middle.heard)
        self.cut(pump)
        responder.middle.dataReceived(late)
        responder.transport.write(b"late")
        responder.transport.loseConnection()
        self.assertEqual(responder.application.received, b"early")
        self.assertOver(responder)
