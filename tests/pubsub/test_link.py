# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.link}: nodes of ours with peers that misbehave.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure

from tests.pubsub.test_service import PubSubTestCase
from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.node import Node
from twisted_libp2p.pubsub import (
    Profile,
    PubSub,
    SignaturePolicy,
    TopicMessage,
    Validation,
    idOfContent,
)
from twisted_libp2p.pubsub.engine import MAX_PENDING
from twisted_libp2p.pubsub.events import OtherMessageIDs, SlowPeer
from twisted_libp2p.pubsub.lanes import MAX_QUEUED, OWN_TIME
from twisted_libp2p.pubsub.link import MAX_REOPENINGS, STUCK_TIME, Link
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.pubsub.streams import MAX_TURN
from twisted_libp2p.wire.frames import delimit

NEWEST = "/meshsub/1.3.0"


class Stream(Protocol):
    """
    The end of a stream at a peer that the test plays.
    """

    transport: Any

    def __init__(self, peer: PlayedPeer) -> None:
        self._peer = peer
        self.lost: list[Failure] = []

    def connectionMade(self) -> None:
        """
        Reset the stream, or read nothing from it, as the peer is played.
        """
        self._peer.streams.append(self)
        if self._peer.resets:
            self.transport.abortConnection()
        elif not self._peer.reads:
            self.transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        """
        Rest, if the peer is played as a slow one.
        """
        if self._peer.rest:
            self.transport.pauseProducing()
            self._peer.node.clock.callLater(self._peer.rest, self._readOn)

    def _readOn(self) -> None:
        if not self.lost:
            self.transport.resumeProducing()

    def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
        """
        Note the end.
        """
        self.lost.append(reason)


class PlayedPeer:
    """
    A node without our service, whose streams the test plays.

    @ivar streams: the streams that were opened to it, in order.
    @ivar reads: whether it reads from them.
    @ivar rest: seconds that it rests after each read.
    @ivar resets: whether it resets them at once.
    """

    def __init__(self, node: Node, *protocols: str) -> None:
        self.node = node
        self.rest = 0.0
        self.streams: list[Stream] = []
        self.reads = True
        self.resets = False
        self.registration = node.registry.register(
            protocols, StreamFactory(lambda: Stream(self))
        )

    @property
    def open(self) -> list[Stream]:
        """
        The streams that are open.
        """
        return [each for each in self.streams if not each.lost]


class LinkTestCase(PubSubTestCase):
    """
    A node of ours, and peers that the test plays.
    """

    def play(self, *protocols: str) -> PlayedPeer:
        """
        Start a peer.
        """
        return PlayedPeer(self.nodes.start(), *(protocols or (NEWEST,)))

    def say(self, peer: PlayedPeer, node: Node, rpc: RPC) -> Any:
        """
        Open the stream of a peer, and send an RPC.

        @return: its transport.
        """
        (connection, *_) = peer.node.connections.to(node.peerID)
        factory = StreamFactory(Protocol)
        protocol: Any = self.nodes.result(connection.openStream((NEWEST,), factory))
        transport = protocol.transport
        transport.write(delimit(rpc.toBytes()))
        self.nodes.settle()
        return transport

    def link(self, node: Node, peer: PlayedPeer) -> Link:
        """
        Return the link of a node to a peer.
        """
        link = node.pubsub._engine.links[peer.node.peerID.toBytes()]
        assert isinstance(link, Link)
        return link


