# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the service that owns the connections, with connections that are doubles.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from zope.interface.verify import verifyObject

from tests.connmanager.doubles import FakeConnection, peer
from tests.connmanager.managing import ManagerTestCase
from twisted_libp2p.connmanager import ConnectionManager
from twisted_libp2p.errors import (
    PeerUnresponsive,
)
from twisted_libp2p.events import (
    ClosedConn,
    Event,
    EventBus,
    OpenedConn,
    PeerConnected,
    PeerDisconnected,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IConnectionManager


class TableTests(ManagerTestCase):
    """
    Connections by peer.
    """

    def test_interface(self) -> None:
        """
        It is what upgrades and connections talk to.
        """
        verifyObject(IConnectionManager, self.manager)

    def test_table(self) -> None:
        """
        Connections are found by peer, the oldest first, and counted.
        """
        first, second, other = self.open(1), self.open(1), self.open(2)
        self.assertEqual(self.manager.to(peer(1)), [first, second])
        self.assertEqual(list(self.manager), [first, second, other])
        self.assertEqual(len(self.manager), 3)
        first.lose()
        self.assertEqual(self.manager.to(peer(1)), [second])
        second.lose()
        self.assertEqual(self.manager.to(peer(1)), [])
        self.assertEqual(len(self.manager), 1)

    def test_events(self) -> None:
        """
        The beginning and the end are told, with the reason.
        """
        connection = self.open(1)
        connection.lose()
        opened, arrived, closed, gone = self.events
        assert isinstance(opened, OpenedConn)
        assert isinstance(closed, ClosedConn)
        self.assertIs(opened.connection, connection)
        self.assertIs(closed.connection, connection)
        self.assertIs(closed.reason, connection.reason)
        assert isinstance(arrived, PeerConnected)
        assert isinstance(gone, PeerDisconnected)
        self.assertEqual((arrived.peer, gone.peer), (peer(1), peer(1)))

    def test_eventsInOrder(self) -> None:
        """
        A subscriber that ends the connection, or opens another one, causes events that
        come after those of the peer.
        """
        bus = EventBus()
        seen: list[type[Event]] = []
        self.manager = ConnectionManager(self.clock, bus)

        def opened(event: OpenedConn) -> None:
            connection: Any = event.connection
            connection.lose()

        def closed(_: ClosedConn) -> None:
            subscription.cancel()
            self.open(1)

        bus.subscribe(OpenedConn, opened)
        subscription = bus.subscribe(ClosedConn, closed)
        bus.subscribe(Event, lambda event: seen.append(type(event)))
        self.open(1)
        life = [OpenedConn, PeerConnected, ClosedConn, PeerDisconnected]
        self.assertEqual(seen, life * 2)

    def test_stopped(self) -> None:
        """
        When the service stops, nothing is left in the reactor.
        """
        self.managed(idleTimeout=10)
        self.openSeveral(*range(8))
        stopping = self.manager.stopService()
        self.assertEqual({code for each in self.manager for code in each.codes}, {0})
        self.successResultOf(stopping)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class KeepAliveTests(ManagerTestCase):
    """
    Signs of life.
    """

    def test_stream(self) -> None:
        """
        Over a muxer without pings a peer is pinged on a stream; if it does not
        answer, its connection ends with a typed reason.
        """
        asked: list[Any] = []

        def ping(connection: Any) -> Deferred[float]:
            asked.append(connection)
            return Deferred()

        self.manage(ping=ping)
        connection = FakeConnection(self.manager, peer(1))
        connection.keepsAlive = False
        connection.open()
        self.clock.pump([30] * 4)
        self.assertEqual(asked, [connection] * 2)
        assert connection.reason is not None
        self.assertIsInstance(connection.reason.value, PeerUnresponsive)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_muxer(self) -> None:
        """
        Without a way to ask but the muxer's, one that has none is believed.
        """
        self.manage()
        connection = FakeConnection(self.manager, peer(1))
        connection.keepsAlive = False
        connection.open()
        self.clock.pump([30] * 4)
        self.assertIsNone(connection.reason)

    def test_off(self) -> None:
        """
        It can be turned off.
        """
        self.managed(keepAlive=None)
        connection = FakeConnection(self.manager, peer(1))
        connection.keepsAlive = False
        connection.open()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RedialTests(ManagerTestCase):
    """
    Protected peers are redialed.
    """

    def setUp(self) -> None:
        """
        Have a manager that can dial.
        """
        super().setUp()
        self.dials: list[PeerID] = []
        self.manage(dial=self.dial, random=lambda: 0.0)

    def dial(self, peer: PeerID) -> Deferred[None]:
        """
        Note it.
        """
        self.dials.append(peer)
        return succeed(None)

    def test_lost(self) -> None:
        """
        A protected peer is dialed when its last connection is lost.
        """
        first, second = self.open(1), self.open(1)
        self.manager.protect(peer(1), "test")
        first.lose()
        self.clock.advance(100)
        self.assertEqual(self.dials, [])
        second.lose()
        self.clock.advance(5)
        self.assertEqual(self.dials, [peer(1)])

    def test_back(self) -> None:
        """
        If it comes back by itself it is not.
        """
        lost = self.open(1)
        self.manager.protect(peer(1), "test")
        lost.lose()
        self.open(1)
        self.clock.advance(100)
        self.assertEqual(self.dials, [])

    def test_atOnce(self) -> None:
        """
        A peer that is protected while it is not connected is dialed at once.
        """
        self.manager.protect(peer(1), "test")
        self.assertEqual(self.dials, [peer(1)])

    def test_missing(self) -> None:
        """
        A peer that was never there is dialed too, once the service runs.
        """
        self.manager.stopService()
        self.manager.protect(peer(1), "test")
        self.clock.advance(100)
        self.assertEqual(self.dials, [])
        self.manager.startService()
        self.assertEqual(self.dials, [peer(1)])

    def test_notWanted(self) -> None:
        """
        A peer may be protected without being dialed, and is not dialed again
        when it is no longer protected.
        """
        self.manager.protect(peer(1), "test", redial=False)
        lost = self.open(2)
        self.manager.protect(peer(2), "test")
        lost.lose()
        self.manager.protect(peer(2), "other")
        self.assertTrue(self.manager.unprotect(peer(2), "test"))
        self.assertFalse(self.manager.unprotect(peer(2), "other"))
        self.clock.advance(100)
        self.assertEqual(self.dials, [])

    def test_stop(self) -> None:
        """
        A service that stops dials nobody, and leaves nothing in the reactor.
        """
        self.manager.protect(peer(1), "test")
        self.successResultOf(self.manager.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])
