# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for circuits and reservations, with nodes in memory.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import formatEvent, globalLogPublisher
from zope.interface.verify import verifyObject

from tests.relay.case import Reader, RelayTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.connmanager import ListGater
from twisted_libp2p.connmanager.keepalive import DOUBT_TIME
from twisted_libp2p.errors import (
    CircuitLimit,
    CircuitRefused,
    DialFailed,
    LimitedConnection,
    PeerUnresponsive,
    UnsupportedAddress,
    UnsupportedProtocol,
)
from twisted_libp2p.events import ListenClose, OpenedConn
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DialOptions, IPeerTransport
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.relay import client
from twisted_libp2p.relay.circuit import CIRCUIT, Circuit, CircuitAddress
from twisted_libp2p.relay.client import MAX_UPGRADING, RELAY_INTERVAL, _carry
from twisted_libp2p.relay.events import ReservationHeld, ReservationLost
from twisted_libp2p.relay.messages import STOP, Status, Stop, StopType
from twisted_libp2p.relay.splice import Splice
from twisted_libp2p.relay.talk import Talk
from twisted_libp2p.relay.transport import CircuitTransport
from twisted_libp2p.transport.private import PrivateNetwork

PEER = Identity.generate().peerID


class AddressTests(RelayTestCase):
    """
    The addresses of circuits.
    """

    def test_addresses(self) -> None:
        """
        An address leads through one relay, which it names.
        """
        transport = CircuitTransport(self.client(self.node()))
        verifyObject(IPeerTransport, transport)
        for text, dials, listens in (
            (f"/ip4/45.45.0.1/tcp/1/p2p/{PEER}/p2p-circuit", True, True),
            (f"/dns4/relay.example/tcp/1/p2p/{PEER}/p2p-circuit", True, True),
            (f"/p2p/{PEER}/p2p-circuit", True, True),
            ("/p2p-circuit", False, False),
            ("/ip4/45.45.0.1/tcp/1/p2p-circuit", False, False),
            (f"/ip4/45.45.0.1/tcp/1/p2p/{PEER}", False, False),
            (f"/p2p/{PEER}/p2p-circuit/p2p/{PEER}/p2p-circuit", False, False),
        ):
            address = Multiaddr(text)
            self.assertEqual(transport.canDial(address), dials, text)
            self.assertEqual(transport.canListen(address), listens, text)

    def test_unsupported(self) -> None:
        """
        What cannot be dialed is refused with what is missing.
        """
        transport = CircuitTransport(self.client(self.node()))
        address = Multiaddr(f"/p2p/{PEER}/p2p-circuit")
        with self.assertRaises(UnsupportedAddress) as caught:
            transport.clientEndpoint(address)
        self.assertIn("/p2p/ and the id", str(caught.exception))
        local = DialOptions(local=Multiaddr("/ip4/0.0.0.0/tcp/1"))
        with self.assertRaises(UnsupportedAddress):
            transport.clientEndpointTo(address, PEER, local)
        with self.assertRaises(UnsupportedAddress):
            transport.clientEndpointTo(CIRCUIT, PEER)
        with self.assertRaises(UnsupportedAddress):
            transport.serverEndpoint(Multiaddr("/memory/1"))


