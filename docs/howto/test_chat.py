# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

from __future__ import annotations

from chat import Room
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.testing import MemoryNodes


class RoomTests(SynchronousTestCase):
    def setUp(self):
        self.nodes = MemoryNodes(delay=0.02)
        self.addCleanup(self.nodes.stop)
        self.rooms, self.shown = {}, {}
        self.ada = self.join("ada")
        self.bob = self.join("bob", self.ada)
        self.cyd = self.join("cyd", self.ada, self.bob)
        self.nodes.advance(5)

    def join(self, nick, *friends):
        node, lines = self.nodes.start(), []
        self.rooms[node] = Room(node, nick, lines.append)
        self.shown[node] = lines
        for friend in friends:
            node.keep(friend.addresses[0], "room")
        return node

    def new(self, node):
        """Return the lines that a member has seen since the last time."""
        lines, self.shown[node][:] = sorted(self.shown[node]), []
        return lines

    def test_greetings(self):
        self.assertEqual(self.new(self.ada), ["* bob is here", "* cyd is here"])
        self.assertEqual(self.new(self.bob), ["* ada is here", "* cyd is here"])

    def test_talk(self):
        self.rooms[self.ada].say("hello")
        self.nodes.advance(1)
        for node in (self.bob, self.cyd):
            self.assertIn("<ada> hello", self.new(node))

    def test_left(self):
        self.nodes.result(self.bob.stopService())
        self.nodes.advance(1)
        self.assertIn("* bob has left", self.new(self.ada))

    def test_crash(self):
        self.nodes.crash(self.bob)
        self.nodes.advance(1)
        self.assertIn("* bob is gone", self.new(self.ada))

    def test_partition(self):
        """
        Ada and cyd lose each other, not bob; they meet again by themselves.
        """
        for node in (self.ada, self.bob, self.cyd):
            self.new(node)
        self.nodes.partition(self.ada, self.cyd)
        self.nodes.advance(300)
        self.assertEqual(self.new(self.ada), ["* cyd is gone"])
        self.assertEqual(self.new(self.cyd), ["* ada is gone"])
        self.assertEqual(self.new(self.bob), [])
        self.nodes.heal()
        self.nodes.advance(600)
        self.assertEqual(self.new(self.ada), ["* cyd is here"])
        self.assertEqual(self.new(self.cyd), ["* ada is here"])
