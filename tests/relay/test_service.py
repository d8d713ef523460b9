# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.relay.service}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.relay.case import RelayTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import IHostService
from twisted_libp2p.relay.events import CircuitClosed, CircuitOpened
from twisted_libp2p.relay.messages import HOP, MAX_MESSAGE, Hop, HopType, Status
from twisted_libp2p.relay.service import IRelayAccess, OpenAccess, RelayService
from twisted_libp2p.relay.voucher import Voucher
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.wire.frames import FrameBuffer, delimit

PEER = Identity.generate().peerID


@implementer(IRelayAccess)
class Nobody:
    """
    Lets nobody use the relay.
    """

    def mayReserve(self, peer: PeerID, address: Multiaddr | None) -> bool:
        """
        Refuse.
        """
        return False

    def mayConnect(
        self, source: PeerID, address: Multiaddr | None, destination: PeerID
    ) -> bool:
        """
        Refuse.
        """
        return False


class MessageTests(SynchronousTestCase):
    """
    The answers of a relay, one byte at a time.
    """

    def setUp(self) -> None:
        """
        Start a relay.
        """
        self.host = HostDouble(addresses=[Multiaddr("/ip4/45.45.0.10/tcp/4001")])
        self.service = self.start(RelayService())

    def start(self, service: RelayService) -> RelayService:
        """
        Start a service, instead of the one before.
        """
        if self.host.registry.lookup(HOP) is not None:
            self.service.stopService()
        service.attach(self.host)
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def ask(self, request: bytes, address: str = "/ip4/45.45.1.1/tcp/9") -> Any:
        """
        Send a request.

        @return: the answer.
        """
        connection = self.host.meet(address=address)
        self.peer = connection.remotePeer
        stream = self.host.serve(connection, HOP)
        for each in delimit(request):
            stream.protocol.dataReceived(bytes([each]))
        frames = FrameBuffer(MAX_MESSAGE)
        frames.feed(stream.value())
        (answer,) = frames
        self.assertTrue(stream.disconnecting)
        return Hop.fromBytes(answer)

    def test_contracts(self) -> None:
        """
        The service and the access keep their contracts.
        """
        verifyObject(IHostService, self.service)
        verifyObject(IRelayAccess, OpenAccess())

    def test_reserve(self) -> None:
        """
        A reservation has its end, the addresses of the relay, its voucher, and the
        limits of circuits.
        """
        self.host.clock.advance(1000)  # type: ignore[attr-defined]
        answer = self.ask(Hop(HopType.RESERVE).toBytes())
        self.assertEqual(answer.status, Status.OK)
        self.assertEqual(answer.limit, self.service.limit)
        reservation = answer.reservation
        self.assertEqual(reservation.expire, 4600)
        self.assertEqual(
            [str(each) for each in reservation.addresses],
            [f"/ip4/45.45.0.10/tcp/4001/p2p/{self.host.peerID}"],
        )
        self.assertEqual(
            Voucher.open(reservation.voucher),
            Voucher(self.host.peerID, self.peer, 4600),
        )
        self.assertIn("relay-reservation", self.host.connections.protected[self.peer])

    def test_refused(self) -> None:
        """
        Every other request has its answer.
        """
        relayed = f"/ip4/45.45.1.1/tcp/9/p2p/{PEER}/p2p-circuit"
        reserve = Hop(HopType.RESERVE).toBytes()
        connect = Hop(HopType.CONNECT, PEER).toBytes()
        for request, address, status in (
            (b"\xff", "/memory/1", Status.MALFORMED_MESSAGE),
            (b"", "/memory/1", Status.MALFORMED_MESSAGE),
            (
                Hop(HopType.STATUS, status=100).toBytes(),
                "/memory/1",
                Status.UNEXPECTED_MESSAGE,
            ),
            (reserve, relayed, Status.PERMISSION_DENIED),
            (connect, relayed, Status.PERMISSION_DENIED),
            (connect, "/memory/1", Status.NO_RESERVATION),
        ):
            self.assertEqual(self.ask(request, address).status, status)

    def test_access(self) -> None:
        """
        The user decides who may use the relay.
        """
        self.service = self.start(RelayService(access=Nobody()))
        for request in (Hop(HopType.RESERVE), Hop(HopType.CONNECT, PEER)):
            self.assertEqual(
                self.ask(request.toBytes()).status, Status.PERMISSION_DENIED
            )
        self.assertEqual(
            self.service.answers,
            {
                ("reserve", Status.PERMISSION_DENIED): 1,
                ("connect", Status.PERMISSION_DENIED): 1,
            },
        )

    def test_long(self) -> None:
        """
        A message that is too long is not awaited.
        """
        stream = self.host.serve(self.host.meet(), HOP)
        stream.protocol.dataReceived(b"\x81\x20")
        self.assertTrue(stream.disconnected)

    def test_silent(self) -> None:
        """
        A peer that says nothing has 15 seconds.
        """
        stream = self.host.serve(self.host.meet(), HOP)
        self.host.clock.advance(16)  # type: ignore[attr-defined]
        self.host.clock.advance(0)  # type: ignore[attr-defined]
        self.assertTrue(stream.disconnected)


