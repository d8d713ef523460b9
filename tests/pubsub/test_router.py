# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the routers of L{twisted_libp2p.pubsub}, without I/O.
"""

from __future__ import annotations

from collections import deque
from random import Random

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.pubsub.actions import (
    Action,
    Check,
    Deliver,
    Forward,
    Report,
    Send,
    Verdict,
)
from twisted_libp2p.pubsub.backoffs import MAX_BACKOFFS
from twisted_libp2p.pubsub.flood import TopicRules
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.neighbours import MAX_TOPICS_OF_PEER, Version
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import MAX_ID_SIZE, RPC, Prune
from twisted_libp2p.pubsub.scoreparameters import ScoreParameters, Thresholds
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.signing import SignaturePolicy, idOfContent

RULES = TopicRules(SignaturePolicy.STRICT_NO_SIGN, idOfContent)
NEWEST = Version.GOSSIPSUB_1_3


def note(data: bytes) -> Message:
    """
    Return a message with its id.
    """
    message = Message("news", data)
    message.id = idOfContent(message)
    return message


class World:
    """
    Routers that are connected with each other.

    @ivar heard: the data that each has delivered, in order.
    """

    def __init__(self, count: int, seed: int, parameters: Parameters) -> None:
        self.now = 0.0
        self.parameters = parameters
        self.heard: dict[bytes, list[bytes]] = {}
        self.routers: dict[bytes, GossipRouter] = {}
        self._queue: deque[tuple[bytes, bytes, RPC]] = deque()
        for number in range(count):
            key = b"%03d" % number
            self.heard[key] = []
            self.routers[key] = GossipRouter(
                key,
                lambda: self.now,
                Random(seed + number),
                parameters,
                Scores(ScoreParameters(), lambda: self.now),
                Thresholds(),
            )

    def link(self, one: bytes, other: bytes) -> None:
        """
        Connect two routers.
        """
        for near, far, outbound in ((one, other, True), (other, one, False)):
            self.take(near, self.routers[near].peerUp(far, outbound))
            self.take(near, self.routers[near].negotiated(far, NEWEST))
        self.run()

    def cut(self, one: bytes, other: bytes) -> None:
        """
        Disconnect two routers.
        """
        for near, far in ((one, other), (other, one)):
            self.take(near, self.routers[near].peerDown(far))
        self.run()

    def take(self, key: bytes, actions: list[Action]) -> None:
        """
        Take the actions of a router.
        """
        router = self.routers[key]
        for each in actions:
            if isinstance(each, Send):
                self._queue.append((key, each.peer, each.rpc))
            elif isinstance(each, Forward):
                self._queue.append((key, each.peer, RPC(messages=[each.message])))
            elif isinstance(each, Check):
                id = each.message.id
                self.take(key, router.authentic(id))
                self.take(key, router.verdict(id, Verdict.ACCEPTED))
            elif isinstance(each, Deliver):
                self.heard[key].append(each.message.data)

    def run(self) -> None:
        """
        Deliver everything that is on its way, as bytes.
        """
        while self._queue:
            sender, receiver, rpc = self._queue.popleft()
            router = self.routers[receiver]
            read = RPC.fromBytes(rpc.toBytes())
            self.take(receiver, router.received(sender, read))

    def join(self) -> None:
        """
        Let all routers join.
        """
        for key, router in self.routers.items():
            self.take(key, router.join("news", RULES))
        self.run()

    def beat(self, count: int = 1) -> None:
        """
        Let heartbeats pass.
        """
        for _ in range(count):
            self.now += 1
            for key, router in self.routers.items():
                self.take(key, router.heartbeat())
            self.run()

    def publish(self, key: bytes, data: bytes) -> None:
        """
        Publish a message.
        """
        self.take(key, self.routers[key].publish(note(data)))
        self.run()


class WorldTests(SynchronousTestCase):
    """
    Many routers.
    """

    @drawn(15, st.integers(2, 25), st.integers(0, 10**6), st.booleans())
    def test_delivered(self, count: int, seed: int, flood: bool) -> None:
        """
        In a connected world every message reaches every router, once, and all bounds
        hold; also while links are cut and made.
        """
        random = Random(seed)
        world = World(count, seed, Parameters(floodPublish=flood))
        keys = list(world.routers)
        links = {(keys[index], keys[index + 1]) for index in range(count - 1)}
        extra = [(a, b) for a in keys for b in keys if a < b and (a, b) not in links]
        loose = set(random.sample(extra, min(len(extra), 4 * count)))
        for one, other in sorted(links | loose):
            world.link(one, other)
        world.join()
        world.beat(2)
        sent = []
        for number in range(6):
            for pair in random.sample(sorted(loose), len(loose) // 4):
                world.cut(*pair)
                loose.discard(pair)
            sent.append(b"%d" % number)
            world.publish(random.choice(keys), sent[-1])
            world.beat(2)
        world.beat(4)
        for key, router in world.routers.items():
            self.assertEqual(sorted(world.heard[key]), sent)
            mesh = router.mesh.peers["news"]
            self.assertLessEqual(len(mesh), world.parameters.degreeHigh + count)
            self.assertLessEqual(set(mesh), set(router.neighbours.of("news")))
            for peer in router.neighbours:
                self.assertEqual(router.scores.score(peer.key), 0)

    def test_degrees(self) -> None:
        """
        Among many peers the meshes keep their degrees.
        """
        world = World(40, 1, Parameters())
        keys = list(world.routers)
        for index, one in enumerate(keys):
            for other in keys[:index]:
                world.link(one, other)
        world.join()
        world.beat(3)
        for router in world.routers.values():
            degree = len(router.mesh.peers["news"])
            self.assertTrue(5 <= degree <= 12, degree)


class PeerTests(SynchronousTestCase):
    """
    One router, whose peers are played by the test.
    """

    def setUp(self) -> None:
        self.now = 0.0
        parameters = Parameters(floodPublish=False)
        scores = Scores(ScoreParameters(), lambda: self.now)
        self.router = GossipRouter(
            b"own", lambda: self.now, Random(1), parameters, scores, Thresholds()
        )
        self.router.join("news", RULES)

    def meet(self, key: bytes, topics: tuple[str, ...] = ("news",)) -> None:
        """
        Connect a peer.
        """
        self.router.peerUp(key)
        self.router.negotiated(key, NEWEST)
        self.router.received(key, RPC([(topic, True) for topic in topics]))

    def sends(self, actions: list[Action]) -> list[RPC]:
        """
        Return the control that is sent.
        """
        return [each.rpc for each in actions if isinstance(each, Send)]

    def test_recovery(self) -> None:
        """
        A message that the mesh has lost is asked for, at most three times given, and a
        peer that promises and does not send it is blamed.
        """
        self.meet(b"one")
        message = note(b"lost")
        (asked,) = self.sends(
            self.router.received(b"one", RPC(have=[("news", [message.id])]))
        )
        self.assertEqual(asked.want, [message.id])
        self.now = 4.0
        self.router.heartbeat()
        self.assertLess(self.router.scores.score(b"one"), 0)
        self.meet(b"two")
        self.router.publish(message)
        wanted = RPC(want=[message.id] * 10)
        self.assertEqual(len(self.router.received(b"two", wanted)), 3)
        self.assertEqual(self.router.received(b"two", RPC(want=[b"unknown"])), [])

    def test_backoff(self) -> None:
        """
        A graft during the backoff is refused and blamed; any backoff is bounded.
        """
        self.meet(b"one")
        self.assertIn(b"one", self.router.mesh.peers["news"])
        for backoff in (2**64 - 1, 2**63, 0):
            self.router.received(b"one", RPC(prune=[Prune("news", backoff)]))
        self.router.received(b"one", RPC(prune=[Prune("other", 5)]))
        self.assertEqual(len(self.router.mesh.backoffs), 1)
        (refused,) = self.sends(self.router.received(b"one", RPC(graft=["news"])))
        self.assertEqual([each.topic for each in refused.prune], ["news"])
        self.assertLess(self.router.scores.score(b"one"), 0)
        self.now = 3700.0
        self.router.heartbeat()
        self.assertEqual(len(self.router.mesh.backoffs), 0)

    def test_late(self) -> None:
        """
        A new mesh peer hears of the recent messages: they went to the mesh before it
        came, and gossip goes past the mesh.
        """
        self.meet(b"one")
        message = note(b"before")
        self.router.publish(message)
        self.router.received(b"one", RPC(prune=[Prune("news", 1)]))
        self.now += 2
        sends = self.sends(self.router.heartbeat())
        self.assertIn(["news"], [each.graft for each in sends])
        self.assertIn([("news", [message.id])], [each.have for each in sends])

    def test_repeated(self) -> None:
        """
        Many grafts of one topic in an RPC have one answer, and many prunes one effect.
        """
        self.meet(b"one")
        prunes = [Prune("news", seconds) for seconds in range(1, 5000)]
        self.router.received(b"one", RPC(prune=prunes))
        until = self.router.mesh.backoffs.until("news", b"one")
        self.assertEqual(until, self.now + 3600)
        actions = self.router.received(b"one", RPC(graft=["news"] * 5000))
        self.assertEqual(len(self.sends(actions)), 1)
        self.assertGreater(self.router.scores.score(b"one"), -100)

    def test_promises(self) -> None:
        """
        Each promise that a peer breaks counts in full, until the next heartbeat.
        """
        self.meet(b"one")
        for number in range(3):
            self.router.received(b"one", RPC(have=[("news", [b"%d" % number])]))
        self.now += 4
        self.router.heartbeat()
        self.assertEqual(self.router.scores.score(b"one"), -90.0)

    def test_forgedPromise(self) -> None:
        """
        A forged copy keeps no promise; one whose signature is right does, from
        whichever peer it comes.
        """
        for right in (False, True):
            key = b"right" if right else b"wrong"
            self.meet(key)
            message = note(key)
            self.router.received(key, RPC(have=[("news", [message.id])]))
            self.router.received(b"other", RPC(messages=[message]))
            self.meet(b"other")
            self.router.received(b"other", RPC(messages=[message]))
            if right:
                self.router.authentic(message.id)
                self.router.verdict(message.id, Verdict.IGNORED)
            else:
                self.router.verdict(message.id, Verdict.FORGED)
        self.now += 4
        self.router.heartbeat()
        self.assertLess(self.router.scores.score(b"wrong"), 0)
        self.assertEqual(self.router.scores.score(b"right"), 0)

    def test_full(self) -> None:
        """
        A mesh that peers have filled up to its bound takes nobody in.  If our side has
        dialed none of them, the next heartbeat thins it, and grafts such peers.
        """
        parameters = Parameters()
        ours = [b"our %d" % number for number in range(parameters.degreeOut)]
        for known in (False, True):
            for number in range(parameters.degreeHigh + 1):
                key = b"%d %02d" % (known, number)
                self.meet(key)
                self.router.received(key, RPC(graft=["news"]))
            mesh = self.router.mesh.peers["news"]
            self.assertEqual(len(mesh), parameters.degreeHigh)
            self.assertEqual(set(ours) <= set(mesh), known)
            if not known:
                for key in ours:
                    self.router.peerUp(key, True)
                    self.router.negotiated(key, NEWEST)
                    self.router.received(key, RPC([("news", True)]))
            self.router.heartbeat()
            self.assertLessEqual(set(ours), set(mesh))
            wanted = parameters.degreeHigh
            if not known:
                wanted = parameters.degree + parameters.degreeOut
            self.assertEqual(len(mesh), wanted)

    def test_flooding(self) -> None:
        """
        A peer that speaks floodsub gets a message once, also if it grafts.
        """
        self.router.peerUp(b"old")
        self.router.negotiated(b"old", Version.FLOODSUB)
        rpc = RPC([("news", True)], graft=["news"])
        self.assertEqual(self.sends(self.router.received(b"old", rpc)), [])
        self.meet(b"one")
        message = note(b"once")
        self.router.received(b"one", RPC(messages=[message]))
        actions = self.router.verdict(message.id, Verdict.ACCEPTED)
        forwarded = [each.peer for each in actions if isinstance(each, Forward)]
        self.assertEqual(forwarded, [b"old"])

    def test_unknown(self) -> None:
        """
        Grafts of topics that are not ours leave nothing behind and have no answer.
        """
        self.meet(b"one")
        rpc = RPC(graft=[f"t{number}" for number in range(5000)])
        self.assertEqual(self.router.received(b"one", rpc), [])
        self.assertEqual(list(self.router.mesh.peers), ["news"])

    def test_topics(self) -> None:
        """
        The topics of a peer are bounded, and gone with it.
        """
        self.meet(b"one", tuple(f"t{number}" for number in range(5000)))
        neighbour = self.router.neighbours.get(b"one")
        assert neighbour is not None
        self.assertEqual(len(neighbour.topics), MAX_TOPICS_OF_PEER)
        self.router.peerDown(b"one")
        self.assertEqual(self.router.neighbours.of("t1"), {})

    def test_forged(self) -> None:
        """
        A forged copy does not keep the right one away, and causes no notes to others.
        """
        self.meet(b"one")
        self.meet(b"two")
        message = note(bytes(2000))
        rpc = RPC(messages=[message])
        self.assertIsInstance(self.router.received(b"one", rpc)[0], Check)
        self.router.verdict(message.id, Verdict.FORGED)
        self.assertIsInstance(self.router.received(b"two", rpc)[0], Check)
        (unwanted,) = self.sends(self.router.authentic(message.id))
        self.assertEqual(unwanted.unwanted, [message.id])
        self.assertLess(self.router.scores.score(b"one"), 0)

    def test_unwanted(self) -> None:
        """
        A peer gets no message that it does not want, until it has forgotten it.
        """
        self.meet(b"one")
        message = note(b"x")
        flood = [b"%d" % number for number in range(20000)]
        self.router.received(b"one", RPC(unwanted=[message.id, *flood]))
        neighbour = self.router.neighbours.get(b"one")
        assert neighbour is not None
        self.assertEqual(len(neighbour.unwanted), 10_000)
        actions = self.router.publish(message)
        self.assertFalse([each for each in actions if isinstance(each, Forward)])
        for _ in range(4):
            self.router.heartbeat()
        self.assertEqual(neighbour.unwanted, {})

    def test_rejected(self) -> None:
        """
        All senders of an invalid message are blamed, and a peer with many of them is
        heard no longer.
        """
        for key in (b"one", b"two"):
            self.meet(key)
        for number in range(4):
            message = note(b"%d" % number)
            for key in (b"one", b"two"):
                self.router.received(key, RPC(messages=[message]))
            self.router.verdict(message.id, Verdict.REJECTED)
        for key in (b"one", b"two"):
            self.assertLess(self.router.scores.score(key), Thresholds().graylist)
        self.assertEqual(self.router.received(b"one", RPC(messages=[note(b"y")])), [])
        self.router.heartbeat()
        self.assertEqual(self.router.mesh.peers["news"], {})

    def test_washing(self) -> None:
        """
        A peer that returns has its old score.
        """
        self.meet(b"one")
        self.router.scores.misbehaved(b"one", 3)
        score = self.router.scores.score(b"one")
        self.router.peerDown(b"one")
        self.now = 600.0
        self.router.heartbeat()
        self.meet(b"one")
        self.assertEqual(self.router.scores.score(b"one"), score)

    def test_toggled(self) -> None:
        """
        Of the subscriptions of one topic in an RPC only the last counts.
        """
        self.meet(b"one")
        toggled = [("news", each % 2 == 0) for each in range(5000)]
        actions = self.router.received(b"one", RPC(toggled))
        self.assertEqual(len(self.router.neighbours.of("news")), 0)
        self.assertLess(len(actions), 5)

    def test_backoffs(self) -> None:
        """
        The backoffs of one topic are bounded: peers come and go with new ids.
        """
        for number in range(MAX_BACKOFFS + 10):
            key = b"%d" % number
            self.router.peerUp(key)
            self.router.received(key, RPC(prune=[Prune("news", 3600)]))
            self.router.peerDown(key)
        backoffs = self.router.mesh.backoffs
        self.assertEqual(len(backoffs), MAX_BACKOFFS)
        self.assertIsNone(backoffs.until("news", b"0"))
        self.assertIsNotNone(backoffs.until("news", key))

    def test_longID(self) -> None:
        """
        A message with a very long id is dropped at once: ids are kept for some time.
        """
        self.meet(b"one")
        self.router.joined["news"] = TopicRules(
            SignaturePolicy.STRICT_NO_SIGN, lambda message: message.data
        )
        for size, kinds in ((MAX_ID_SIZE, [Check]), (MAX_ID_SIZE + 1, [Report])):
            message = Message("news", bytes(size))
            actions = self.router.received(b"one", RPC(messages=[message]))
            self.assertEqual([type(each) for each in actions], kinds)

    def test_reachable(self) -> None:
        """
        All subscribed peers count as reachable, not only those of a fanout; to ask for
        their number makes no fanout.
        """
        for number in range(10):
            self.meet(b"%d" % number, ("other",))
        self.assertEqual(self.router.reachable("other"), 10)
        self.assertEqual(self.router._fanouts, {})
        self.assertEqual(len(self.router.recipients("other")), 6)

    def test_noMesh(self) -> None:
        """
        A router without meshes bears a graft of a peer that it has dialed.
        """
        parameters = Parameters(degree=0, degreeLow=0, degreeHigh=0, degreeScore=0)
        scores = Scores(ScoreParameters(), lambda: self.now)
        router = GossipRouter(
            b"own", lambda: self.now, Random(1), parameters, scores, Thresholds()
        )
        router.join("news", RULES)
        router.peerUp(b"one", True)
        router.negotiated(b"one", NEWEST)
        router.received(b"one", RPC([("news", True)], graft=["news"]))
        router.heartbeat()
        self.assertEqual(router.mesh.peers, {"news": {}})