class UnreadTests(LinkTestCase):
    """
    A peer that does not read.
    """

    def setUp(self) -> None:
        super().setUp()
        self.node = self.start()
        self.peer = self.play()
        self.peer.reads = False
        self.nodes.connect(self.peer.node, self.node)
        self.say(self.peer, self.node, RPC([("news", True)]))
        self.slow: list[SlowPeer] = []
        self.node.events.subscribe(SlowPeer, self.slow.append)

    def fill(self) -> list[Deferred[Any]]:
        """
        Publish more than the peer may let wait.
        """
        published = [
            self.node.pubsub.publish("news", bytes([number]) * 60000)
            for number in range(60)
        ]
        self.nodes.settle()
        return published

    def test_bounded(self) -> None:
        """
        At most 1 MiB and one message wait for it, publishers wait, the messages are
        dropped after 5 s, and the peer is reported as slow.
        """
        published = self.fill()
        link = self.link(self.node, self.peer)
        self.assertFalse(link.lanes.accepts(60000))
        self.assertLess(link.lanes.size, MAX_QUEUED + 61000)
        waiting = [each for each in published if not each.called]
        self.assertTrue(waiting)
        self.nodes.advance(OWN_TIME + 1.5)
        self.assertTrue(self.slow)
        self.assertLess(link.lanes.size, MAX_QUEUED + 61000)
        (first, *_) = [each for each in published if each.called]
        self.assertEqual(self.successResultOf(first).peers, 1)
        self.nodes.advance(4 * OWN_TIME)
        self.assertEqual(link.lanes.size, 0)
        self.assertTrue(all(each.called for each in published))

    def test_others(self) -> None:
        """
        Another peer gets all messages in the meantime.
        """
        far = self.start()
        self.nodes.connect(self.node, far)
        heard = self.hear(far, "news")
        self.nodes.advance(1.5)
        for number in range(60):
            self.nodes.result(self.node.pubsub.publish("news", bytes([number]) * 60000))
        self.assertFalse(self.link(self.node, self.peer).lanes.accepts(60000))
        self.assertEqual([each.data[0] for each in heard], list(range(60)))

    def test_reset(self) -> None:
        """
        The stream is reset after 30 s, and another one is opened.
        """
        self.fill()
        (stream,) = self.peer.streams
        self.nodes.advance(STUCK_TIME - 2)
        self.assertEqual(self.peer.open, [stream])
        self.peer.reads = True
        self.nodes.advance(4)
        self.assertEqual(len(self.peer.streams), 2)
        self.assertEqual(self.peer.open, self.peer.streams[1:])
        receipt = self.nodes.result(self.node.pubsub.publish("news", b"again"))
        self.assertEqual(self.nodes.result(receipt.sent), 1)


class TurnTests(LinkTestCase):
    """
    Many messages of one peer at once.
    """

    def setUp(self) -> None:
        super().setUp()
        profile = Profile(policy=SignaturePolicy.STRICT_NO_SIGN, messageID=idOfContent)
        self.node = self.start(profile)
        self.peer = self.play()
        self.nodes.connect(self.peer.node, self.node)
        self.heard = self.hear(self.node, "news")
        self.sent = [b"%d" % number for number in range(1000)]
        self.transport = self.say(self.peer, self.node, RPC([("news", True)]))

    def send(self, size: int) -> None:
        """
        Send the messages in RPCs of so many, all at once.
        """
        rpc = RPC(messages=[Message("news", each) for each in self.sent], graft=["no"])
        parts = [delimit(each.toBytes()) for each in rpc.parts(size)]
        self.transport.write(b"".join(parts))

    def turns(self) -> list[int]:
        """
        Return the number of the delivered messages after each turn of the reactor.
        """
        counts = [len(self.heard)]

        def count() -> None:
            counts.append(len(self.heard))
            if len(self.heard) < len(self.sent) and len(counts) < 1000:
                self.nodes.clock.callLater(0, count)

        self.nodes.clock.callLater(0, count)
        self.nodes.settle()
        return counts

    def checkTurns(self) -> None:
        """
        Others have their turn after some messages, and all messages come in order.
        """
        counts = self.turns()
        steps = [after - before for before, after in pairwise(counts)]
        self.assertLessEqual(max(steps), 2 * MAX_TURN)
        self.assertEqual([each.data for each in self.heard], self.sent)

    def test_oneRPC(self) -> None:
        """
        They are in one RPC.
        """
        self.send(1000)
        self.checkTurns()

    def test_manyRPCs(self) -> None:
        """
        Each is in an RPC of its own.
        """
        self.send(1)
        self.checkTurns()

    def test_closed(self) -> None:
        """
        None is lost if the peer closes its stream after them, and others have their
        turn all the same.
        """
        self.send(1000)
        self.transport.loseConnection()
        self.checkTurns()

    def test_gone(self) -> None:
        """
        None is lost if the peer goes after them, and then it is forgotten.
        """
        self.send(10)
        self.nodes.result(self.peer.node.stopService())
        self.checkTurns()
        self.assertEqual(self.node.pubsub.peers, [])

    def test_goneInOrder(self) -> None:
        """
        None is lost either if it has closed its stream before.
        """
        self.sent = [b"%d" % number for number in range(5000)]
        self.send(10)
        self.transport.loseConnection()
        self.nodes.result(self.peer.node.stopService())
        self.checkTurns()
        self.assertEqual(self.node.pubsub.peers, [])

    def test_stopped(self) -> None:
        """
        Nothing is left when the node stops meanwhile.
        """
        topic = self.successResultOf(self.node.pubsub.join("news"))
        topic.subscribe(lambda message: self.node.pubsub.stopService())
        self.send(10)
        self.nodes.settle()
        self.assertLess(len(self.heard), 1000)