class CircuitTests(RelayTestCase):
    """
    The circuits of a relay.
    """

    def test_events(self) -> None:
        """
        The beginning and the end of a circuit are announced, with its bytes.
        """
        relay, events = self.relay(), list[Any]()
        for each in (CircuitOpened, CircuitClosed):
            relay.events.subscribe(each, events.append)
        listener, dialer = self.listener(), self.node()
        self.echo(dialer, listener, bytes(10_000))
        service = relay.service(RelayService)
        self.assertEqual(service.book.circuits, 1)
        dialer.connections.to(listener.peerID)[0].close()
        self.nodes.advance(35.0)
        opened, closed = events
        for each in (opened, closed):
            self.assertEqual(
                (each.source, each.destination), (dialer.peerID, listener.peerID)
            )
        self.assertGreater(min(closed.forth, closed.back), 10_000)
        self.assertIsNone(closed.limit)
        self.assertEqual(service.relayed, closed.forth + closed.back)
        self.assertEqual(service.book.circuits, 0)

    def test_idle(self) -> None:
        """
        A circuit without limits that nobody uses ends.
        """
        relay = self.relay(data=None, duration=None, idle=5.0)
        closed: list[Any] = []
        relay.events.subscribe(CircuitClosed, closed.append)
        listener, dialer = self.listener(), self.node()
        self.echo(dialer, listener)
        self.nodes.advance(12.0)
        self.assertEqual([each.limit for each in closed], ["idle"])

    def test_listenerGone(self) -> None:
        """
        A circuit ends with the connection of either peer, and so does a reservation.
        """
        relay = self.relay()
        listener, dialer = self.listener(), self.node()
        reader = self.echo(dialer, listener)
        self.nodes.result(listener.stopService())
        self.nodes.settle()
        self.assertIsNotNone(reader.reason)
        service = relay.service(RelayService)
        self.assertEqual((len(service.book), service.splices), (0, set()))

    def test_stop(self) -> None:
        """
        A relay that stops leaves nothing, and is one again when it starts.
        """
        relay = self.relay()
        listener, dialer = self.listener(), self.node()
        reader = self.echo(dialer, listener)
        self.nodes.result(relay.stopService())
        self.assertIsNotNone(reader.reason)
        self.assertEqual(relay.service(RelayService).splices, set())
        self.failureResultOf(dialer.connect(self.address(listener)), DialFailed)
        relay.startService()
        self.nodes.advance(16.0)
        self.assertEqual(len(listener.addresses), 1)

    def test_listenerRefuses(self) -> None:
        """
        A peer that does not answer, or refuses, is a failed connection.
        """
        relay = self.relay()
        listener = self.listener()
        self.client(listener)._serving.cancel()  # type: ignore[union-attr]
        dialing = self.node().connect(self.address(listener))
        self.nodes.settle()
        error: Any = self.failureResultOf(dialing, DialFailed).value
        ((_, cause),) = error.causes
        self.assertEqual(cause.status, Status.CONNECTION_FAILED)
        self.assertEqual(relay.service(RelayService).book.circuits, 0)
        self.client(listener)._serving = None
