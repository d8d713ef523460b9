# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the service that identifies.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.protocols.connected import ConnectedTestCase
from tests.protocols.identify.described import (
    ALL,
    LOOPBACK,
    NAMED,
    PUBLIC,
    message,
    public,
    record,
)
from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.errors import (
    ConnectionClosing,
    Libp2pError,
    ProtocolViolation,
    StreamReset,
    UnsupportedProtocol,
    UpgradeTimeout,
)
from twisted_libp2p.events import Identified, OpenedConn, OpenedStream
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.interfaces import Identification
from twisted_libp2p.node import Node
from twisted_libp2p.pacing.allowance import Allowance
from twisted_libp2p.protocols.echo import EchoFactory
from twisted_libp2p.protocols.identify import PUSH_PROTOCOL_ID, IdentifyService
from twisted_libp2p.protocols.identify.protocol import DescriptionSender
from twisted_libp2p.protocols.identify.reader import MAX_ADDRESSES, MAX_PROTOCOLS
from twisted_libp2p.protocols.identify.service import (
    PUSH_BURST,
    PUSH_DELAY,
    PUSH_INTERVAL,
    TIMEOUT,
)
from twisted_libp2p.testing.host import HostDouble
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.wire.frames import FrameBuffer
from twisted_libp2p.wire.identify_pb2 import Identify as Message