class OpeningTests(LinkTestCase):
    """
    The opening of our stream.
    """

    def test_bounded(self) -> None:
        """
        A peer that resets each stream gets five of them, with growing waits, and a
        stream that it opens itself does not change that.
        """
        node, peer = self.start(), self.play()
        peer.resets = True
        self.nodes.connect(node, peer.node)
        self.nodes.advance(30.0)
        self.assertEqual(len(peer.streams), MAX_REOPENINGS + 1)
        for _ in range(10):
            self.say(peer, node, RPC())
        self.nodes.advance(30.0)
        self.assertEqual(len(peer.streams), MAX_REOPENINGS + 1)

    def test_again(self) -> None:
        """
        A stream that ends is opened again, and begins with our topics.
        """
        node, peer = self.start(), self.play()
        self.nodes.connect(node, peer.node)
        self.nodes.result(node.pubsub.join("news"))
        (stream,) = peer.streams
        stream.transport.abortConnection()
        self.nodes.advance(1.0)
        self.assertEqual(len(peer.open), 1)

    def test_refused(self) -> None:
        """
        A peer that no longer serves the version it has named is asked for all others.
        """
        node, peer = self.start(), self.play()
        self.nodes.connect(node, peer.node)
        peer.registration.cancel()
        older = PlayedPeer(peer.node, "/meshsub/1.1.0")
        (stream,) = peer.streams
        # The announcement of the change has not arrived.
        self.patch(node.peerstore, "protocols", lambda peer: (NEWEST,))
        stream.transport.abortConnection()
        self.nodes.advance(1.0)
        (now,) = older.open
        self.assertEqual(now.transport.protocolID, "/meshsub/1.1.0")

    def test_stopped(self) -> None:
        """
        A stream that opens after the end of the service is closed.
        """
        node, peer = self.start(), self.play()
        self.nodes.connect(node, peer.node)
        node.pubsub.stopService()
        self.nodes.advance(1.0)
        self.assertEqual(peer.open, [])
        # Without a known version the negotiation takes a round trip.
        self.patch(node.peerstore, "protocols", lambda peer: ())
        node.pubsub.startService()
        link = node.pubsub._engine.linkTo(peer.node.peerID)
        assert link is not None
        link.open()
        self.assertFalse(link.connected)
        node.pubsub.stopService()
        self.nodes.advance(1.0)
        self.assertEqual(peer.open, [])