class CircuitTests(RelayTestCase):
    """
    Connections by way of a relay.
    """

    def test_connect(self) -> None:
        """
        A peer is reached through the relay; both ends know that, and the limits.
        """
        self.relay()
        listener, dialer = self.listener(), self.node()
        (address,) = listener.addresses
        self.assertEqual(str(address), self.address(listener))
        near = self.nodes.result(dialer.connect(address))
        (far,) = listener.connections.to(dialer.peerID)
        for each in (near, far):
            self.assertTrue(each.limited)
            self.assertEqual(each.transport, "relay")
            self.assertEqual(str(each.remoteAddress), self.place)
            self.assertEqual(str(each.localAddress), "/p2p-circuit")
            assert each.allowance is not None
            self.assertEqual(each.allowance.seconds, 120.0)
            for left in (each.allowance.toSend, each.allowance.toReceive):
                assert left is not None
                self.assertTrue(100_000 < left < 131_072)
        self.nodes.advance(20.0)
        assert near.allowance is not None
        self.assertEqual(near.allowance.seconds, 100.0)

    def test_optIn(self) -> None:
        """
        A stream is opened on the limited connection only on request; ping and identify
        are allowed.
        """
        self.relay()
        listener, dialer = self.listener(), self.node()
        near = self.nodes.result(dialer.connect(listener.addresses[0]))
        refused = near.openStream(PROTOCOL_ID, EchoFactory())
        self.failureResultOf(refused, LimitedConnection)
        self.assertEqual(self.echo(dialer, listener).data, b"hello")
        self.assertGreaterEqual(self.nodes.result(dialer.ping(listener.peerID)), 0.0)
        found = self.nodes.result(dialer.identify(listener.peerID))
        self.assertIn(PROTOCOL_ID, found.protocols)

    def test_private(self) -> None:
        """
        Members of a private network are reached through relays that are members.
        """
        network = PrivateNetwork(bytes(32))
        self.relay(network=network)
        listener, dialer = self.listener(network=network), self.node(network=network)
        self.assertEqual(self.echo(dialer, listener).data, b"hello")
        (near,) = dialer.connections.to(listener.peerID)
        self.assertTrue(near.limited)

    def test_unlimited(self) -> None:
        """
        A relay without limits gives connections without limits.
        """
        self.relay(data=None, duration=None)
        listener, dialer = self.listener(), self.node()
        near = self.nodes.result(dialer.connect(listener.addresses[0]))
        self.assertFalse(near.limited)
        self.assertIsNone(near.allowance)
        reader = self.echo(dialer, listener, bytes(400_000))
        self.assertEqual(len(reader.data), 400_000)

    def test_data(self) -> None:
        """
        At the limit of bytes the relay resets the circuit, and both ends are told why.
        """
        relay = self.relay(data=65536)
        listener, dialer = self.listener(), self.node()
        near = self.nodes.result(dialer.connect(listener.addresses[0]))
        (far,) = listener.connections.to(dialer.peerID)
        reader = self.echo(dialer, listener, bytes(100_000))
        assert reader.reason is not None
        for connection in (near, far):
            assert connection.reason is not None
            connection.reason.trap(CircuitLimit)
            self.assertIn("connect directly", str(connection.reason.value))
        self.assertEqual(len(relay.connections), 2)

    def test_silentRelay(self) -> None:
        """
        A relay that takes no more bytes, and does not say so, is given up.
        """
        self.relay(data=65536)
        silent = self.patch(Splice, "stop", lambda *_: None)
        listener, dialer = self.listener(), self.node()
        near = self.nodes.result(dialer.connect(listener.addresses[0]))
        self.echo(dialer, listener, bytes(100_000))
        self.nodes.advance(4.0)
        self.assertIsNone(near.reason)
        self.nodes.advance(2.0)
        assert near.reason is not None
        near.reason.trap(CircuitLimit)
        silent.restore()

    def test_duration(self) -> None:
        """
        At the limit of time the relay resets the circuit, and both ends are told why.
        """
        self.relay()
        listener, dialer = self.listener(), self.node()
        near = self.nodes.result(dialer.connect(listener.addresses[0]))
        self.nodes.advance(119.0)
        self.assertIsNone(near.reason)
        self.nodes.advance(2.0)
        assert near.reason is not None
        near.reason.trap(CircuitLimit)

    def refusal(self, dialer: Any, address: Any) -> BaseException:
        """
        Dial without success.

        @return: the error of the address.
        """
        dialing = dialer.connect(address)
        self.nodes.settle()
        error: Any = self.failureResultOf(dialing, DialFailed).value
        ((_, cause),) = error.causes
        return cause  # type: ignore[no-any-return]

    def test_noReservation(self) -> None:
        """
        A relay does not connect a peer with another that has no reservation.
        """
        self.relay()
        error: Any = self.refusal(self.node(), f"{self.place}/p2p/{PEER}")
        self.assertIsInstance(error, CircuitRefused)
        self.assertEqual(error.status, Status.NO_RESERVATION)
        self.assertEqual(str(error), "the relay refuses to connect: no reservation")

    def test_noRelay(self) -> None:
        """
        A peer that does not relay refuses the stream.
        """
        self.node(identity=self.identity, listen=["/memory/77"])
        error = self.refusal(self.node(), f"{self.place}/p2p/{PEER}")
        self.assertIsInstance(error, UnsupportedProtocol)

    def test_relayAway(self) -> None:
        """
        A relay that cannot be dialed is the error of the address.
        """
        error = self.refusal(self.node(), f"{self.place}/p2p/{PEER}")
        self.assertIsInstance(error, DialFailed)

    def test_refusedHere(self) -> None:
        """
        The gater of the listener decides about a peer that comes through a relay.
        """
        self.relay()
        dialer = self.node()
        listener = self.listener(gater=ListGater(blocked=[str(dialer.peerID)]))
        dialing = dialer.connect(self.address(listener))
        self.nodes.settle()
        refused = self.successResultOf(dialing)
        self.assertFalse(refused.connected)
        self.assertEqual(listener.connections.to(dialer.peerID), [])

    def test_cancel(self) -> None:
        """
        A dial that is given up leaves nothing, at any step.
        """
        relay = self.relay()
        listener, dialer = self.listener(), self.node()
        for turns in range(12):
            dialing = dialer.connect(self.address(listener), DialOptions(fresh=True))
            for _ in range(turns):
                self.nodes.clock.advance(0)
            dialing.addErrback(lambda reason: reason.trap(CancelledError))
            dialing.cancel()
            self.nodes.settle()
            for connection in dialer.connections.to(listener.peerID):
                connection.close()
            self.nodes.settle()
        self.nodes.advance(40.0)
        service = relay.services[-1]
        self.assertEqual(service.book.circuits, 0)
        self.assertEqual(len(dialer._upgrader.upgrades), 0)
        self.assertEqual(len(listener._upgrader.upgrades), 0)

    def test_backPressure(self) -> None:
        """
        A slow reader slows the sender, through the relay: nothing piles up there.
        """
        relay = self.relay(data=None, duration=None)
        listener, dialer = self.listener(), self.node()
        reader = self.echo(dialer, listener, b"x")
        reader.transport.pauseProducing()
        for _ in range(60):
            reader.transport.write(bytes(65536))
            self.nodes.settle()
        (splice,) = relay.services[-1].splices
        self.assertLess(splice.forth + splice.back, 2_000_000)
        for connection in relay.connections:
            for stream in connection.streams:
                self.assertLess(stream.unsentSize + stream.unreadSize, 600_000)
        reader.transport.resumeProducing()
        self.nodes.settle()
        self.assertEqual(len(reader.data), 60 * 65536 + 1)

    def test_liar(self) -> None:
        """
        A relay that names another peer than the one that dials is found out.
        """
        relay, listener = self.relay(), self.listener()
        opened: list[object] = []
        listener.events.subscribe(OpenedConn, opened.append)
        (connection,) = relay.connections.to(listener.peerID)
        transport = CircuitTransport(self.client(relay))
        upgrade = relay._upgrader.outbound(transport, listener.peerID)
        failed: list[Any] = []
        upgrade.connection.addErrback(failed.append)

        def heard(talk: Talk, answer: bytes) -> None:
            self.assertEqual(Stop.fromBytes(answer).status, Status.OK)
            end = CircuitAddress(PEER, CIRCUIT)
            _carry(talk, Circuit(relay._upgrader.stack(upgrade), end, end, None))

        deadlines = Deadlines(self.nodes.clock, 5.0)
        first = Stop(StopType.CONNECT, PEER).toBytes()
        talk = Talk(deadlines, STOP, heard, failed.append, first)
        connection.openStream(STOP, StreamFactory(lambda: talk))
        self.nodes.settle()
        self.assertEqual(opened, [])
        self.assertEqual(failed, [])
        self.assertEqual(len(listener.connections), 1)

    def ask(self, relay: Any, listener: Any, request: bytes) -> int | None:
        """
        Send a message on a stream for circuits.

        @return: the status of the answer.
        """
        (connection,) = relay.connections.to(listener.peerID)
        answers: list[Any] = []
        talk = Talk(
            Deadlines(self.nodes.clock, 5.0),
            STOP,
            lambda _, answer: answers.append(answer),
            answers.append,
            request,
        )
        connection.openStream(STOP, StreamFactory(lambda: talk))
        self.nodes.settle()
        return Stop.fromBytes(answers[0]).status

    def test_stop(self) -> None:
        """
        A relay is answered only while it holds our reservation, and only if it asks
        for what can be.
        """
        relay, listener = self.relay(), self.listener()
        for request, status in (
            (b"\xff", Status.MALFORMED_MESSAGE),
            (Stop(StopType.STATUS, status=100).toBytes(), Status.UNEXPECTED_MESSAGE),
            (
                Stop(StopType.CONNECT, listener.peerID).toBytes(),
                Status.PERMISSION_DENIED,
            ),
            (Stop(StopType.CONNECT, relay.peerID).toBytes(), Status.PERMISSION_DENIED),
        ):
            self.assertEqual(self.ask(relay, listener, request), status)
        stranger = self.node(listen=["/memory/5"])
        self.nodes.connect(stranger, relay)
        self.nodes.connect(listener, stranger)
        request = Stop(StopType.CONNECT, PEER).toBytes()
        self.assertEqual(self.ask(stranger, listener, request), Status.NO_RESERVATION)

    def test_upgrading(self) -> None:
        """
        A relay cannot have more than 32 circuits wait for the proof of their peers; it
        can again when these have ended, and circuits that are ready do not count.
        """
        relay, listener = self.relay(), self.listener()
        dialer = self.node()
        self.nodes.result(dialer.connect(listener.addresses[0]))
        request = Stop(StopType.CONNECT, PEER).toBytes()
        for _ in range(MAX_UPGRADING):
            self.assertEqual(self.ask(relay, listener, request), Status.OK)
        refused = Status.RESOURCE_LIMIT_EXCEEDED
        self.assertEqual(self.ask(relay, listener, request), refused)
        (connection,) = relay.connections.to(listener.peerID)
        for stream in list(connection.streams):
            if stream.protocolID == STOP:
                stream.abortConnection()
        self.nodes.settle()
        self.assertEqual(self.ask(relay, listener, request), Status.OK)

    def test_circuits(self) -> None:
        """
        A relay cannot have more than so many circuits, whoever their peers are; it can
        again when one has ended.
        """
        self.patch(client, "MAX_CIRCUITS", 2)
        self.relay()
        listener = self.listener()
        target = listener.addresses[0]
        dialers = [self.node() for _ in range(3)]
        for each in dialers[:2]:
            self.nodes.result(each.connect(target))
        refused = dialers[2].connect(target)
        self.nodes.settle()
        self.failureResultOf(refused, DialFailed)
        (connection,) = dialers[0].connections.to(listener.peerID)
        self.nodes.result(connection.close())
        self.nodes.result(dialers[2].connect(target))


