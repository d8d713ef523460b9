# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Nodes over QUIC in memory, and the tests of streams that are opened before the peer has
accepted us, for all backends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_libp2p.connmanager.gater import OpenGater
from twisted_libp2p.errors import (
    DialFailed,
    HandshakeFailed,
    LimitExceeded,
    UpgradeTimeout,
)
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IQuicBackend, ReceivedDatagram, SentDatagram
from twisted_libp2p.limits.usage import Usage
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, Echo
from twisted_libp2p.quic.hub import QuicHub
from twisted_libp2p.quic.transport import QuicTransport
from twisted_libp2p.testing.quic.network import Wire
from twisted_libp2p.testing.quic.pair import MOMENT
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _TestCase
else:
    _TestCase = object

MIB = 1024 * 1024

#: Seconds that a datagram takes in one direction.
DELAY = 0.1

#: Seconds from the beginning of a dial until it is given up.
UPGRADE_LIMIT = 10.0

HOSTS = ("192.0.2.1", "192.0.2.2")


class _Wire(Wire):
    """
    A port whose datagrams arrive after a delay.
    """

    def __init__(self, host: str, net: Net) -> None:
        super().__init__(host, 4001)
        self._net = net

    def send(self, datagram: SentDatagram) -> None:
        """
        Let datagrams arrive.
        """
        sent = SentDatagram(*datagram)
        received = ReceivedDatagram(sent.data, self.host, self.number, sent.segment)
        self._net.clock.callLater(DELAY, self._net.deliver, sent.host, received)


class Net:
    """
    The ports of all nodes, by their hosts.

    @ivar deaf: the hosts at which nothing arrives.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.hubs: dict[str, QuicHub] = {}
        self.deaf: set[str] = set()

    def deliver(self, host: str, received: ReceivedDatagram) -> None:
        """
        Let datagrams arrive.
        """
        hub = self.hubs.get(host)
        if hub is not None and host not in self.deaf:
            hub.received([received])


class MemoryQuic(QuicTransport):
    """
    QUIC over ports in memory: each transport has one, and its host.
    """

    def __init__(
        self, net: Net, host: str, identity: Identity, backend: IQuicBackend
    ) -> None:
        super().__init__(
            net.clock,
            identity,
            backend=backend,
            now=net.clock.seconds,
            wall=lambda: MOMENT,
        )
        self._net = net
        self._host = host

    def _bind(self, host: str, number: int, hubs: list[QuicHub]) -> QuicHub:
        """
        Make the port.
        """
        hub = QuicHub(
            self._net.clock,
            self._net.clock.seconds,
            self.backend,
            self._ownSettings(),
            self._judge,
            self.memory,
            self._closed,
        )
        hub.port = _Wire(self._host, self._net)
        self._net.hubs[self._host] = hub
        hubs.append(hub)
        return hub

    def _closed(self, hub: QuicHub) -> None:
        self._hubs.remove(hub)
        del self._net.hubs[self._host]


class Asking(Protocol):
    """
    Sends a byte at once, and notes what becomes of it.
    """

    transport: Any

    def __init__(self, clock: Clock, then: Callable[[Any], object]) -> None:
        self._clock = clock
        self._then = then
        self.madeAt = self.answeredAt = 0.0
        self.lost: Failure | None = None

    def connectionMade(self) -> None:
        """
        Send the byte.
        """
        self.madeAt = self._clock.seconds()
        self.transport.write(b"x")
        self._then(self.transport)

    def dataReceived(self, data: bytes) -> None:
        """
        Note the time of the answer.
        """
        self.answeredAt = self._clock.seconds()

    def connectionLost(self, reason: Any = None) -> None:
        """
        Note the reason.
        """
        self.lost = reason


class _Source:
    """
    A producer that writes until it is paused.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self.running = False
        self.written = 0

    def resumeProducing(self) -> None:
        """
        Write until nothing more is wanted.
        """
        self.running = True
        while self.running and self.written < 4 * MIB:
            self.written += 16384
            self._write(bytes(16384))

    def pauseProducing(self) -> None:
        """
        Write no more.
        """
        self.running = False

    def stopProducing(self) -> None:
        """
        Write no more.
        """
        self.running = False