class Say(Protocol):
    """
    Says something, and closes.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content

    def connectionMade(self) -> None:
        """
        Say it.
        """
        assert self.transport is not None
        self.transport.write(self.content)
        self.transport.loseConnection()


def identifications(node: Node) -> list[Identified]:
    """
    Collect what a node learns from now on.
    """
    seen: list[Identified] = []
    node.events.subscribe(Identified, seen.append)
    return seen


class AskingTests(SynchronousTestCase):
    """
    A new connection is asked what it is.
    """

    def setUp(self) -> None:
        """
        Start two nodes.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.server = self.nodes.start(agent="server/1", protocolVersion="net/1")
        self.client = self.nodes.start(agent="client/1", protocolVersion="net/2")

    def ask(self, content: bytes) -> Identification:
        """
        Connect to a server that says something else of itself.
        """
        self.patch(self.server.service(IdentifyService), "message", lambda _: content)
        return self.nodes.result(self.client.identify(self.server.addresses[0]))

    def test_service(self) -> None:
        """
        It is a service of its node.
        """
        verifyObject(IService, self.server.service(IdentifyService))
        self.assertIs(
            self.server.getServiceNamed("identify"),
            self.server.service(IdentifyService),
        )

    def test_both(self) -> None:
        """
        Both sides learn what the other is; the event, the question and the
        peerstore tell the same.
        """
        seen = {node: identifications(node) for node in (self.client, self.server)}
        near, far = self.nodes.connect(self.client, self.server)
        for asking, asked, connection in (
            (self.client, self.server, near),
            (self.server, self.client, far),
        ):
            told = self.nodes.result(
                asking.service(IdentifyService).identified(connection)
            )
            (event,) = seen[asking]
            self.assertEqual(event.peer, asked.peerID)
            self.assertIs(event.connection, connection)
            self.assertFalse(event.push)
            for name in (
                "agent",
                "protocolVersion",
                "protocols",
                "listenAddresses",
                "observedAddress",
            ):
                self.assertEqual(getattr(event, name), getattr(told, name))
            listening = tuple(each.withoutPeer() for each in asked.addresses)
            self.assertEqual(told.listenAddresses, listening)
            self.assertEqual(asking.peerstore.addresses(asked.peerID), list(listening))
            self.assertEqual(told.protocols, asked.registry.protocols())
            self.assertEqual(told.observedAddress, connection.localAddress)
        self.assertEqual(seen[self.client][0].agent, "server/1")
        self.assertEqual(seen[self.server][0].agent, "client/1")
        self.assertEqual(seen[self.client][0].protocolVersion, "net/1")

    def test_identified(self) -> None:
        """
        Any number may wait for the answer; whoever cancels does not disturb
        the others.
        """
        waiting: list[Deferred[Identification]] = []

        def opened(event: OpenedConn) -> None:
            for _ in range(3):
                waiting.append(
                    self.client.service(IdentifyService).identified(event.connection)
                )
            waiting[1].cancel()
            self.assertNoResult(waiting[0])

        self.client.events.subscribe(OpenedConn, opened)
        self.nodes.connect(self.client, self.server)
        self.assertEqual(self.successResultOf(waiting[0]).agent, "server/1")
        self.failureResultOf(waiting[1], CancelledError)
        self.assertEqual(self.successResultOf(waiting[2]).agent, "server/1")

    def test_lost(self) -> None:
        """
        Whoever waits when the connection ends is told why; later it is too
        late to ask.
        """
        waiting: list[Deferred[Identification]] = []

        def opened(event: OpenedConn) -> None:
            waiting.append(
                self.client.service(IdentifyService).identified(event.connection)
            )
            event.connection.abort(Failure(StreamReset(7)))

        self.client.events.subscribe(OpenedConn, opened)
        connection = self.nodes.result(self.client.connect(self.server.addresses[0]))
        self.failureResultOf(waiting[0], StreamReset)
        self.failureResultOf(
            self.client.service(IdentifyService).identified(connection),
            ConnectionClosing,
        )

    def test_silent(self) -> None:
        """
        A peer that does not answer within 5 seconds is not waited for; the
        connection goes on.
        """
        self.patch(DescriptionSender, "connectionMade", lambda _: None)
        asking = Deferred.fromCoroutine(self.client.identify(self.server.addresses[0]))
        self.nodes.advance(TIMEOUT - 0.1)
        self.assertNoResult(asking)
        self.nodes.advance(0.1)
        self.failureResultOf(asking, UpgradeTimeout)
        self.nodes.result(self.client.ping(self.server.peerID))

    def test_unsupported(self) -> None:
        """
        A peer that knows no identify cannot be identified, but used.
        """
        self.patch(
            self.server.registry,
            "lookup",
            {"/echo": EchoFactory()}.get,
        )
        with self.assertRaises(UnsupportedProtocol):
            self.nodes.result(self.client.identify(self.server.addresses[0]))
        self.nodes.result(
            self.client.connector(self.server.peerID, "/echo").connect(
                Factory.forProtocol(Protocol)
            )
        )

    def test_bad(self) -> None:
        """
        An answer that is too long, too much, cut off, no answer at all, or
        somebody else's fails the question, and nothing else.
        """
        stranger = Identity.generate().publicKey.toBytes()
        for content in (
            message(agentVersion="x" * 9 * 1024),
            message() * 11,
            message(agentVersion="test")[:-1],
            b"",
            b"\xff" * 100,
            b"\x01\xff",
            message(publicKey=stranger),
        ):
            with self.assertRaises(ProtocolViolation):
                self.ask(content)
            self.nodes.result(self.client.ping(self.server.peerID))
            (connection,) = self.client.connections
            with self.assertRaises(Libp2pError):
                self.nodes.result(self.client.identify(self.server.peerID))
            self.nodes.result(connection.close())

    def test_nothingPinned(self) -> None:
        """
        What a peer has said in a wrong way is not kept with the reason, which is,
        for as long as the connection.
        """
        with self.assertRaises(ProtocolViolation) as caught:
            self.ask(message(agentVersion="x" * 8000) + b"\xff" * 8000)
        self.nodes.settle()
        (peer,) = self.client.service(IdentifyService)._peers.values()
        assert isinstance(peer.result, Failure)
        self.assertIs(peer.result.value, caught.exception)
        self.assertIsNone(peer.result.getTracebackObject())

    def test_odd(self) -> None:
        """
        An answer that holds too much, or garbage, gives what is usable of it.
        """
        foreign = record(PUBLIC, identity=Identity.generate())
        for content, expected in (
            (
                b"".join(
                    message(protocols=[f"/{at + i}" for i in range(1000)])
                    for at in range(0, 2000, 1000)
                ),
                Identification(protocols=tuple(f"/{i}" for i in range(MAX_PROTOCOLS))),
            ),
            (
                b"".join(
                    message(listenAddrs=[public(at + i).toBytes() for i in range(500)])
                    for at in range(0, 1500, 500)
                ),
                Identification(
                    listenAddresses=tuple(public(i) for i in range(MAX_ADDRESSES))
                ),
            ),
            (
                message(agentVersion="odd", listenAddrs=[b"\xff", b"\x04"]),
                Identification(agent="odd"),
            ),
            (
                message(agentVersion="odd", signedPeerRecord=foreign),
                Identification(agent="odd"),
            ),
            (
                message(agentVersion="odd", observedAddr=b"garbage"),
                Identification(agent="odd"),
            ),
        ):
            told = self.ask(content)
            self.assertEqual(told, expected)
            self.nodes.result(self.client.ping(self.server.peerID))
            (connection,) = self.client.connections
            self.nodes.result(connection.close())


