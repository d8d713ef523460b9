# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.topics}.
"""

from __future__ import annotations

from prometheus_client import core

from tests.pubsub.test_service import PubSubTestCase
from twisted_libp2p.node import Node
from twisted_libp2p.status.topics import topicLines, topicMetrics


class TopicsTests(PubSubTestCase):
    """
    Two nodes in a mesh.
    """

    def samples(self, node: Node) -> dict[str, float]:
        """
        Return the values of the metrics of a node.
        """
        return {
            " ".join([each.name, *each.labels.values()]): each.value
            for family in topicMetrics(node, core)
            for each in family.samples
        }

    def test_shown(self) -> None:
        """
        The peers, the meshes, and the memory are shown.
        """
        near, far = self.line(2)
        self.hear(near, "news")
        self.hear(far, "news")
        self.nodes.advance(2.0)
        self.nodes.result(near.pubsub.publish("news", bytes(1000)))
        found = self.samples(near)
        prefix = "libp2p_pubsub_"
        for name, value in (
            ("peers", 1),
            ("queued_bytes", 0),
            ("seen", 1),
            ("validating", 0),
            ("topic_peers news", 1),
            ("mesh_peers news", 1),
        ):
            self.assertEqual(found[prefix + name], value, name)
        self.assertGreater(found[prefix + "history_bytes"], 1000)
        first, second = topicLines(near)
        self.assertIn("1 peers, 0 bytes wait for them", first)
        self.assertEqual(second, "topic news: 1 peers, 1 in the mesh")

    def test_without(self) -> None:
        """
        A node without topics shows nothing of them.
        """
        node = self.nodes.start()
        self.assertEqual((self.samples(node), topicLines(node)), ({}, []))
