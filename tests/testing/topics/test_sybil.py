# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.testing.topics.sybil}.
"""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pubsub.actions import Forward, Send
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.rpc import RPC, Prune
from twisted_libp2p.testing.topics import Sybil


def note(name: bytes, source: bytes) -> Message:
    """
    Return a message with its id.
    """
    message = Message("news", name, source)
    message.id = name
    return message


class SybilTests(SynchronousTestCase):
    """
    One sybil with two peers.
    """

    def setUp(self) -> None:
        self.now = 0.0
        self.sybil = Sybil("news", lambda: self.now, Random(1))
        for peer in (b"one", b"two"):
            actions = self.sybil.received(peer, RPC([("news", True)]))
            both = RPC([("news", True)], graft=["news"])
            self.assertEqual(actions, [Send(peer, both)])
            self.assertEqual(self.sybil.received(peer, RPC([("news", True)])), [])

    def test_drops(self) -> None:
        """
        It passes nothing on while it attacks, and otherwise everything, once.
        """
        self.assertEqual(
            self.sybil.received(b"one", RPC(messages=[note(b"a", b"x")])), []
        )
        self.sybil.attacking = False
        message = note(b"b", b"x")
        actions = self.sybil.received(b"one", RPC(messages=[message, message]))
        self.assertEqual(actions, [Forward(b"two", message)])

    def test_censors(self) -> None:
        """
        It can drop the messages of some peers alone.
        """
        self.sybil.drop, self.sybil.censored = 0.0, {b"x"}
        dropped, passed = note(b"a", b"x"), note(b"b", b"y")
        actions = self.sybil.received(b"one", RPC(messages=[dropped, passed]))
        self.assertEqual(actions, [Forward(b"two", passed)])

    def test_pruned(self) -> None:
        """
        A pruned sybil grafts again when the backoff is over, unless the peer has gone.
        """
        for peer in (b"one", b"two"):
            self.sybil.received(peer, RPC(prune=[Prune("news", 60)]))
        self.assertEqual(self.sybil.mesh, {})
        self.now = 59.0
        self.assertEqual(self.sybil.heartbeat(), [])
        self.sybil.peerDown(b"two")
        self.now = 76.0
        self.assertEqual(self.sybil.heartbeat(), [Send(b"one", RPC(graft=["news"]))])
        self.assertEqual(self.sybil.heartbeat(), [])
        self.sybil.received(b"three", RPC(graft=["news"]))
        self.assertEqual(list(self.sybil.mesh), [b"one", b"three"])

    def test_publishes(self) -> None:
        """
        Its own messages go to all its peers.
        """
        actions = self.sybil.publish(note(b"a", b"own"))
        peers = [each.peer for each in actions if isinstance(each, Forward)]
        self.assertEqual(peers, [b"one", b"two"])