class PushTests(ConnectedTestCase):
    """
    A change is told to those who listen for it.
    """

    def serve(self, *protocols: str) -> None:
        """
        Let the server serve one protocol after the other.
        """
        for protocol in protocols:
            self.server.registry.register(protocol, EchoFactory())

    def push(self, content: bytes) -> Deferred[Any]:
        """
        Let the client push something.
        """
        pushing = self.connection.openStream(
            PUSH_PROTOCOL_ID, Factory.forProtocol(lambda: Say(content))
        )
        self.nodes.settle()
        return pushing

    def known(self) -> Identification:
        """
        Tell what the server knows of the client.
        """
        return self.nodes.result(
            self.server.service(IdentifyService).identified(self.accepted)
        )

    def test_delay(self) -> None:
        """
        Changes of one second are told at once, at its end; then nothing more
        is told.
        """
        seen = identifications(self.client)
        self.serve("/a", "/b")
        self.nodes.advance(PUSH_DELAY / 2)
        self.serve("/c")
        self.nodes.result(self.server.listenOn("/memory/99"))
        self.nodes.advance(PUSH_DELAY / 2 - 0.01)
        self.assertEqual(seen, [])
        self.nodes.advance(0.01)
        (event,) = seen
        self.assertTrue(event.push)
        self.assertEqual(event.protocols[-3:], ("/a", "/b", "/c"))
        self.assertIn(Multiaddr("/memory/99"), event.listenAddresses)
        self.nodes.advance(10.0)
        self.assertEqual(len(seen), 1)

    def test_withdrawn(self) -> None:
        """
        What the server has stopped to serve, and where it has stopped to
        listen, is known no longer: not even in the peerstore.
        """
        port = self.nodes.result(self.server.listener("/a").listen(EchoFactory()))
        self.nodes.result(self.server.listenOn("/memory/99"))
        self.nodes.advance(PUSH_DELAY)
        peer = self.server.peerID
        self.assertIn(Multiaddr("/memory/99"), self.client.peerstore.addresses(peer))
        self.nodes.result(self.server.stopListeningOn("/memory/99"))
        self.nodes.result(maybeDeferred(port.stopListening))
        self.nodes.advance(PUSH_DELAY)
        self.assertEqual(
            self.client.peerstore.addresses(peer),
            [each.withoutPeer() for each in self.server.addresses],
        )
        told = self.nodes.result(self.client.identify(peer))
        self.assertNotIn("/a", told.protocols)

    def test_told(self) -> None:
        """
        Whoever was told of a change when it connected is not told again.
        """
        self.serve("/a")
        late = self.nodes.start()
        seen = identifications(late)
        self.nodes.connect(late, self.server)
        self.nodes.advance(PUSH_DELAY)
        self.assertEqual([each.push for each in seen], [False])
        self.assertIn("/a", seen[0].protocols)

    def test_unlisted(self) -> None:
        """
        A peer that does not say that it takes pushes gets none, until it
        says so.
        """
        other = self.nodes.start()
        describe = other.service(IdentifyService).message
        self.patch(
            other.service(IdentifyService),
            "message",
            lambda _: message(agentVersion="x"),
        )
        near, _ = self.nodes.connect(other, self.server)
        opened: list[str] = []
        other.events.subscribe(
            OpenedStream, lambda event: opened.append(event.protocolID)
        )
        self.serve("/a")
        self.nodes.advance(PUSH_DELAY)
        self.assertEqual(opened, [])
        seen = identifications(other)
        self.nodes.result(
            near.openStream(
                PUSH_PROTOCOL_ID, Factory.forProtocol(lambda: Say(describe(near)))
            )
        )
        self.nodes.advance(PUSH_DELAY)
        (event,) = seen
        self.assertIn("/a", event.protocols)

    def test_nobody(self) -> None:
        """
        Where nobody is connected, no timer runs.
        """
        alone = self.nodes.start()
        before = len(self.nodes.clock.getDelayedCalls())
        alone.registry.register("/a", EchoFactory())
        self.assertEqual(len(self.nodes.clock.getDelayedCalls()), before)

    def test_stopping(self) -> None:
        """
        A node that stops tells of nothing, and hears nothing, any more.
        """
        self.serve("/a")
        self.push(message(agentVersion="x")[:-1])
        self.nodes.stop()

    def test_replaced(self) -> None:
        """
        After a thousand pushes, what is known is the last of them.
        """
        self.patch(Allowance, "take", lambda *_: True)
        for number in range(1000):
            self.push(
                message(
                    protocols=[f"/{number}"],
                    listenAddrs=[public(number).toBytes()],
                )
            )
        told = self.known()
        self.assertEqual(told.protocols, ("/999",))
        self.assertEqual(told.listenAddresses, (public(999),))
        self.assertEqual(
            self.server.peerstore.addresses(self.client.peerID), [public(999)]
        )

    def test_rate(self) -> None:
        """
        Ten pushes are taken at once, and then one every five seconds; what is
        more is reset.
        """
        seen = identifications(self.server)
        for _ in range(PUSH_BURST):
            self.successResultOf(self.push(message(agentVersion="x")))
        self.assertEqual(len(seen), PUSH_BURST)
        for _ in range(3):
            self.push(message(agentVersion="y")).addErrback(
                lambda reason: reason.trap(StreamReset)
            )
        self.assertEqual(len(seen), PUSH_BURST)
        self.assertEqual(self.known().agent, "x")
        self.nodes.advance(PUSH_INTERVAL)
        for agent in ("z", "zz"):
            self.push(message(agentVersion=agent)).addErrback(
                lambda reason: reason.trap(StreamReset)
            )
        self.assertEqual(self.known().agent, "z")

    def test_bad(self) -> None:
        """
        A bad push changes nothing, and neither does one that never ends.
        """
        before = self.known()
        for content in (b"", b"\xff" * 20, message(agentVersion="x")[:-1]):
            self.push(content).addErrback(lambda _: None)
        hanging = self.open(PUSH_PROTOCOL_ID, Protocol())
        assert hanging.transport is not None
        hanging.transport.write(message(agentVersion="x"))
        self.nodes.advance(TIMEOUT)
        self.assertEqual(self.known(), before)
        self.assertNotIn(
            PUSH_PROTOCOL_ID, [each.protocolID for each in self.accepted.streams]
        )
        self.nodes.result(self.client.ping(self.server.peerID))