class PendingTests(LinkTestCase):
    """
    Validators that take their time.
    """

    def test_pending(self) -> None:
        """
        Nothing further is read from a peer of which 64 messages are validated, until
        half of them are decided; none is lost.
        """
        near, far = self.line(2)
        deciding: list[Deferred[Validation]] = []

        def decide(message: TopicMessage) -> Deferred[Validation]:
            deciding.append(Deferred())
            return deciding[-1]

        topic = self.nodes.result(far.pubsub.join("news", decide))
        heard: list[TopicMessage] = []
        topic.subscribe(heard.append)
        self.nodes.advance(1.5)
        for number in range(3 * MAX_PENDING):
            self.nodes.result(near.pubsub.publish("news", b"%d" % number))
        self.assertEqual(len(deciding), MAX_PENDING)
        self.assertIn("we do not read", far.pubsub.explain(near.peerID))
        decided = 0
        while decided < len(deciding):
            deciding[decided].callback(Validation.ACCEPT)
            decided += 1
            self.assertLessEqual(len(deciding) - decided, MAX_PENDING)
            self.nodes.settle()
        wanted = [b"%d" % number for number in range(3 * MAX_PENDING)]
        self.assertEqual([each.data for each in heard], wanted)

    def test_large(self) -> None:
        """
        Large messages count more; a peer that comes again is no stranger; and the end
        of its validations lets it go on.
        """
        far, peer = self.start(), self.play()
        deciding: list[Deferred[Validation]] = []

        def decide(message: TopicMessage) -> Deferred[Validation]:
            deciding.append(Deferred())
            return deciding[-1]

        options: Any = {
            "policy": SignaturePolicy.STRICT_NO_SIGN,
            "messageID": idOfContent,
        }
        self.nodes.result(far.pubsub.join("news", decide, **options))
        for first in (0, 4):
            self.nodes.connect(peer.node, far)
            for number in range(first, first + 4):
                data = bytes([number]) * 1_000_000
                self.say(peer, far, RPC(messages=[Message("news", data)]))
            self.assertEqual(len(deciding), 4 + bool(first))
            held = "we do not read" in far.pubsub.explain(peer.node.peerID)
            self.assertTrue(held)
            if not first:
                self.nodes.result(peer.node.connections.to(far.peerID)[0].close())
                self.nodes.settle()
        for each in deciding:
            each.callback(Validation.IGNORE)
        self.assertNotIn("we do not read", far.pubsub.explain(peer.node.peerID))
        self.assertEqual(far.pubsub._engine._pending, {})


class NameTests(LinkTestCase):
    """
    Peers that name odd topics, and odd messages.
    """

    def test_topics(self) -> None:
        """
        The names of their topics cannot control a terminal.
        """
        node, peer = self.start(), self.play()
        self.nodes.connect(peer.node, node)
        self.say(peer, node, RPC([("a\x1b[31m\nb", True)]))
        text = node.pubsub.explain(peer.node.peerID)
        self.assertIn("topics: a\\x1b[31m\\nb\n", text)

    def test_otherIDs(self) -> None:
        """
        A peer that never names a known message is reported, and the first one of a
        topic is logged.
        """
        node = self.start()
        self.hear(node, "news")
        reported: list[object] = []
        node.events.subscribe(
            OtherMessageIDs, lambda event: reported.append(event.peer)
        )
        peers = [self.play() for _ in range(2)]
        with capturedLogs() as events:
            for each in peers:
                self.nodes.connect(each.node, node)
                ids = [b"unknown %d" % number for number in range(300)]
                self.say(each, node, RPC([("news", True)], have=[("news", ids)]))
        self.assertEqual(reported, [each.node.peerID for each in peers])
        lines = [formatEvent(each) or "" for each in events]
        self.assertEqual(sum("computes other ids" in each for each in lines), 1)


class DirectTests(LinkTestCase):
    """
    Direct peers.
    """

    def test_direct(self) -> None:
        """
        A direct peer gets every message, is in no mesh, and is dialed again.
        """
        far = self.start()
        near = self.nodes.start(services=[PubSub(direct=[far.peerID])])
        self.nodes.connect(near, far)
        heard = self.hear(far, "news")
        self.hear(near, "news")
        self.nodes.advance(2.0)
        self.assertEqual(near.pubsub.meshOf("news"), [])
        self.assertEqual(far.pubsub.meshOf("news"), [])
        self.nodes.result(near.pubsub.publish("news", b"one"))
        self.nodes.settle()
        self.assertEqual([each.data for each in heard], [b"one"])
        self.nodes.result(far.connections.to(near.peerID)[0].close())
        self.nodes.advance(600.0)
        self.assertEqual(near.pubsub.peers, [far.peerID])
