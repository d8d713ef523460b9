# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.rendezvous.point} and
L{twisted_libp2p.discovery.rendezvous.client}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.discovery.rendezvous import recorded
from twisted_libp2p.address import Multiaddr, PeerRecord
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
from twisted_libp2p.discovery.rendezvous.point import IDLE_TIME, RendezvousPoint
from twisted_libp2p.errors import (
    ConfigurationError,
    NotFound,
    RendezvousRefused,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IDiscovery, IHostService
from twisted_libp2p.node import Node
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.wire.frames import FrameBuffer, delimit

ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")


class Talk(Protocol):
    """
    A stream on which the test speaks.
    """

    transport: Any

    def __init__(self) -> None:
        self.frames = FrameBuffer(1 << 20)
        self.answers: list[Message] = []
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.frames.feed(data)
        self.answers += [readMessage(each) for each in self.frames]

    def connectionLost(self, reason: Any = None) -> None:
        self.lost = True

    def send(self, message: Message) -> None:
        """
        Send a message.
        """
        self.transport.write(delimit(message.SerializeToString()))


class NodesTestCase(SynchronousTestCase):
    """
    A point, and peers in memory.
    """

    def setUp(self) -> None:
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.point = self.nodes.start(services=[RendezvousPoint()])
        self.service = self.point.service(RendezvousPoint)

    def client(self, *points: Node) -> Node:
        """
        Start a peer that uses points.
        """
        addresses = [each.addresses[0] for each in points or (self.point,)]
        return self.nodes.start(services=[RendezvousClient(addresses)])

    def rendezvous(self, node: Node) -> RendezvousClient:
        """
        Return the client of a peer.
        """
        return node.service(RendezvousClient)

    def find(self, node: Node, namespace: str = "a") -> dict[Any, Any]:
        """
        Find the peers of a namespace.
        """
        finding: Any = self.rendezvous(node).findPeers(namespace)
        return dict(self.nodes.result(finding))


class MeetingTests(NodesTestCase):
    """
    Peers meet at a point.
    """

    def test_contracts(self) -> None:
        """
        They are services, and a discovery.
        """
        verifyObject(IHostService, RendezvousPoint())
        verifyObject(IHostService, RendezvousClient([]))
        verifyObject(IDiscovery, RendezvousClient([]))

    def test_meet(self) -> None:
        """
        A registered peer is found by others, at its addresses, which it has signed; it
        does not find itself.
        """
        near, far = self.client(), self.client()
        seconds = self.nodes.result(self.rendezvous(near).advertise("a"))
        self.assertEqual(seconds, 6300)
        self.assertEqual(self.service.registrations, 1)
        found = self.find(far)
        own = near.addresses[0].withoutPeer()
        self.assertEqual(found, {near.peerID: (own,)})
        self.assertEqual(far.peerstore.certifiedAddresses(near.peerID), [own])
        self.assertEqual(self.find(near), {})
        self.assertEqual(self.find(far, "b"), {})

    def test_withdraw(self) -> None:
        """
        A peer that withdraws is no longer found.
        """
        near, far = self.client(), self.client()
        self.nodes.result(self.rendezvous(near).advertise("a", 7200))
        self.nodes.result(self.rendezvous(near).withdraw("a"))
        self.nodes.settle()
        self.assertEqual(self.find(far), {})

    def test_several(self) -> None:
        """
        One point of several is enough.
        """
        other = self.nodes.start(services=[RendezvousPoint()])
        nowhere = self.nodes.start()
        near, far = self.client(nowhere, other), self.client(self.point, other)
        self.nodes.result(self.rendezvous(near).advertise("a"))
        self.assertEqual(list(self.find(far)), [near.peerID])

    def test_refused(self) -> None:
        """
        The error of a point says why.
        """
        near = self.client()
        error = self.assertRaises(
            RendezvousRefused,
            self.nodes.result,
            self.rendezvous(near).advertise("a", 60),
        )
        self.assertEqual(error.status, Status.INVALID_TTL)
        self.assertEqual(
            str(error),
            f"the rendezvous point {self.point.peerID} refuses: invalid ttl",
        )

    def test_unreachable(self) -> None:
        """
        A node without an address is not registered.
        """
        points = [self.point.addresses[0]]
        node = self.nodes.start(listen=(), services=[RendezvousClient(points)])
        self.assertRaises(
            NotFound, self.nodes.result, self.rendezvous(node).advertise("a")
        )

    def test_wrong(self) -> None:
        """
        A wrong name, and a wrong point, are errors of ours.
        """
        near = self.client()
        for name in ("", "x" * 256):
            self.assertRaises(
                ConfigurationError,
                self.nodes.result,
                self.rendezvous(near).advertise(name),
            )
        for point in ("/ip4/192.0.2.1/tcp/1", "nowhere"):
            error = self.assertRaises(ConfigurationError, RendezvousClient, [point])
            self.assertIn(f"rendezvous point {point}: ", str(error))


class PointTests(NodesTestCase):
    """
    The requests that a point gets.
    """

    def setUp(self) -> None:
        super().setUp()
        self.peer = self.nodes.start(identity=recorded.IDENTITY)
        self.talk = self.open(self.peer)

    def open(self, node: Node) -> Talk:
        """
        Open a stream to the point.
        """
        opening: Any = node.connector(self.point.addresses[0], RENDEZVOUS).connect(
            Factory.forProtocol(Talk)
        )
        talk: Talk = self.nodes.result(opening)
        return talk

    def ask(self, message: Message) -> Message:
        """
        Ask, and return the answer.
        """
        self.talk.send(message)
        self.nodes.settle()
        return self.talk.answers.pop()

    def register(self, data: bytes, namespace: bytes = b"a") -> int:
        """
        Register, and return the status.
        """
        message = Message(
            type=Kind.REGISTER,
            register=Message.Register(ns=namespace, signedPeerRecord=data, ttl=7200),
        )
        return self.ask(message).registerResponse.status

    def discover(self) -> list[bytes]:
        """
        Return the registrations that are found.
        """
        message = Message(type=Kind.DISCOVER, discover=Message.Discover(ns=b"a"))
        answer = self.ask(message).discoverResponse
        self.assertEqual(answer.status, Status.OK)
        return [each.signedPeerRecord for each in answer.registrations]

    def sealed(self, identity: Identity) -> bytes:
        """
        Make the record of a peer.
        """
        return PeerRecord(identity.peerID, 1, (ADDRESS,)).seal(identity)

    def test_stream(self) -> None:
        """
        A stream serves several requests, until it was idle for a minute.
        """
        self.assertEqual(self.register(self.sealed(self.peer.identity)), Status.OK)
        self.nodes.advance(IDLE_TIME - 1)
        self.assertEqual(self.discover(), [self.sealed(self.peer.identity)])
        self.nodes.advance(IDLE_TIME + 1)
        self.assertTrue(self.talk.lost)

    def test_statuses(self) -> None:
        """
        Each wrong registration has its status.
        """
        own = self.sealed(self.peer.identity)
        self.assertEqual(self.register(own, b""), Status.INVALID_NAMESPACE)
        self.assertEqual(self.register(own, b"\xff"), Status.INVALID_NAMESPACE)
        invalid = Status.INVALID_SIGNED_PEER_RECORD
        self.assertEqual(self.register(b"\xff"), invalid)
        stranger = self.sealed(Identity.generate())
        self.assertEqual(self.register(stranger), Status.NOT_AUTHORIZED)

    def test_old(self) -> None:
        """
        A peer that registers in the old layout is answered in it, and finds those that
        have signed; a peer with the new one does not find it.
        """
        other = self.nodes.start(services=[RendezvousClient([self.point.addresses[0]])])
        self.nodes.result(self.rendezvous(other).advertise("a"))
        place = Place(self.peer.peerID, (ADDRESS,))
        self.assertEqual(self.register(place.toBytes(old=True)), Status.OK)
        found = [Place.fromBytes(each) for each in self.discover()]
        self.assertEqual(
            [each.peer for each in found], [other.peerID, self.peer.peerID]
        )
        self.assertEqual([each.envelope for each in found], [b"", b""])
        self.assertEqual(self.find(other), {})
        stranger = Place(Identity.generate().peerID, (ADDRESS,))
        self.assertEqual(
            self.register(stranger.toBytes(old=True)), Status.NOT_AUTHORIZED
        )

    def test_ours(self) -> None:
        """
        A peer of this package registers as rust-libp2p does, and yet finds those that
        have signed as for all other protocols.
        """
        other = self.client()
        self.nodes.result(self.rendezvous(other).advertise("a"))
        self.assertEqual(self.register(self.sealed(self.peer.identity)), Status.OK)
        self.assertIn(self.peer.peerID, self.find(other))

    def test_go(self) -> None:
        """
        A peer on Waku's fork of go-libp2p-rendezvous finds the peers of this package by
        records that it can read, and is found by them.
        """
        other = self.client()
        self.nodes.result(self.rendezvous(other).advertise("interop"))
        registered = self.ask(readMessage(recorded.REGISTER)).registerResponse
        self.assertEqual((registered.status, registered.ttl), (Status.OK, 7200))
        self.assertEqual(self.service.registrations, 2)
        answer = self.ask(readMessage(recorded.DISCOVER)).discoverResponse
        records = [each.signedPeerRecord for each in answer.registrations]
        self.assertEqual(
            [(each.peer, each.layout) for each in map(Place.fromBytes, records)],
            [(each, Layout.SIGNED) for each in (other.peerID, self.peer.peerID)],
        )
        self.assertEqual(list(self.find(other, "interop")), [self.peer.peerID])

    def test_unregistered(self) -> None:
        """
        A peer that has not registered gets the layout of the record that it has signed
        for identify.
        """
        other = self.client()
        self.nodes.result(self.rendezvous(other).advertise("a"))
        for asRFC, layout in ((False, Layout.SIGNED), (True, Layout.RFC)):
            record = PeerRecord(self.peer.peerID, 1 << 60 | asRFC, (ADDRESS,))
            envelope = record.seal(self.peer.identity, asRFC)
            self.point.peerstore.addRecord(self.peer.peerID, envelope)
            (found,) = self.discover()
            self.assertIs(Place.fromBytes(found).layout, layout)

    def test_flood(self) -> None:
        """
        After 32 requests at once the point has no time for a peer.
        """
        own = self.sealed(self.peer.identity)
        statuses = [self.register(own) for _ in range(40)]
        self.assertEqual(statuses.count(Status.OK), 32)
        self.assertEqual(statuses[-1], Status.UNAVAILABLE)
        self.talk.send(Message(type=Kind.DISCOVER))
        self.nodes.settle()
        answer = self.talk.answers.pop().discoverResponse
        self.assertEqual(answer.status, Status.UNAVAILABLE)
        self.nodes.advance(1.0)
        self.assertEqual(self.register(own), Status.OK)

    def test_cookie(self) -> None:
        """
        A made-up cookie, and a malformed name, have their status.
        """
        message = Message(type=Kind.DISCOVER, discover=Message.Discover(cookie=b"x"))
        answer = self.ask(message).discoverResponse
        self.assertEqual(answer.status, Status.INVALID_COOKIE)
        self.assertEqual(answer.statusText, b"invalid cookie")
        message = Message(type=Kind.DISCOVER, discover=Message.Discover(ns=b"\xff"))
        answer = self.ask(message).discoverResponse
        self.assertEqual(answer.status, Status.INVALID_NAMESPACE)

    def test_violations(self) -> None:
        """
        A message that is no request, or too large, ends the stream.
        """
        for data in (
            delimit(Message(type=Kind.DISCOVER_RESPONSE).SerializeToString()),
            delimit(b"\xff"),
            b"\xff\xff\x7f",
        ):
            talk = self.open(self.peer)
            talk.transport.write(data)
            self.nodes.settle()
            self.assertTrue(talk.lost, data)

    def test_stopped(self) -> None:
        """
        A stopped point serves no longer, and again after a start.
        """
        self.service.stopService()
        self.assertNotIn(RENDEZVOUS, self.point.registry.protocols())
        self.service.startService()
        self.assertIn(RENDEZVOUS, self.point.registry.protocols())


class HostilePointTests(SynchronousTestCase):
    """
    A point that lies.
    """

    def setUp(self) -> None:
        self.host = HostDouble()
        self.point = Identity.generate()
        self.client = RendezvousClient([f"/ip4/8.8.8.8/tcp/1/p2p/{self.point.peerID}"])
        self.client.attach(self.host)
        self.connection = self.host.meet(
            self.point, "/ip4/8.8.8.8/tcp/1", serves=[RENDEZVOUS]
        )
        self.finding = self.client.findPeers("a", 5)

    def answer(self, *places: bytes, cookie: bytes = b"", **options: Any) -> None:
        """
        Answer the last request.
        """
        answer = Message.DiscoverResponse(
            registrations=[
                Message.Register(ns=b"a", signedPeerRecord=each, ttl=9)
                for each in places
            ],
            cookie=cookie,
            **options,
        )
        message = Message(type=Kind.DISCOVER_RESPONSE, discoverResponse=answer)
        stream = self.connection.opened[-1]
        stream.protocol.dataReceived(delimit(message.SerializeToString()))

    def test_scope(self) -> None:
        """
        A public point names no private address; the signature does not matter.
        """
        identity = Identity.generate()
        addresses = [
            Multiaddr(f"/ip4/{each}/tcp/1")
            for each in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "8.8.4.4")
        ]
        record = PeerRecord(identity.peerID, 1, tuple(addresses)).seal(identity)
        self.answer(record)
        self.assertEqual(
            self.successResultOf(self.finding),
            [(identity.peerID, (Multiaddr("/ip4/8.8.4.4/tcp/1"),))],
        )
        self.assertEqual(
            self.host.peerstore.addresses(identity.peerID),
            [Multiaddr("/ip4/8.8.4.4/tcp/1")],
        )

    def test_self(self) -> None:
        """
        A record about ourselves is ignored.
        """
        own = Place(self.host.peerID, (Multiaddr("/ip4/8.8.4.4/tcp/1"),))
        self.answer(own.toBytes(old=True))
        self.assertEqual(self.successResultOf(self.finding), [])
        self.assertEqual(self.host.peerstore.addresses(self.host.peerID), [])

    def test_pages(self) -> None:
        """
        Pages without end have an end.
        """
        for _ in range(10):
            self.assertNoResult(self.finding)
            self.answer(b"junk", cookie=b"more")
        self.assertEqual(self.successResultOf(self.finding), [])

    def test_refusal(self) -> None:
        """
        A refusal is one line.
        """
        self.answer(status=400, statusText=b"\x1b[31mno\n")
        error = self.failureResultOf(self.finding, RendezvousRefused).value
        self.assertTrue(str(error).endswith("refuses: unavailable"))
