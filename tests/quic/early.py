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

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as _TestCase
else:
    _TestCase = object

#: Seconds that a datagram takes in one direction.
DELAY = 0.1

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
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.hubs: dict[str, QuicHub] = {}

    def deliver(self, host: str, received: ReceivedDatagram) -> None:
        """
        Let datagrams arrive.
        """
        hub = self.hubs.get(host)
        if hub is not None:
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
        self.client = Node(
            self.clock,
            identities[0],
            transports=[self.ours],
            gater=self.gater,
            random=lambda: 0.0,
        )
        self.server = Node(
            self.clock,
            identities[1],
            [f"/ip4/{HOSTS[1]}/udp/4001/quic-v1"],
            transports=[self.theirs],
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
