# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.client} and L{twisted_libp2p.dht.network}: servers that
are slow, or lie.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.dht.test_answers import peer
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.dht.client import REQUEST_TIME, STREAMS, Client
from twisted_libp2p.dht.lookup import LATE, MAX_TIME
from twisted_libp2p.dht.messages import Message, MessageType, NamedPeer
from twisted_libp2p.dht.service import KademliaDHT
from twisted_libp2p.errors import (
    NoAddresses,
    ProtocolViolation,
    StreamReset,
    UpgradeTimeout,
)
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.testing.host import ConnectionDouble
from twisted_libp2p.wire.frames import delimit

PROTOCOL = "/test/kad/1.0.0"
PING = Message(MessageType.PING)
PUBLIC = Multiaddr("/ip4/45.45.0.1/tcp/4001")
OTHER = Multiaddr("/ip4/46.46.0.1/tcp/4001")
PRIVATE = Multiaddr("/ip4/192.168.0.1/tcp/4001")
LOOPBACK = Multiaddr("/ip4/127.0.0.1/tcp/22")


class ClientTests(SynchronousTestCase):
    """
    Requests to one server.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.host = HostDouble(self.clock)
        self.connection = self.host.meet(serves=[PROTOCOL])
        self.client = Client(self.host, PROTOCOL)
        self.peer = self.connection.remotePeer

    def test_answer(self) -> None:
        """
        The answer is returned.
        """
        asking = self.client.ask(self.peer, PING)
        [stream] = self.connection.opened
        self.assertEqual(stream.value(), delimit(PING.toBytes()))
        stream.protocol.dataReceived(delimit(PING.toBytes()))
        self.assertEqual(self.successResultOf(asking), PING)

    def test_wrong(self) -> None:
        """
        An answer of another type, two answers, and anything else are violations.
        """
        find = Message(MessageType.FIND_NODE, b"key").toBytes()
        for data in (delimit(find), delimit(PING.toBytes()) * 2, b"\x02\xff\xff"):
            asking = self.client.ask(self.peer, PING)
            self.connection.opened[-1].protocol.dataReceived(data)
            self.failureResultOf(asking, ProtocolViolation)

    def test_late(self) -> None:
        """
        The whole answer has to come in time, however often a byte comes.
        """
        asking = self.client.ask(self.peer, PING)
        [stream] = self.connection.opened
        for step in range(10):
            stream.protocol.dataReceived(b"\x64" if not step else b"\x08")
            self.clock.advance(REQUEST_TIME / 10)
        self.clock.advance(0)
        self.failureResultOf(asking, UpgradeTimeout)
        self.assertTrue(stream.disconnected)

    def test_cancelled(self) -> None:
        """
        A cancelled request resets its stream.
        """
        asking = self.client.ask(self.peer, PING)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertTrue(self.connection.opened[0].disconnected)

    def test_unreachable(self) -> None:
        """
        A peer that cannot be reached is an error.
        """
        self.failureResultOf(self.client.ask(peer(1), PING), NoAddresses)

    def test_announce(self) -> None:
        """
        An announcement is done when the peer has ended the stream; an echo is ignored,
        as py-libp2p sends it, a second one is not.
        """
        message = Message(MessageType.ADD_PROVIDER, b"key")
        for echoes in (0, 1):
            telling = self.client.announce(self.peer, message)
            stream = self.connection.opened[-1]
            stream.protocol.dataReceived(delimit(message.toBytes()) * echoes)
            self.assertNoResult(telling)
            self.assertTrue(stream.halfClosed)
            stream.protocol.readConnectionLost()
            self.assertIsNone(self.successResultOf(telling))
        telling = self.client.announce(self.peer, message)
        stream = self.connection.opened[-1]
        stream.protocol.dataReceived(delimit(message.toBytes()) * 2)
        self.failureResultOf(telling, ProtocolViolation)

    def test_announceMany(self) -> None:
        """
        Several announcements are done when the peer has answered the ping after them;
        it may send each back before that.
        """
        messages = [
            Message(MessageType.ADD_PROVIDER, b"%d" % each) for each in range(3)
        ]
        echo = delimit(messages[0].toBytes())
        for echoes in (0, 3):
            telling = self.client.announce(self.peer, *messages)
            stream = self.connection.opened[-1]
            self.assertFalse(stream.halfClosed)
            stream.protocol.dataReceived(echo * echoes)
            self.assertNoResult(telling)
            stream.protocol.dataReceived(delimit(PING.toBytes()))
            self.assertIsNone(self.successResultOf(telling))
        telling = self.client.announce(self.peer, *messages)
        self.connection.opened[-1].protocol.dataReceived(echo * 4)
        self.failureResultOf(telling, ProtocolViolation)

    def test_announceEach(self) -> None:
        """
        A peer that ends the stream, and has not answered the ping, gets each
        announcement on a stream of its own.
        """
        count = STREAMS + 2
        messages = [
            Message(MessageType.ADD_PROVIDER, b"%d" % each) for each in range(count)
        ]
        telling = self.client.announce(self.peer, *messages)
        self.connection.opened[-1].protocol.readConnectionLost()
        opened = self.connection.opened
        before = len(opened)
        for position in range(before - STREAMS, before - STREAMS + count):
            # The end of one lets the next begin.
            self.assertNoResult(telling)
            self.assertTrue(opened[position].halfClosed)
            opened[position].protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(len(opened), before + 2)
        self.assertIsNone(self.successResultOf(telling))

    def test_announceEachRefused(self) -> None:
        """
        If the peer refuses one of them, the announcement has failed.
        """
        messages = [Message(MessageType.ADD_PROVIDER, b"%d" % each) for each in (1, 2)]
        telling = self.client.announce(self.peer, *messages)
        self.connection.opened[-1].protocol.readConnectionLost()
        first, second = self.connection.opened[-2:]
        first.protocol.connectionLost(Failure(ConnectionDone()))
        second.protocol.connectionLost(Failure(StreamReset()))
        self.failureResultOf(telling, StreamReset)

    def test_refused(self) -> None:
        """
        A peer refuses an announcement by a reset.
        """
        message = Message(MessageType.ADD_PROVIDER, b"key")
        telling = self.client.announce(self.peer, message)
        stream = self.connection.opened[-1]
        stream.protocol.connectionLost(Failure(StreamReset()))
        self.failureResultOf(telling, StreamReset)
        telling = self.client.announce(self.peer, message)
        self.connection.opened[-1].protocol.connectionLost(Failure(ConnectionDone()))
        self.assertIsNone(self.successResultOf(telling))


class LiarTests(SynchronousTestCase):
    """
    Lookups among servers that the test plays.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.host = HostDouble(self.clock, addresses=[LOOPBACK])
        self.dht = KademliaDHT("/test", "client", k=60)
        self.dht.attach(self.host)
        self.dht.startService()
        self.addCleanup(self.dht.stopService)

    def server(self, address: str = "/ip4/45.45.0.1/tcp/4001") -> ConnectionDouble:
        """
        Meet a server, which enters the table.
        """
        connection = self.host.meet(address=address, serves=[PROTOCOL])
        self.dht._admission.succeeded(connection.remotePeer)
        self.assertIn(connection.remotePeer, self.dht.table)
        return connection

    def answer(self, connection: ConnectionDouble, *named: NamedPeer) -> None:
        """
        Answer the latest request.
        """
        message = Message(MessageType.FIND_NODE, b"x", closer=named)
        connection.opened[-1].protocol.dataReceived(delimit(message.toBytes()))

    def known(self, target: PeerID) -> list[Multiaddr]:
        """
        Return the addresses of a peer in the peerstore.
        """
        return self.host.peerstore.addresses(target)

    def test_places(self) -> None:
        """
        A server on the internet cannot lead us into our networks, nor to ourselves.
        """
        server = self.server()
        stranger = Identity.generate().peerID
        finding = self.dht.locate(stranger)
        self.answer(
            server,
            NamedPeer(stranger, (LOOPBACK, PRIVATE, OTHER)),
            NamedPeer(self.host.peerID, (OTHER,)),
            NamedPeer(peer(1), (PRIVATE,)),
        )
        found = self.successResultOf(finding)
        self.assertEqual(found.addresses, (OTHER,))
        self.assertEqual(self.known(self.host.peerID), [])
        self.assertEqual(self.known(peer(1)), [])
        self.assertNotIn(peer(1), self.host.asked)
        self.assertNotIn(self.host.peerID, self.host.asked)

    def test_local(self) -> None:
        """
        A server in our network may name addresses there, and none on this host.
        """
        server = self.server("/ip4/192.168.0.9/tcp/4001")
        stranger = Identity.generate().peerID
        finding = self.dht.locate(stranger)
        self.answer(server, NamedPeer(stranger, (LOOPBACK, PRIVATE)))
        self.assertEqual(self.successResultOf(finding).addresses, (PRIVATE,))

    def test_crowd(self) -> None:
        """
        Of an answer full of peers of one network, none is asked.
        """
        server = self.server()
        finding = self.dht.closest(b"key")
        crowd = [
            NamedPeer(peer(each), (Multiaddr(f"/ip4/46.46.0.{each}/tcp/1"),))
            for each in range(1, 21)
        ]
        self.answer(server, *crowd)
        self.assertEqual(self.successResultOf(finding).asked, 1)

    def test_silent(self) -> None:
        """
        A silent server delays a lookup by two seconds, if another one answers, and
        leaves the table after two failures.
        """
        silent, other = self.server(), self.server("/ip4/46.46.0.1/tcp/1")
        for failures in (1, 2):
            finding = self.dht.closest(b"key%d" % failures)
            self.answer(other)
            self.assertNoResult(finding)
            self.clock.advance(LATE)
            self.assertEqual(self.successResultOf(finding).nearest, (other.remotePeer,))
        self.assertIn(silent.remotePeer, self.dht.table)
        for number in range(2):
            asking = self.dht._admission.consider(silent.remotePeer)
            assert asking is not None, number
            self.clock.advance(REQUEST_TIME)
        self.assertNotIn(silent.remotePeer, self.dht.table)

    def test_nobodyAnswers(self) -> None:
        """
        A lookup ends when all requests have failed.
        """
        self.server()
        finding = self.dht.closest(b"key")
        self.clock.advance(REQUEST_TIME)
        self.assertEqual(self.successResultOf(finding).nearest, ())

    def test_bounded(self) -> None:
        """
        Each answer leads to another peer that answers slowly: the lookup ends in a
        minute.
        """
        server = self.server()
        finding = self.dht.closest(b"key")
        for number in range(100):
            met = self.host.meet(
                address=f"/ip4/{50 + number}.1.0.1/tcp/1", serves=[PROTOCOL]
            )
            named = NamedPeer(
                met.remotePeer, (Multiaddr(f"/ip4/{50 + number}.1.0.1/tcp/1"),)
            )
            self.answer(server, named)
            if finding.called:
                break
            self.clock.advance(1.9)
            server = met
        report = self.successResultOf(finding)
        self.assertLessEqual(report.seconds, MAX_TIME + 1.9)
        self.assertEqual(report.ending.value, "bounded")
