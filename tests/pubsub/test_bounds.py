# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of bounds: empty RPCs, running validations, peer exchange, and the peers of topics
that are not joined.
"""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.pubsub.test_link import LinkTestCase
from tests.pubsub.test_router import NEWEST, RULES, note
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.pubsub import TopicMessage, Validation, validation
from twisted_libp2p.pubsub.actions import Action, Dial, Forward, Send, Verdict
from twisted_libp2p.pubsub.faultlog import FAULT_INTERVAL, FAULTS
from twisted_libp2p.pubsub.gossipsub import GossipRouter
from twisted_libp2p.pubsub.parameters import Parameters
from twisted_libp2p.pubsub.rpc import RPC, Prune, PxPeer
from twisted_libp2p.pubsub.scoreparameters import ScoreParameters, Thresholds
from twisted_libp2p.pubsub.scores import Scores
from twisted_libp2p.pubsub.streams import MAX_EMPTY
from twisted_libp2p.pubsub.validation import Validator, Validators


class EmptyTests(LinkTestCase):
    """
    RPCs without content.
    """

    def test_empty(self) -> None:
        """
        They are legal, but not in any number.
        """
        node, peer = self.start(), self.play()
        self.nodes.connect(node, peer.node)
        transport = self.say(peer, node, RPC())
        link = self.link(node, peer)
        transport.write(bytes(MAX_EMPTY - 1))
        self.nodes.settle()
        self.assertIn("the peer writes", link.explain())
        transport.write(bytes(1))
        self.nodes.settle()
        self.assertIn("no stream of the peer", link.explain())


class ValidationTests(SynchronousTestCase):
    """
    Messages that take long to validate.
    """

    def test_throttled(self) -> None:
        """
        A message beyond the bound is throttled, and its validation is cancelled; other
        topics go on.
        """
        self.patch(validation, "MAX_VALIDATING_OF_TOPIC", 2)
        validators = Validators(Clock())
        running: list[Deferred[Validation]] = []
        cancelled: list[object] = []

        def slow(message: TopicMessage) -> Deferred[Validation]:
            running.append(Deferred(cancelled.append))
            return running[-1]

        self.addCleanup(validators.stop)
        validators.set("news", [slow])
        validators.set("other", [slow])
        sender = Identity.generate().peerID
        verdicts: list[Verdict] = []
        for _ in range(3):
            message = TopicMessage(note(b"x"), sender, 0.0, False)
            validators.validate(message, verdicts.append)
        self.assertEqual(verdicts, [Verdict.THROTTLED])
        self.assertEqual(cancelled, running[2:])
        elsewhere = note(b"y")
        elsewhere.topic = "other"
        message = TopicMessage(elsewhere, sender, 0.0, False)
        validators.validate(message, verdicts.append)
        self.assertEqual(validators.running, {"news": 2, "other": 1})
        running[0].callback(Validation.ACCEPT)
        self.assertEqual(verdicts, [Verdict.THROTTLED, Verdict.ACCEPTED])

    def test_faults(self) -> None:
        """
        A validator that fails on each message is logged a few times, and then once in a
        minute.
        """
        clock = Clock()
        validators = Validators(clock)
        verdicts: list[Verdict] = []

        def late(message: TopicMessage) -> Deferred[Validation]:
            return fail(ValueError())

        def wrong(message: TopicMessage) -> Validation:
            raise ValueError

        def validate(validator: Validator, count: int) -> list[str]:
            validators.set("news", [validator])
            with capturedLogs() as events:
                for _ in range(count):
                    message = TopicMessage(note(b"x"), sender, 0.0, False)
                    validators.validate(message, verdicts.append)
            return [formatEvent(each) or "" for each in events]

        sender = Identity.generate().peerID
        failed = "a validator of news failed"
        self.assertEqual(validate(wrong, 50), [failed] * FAULTS)
        self.assertEqual(validate(late, 50), [])
        self.assertEqual(validate(lambda _: "yes", 50), [])
        clock.advance(FAULT_INTERVAL)
        more = f"{50 * 3 - FAULTS} more since the last message"
        self.assertEqual(validate(late, 50), [f"{failed} ({more})"])
        self.assertEqual(verdicts, [Verdict.IGNORED] * 200)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), FAULTS + 1)


class RouterTests(SynchronousTestCase):
    """
    A router and its peers.
    """

    def make(self, parameters: Parameters, thresholds: Thresholds) -> GossipRouter:
        """
        Make a router with 20 peers that have subscribed to a topic.
        """
        self.now = 0.0
        scores = Scores(ScoreParameters(), lambda: self.now)
        made = GossipRouter(
            b"own", lambda: self.now, Random(1), parameters, scores, thresholds
        )
        for number in range(20):
            key = b"%d" % number
            made.peerUp(key, True)
            made.negotiated(key, NEWEST)
            made.received(key, RPC(subscriptions=[("news", True)]))
        return made

    def sent(self, actions: list[Action]) -> set[bytes]:
        """
        Return the peers to which a message is sent.
        """
        return {each.peer for each in actions if isinstance(each, Forward)}

    def test_fanout(self) -> None:
        """
        Messages of a topic that is not joined go to the same few peers, until one of
        them leaves, or nothing was published for a while; they become the mesh.
        """
        router = self.make(Parameters(floodPublish=False), Thresholds())
        first = self.sent(router.publish(note(b"1")))
        self.assertEqual(len(first), 6)
        self.assertEqual(self.sent(router.publish(note(b"2"))), first)
        gone = sorted(first)[0]
        router.peerDown(gone)
        self.now += 1
        router.heartbeat()
        second = self.sent(router.publish(note(b"3")))
        self.assertEqual(len(second), 6)
        self.assertLess(first - {gone}, second)
        grafted = {
            each.peer
            for each in router.join("news", RULES)
            if isinstance(each, Send) and each.rpc.graft
        }
        self.assertEqual(grafted, second)

    def test_fanoutEnds(self) -> None:
        """
        Nothing is kept of a topic in which nothing was published for a minute.
        """
        router = self.make(Parameters(floodPublish=False), Thresholds())
        router.publish(note(b"1"))
        self.now += 61
        router.heartbeat()
        sent = [self.sent(router.publish(note(each))) for each in (b"2", b"3")]
        self.assertEqual(len(sent[0]), 6)
        self.assertEqual(sent[0], sent[1])

    def dialed(self, parameters: Parameters, score: float) -> list[bytes]:
        """
        Let a peer with a score recommend many others, and return the dialed ones.
        """
        router = self.make(parameters, Thresholds())
        router.join("news", RULES)
        router.scores.judge(b"0", score)
        known: list[bytes] = [
            PeerID.fromBytes(b"\x12\x20" + bytes([number]) * 32).toBytes()
            for number in range(100)
        ]
        peers = tuple(PxPeer(each) for each in known)
        actions = router.received(b"0", RPC(prune=[Prune("news", 60, peers)]))
        return [each.peer for each in actions if isinstance(each, Dial)]

    def test_exchange(self) -> None:
        """
        Sixteen recommended peers are dialed at the most, only if the user wants it, and
        only if the peer that names them has a good score.
        """
        wanted = Parameters(peerExchange=True)
        accepted = Thresholds().acceptPX
        self.assertEqual(len(self.dialed(wanted, accepted + 1)), 16)
        self.assertEqual(self.dialed(wanted, accepted - 1), [])
        self.assertEqual(self.dialed(Parameters(), accepted + 1), [])
