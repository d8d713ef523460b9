# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.service}: nodes of ours with each other.
"""

from __future__ import annotations

from itertools import pairwise
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import (
    ConfigurationError,
    InvalidMessage,
    MessageTooLarge,
    NoPeers,
)
from twisted_libp2p.node import Node
from twisted_libp2p.pubsub import (
    FLOODSUB,
    Profile,
    PubSub,
    SignaturePolicy,
    Thresholds,
    TopicMessage,
    Validation,
    engine,
    idOfContent,
)
from twisted_libp2p.pubsub.events import Grafted, Joined, Left
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.testing import MemoryNodes

UNSIGNED = Profile(policy=SignaturePolicy.STRICT_NO_SIGN, messageID=idOfContent)


class PubSubTestCase(SynchronousTestCase):
    """
    Nodes in memory that speak pubsub.
    """

    def setUp(self) -> None:
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)

    def start(self, profile: Profile | None = None) -> Node:
        """
        Start a node.
        """
        return self.nodes.start(services=[PubSub(profile, random=Random(1))])

    def line(self, count: int, profile: Profile | None = None) -> list[Node]:
        """
        Start nodes of which each is connected with the next.
        """
        nodes = [self.start(profile) for _ in range(count)]
        for near, far in pairwise(nodes):
            self.nodes.connect(near, far)
        return nodes

    def hear(self, node: Node, name: str, **options: Any) -> list[TopicMessage]:
        """
        Subscribe, and return the list of the messages that come.
        """
        heard: list[TopicMessage] = []
        topic = self.successResultOf(node.pubsub.join(name))
        topic.subscribe(heard.append, **options)
        return heard


class TravelTests(PubSubTestCase):
    """
    The way of a message.
    """

    def travel(self, profile: Profile | None = None) -> None:
        """
        A message of one end of a line reaches all nodes, once.
        """
        nodes = self.line(4, profile)
        heard = [self.hear(each, "news") for each in nodes]
        self.nodes.advance(2.0)
        topic = self.nodes.result(nodes[0].pubsub.join("news"))
        receipt = self.nodes.result(topic.publish(b"hello"))
        self.nodes.advance(1.0)
        self.assertEqual(receipt.peers, 1)
        self.assertEqual(self.nodes.result(receipt.sent), 1)
        for each in heard:
            self.assertEqual([message.data for message in each], [b"hello"])
        last = heard[3][0]
        self.assertEqual(last.sender, nodes[2].peerID)
        self.assertEqual((last.id, last.local), (receipt.id, False))
        self.assertTrue(heard[0][0].local)
        signed = profile is None or profile.policy is SignaturePolicy.STRICT_SIGN
        self.assertEqual(last.source, nodes[0].peerID if signed else None)

    def test_signed(self) -> None:
        """
        A signed message reaches all nodes.
        """
        self.travel()

    def test_unsigned(self) -> None:
        """
        So does one of a network without signatures.
        """
        self.travel(UNSIGNED)

    def test_flood(self) -> None:
        """
        So does one of a network of floodsub.
        """
        self.travel(Profile(protocols=FLOODSUB))

    def test_older(self) -> None:
        """
        Nodes with different versions agree on one.
        """
        old = self.start(Profile(protocols=("/meshsub/1.0.0",)))
        new = self.start()
        self.nodes.connect(new, old)
        heard = self.hear(old, "news")
        self.nodes.result(new.pubsub.publish("news", b"hello"))
        self.nodes.advance(1.0)
        self.assertEqual([each.data for each in heard], [b"hello"])
        self.assertIn("/meshsub/1.0.0", new.pubsub.explain(old.peerID))

    def test_early(self) -> None:
        """
        A message waits for its first peer.
        """
        near, far = self.line(2)
        publishing = near.pubsub.publish("news", b"hello")
        self.nodes.advance(1.0)
        heard = self.hear(far, "news")
        self.nodes.advance(1.0)
        self.assertEqual(self.nodes.result(publishing).peers, 1)
        self.assertEqual([each.data for each in heard], [b"hello"])

    def test_reconnected(self) -> None:
        """
        After a loss of the connection the next one carries messages again.
        """
        near, far = self.line(2)
        heard = self.hear(far, "news")
        self.hear(near, "news")
        self.nodes.result(near.connections.to(far.peerID)[0].close())
        self.nodes.advance(1.0)
        self.assertEqual(near.pubsub.peers, [])
        self.nodes.connect(far, near)
        self.nodes.result(near.pubsub.publish("news", b"hello"))
        self.nodes.advance(1.0)
        self.assertEqual([each.data for each in heard], [b"hello"])


class TopicTests(PubSubTestCase):
    """
    The face for users.
    """

    def test_events(self) -> None:
        """
        Joining, the mesh and leaving have their events, and mesh peers are protected.
        """
        near, far = self.line(2)
        events: list[str] = []
        for kind in (Joined, Grafted, Left):
            near.events.subscribe(kind, lambda it: events.append(type(it).__name__))
        self.hear(far, "news")
        topic = self.nodes.result(near.pubsub.join("news"))
        self.nodes.advance(2.0)
        self.assertEqual(topic.mesh, [far.peerID])
        self.assertEqual(topic.peers, [far.peerID])
        self.assertIs(self.nodes.result(near.pubsub.join("news")), topic)
        topic.leave()
        self.nodes.advance(1.0)
        self.assertEqual(events, ["Joined", "Grafted", "Left"])
        self.assertEqual(far.pubsub.peersOf("news"), [])

    def test_refused(self) -> None:
        """
        What cannot be published fails with the reason.
        """
        near, _ = self.line(2)
        topic = self.nodes.result(near.pubsub.join("news"))
        self.nodes.result(topic.publish(b"x", alone=True))
        reason = self.failureResultOf(topic.publish(b"x", ready=0), NoPeers)
        self.assertIn("no connected peer", str(reason.value))
        self.failureResultOf(topic.publish(bytes(1 << 20)), MessageTooLarge)
        self.assertRaises(ConfigurationError, near.pubsub.join, "")
        self.assertRaises(
            ConfigurationError, near.pubsub.join, "news", messageID=idOfContent
        )
        self.assertRaises(ConfigurationError, topic.subscribe, policy="never")
        without = self.nodes.start()
        self.assertRaises(ConfigurationError, getattr, without, "pubsub")

    def test_validator(self) -> None:
        """
        A rejected message goes no further and is held against its sender; one that is
        ignored is not; a validator may take its time.
        """
        near, middle, far = self.line(3)
        deciding: list[Deferred[Validation]] = []

        def decide(message: TopicMessage) -> Any:
            if message.data == b"later":
                deciding.append(Deferred())
                return deciding[-1]
            return Validation(message.data.decode())

        self.nodes.result(middle.pubsub.join("news", decide))
        heard = self.hear(far, "news")
        self.hear(near, "news")
        self.nodes.advance(2.0)
        for each in (b"accept", b"ignore", b"later"):
            self.nodes.result(near.pubsub.publish("news", each))
        self.nodes.advance(0.5)
        self.assertEqual([each.data for each in heard], [b"accept"])
        self.assertEqual(middle.pubsub.score(near.peerID), 0)
        (later,) = deciding
        later.callback(Validation.ACCEPT)
        receipt = self.nodes.result(near.pubsub.publish("news", b"reject"))
        self.nodes.advance(0.5)
        self.assertEqual([each.data for each in heard], [b"accept", b"later"])
        self.assertLess(middle.pubsub.score(near.peerID), 0)
        self.assertIn("invalid messages", middle.pubsub.explain(near.peerID))
        self.assertIn("rejected", middle.pubsub.explain(receipt.id))
        own = middle.pubsub.publish("news", b"reject")
        self.failureResultOf(own, InvalidMessage)

    def test_slow(self) -> None:
        """
        Nothing is read from the senders of a subscriber that waits; nothing is lost,
        and the publisher waits in the end.
        """
        near, far = self.line(2)
        topic = self.nodes.result(far.pubsub.join("news"))
        subscription = topic.subscribe(buffer=4)
        self.nodes.advance(2.0)
        published = [
            near.pubsub.publish("news", bytes([number]) * 60000) for number in range(60)
        ]
        self.nodes.settle()
        self.assertLess(len(subscription), 8)
        self.assertTrue(any(not each.called for each in published))
        heard = []
        for _ in range(60):
            heard.append(self.nodes.result(subscription.next()).data[0])
        self.assertEqual(heard, list(range(60)))
        self.assertTrue(all(each.called for each in published))

    def test_policies(self) -> None:
        """
        The other policies drop the oldest or the newest messages, or all but one.
        """
        near, far = self.line(2)
        topic = self.nodes.result(far.pubsub.join("news"))
        left = {}
        for policy in ("drop-oldest", "drop-newest", "latest"):
            left[policy] = topic.subscribe(policy=policy, buffer=2)
        self.nodes.advance(2.0)
        for number in range(4):
            self.nodes.result(near.pubsub.publish("news", b"%d" % number))
        self.nodes.settle()
        for policy, wanted in (
            ("drop-oldest", [b"2", b"3"]),
            ("drop-newest", [b"0", b"1"]),
            ("latest", [b"3"]),
        ):
            subscription = left[policy]
            found = [
                self.nodes.result(subscription.next()).data
                for _ in range(len(subscription))
            ]
            self.assertEqual(found, wanted)
            self.assertEqual(subscription.dropped, 4 - len(wanted))

    def test_iterator(self) -> None:
        """
        A subscription is an iterator that ends when the topic is left.
        """
        near, far = self.line(2)
        topic = self.nodes.result(far.pubsub.join("news"))
        heard: list[bytes] = []

        async def listen() -> None:
            async for message in topic.subscribe():
                heard.append(message.data)

        listening = Deferred.fromCoroutine(listen())
        self.nodes.advance(2.0)
        self.nodes.result(near.pubsub.publish("news", b"hello"))
        self.nodes.settle()
        self.assertEqual(heard, [b"hello"])
        topic.leave()
        self.assertIsNone(self.successResultOf(listening))

    def test_consumer(self) -> None:
        """
        A subscription feeds a consumer, as fast as it takes the data.
        """
        near, far = self.line(2)
        topic = self.nodes.result(far.pubsub.join("news"))
        consumer = StringTransport()
        subscription = topic.feed(consumer)
        self.nodes.advance(2.0)
        self.nodes.result(near.pubsub.publish("news", b"one"))
        self.nodes.settle()
        subscription.pauseProducing()
        self.nodes.result(near.pubsub.publish("news", b"two"))
        self.nodes.settle()
        self.assertEqual(consumer.value(), b"one")
        subscription.resumeProducing()
        self.assertEqual(consumer.value(), b"onetwo")

    def test_protocol(self) -> None:
        """
        A topic is the transport of a protocol: a write is a message.
        """
        near, far = self.line(2)
        lost: list[Failure] = []

        class Greeter(Protocol):
            def dataReceived(self, data: bytes) -> None:
                if data == b"hello":
                    assert self.transport is not None
                    self.transport.write(b"welcome")

            def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
                lost.append(reason)

        topic = self.nodes.result(far.pubsub.join("news"))
        topic.feed(Greeter())
        heard = self.hear(near, "news")
        self.nodes.advance(2.0)
        self.nodes.result(near.pubsub.publish("news", b"hello"))
        self.nodes.advance(1.0)
        self.assertEqual([each.data for each in heard], [b"hello", b"welcome"])
        topic.leave()
        self.assertEqual(len(lost), 1)

    def test_shortProtocol(self) -> None:
        """
        A protocol that closes its transport at once is notified of the end.
        """
        lost: list[Failure] = []

        class Short(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.loseConnection()

            def connectionLost(self, reason: Failure = None) -> None:  # type: ignore[assignment]
                lost.append(reason)

        topic = self.nodes.result(self.start().pubsub.join("news"))
        topic.feed(Short())
        self.assertEqual(len(lost), 1)

    def test_joinAgain(self) -> None:
        """
        A topic can be joined again as soon as its iterator ends.
        """
        node = self.start()
        topic = self.nodes.result(node.pubsub.join("news"))
        again: list[Any] = []
        topic.subscribe().next().addErrback(
            lambda _: node.pubsub.join("news").addCallback(again.append)
        )
        topic.leave()
        (new,) = again
        self.assertIsNot(new, topic)
        self.assertEqual(node.pubsub.topics, [new])
        new.subscribe()
        self.assertIn("news", node.pubsub._engine.router.joined)

    def test_leaveWhileReading(self) -> None:
        """
        A subscriber may leave a topic of other rules in the middle of an RPC.
        """
        near, far = self.line(2)
        options: Any = {
            "policy": SignaturePolicy.STRICT_NO_SIGN,
            "messageID": idOfContent,
        }
        self.nodes.result(near.pubsub.join("news", **options))
        topic = self.nodes.result(far.pubsub.join("news", **options))
        heard: list[TopicMessage] = []

        def receive(message: TopicMessage) -> None:
            heard.append(message)
            topic.leave()

        topic.subscribe(receive)
        self.nodes.advance(2.0)
        link = far.pubsub._engine.links[near.peerID.toBytes()]
        link.received(RPC(messages=[Message("news", b"one"), Message("news", b"two")]))
        self.assertEqual([each.data for each in heard], [b"one"])

    def test_cancelOther(self) -> None:
        """
        A publisher that goes on may cancel another one that waits.
        """
        near, far = self.line(2)
        first = near.pubsub.publish("news", b"first")
        second = near.pubsub.publish("news", b"second")

        def keep(result: Any) -> Any:
            second.cancel()
            return result

        first.addBoth(keep)
        self.nodes.result(far.pubsub.join("news"))
        self.nodes.advance(1.0)
        self.assertEqual(self.nodes.result(first).peers, 1)
        self.failureResultOf(second, CancelledError)

    def test_longAuthor(self) -> None:
        """
        Nothing is kept of a forged message whose author is very long.
        """
        near, far = self.line(2)
        self.hear(far, "news")
        self.nodes.advance(2.0)
        link = far.pubsub._engine.links[near.peerID.toBytes()]
        author = bytes(500_000)
        forged = Message("news", b"x", author, bytes(8), b"s")
        link.received(RPC(messages=[forged]))
        id = author + bytes(8)
        self.assertEqual(far.pubsub.explain(id), "no such message is known")

    def test_manyForged(self) -> None:
        """
        Of an RPC of forged messages only so many are verified as it takes to ignore
        the peer.
        """
        near, far = self.line(2)
        self.hear(far, "news")
        self.nodes.advance(2.0)
        verified: list[Message] = []

        def fault(message: Message) -> str:
            verified.append(message)
            return "its signature is wrong"

        self.patch(engine, "verify", fault)
        link = far.pubsub._engine.links[near.peerID.toBytes()]
        author = near.peerID.toBytes()
        forged = [
            Message("news", b"x", author, number.to_bytes(8, "big"), b"s")
            for number in range(1000)
        ]
        link.received(RPC(messages=forged))
        self.assertEqual(len(verified), 3)
        self.assertLess(far.pubsub.score(near.peerID), Thresholds().graylist)


class EndTests(PubSubTestCase):
    """
    The end of the service.
    """

    def test_validating(self) -> None:
        """
        Validations that are not done end quietly.
        """
        near, far = self.line(2)
        self.nodes.result(far.pubsub.join("news", lambda _: Deferred()))
        self.nodes.advance(2.0)
        self.nodes.result(near.pubsub.publish("news", b"x"))
        self.nodes.settle()
        far.pubsub.stopService()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_peers(self) -> None:
        """
        When the end drops a message, its publisher may ask for the peers.
        """
        near, far = self.line(2)
        self.hear(far, "news")
        topic = self.nodes.result(near.pubsub.join("news"))
        self.nodes.advance(2.0)
        stream = near.pubsub._engine.links[far.peerID.toBytes()]._outbound
        assert stream is not None
        stream.pauseProducing()
        receipt = self.nodes.result(topic.publish(b"x"))
        seen: list[Any] = []
        receipt.sent.addCallback(lambda _: seen.append((topic.peers, topic.mesh)))
        near.pubsub.stopService()
        self.assertEqual(seen, [([], [])])

    def test_drain(self) -> None:
        """
        A draining node leaves its topics, writes what waits, and ends its streams, so
        that its connections become idle.
        """
        near, far = self.line(2)
        heard = self.hear(far, "news")
        topic = self.nodes.result(near.pubsub.join("news"))
        ended = topic.subscribe().next()
        self.nodes.advance(2.0)
        self.nodes.result(topic.publish(b"last"))
        draining = near.drain(600.0)
        self.nodes.settle()
        self.assertEqual([each.data for each in heard], [b"last"])
        self.nodes.advance(10.0)
        self.successResultOf(draining)
        self.assertTrue(ended.called)
