# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.presence.service}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from tests.peerstore.stores import OnPostgreSQL
from tests.presence.database import Database
from twisted_libp2p.connmanager.presence import arrival, departure
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IDatabase, IHostService, IPresence
from twisted_libp2p.presence import Presence
from twisted_libp2p.presence.service import INTERVAL, LEASE
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.testing.host import ConnectionDouble


class Process:
    """
    A process without a network.
    """

    def __init__(
        self, clock: Clock, database: Any, host: HostDouble | None = None
    ) -> None:
        self._host = host or HostDouble(clock)
        self._host.peerstore = database
        self.presence = Presence()
        self.presence.attach(self._host)
        self.presence.startService()

    def connect(self, connection: ConnectionDouble | None = None) -> ConnectionDouble:
        """
        Connect it with a peer.
        """
        if connection is None:
            connection = self._host.meet()
        else:
            self._host.connections.add(connection)
        self._host.events.publish(arrival(0.0, connection))
        return connection

    def disconnect(self, connection: ConnectionDouble) -> None:
        """
        End the connection.
        """
        reason = Failure(ConnectionDone())
        self._host.events.publish(departure(0.0, connection, reason))

    def crash(self) -> None:
        """
        End it without a farewell.
        """
        call, self.presence._call = self.presence._call, None
        assert call is not None
        call.cancel()

    def write(self) -> None:
        """
        Write at once.
        """
        call = self.presence._call
        assert call is not None
        call.reset(0)
        self._host.reactor.advance(0)

    async def written(self) -> None:
        """
        Wait for the transaction that runs, or run the next one.
        """
        if self.presence._writing is None:
            self.write()
        assert self.presence._writing is not None
        await self.presence._writing