class EarlyMixin(_TestCase):
    """
    A stream for which a peer is dialed is opened before the peer has accepted us.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend.
        """
        raise NotImplementedError

    def setUp(self) -> None:
        """
        Start a node that listens, and one that dials.
        """
        self.clock = Clock()
        self.net = Net(self.clock)
        identities = [Identity.generate() for _ in HOSTS]
        self.ours, self.theirs = (
            MemoryQuic(self.net, host, identity, self.makeBackend())
            for host, identity in zip(HOSTS, identities, strict=True)
        )
        self.gater = OpenGater()
        # Another way to the server, which is slower to begin with.
        others = MemoryNetwork(self.clock, DELAY / 2)
        self.client = Node(
            self.clock,
            identities[0],
            transports=[self.ours, MemoryTransport(others)],
            gater=self.gater,
            random=lambda: 0.0,
        )
        self.server = Node(
            self.clock,
            identities[1],
            [f"/ip4/{HOSTS[1]}/udp/4001/quic-v1", "/memory/7"],
            transports=[self.theirs, MemoryTransport(others)],
            random=lambda: 0.0,
        )
        self.server.serve(PROTOCOL_ID, Echo)
        self.events: list[Any] = []
        for kind in (OpenedConn, ClosedConn):
            self.client.events.subscribe(kind, self.events.append)
        for node in (self.server, self.client):
            node.startService()
        self.made: list[Asking] = []
        self.then: Callable[[Any], object] = lambda transport: None

    def tearDown(self) -> None:
        """
        Stop both, after which nothing is left.
        """
        for node in (self.client, self.server):
            node.stopService()
        self.advance(10.0)
        self.assertEqual(self.client.connections.limiter.system.usage().used, Usage())
        self.assertEqual(self.net.hubs, {})

    def advance(self, seconds: float) -> None:
        """
        Let time pass, from one timer to the next.
        """
        until = self.clock.seconds() + seconds
        while (now := self.clock.seconds()) < until:
            times = [each.getTime() for each in self.clock.getDelayedCalls()]
            self.clock.advance(max(min([until, *times]) - now, 1e-6))

    def ask(self) -> Deferred[Any]:
        """
        Dial the server for a stream.
        """
        return self.client.openStream(
            self.server.addresses[0], PROTOCOL_ID, self._build
        )

    def _build(self) -> Asking:
        self.made.append(Asking(self.clock, self.then))
        return self.made[-1]

    # The tests

    def test_flight(self) -> None:
        """
        The bytes of the stream travel with the proof of our identity: the answer needs
        two round trips.
        """
        begin = self.clock.seconds()
        opening = self.ask()
        self.advance(1.9 * DELAY)
        self.assertEqual(self.made, [])
        self.advance(0.2 * DELAY)
        (asking,) = self.made
        self.assertEqual(self.events, [])
        self.assertNoResult(opening)
        self.assertEqual(list(self.client.connections), [])
        self.advance(2 * DELAY)
        self.assertIs(self.successResultOf(opening), asking)
        self.assertLess(asking.answeredAt - begin, 4.5 * DELAY)
        (opened,) = self.events
        connection = opened.connection
        self.assertIs(asking.transport.connection, connection)
        self.assertGreater(opened.upgradeTime, 3.9 * DELAY)
        self.assertGreater(connection.openedAt, begin + 3.9 * DELAY)

    def test_without(self) -> None:
        """
        A dial for a connection alone waits for the peer to accept us: an answer on it
        needs a round trip more.
        """
        begin = self.clock.seconds()
        self.client.connect(self.server.addresses[0]).addCallback(
            lambda connection: connection.openStream(PROTOCOL_ID, self._build)
        )
        self.advance(7 * DELAY)
        (asking,) = self.made
        self.assertGreater(asking.answeredAt - begin, 5.9 * DELAY)

    def refuse(self) -> None:
        """
        Let the server refuse the client's certificate.
        """
        error = HandshakeFailed("/tls/1.0.0", "not you")

        def key(data: bytes) -> None:
            raise error

        self.patch(self.theirs._judge, "key", key)

    def test_refused(self) -> None:
        """
        If the peer refuses us, the stream ends with the error of the dial, and nothing
        is announced.
        """
        self.refuse()
        opening = self.ask()
        self.advance(10 * DELAY)
        failure = self.failureResultOf(opening, DialFailed)
        (asking,) = self.made
        assert asking.lost is not None
        self.assertIsInstance(asking.lost.value, HandshakeFailed)
        self.assertIn(asking.lost.getErrorMessage(), failure.getErrorMessage())
        self.assertEqual(self.events, [])

    def test_unconfirmed(self) -> None:
        """
        If the peer never confirms the handshake, the stream and the dial end at the
        deadline with the same error, and its protocol was asked to pause long before.
        """

        def produce(transport: Any) -> None:
            self.net.deaf.add(HOSTS[0])
            transport.registerProducer(source, True)
            source.resumeProducing()

        source = _Source(lambda data: self.made[0].transport.write(data))
        self.then = produce
        opening = self.ask()
        self.advance(UPGRADE_LIMIT - 1)
        self.assertNoResult(opening)
        self.assertFalse(source.running)
        self.assertGreater(source.written, 0)
        self.assertLess(source.written, 2 * MIB)
        self.advance(2)
        failure = self.failureResultOf(opening, DialFailed)
        ((_, cause),) = failure.value.causes
        self.assertIsInstance(cause, UpgradeTimeout)
        (asking,) = self.made
        assert asking.lost is not None
        self.assertIs(asking.lost.value, cause)
        self.assertEqual(self.events, [])
        self.assertEqual(self.client.connections.limiter.system.usage().used, Usage())

    def test_failing(self) -> None:
        """
        An error of the protocol ends its stream, and the connection goes on.
        """

        def fail(transport: Any) -> None:
            raise ValueError("a mistake")

        self.then = fail
        opening = self.ask()
        self.advance(5 * DELAY)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.failureResultOf(opening)
        (opened,) = self.events
        self.assertTrue(opened.connection.connected)

    def test_half(self) -> None:
        """
        A protocol may end its half at once: it gets the answer.
        """
        self.then = lambda transport: transport.loseWriteConnection()
        opening = self.ask()
        self.advance(9 * DELAY)
        asking = self.successResultOf(opening)
        self.assertGreater(asking.answeredAt, 0.0)
        self.assertIsNotNone(asking.lost)

    def test_finished(self) -> None:
        """
        A protocol may close its stream at once: its byte arrives.
        """
        got: list[bytes] = []

        class Note(Protocol):
            def dataReceived(self, data: bytes) -> None:
                got.append(data)

        self.server.serve("/note", Note)
        self.then = lambda transport: transport.loseConnection()
        self.client.openStream(self.server.addresses[0], "/note", self._build)
        self.advance(9 * DELAY)
        self.assertEqual(got, [b"x"])
        self.assertIsNotNone(self.made[0].lost)

    def test_leaving(self) -> None:
        """
        A caller that gives up before the handshake gets no stream, although the dial
        goes on for another one.
        """
        opening = self.ask()
        other = self.client.connect(self.server.addresses[0])
        self.advance(DELAY)
        opening.cancel()
        self.failureResultOf(opening)
        self.advance(5 * DELAY)
        self.assertTrue(self.successResultOf(other).connected)
        self.assertEqual(self.made, [])

    def askEither(self) -> Deferred[Any]:
        """
        Dial the server for a stream, over QUIC and then over the other way, which is
        ready while the QUIC peer may still refuse us.
        """
        server, peerstore = self.server, self.client.peerstore
        peerstore.addAddresses(server.peerID, server.addresses)
        opening = self.client.openStream(server.peerID, PROTOCOL_ID, self._build)
        self.advance(3.5 * DELAY)
        (other,) = self.events
        self.assertEqual(other.connection.transport, "memory")
        self.assertEqual(len(self.made), 1)
        self.assertNoResult(opening)
        return opening

    def test_either(self) -> None:
        """
        If another address is ready first, the stream stays where it is, provided that
        the peer accepts us there.
        """
        opening = self.askEither()
        self.advance(2 * DELAY)
        (asking,) = self.made
        self.assertIs(self.successResultOf(opening), asking)
        self.assertEqual(asking.transport.connection.transport, "quic")
        self.assertGreater(asking.answeredAt, 0.0)

    def test_other(self) -> None:
        """
        If the peer refuses us, a connection over another address gets the stream, and
        the refusal counts against the first address.
        """
        failed: list[Any] = []
        self.patch(
            self.client.peerstore, "failed", lambda *args: failed.append(args[1])
        )
        self.refuse()
        opening = self.askEither()
        self.advance(2 * DELAY)
        first, second = self.made
        self.assertIs(self.successResultOf(opening), second)
        self.assertEqual(second.transport.connection.transport, "memory")
        self.assertGreater(second.answeredAt, 0.0)
        assert first.lost is not None
        self.assertIsInstance(first.lost.value, HandshakeFailed)
        self.assertEqual(failed, [self.server.addresses[0].withoutPeer()])

    def test_cancelled(self) -> None:
        """
        A caller that gives up ends the stream with the dial.
        """
        self.then = lambda transport: self.clock.callLater(0.0, opening.cancel)
        opening = self.ask()
        self.advance(3 * DELAY)
        self.failureResultOf(opening)
        (asking,) = self.made
        self.assertIsNotNone(asking.lost)
        self.advance(3 * DELAY)
        self.assertEqual(self.events, [])
        self.assertEqual(list(self.server.connections), [])

    def test_stopped(self) -> None:
        """
        The end of the node ends the stream.
        """
        self.then = lambda transport: self.client.stopService()
        opening = self.ask()
        self.advance(10 * DELAY)
        self.failureResultOf(opening)
        self.assertIsNotNone(self.made[0].lost)
        self.assertEqual(self.events, [])

    def test_closed(self) -> None:
        """
        The protocol may close the connection that the peer has not accepted.
        """
        self.then = lambda transport: transport.connection.close()
        opening = self.ask()
        self.advance(10 * DELAY)
        self.failureResultOf(opening, DialFailed)
        self.assertIsNotNone(self.made[0].lost)
        self.assertEqual(self.events, [])

    def test_reset(self) -> None:
        """
        The protocol may reset its stream: the connection goes on.
        """
        self.then = lambda transport: transport.abortConnection()
        opening = self.ask()
        self.advance(5 * DELAY)
        self.failureResultOf(opening)
        (opened,) = self.events
        self.assertIsInstance(opened, OpenedConn)
        self.assertTrue(opened.connection.connected)

    def test_gated(self) -> None:
        """
        No stream is opened to a peer that the gater refuses, and it is asked once.
        """
        asked: list[object] = []

        def secured(*args: object) -> str:
            asked.append(args)
            return "not you"

        self.patch(self.gater, "secured", secured)
        opening = self.ask()
        self.advance(5 * DELAY)
        self.failureResultOf(opening, DialFailed)
        self.assertEqual(len(asked), 1)
        self.assertEqual(self.made, [])
        self.assertEqual(self.events, [])

    def test_crowded(self) -> None:
        """
        No stream is opened if there is no room for the connection.
        """
        self.patch(self.client.connections, "_makeRoom", lambda *args: None)
        scope = self.client.connections.limiter.system
        self.patch(scope, "limits", scope.limits._replace(connections=0))
        opening = self.ask()
        self.advance(5 * DELAY)
        failure = self.failureResultOf(opening, DialFailed)
        self.assertIsInstance(failure.value.causes[0][1], LimitExceeded)
        self.assertEqual(self.made, [])
