# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the messages that a router stores: those that were seen, and the recent ones.
"""

from __future__ import annotations

import os
from random import Random

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.pubsub.test_link import LinkTestCase
from tests.pubsub.test_router import NEWEST, RULES, note
from tests.pubsub.test_service import UNSIGNED
from twisted_libp2p.limits import Limits
from twisted_libp2p.pubsub import PubSub, TopicScore
from twisted_libp2p.pubsub.actions import Check, Deliver, Verdict
from twisted_libp2p.pubsub.deliveries import DONE, DeliveryState
from twisted_libp2p.pubsub.gossip import Gossip
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.history import History
from twisted_libp2p.pubsub.idqueue import MAX_GOSSIP, MAX_GOSSIP_SIZE, IDQueue
from twisted_libp2p.pubsub.lanes import CHARGED_STEP
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.neighbours import (
    MAX_TOPICS_OF_PEER,
    Neighbour,
    Neighbours,
)
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import RPC
from twisted_libp2p.pubsub.scoreparameters import ScoreParameters, Thresholds
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.seen import MAX_STORED_ID, Seen
from twisted_libp2p.pubsub.storage import (
    MAX_HISTORY,
    MAX_SEEN,
    MEMORY_OF_SEEN,
    Storage,
)
from twisted_libp2p.pubsub.topicmessage import TopicMessage
from twisted_libp2p.wire.frames import delimit


class StorageTests(SynchronousTestCase):
    """
    How much is stored.
    """

    def test_share(self) -> None:
        """
        It is an eighth of the memory of the node, up to a bound.
        """
        share = 1 << 20
        self.assertEqual(
            Storage.within(8 * share), Storage(share, share // MEMORY_OF_SEEN)
        )
        self.assertEqual(
            Storage.within(Limits.none().system.memory), Storage(MAX_HISTORY, MAX_SEEN)
        )
        self.assertEqual(Storage.within(0), Storage(0, 2))

    def test_million(self) -> None:
        """
        Of a million messages the last ones are known, and no more than the bound.
        """
        seen: Seen[int] = Seen(120.0, lambda: 0.0)
        total, largest = 1_000_000, 0
        for number in range(total):
            seen.put(number.to_bytes(8, "big"), number)
            if not number % 1000:
                largest = max(largest, len(seen))
        self.assertLessEqual(largest, MAX_SEEN)
        self.assertTrue(seen.overflowed)
        for number in range(total - MAX_SEEN // 2, total, 100):
            self.assertEqual(seen.get(number.to_bytes(8, "big")), number)
        self.assertNotIn(bytes(8), seen)

    def test_usual(self) -> None:
        """
        It does not overflow when messages are forgotten after their time.
        """
        now = 0.0
        seen: Seen[int] = Seen(1.0, lambda: now, 8)
        for number in range(100):
            now += 0.5
            seen.put(b"%d" % number, number)
            seen.expire()
        self.assertFalse(seen.overflowed)
        self.assertLessEqual(len(seen), 5)

    def test_longIDs(self) -> None:
        """
        Long ids are stored as hashes, and do what others do.
        """
        seen: Seen[int] = Seen(120.0, lambda: 0.0)
        long = bytes(MAX_STORED_ID + 1)
        seen.put(long, 1)
        self.assertIn(long, seen)
        self.assertNotIn(long + b"x", seen)
        self.assertEqual(seen.get(long), 1)
        self.assertLess(max(map(len, seen._new)), MAX_STORED_ID)
        seen.remove(long)
        self.assertNotIn(long, seen)


class HistoryTests(SynchronousTestCase):
    """
    The recent messages.
    """

    def message(self, number: int, topic: str) -> Message:
        """
        Return a message of 1000 bytes.
        """
        message = Message(topic, bytes(1000))
        message.id = b"%d" % number
        return message

    def test_oldest(self) -> None:
        """
        The oldest messages are dropped in any order of topics and windows, and with
        them their ids.
        """
        random, history = Random(1), History(5, 3, 50_000)
        last: list[tuple[str, bytes]] = []
        for number in range(500):
            topic = random.choice(["one", "other", "third"])
            history.put(self.message(number, topic))
            last.append((topic, b"%d" % number))
            self.assertLessEqual(history.size, 50_000)
            if not random.randrange(12):
                history.shift()
        stored = list(history._messages)
        self.assertEqual(stored, [id for _, id in last][-len(stored) :])
        windows = [
            id for each in history._windows for ids in each.values() for id in ids
        ]
        self.assertEqual(sorted(windows), sorted(stored))
        for _ in range(5):
            history.shift()
        self.assertEqual((history.size, stored and len(history._messages)), (0, 0))

    def test_large(self) -> None:
        """
        A message that is larger than everything together is not kept.
        """
        history = History(5, 3, 1000)
        history.put(self.message(1, "news"))
        self.assertEqual(history.recent("news"), [])
        self.assertEqual(history.size, 0)


class GossipTests(SynchronousTestCase):
    """
    The ids and answers for one peer.
    """

    def test_ids(self) -> None:
        """
        The oldest ids are dropped, if there are too many or too large ones.
        """
        waiting = IDQueue()
        waiting.add(b"%05d" % number for number in range(MAX_GOSSIP + 10))
        waiting.add([b"00010"])
        self.assertEqual(len(waiting), MAX_GOSSIP)
        self.assertEqual(waiting.take()[0], b"00010")
        self.assertEqual(waiting.take(), [])
        waiting.add(os.urandom(1000) for _ in range(1000))
        self.assertEqual(len(waiting), MAX_GOSSIP_SIZE // 1000)

    def test_smallAnswers(self) -> None:
        """
        A peer gets a bounded number of messages in a heartbeat, however small they are.
        """
        parameters = Parameters(answerBytes=300 << 10)
        scores = Scores(ScoreParameters(), lambda: 0.0)
        gossip = Gossip(
            Neighbours(),
            Seen(120.0, lambda: 0.0),
            lambda: 0.0,
            Random(1),
            parameters,
            scores,
            Thresholds(),
            Storage(),
        )
        neighbour = Neighbour(b"peer", True, False)
        ids = []
        for number in range(1000):
            message = note(b"%d" % number)
            gossip.history.put(message)
            ids.append(message.id)
        gossip.want(neighbour, ids)
        self.assertEqual(len(gossip.take()), 101)


class CountingTests(SynchronousTestCase):
    """
    The deliveries whose further copies count for scores.
    """

    def test_released(self) -> None:
        """
        Nothing is kept about the senders of a message when its copies count no longer.
        """
        now = 0.0
        weights = TopicScore(deliveryWeight=-1.0)
        scores = Scores(ScoreParameters(default=weights), lambda: now)
        router = GossipRouter(
            b"own", lambda: now, Random(1), Parameters(), scores, Thresholds()
        )
        router.join("news", RULES)
        for peer in (b"one", b"two"):
            router.peerUp(peer)
            router.negotiated(peer, NEWEST)
        message = note(b"x")
        (check,) = router.received(b"one", RPC(messages=[message]))
        self.assertIsInstance(check, Check)
        actions = router.verdict(message.id, Verdict.ACCEPTED)
        self.assertTrue(any(isinstance(each, Deliver) for each in actions))
        router.received(b"two", RPC(messages=[note(b"x")]))
        kept = router._seen.get(message.id)
        assert kept is not None
        self.assertEqual((kept.sender, kept.others), (b"one", {b"two"}))
        now += 1.0
        router.heartbeat()
        self.assertIs(router._seen.get(message.id), DONE[DeliveryState.VALID])
        self.assertFalse(router._counting)


class ChargeTests(LinkTestCase):
    """
    The facts about a peer, which are charged to its limits.
    """

    def test_topics(self) -> None:
        """
        Many topics with long names, and many unwanted messages, count as memory of the
        peer, until they are forgotten.
        """
        node, peer = self.start(), self.play()
        self.nodes.connect(peer.node, node)
        names = [f"{number:04d}".ljust(1000) for number in range(MAX_TOPICS_OF_PEER)]
        transport = self.say(peer, node, RPC([(each, True) for each in names[:60]]))
        scope = node.connections.limiter.peers[peer.node.peerID]
        self.nodes.advance(2.0)
        self.assertEqual(scope.memory, CHARGED_STEP)
        for part in (names[:400], names[400:800], names[800:]):
            rpc = RPC([(each, True) for each in part])
            transport.write(delimit(rpc.toBytes()))
            self.nodes.settle()
        self.nodes.advance(2.0)
        most = scope.memory
        self.assertGreater(most, 1 << 20)
        ids = [b"%020d" % number for number in range(5000)]
        transport.write(delimit(RPC(unwanted=ids).toBytes()))
        self.nodes.advance(1.1)
        self.assertGreater(scope.memory, most + (1 << 18))
        for part in (names[:400], names[400:800], names[800:]):
            rpc = RPC([(each, False) for each in part])
            transport.write(delimit(rpc.toBytes()))
            self.nodes.settle()
        self.nodes.advance(5.0)
        self.assertEqual(scope.memory, 0)

    def test_end(self) -> None:
        """
        They are given back with the stream.
        """
        node, peer = self.start(), self.play()
        self.nodes.connect(peer.node, node)
        names = [(f"{number:04d}".ljust(1000), True) for number in range(200)]
        transport = self.say(peer, node, RPC(names))
        scope = node.connections.limiter.peers[peer.node.peerID]
        self.nodes.advance(2.0)
        self.assertEqual(scope.memory, 4 * CHARGED_STEP)
        transport.loseConnection()
        self.nodes.advance(2.0)
        self.assertEqual(scope.memory, 0)


class OverflowTests(LinkTestCase):
    """
    A node with little memory that gets more messages than it can know.
    """

    def test_logged(self) -> None:
        """
        That is logged once; the last messages are delivered once, whoever repeats them.
        """
        limits = Limits.scaled(16, 1 << 20)
        node = self.nodes.start(services=[PubSub(UNSIGNED)], limits=limits)
        heard: list[TopicMessage] = self.hear(node, "news")
        peer = self.play()
        self.nodes.connect(peer.node, node)
        transport = self.say(peer, node, RPC([("news", True)]))
        known = Storage.within(limits.system.memory).seen // 2
        messages = [Message("news", b"%d" % number) for number in range(4 * known)]
        with capturedLogs() as events:
            for each in (*messages, *messages[-known:]):
                transport.write(delimit(RPC(messages=[each]).toBytes()))
                self.nodes.settle()
            self.nodes.advance(5.0)
        self.assertEqual(
            [each.data for each in heard], [each.data for each in messages]
        )
        lines = [formatEvent(each) or "" for each in events]
        self.assertEqual(sum("known as seen" in each for each in lines), 1)
        self.assertLessEqual(node.pubsub.usage.seen, 2 * known)