class PresenceTests(SynchronousTestCase):
    """
    Two processes with one database.
    """

    def setUp(self) -> None:
        """
        Start them.
        """
        self.clock = Clock()
        self.database = Database()
        self.addCleanup(self.database.close)
        self.one, self.two = self.process(), self.process()

    def tearDown(self) -> None:
        """
        Stopped processes leave nothing to do.
        """
        for each in (self.one, self.two):
            if each.presence.running:
                self.successResultOf(each.presence.stopService())
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def process(self) -> Process:
        """
        Start a process.
        """
        return Process(self.clock, self.database)

    def advance(self, seconds: float = INTERVAL) -> None:
        """
        Let time pass, here and in the database.
        """
        for _ in range(round(seconds / INTERVAL)):
            self.database.now += INTERVAL
            self.clock.advance(INTERVAL)

    def where(self, peer: PeerID) -> list[str]:
        """
        Ask the second process.
        """
        found: list[str] = self.successResultOf(self.two.presence.where(peer))
        return found

    def test_interfaces(self) -> None:
        """
        It has the members of its contracts; each process has a name of its own.
        """
        verifyObject(IPresence, self.one.presence)
        verifyObject(IHostService, self.one.presence)
        verifyObject(IDatabase, self.database)
        self.assertNotEqual(self.one.presence.place, self.two.presence.place)

    def test_where(self) -> None:
        """
        A process finds those that are connected to a peer, also if there are several.
        """
        connection = self.one.connect()
        peer = connection.remotePeer
        self.assertEqual(self.where(peer), [])
        self.advance()
        self.assertEqual(self.where(peer), [self.one.presence.place])
        self.two.connect(connection)
        self.advance()
        places = [each.presence.place for each in (self.one, self.two)]
        self.assertEqual(self.where(peer), sorted(places))
        self.one.disconnect(connection)
        self.advance()
        self.assertEqual(self.where(peer), [self.two.presence.place])

    def test_start(self) -> None:
        """
        The peers that are connected already are written too.
        """
        host = HostDouble(self.clock)
        connection = host.meet()
        third = Process(self.clock, self.database, host)
        self.advance()
        self.assertEqual(self.where(connection.remotePeer), [third.presence.place])
        self.successResultOf(third.presence.stopService())
        self.assertEqual(self.where(connection.remotePeer), [])

    def test_crash(self) -> None:
        """
        The peers of a process that has crashed are forgotten when its lease expires,
        and then their rows are removed.
        """
        connection = self.one.connect()
        peer = connection.remotePeer
        self.advance()
        self.one.crash()
        self.database.now += LEASE + INTERVAL
        self.assertEqual(self.where(peer), [])
        self.assertEqual(self.database.count("presence_peers"), 1)
        # The lease of the other process has expired too: it comes back.
        self.two.connect(connection)
        self.advance(2 * INTERVAL)
        self.assertEqual(self.where(peer), [self.two.presence.place])
        self.assertEqual(self.database.count("presence_peers"), 1)
        self.assertEqual(self.database.count("presence_places"), 1)

    def test_lateProcess(self) -> None:
        """
        A process whose lease has expired, such as one that was stopped for a while,
        writes all of its peers again.
        """
        connection = self.one.connect()
        self.advance()
        self.database.now += LEASE + INTERVAL
        self.two.write()
        self.assertEqual(self.database.count("presence_peers"), 0)
        self.advance(2 * INTERVAL)
        self.assertEqual(self.where(connection.remotePeer), [self.one.presence.place])

    def test_outage(self) -> None:
        """
        A database that fails costs one line in the log, and no change.
        """
        self.advance()
        connection = self.one.connect()
        with capturedLogs() as events:
            self.database.failing = True
            self.advance(3 * INTERVAL)
            self.database.failing = False
            self.advance(2 * INTERVAL)
        texts = [formatEvent(each) for each in events]
        self.assertEqual(
            texts,
            ["the presence of peers is not written: the disk is full"] * 2
            + ["the presence of peers is written again"] * 2,
        )
        self.assertEqual(self.where(connection.remotePeer), [self.one.presence.place])

    def test_crowd(self) -> None:
        """
        Peers that come and go while the database fails need no memory; afterwards only
        the connected ones are found.
        """
        before = self.one.connect()
        self.advance()
        self.database.failing = True
        for connection in (before, *(self.one.connect() for _ in range(5))):
            connection.connected = False
            self.one.disconnect(connection)
        after = self.one.connect()
        self.advance(2 * INTERVAL)
        self.assertEqual(self.one.presence._changes, {})
        self.database.failing = False
        self.advance()
        self.assertEqual(self.where(before.remotePeer), [])
        self.assertEqual(self.where(after.remotePeer), [self.one.presence.place])

    def test_prolonged(self) -> None:
        """
        A process that prolongs its lease while another one is about to remove it keeps
        its peers.
        """
        connection = self.one.connect()
        self.advance()
        # Both leases seem to have expired when the other process looks.
        self.database.times = [self.database.now + LEASE + INTERVAL] * 2
        self.two.write()
        self.assertEqual(self.database.times, [])
        self.assertEqual(self.where(connection.remotePeer), [self.one.presence.place])

    def test_emptied(self) -> None:
        """
        A database that was emptied gets its tables and rows again.
        """
        connection = self.one.connect()
        self.advance()
        self.database.empty()
        self.advance(4 * INTERVAL)
        self.assertEqual(self.where(connection.remotePeer), [self.one.presence.place])

    def test_noDatabase(self) -> None:
        """
        A peerstore in memory is an error of one line.
        """
        error = self.assertRaises(
            ConfigurationError, Presence().attach, HostDouble(self.clock)
        )
        self.assertIn("postgresql:DSN", str(error))


class PostgreSQLTests(OnPostgreSQL, TestCase):
    """
    The same on PostgreSQL.
    """

    timeout = 600

    async def test_where(self) -> None:
        """
        A process finds those that are connected to a peer.
        """
        processes = []
        for _ in range(2):
            processes.append(Process(self.clock, await self.open()))
            await processes[-1].written()
        connection = processes[0].connect()
        for each in processes:
            await each.written()
        found = await processes[1].presence.where(connection.remotePeer)
        self.assertEqual(found, [processes[0].presence.place])
        processes[0].disconnect(connection)
        await processes[0].written()
        self.assertEqual(await processes[1].presence.where(connection.remotePeer), [])
        for each in processes:
            await each.presence.stopService()