class Remote:
    """
    All that matters of a connection.
    """

    def __init__(self, remoteAddress: Multiaddr) -> None:
        self.remoteAddress = remoteAddress
        self.localAddress: Multiaddr | None = None


class MessageTests(SynchronousTestCase):
    """
    What the service tells of its node.
    """

    def setUp(self) -> None:
        """
        Be somebody whose signatures are never the same.
        """
        self.clock = Clock()
        self.clock.advance(1_700_000_000)
        self.identity = Identity.generate(KeyType.ECDSA)
        self.service = self.start()

    def start(self) -> IdentifyService:
        """
        Make a service without a node.
        """
        host = HostDouble(self.clock, self.identity, ALL)
        self.registry = host.registry
        service = IdentifyService(agent="test/1", protocolVersion="test")
        service.attach(host)
        return service

    def message(self, remote: Multiaddr = PUBLIC) -> Message:
        """
        Give what is told to somebody.
        """
        connection: Any = Remote(remote)
        frames = FrameBuffer(4096)
        frames.feed(self.service.message(connection))
        (frame,) = frames
        return Message.FromString(frame)

    def sequence(self) -> int:
        """
        Give the number of the record that is told.
        """
        return PeerRecord.open(self.message().signedPeerRecord).sequence

    def test_scope(self) -> None:
        """
        What is near is not told to the world, signed or not.
        """
        for remote, expected in ((PUBLIC, [PUBLIC, NAMED]), (LOOPBACK, ALL)):
            told = self.message(remote)
            self.assertEqual(
                list(told.listenAddrs), [each.toBytes() for each in expected]
            )
            self.assertEqual(
                PeerRecord.open(told.signedPeerRecord).addresses, tuple(expected)
            )
            self.assertEqual(told.observedAddr, remote.toBytes())

    def test_sequence(self) -> None:
        """
        A record's number grows with each change, and from one start to the
        next.
        """
        first = self.sequence()
        self.assertEqual(self.sequence(), first)
        self.registry.register("/a", EchoFactory())
        second = self.sequence()
        self.assertGreater(second, first)
        self.clock.advance(60)
        self.service = self.start()
        self.assertGreater(self.sequence(), second)

    def test_signedOnce(self) -> None:
        """
        To be asked often costs no signature each time; a change costs one.
        """
        records = {self.message().signedPeerRecord for _ in range(3)}
        self.assertEqual(len(records), 1)
        self.registry.register("/a", EchoFactory())
        self.assertNotIn(self.message().signedPeerRecord, records)