class ReservationTests(RelayTestCase):
    """
    The places of a node at relays.
    """

    def test_addresses(self) -> None:
        """
        The addresses of a node follow its reservation, and it is announced.
        """
        relay, events = self.relay(), list[Any]()
        node = self.node()
        for each in (ReservationHeld, ReservationLost):
            node.events.subscribe(each, events.append)
        self.assertEqual(self.nodes.result(node.listenOn(self.place)), [])
        self.nodes.settle()
        self.assertEqual([str(each) for each in node.addresses], [self.address(node)])
        self.nodes.result(node.stopListeningOn(self.place))
        self.assertEqual(node.addresses, [])
        self.assertEqual([each.relay for each in events], [relay.peerID] * 2)
        self.assertNotIn(STOP, node.registry.protocols())

    def test_relayAway(self) -> None:
        """
        A node starts without its relay, and is reachable soon after the relay is there;
        not before that it logs that it listens.
        """
        logged = EventLoggingObserver()
        globalLogPublisher.addObserver(logged)
        self.addCleanup(globalLogPublisher.removeObserver, logged)

        def told() -> list[str]:
            lines = [formatEvent(each) for each in logged]
            return [each for each in lines if "listening" in each and "circuit" in each]

        listener = self.listener()
        self.nodes.result(listener.whenListening())
        self.assertEqual(listener.addresses, [])
        self.assertEqual(told(), [])
        self.nodes.advance(60.0)
        self.relay()
        self.nodes.advance(16.0)
        (address,) = listener.addresses
        self.assertEqual(told(), [f"listening on {address}"])

    def test_restart(self) -> None:
        """
        When the relay is gone the address is withdrawn; when it is back, the node is
        reachable again within seconds.
        """
        relay, listener = self.relay(), self.listener()
        self.nodes.result(relay.stopService())
        self.nodes.settle()
        self.assertEqual(listener.addresses, [])
        self.nodes.advance(5.0)
        relay.startService()
        self.nodes.advance(16.0)
        self.assertEqual(self.echo(self.node(), listener).data, b"hello")

    def test_reconnect(self) -> None:
        """
        A reservation survives the loss of its connection.
        """
        relay, listener = self.relay(), self.listener()
        (connection,) = relay.connections.to(listener.peerID)
        connection.close()
        self.nodes.settle()
        self.assertEqual(listener.addresses, [])
        self.nodes.advance(2.0)
        self.assertEqual(len(listener.addresses), 1)
        self.assertEqual(list(relay.services[-1].book), [listener.peerID])

    def test_deaf(self) -> None:
        """
        A relay that no longer hears us, since our router has forgotten the connection,
        is noticed within seconds, and asked again.
        """
        self.relay()
        listener, lost = self.listener(), list[ReservationLost]()
        listener.events.subscribe(ReservationLost, lost.append)
        (connection,) = listener.connections
        self.patch(type(connection), "ping", lambda each: Deferred())
        self.nodes.advance(4 * RELAY_INTERVAL)
        (event,) = lost
        self.assertIsInstance(event.reason, PeerUnresponsive)
        self.nodes.advance(2.0)
        self.assertEqual(len(listener.addresses), 1)
        (other,) = listener.connections
        self.assertIsNot(other, connection)

    def test_moved(self) -> None:
        """
        A relay is asked at once whether it hears us when the address is gone from which
        we are connected; any other address makes no difference.
        """
        self.relay()
        listener, lost = self.listener(), list[ReservationLost]()
        listener.events.subscribe(ReservationLost, lost.append)
        (connection,) = listener.connections
        self.patch(type(connection), "ping", lambda each: Deferred())
        here = Multiaddr("/ip4/10.1.0.2/tcp/4001")
        self.patch(type(connection), "localAddress", here)
        for gone in ("/ip4/10.1.0.3/tcp/4001", "/unix/%2Fsocket", str(here)):
            self.assertEqual(lost, [])
            listener.events.publish(ListenClose(time=0.0, address=Multiaddr(gone)))
            self.nodes.advance(DOUBT_TIME)
        (event,) = lost
        self.assertIsInstance(event.reason, PeerUnresponsive)

    def test_renewal(self) -> None:
        """
        A reservation is renewed, for as long as it is wanted, and its address stays.
        """
        relay, listener = self.relay(lifetime=100.0), self.listener()
        lost: list[object] = []
        listener.events.subscribe(ReservationLost, lost.append)
        self.nodes.advance(1000.0)
        self.assertEqual(lost, [])
        self.assertEqual(list(relay.services[-1].book), [listener.peerID])

    def test_twice(self) -> None:
        """
        One reservation at a relay is enough.
        """
        self.relay()
        listener = self.listener()
        other = f"/p2p/{self.identity.peerID}/p2p-circuit"
        self.failureResultOf(listener.listenOn(other), CannotListenError)


class EndTests(RelayTestCase):
    """
    The ends of circuits.
    """

    def test_closed(self) -> None:
        """
        A connection through a relay ends in order.
        """
        relay = self.relay()
        listener, dialer = self.listener(), self.node()
        reader: Reader = self.echo(dialer, listener)
        self.nodes.result(dialer.connections.to(listener.peerID)[0].close())
        self.nodes.settle()
        self.assertIsNotNone(reader.reason)
        self.assertEqual(listener.connections.to(dialer.peerID), [])
        self.nodes.advance(31.0)
        self.assertEqual(relay.services[-1].splices, set())
        self.assertEqual(relay.services[-1].book.circuits, 0)
