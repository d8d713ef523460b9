# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.testing.topics}: a small network in virtual time.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pubsub import Parameters
from twisted_libp2p.testing.topics import TopicFigures, TopicNetwork


class NetworkTests(SynchronousTestCase):
    """
    Forty nodes.
    """

    def play(self, mute: int = 0) -> TopicFigures:
        """
        Publish a few messages.
        """
        network = TopicNetwork(40, mute=mute)
        network.run(5)
        for number in range(3):
            network.publish(number, b"%d" % number)
            network.run(1)
        network.run(3)
        return network.figures()

    def test_honest(self) -> None:
        """
        Each message reaches all nodes; a seed gives the same result each time.
        """
        figures = self.play()
        self.assertEqual(figures, self.play())
        self.assertEqual((figures.published, figures.delivered), (3, 1.0))
        self.assertEqual(len(figures.latencies), 3 * 39)
        parameters = Parameters()
        self.assertGreaterEqual(figures.degree, parameters.degreeLow)
        self.assertLessEqual(figures.degree, parameters.degreeHigh)
        self.assertLessEqual(figures.percentile(0.5), figures.percentile(1.0))

    def test_mute(self) -> None:
        """
        Messages go around nodes that pass nothing on.
        """
        figures = self.play(mute=10)
        self.assertEqual(figures.delivered, 1.0)
        self.assertEqual(len(figures.latencies), 3 * 29)

    def test_disconnected(self) -> None:
        """
        A node that is cut off gets nothing, until it is connected again.
        """
        network = TopicNetwork(20, dials=4)
        network.run(3)
        network.disconnect(7)
        network.publish(0, b"lost")
        network.run(10)
        self.assertEqual(len(network.figures().latencies), 18)
        network.connect(7, 0)
        network.run(3)
        network.publish(0, b"found")
        network.run(3)
        self.assertEqual(len(network.figures().latencies), 18 + 19)

    def test_begin(self) -> None:
        """
        The figures can begin again; messages that were on their way do not count.
        """
        network = TopicNetwork(20)
        network.run(3)
        network.publish(0, b"before")
        network.run(0.1)
        network.begin()
        network.run(3)
        self.assertEqual(network.figures().published, 0)
        network.publish(0, b"after")
        network.run(3)
        self.assertEqual(network.figures().delivered, 1.0)
        self.assertEqual(sum(network.received), 19)
