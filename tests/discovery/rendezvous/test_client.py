# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.rendezvous.client}: the layouts in which it
registers.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.discovery.rendezvous import recorded
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.rendezvous.client import RendezvousClient
from twisted_libp2p.discovery.rendezvous.messages import (
    RENDEZVOUS,
    Kind,
    Layout,
    Message,
    Place,
    Status,
    readMessage,
)
from twisted_libp2p.errors import RendezvousRefused
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.wire.frames import FrameBuffer, delimit

ADDRESS = Multiaddr("/ip4/127.0.0.1/tcp/1")
POINT = f"{ADDRESS}/p2p/{recorded.IDENTITY.peerID}"
RFC, SIGNED, OLD = Layout


class LayoutTests(SynchronousTestCase):
    """
    A client registers in the layouts that its point reads.
    """

    def setUp(self) -> None:
        self.host = HostDouble(addresses=[ADDRESS])
        self.client = RendezvousClient([POINT])
        self.client.attach(self.host)
        self.connection = self.host.meet(
            recorded.IDENTITY, str(ADDRESS), serves=[RENDEZVOUS]
        )

    def request(self) -> Message:
        """
        Return the last request.
        """
        frames = FrameBuffer(1 << 20)
        frames.feed(self.connection.opened[-1].value())
        (request,) = frames
        return readMessage(request)

    def asked(self) -> tuple[Layout, int]:
        """
        Return the layout of the last registration, and the time that it asks for.
        """
        register = self.request().register
        return Place.fromBytes(register.signedPeerRecord).layout, register.ttl

    def send(self, answer: bytes) -> None:
        """
        Answer the last request.
        """
        self.connection.opened[-1].protocol.dataReceived(delimit(answer))

    def answer(self, status: Status, ttl: int = 0) -> None:
        """
        Answer the last registration.
        """
        response = Message.RegisterResponse(status=status, ttl=ttl)
        message = Message(type=Kind.REGISTER_RESPONSE, registerResponse=response)
        self.send(message.SerializeToString())

    def lose(self) -> None:
        """
        End the last stream without an answer.
        """
        self.connection.opened[-1].protocol.connectionLost(Failure(ConnectionDone()))

    def test_go(self) -> None:
        """
        Waku's fork of go-libp2p-rendezvous reads the second layout, which is the only
        one from then on.
        """
        for layouts in ((RFC, SIGNED), (SIGNED,)):
            advertising = self.client.advertise("interop")
            for layout in layouts:
                self.assertNoResult(advertising)
                self.assertEqual(self.asked(), (layout, 0))
                accepted = layout is SIGNED
                self.send(recorded.REGISTERED if accepted else recorded.REFUSED)
            self.assertEqual(self.successResultOf(advertising), 6300)

    def test_found(self) -> None:
        """
        The answer of that fork is read.
        """
        finding = self.client.findPeers("interop", 1)
        self.assertEqual(self.request().discover.ns, b"interop")
        self.send(recorded.ANSWER)
        ((peer, addresses),) = self.successResultOf(finding)
        self.assertEqual(peer, recorded.IDENTITY.peerID)
        self.assertEqual(list(map(str, addresses)), ["/ip4/127.0.0.1/tcp/35121"])

    def test_both(self) -> None:
        """
        A point of this package takes both signed layouts, and is not asked to take the
        third; the shortest time counts.
        """
        for _ in range(2):
            advertising = self.client.advertise("interop")
            for layout, ttl in ((RFC, 8000), (SIGNED, 7200)):
                self.assertNoResult(advertising)
                self.assertEqual(self.asked(), (layout, 0))
                self.answer(Status.OK, ttl)
            self.assertEqual(self.successResultOf(advertising), 6300)

    def test_rust(self) -> None:
        """
        rust-libp2p ends the stream of a record that it cannot read.
        """
        advertising = self.client.advertise("interop")
        self.answer(Status.OK, 7200)
        self.assertEqual(self.asked(), (SIGNED, 0))
        self.lose()
        self.assertEqual(self.successResultOf(advertising), 6300)

    def test_py(self) -> None:
        """
        py-libp2p takes a signed record for that of another peer, and wants to be asked
        for the time.
        """
        advertising = self.client.advertise("interop")
        self.answer(Status.NOT_AUTHORIZED)
        self.answer(Status.NOT_AUTHORIZED)
        self.assertEqual(self.asked(), (OLD, 7200))
        self.answer(Status.OK)
        self.assertEqual(self.successResultOf(advertising), 6300)

    def test_later(self) -> None:
        """
        A layout that the point has no time for now is tried again.
        """
        advertising = self.client.advertise("interop")
        self.answer(Status.OK, 7200)
        self.answer(Status.UNAVAILABLE)
        self.successResultOf(advertising)
        advertising = self.client.advertise("interop")
        self.answer(Status.OK, 7200)
        self.assertEqual(self.asked(), (SIGNED, 0))
        self.answer(Status.OK, 7200)
        self.successResultOf(advertising)

    def test_refused(self) -> None:
        """
        A point that takes no layout refuses; one that is silent, fails.
        """
        advertising = self.client.advertise("interop")
        for _ in Layout:
            self.answer(Status.INVALID_SIGNED_PEER_RECORD)
        error = self.failureResultOf(advertising, RendezvousRefused).value
        self.assertEqual(error.status, Status.INVALID_SIGNED_PEER_RECORD)
        advertising = self.client.advertise("interop")
        self.lose()
        self.failureResultOf(advertising, ConnectionDone)
