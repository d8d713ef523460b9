# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.replays}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.pubsub.test_service import UNSIGNED, PubSubTestCase
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.pubsub import ReplayCheck, TopicMessage, Validation
from twisted_libp2p.pubsub.message import Message

PEERS = [Identity.generate().peerID for _ in range(3)]


def note(author: PeerID | None, number: int) -> TopicMessage:
    """
    Return a message with a sequence number.
    """
    source = None if author is None else author.toBytes()
    message = Message("news", b"x", source, number.to_bytes(8, "big"))
    return TopicMessage(message, PEERS[0], 0.0, False)


class ReplayCheckTests(SynchronousTestCase):
    """
    A check, without a node.
    """

    def test_rising(self) -> None:
        """
        Only a number above all earlier ones of the same author is accepted.
        """
        check = ReplayCheck()
        one, other, _ = PEERS
        for author, number, wanted in (
            (one, 5, Validation.ACCEPT),
            (one, 5, Validation.IGNORE),
            (one, 4, Validation.IGNORE),
            (other, 4, Validation.ACCEPT),
            (one, 2**64 - 1, Validation.ACCEPT),
            (one, 6, Validation.IGNORE),
            (None, 1, Validation.ACCEPT),
            (None, 1, Validation.ACCEPT),
        ):
            self.assertIs(check(note(author, number)), wanted)

    def test_bounded(self) -> None:
        """
        The author that was silent for the longest time is forgotten.
        """
        check = ReplayCheck(maximum=2)
        one, other, third = PEERS
        for author, number in ((one, 1), (other, 1), (one, 2), (third, 1)):
            check(note(author, number))
        self.assertEqual(check.highest, {one: 2, third: 1})

    def test_restart(self) -> None:
        """
        The numbers of an earlier check count.
        """
        check = ReplayCheck()
        check(note(PEERS[0], 7))
        again = ReplayCheck(dict(check.highest))
        self.assertIs(again(note(PEERS[0], 7)), Validation.IGNORE)
        self.assertIs(again(note(PEERS[0], 8)), Validation.ACCEPT)


class ServiceTests(PubSubTestCase):
    """
    A check at a node.
    """

    def test_published(self) -> None:
        """
        The messages of honest authors pass, our own too, with and without authors.
        """
        for profile in (None, UNSIGNED):
            near, far = self.line(2, profile)
            heard = self.hear(far, "news")
            far.pubsub.topics[0].setValidators([ReplayCheck()])
            self.nodes.result(near.pubsub.join("news", ReplayCheck()))
            self.nodes.advance(2.0)
            for number in range(3):
                self.nodes.result(near.pubsub.publish("news", b"%d" % number))
            self.nodes.settle()
            self.assertEqual([each.data for each in heard], [b"0", b"1", b"2"])
