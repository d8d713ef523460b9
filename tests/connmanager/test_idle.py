# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connmanager.idle}.
"""

from __future__ import annotations

from tests.connmanager.doubles import FakeStream
from tests.connmanager.managing import ManagerTestCase
from twisted_libp2p.interfaces import Direction


class IdleTests(ManagerTestCase):
    """
    Idle connections.
    """

    def test_off(self) -> None:
        """
        An idle connection lives on, unless asked otherwise.
        """
        connection = self.open(1)
        self.clock.pump([600] * 100)
        self.assertEqual(connection.codes, [])

    def test_closed(self) -> None:
        """
        A connection without streams is closed when the time has passed; with
        streams it is not; a background stream does not help.
        """
        self.managed(idleTimeout=40)
        idle, busy, pinged = self.openSeveral(1, 2, 3)
        busy.streams.append(FakeStream())
        pinged.streams.append(FakeStream("/ipfs/ping/1.0.0"))
        self.clock.pump([10] * 3)
        self.assertEqual(idle.codes + pinged.codes, [])
        self.clock.advance(10)
        self.assertEqual((idle.codes, busy.codes, pinged.codes), ([0], [], [0]))

    def test_idleOverdue(self) -> None:
        """
        A connection is not idle whose next stream waits in the socket when the timer
        is overdue.
        """
        self.managed(idleTimeout=40)
        idle, used = self.openSeveral(1, 2)
        self.clock.callLater(100, used.streams.append, FakeStream())
        self.clock.advance(100)
        self.assertEqual((idle.codes, used.codes), ([0], []))

    def test_sinceLastStream(self) -> None:
        """
        The time begins with the end of the last stream.
        """
        self.managed(idleTimeout=40)
        connection = self.open(1)
        self.clock.advance(25)
        connection.scope.openStream(Direction.INBOUND).close()
        self.clock.pump([10] * 3)
        self.assertEqual(connection.codes, [])
        self.clock.advance(10)
        self.assertEqual(connection.codes, [0])

    def test_noTimer(self) -> None:
        """
        Without connections no timer runs.
        """
        self.managed(idleTimeout=40)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.open(1).lose()
        self.clock.advance(10)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.open(1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
