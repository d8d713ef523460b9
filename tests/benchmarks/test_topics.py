# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.topics}: a small network in virtual time.
"""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.topics import WAYS, islands, line, plot, simulate, twoPlaces
from twisted_libp2p.pubsub import Parameters, Profile


class SimulationTests(SynchronousTestCase):
    """
    Small networks.
    """

    def test_figures(self) -> None:
        """
        A run in each way has its line, and its part of the picture.
        """
        runs = [(way or "undisturbed", simulate(24, 2, way)) for way in WAYS]
        for name, figures in runs:
            self.assertIn("2 messages, 100.00 % delivered", line(name, figures))
        picture = plot(runs)
        fromstring(picture)
        self.assertIn("slow lines", picture)

    def test_silence(self) -> None:
        """
        A network in which nothing was published has a line and a picture too.
        """
        figures = simulate(5, 0)
        self.assertIn("0 messages", line("5 nodes", figures))
        fromstring(plot([("5 nodes", figures)]))

    def test_islands(self) -> None:
        """
        Two places whose nodes have their meshes before they meet become one network
        nevertheless: messages go along meshes from one to the other.
        """
        profile = Profile(parameters=Parameters(floodPublish=False))
        for seed in range(3):
            network = twoPlaces(40, profile, seed)
            self.assertEqual([len(each) for each in islands(network)], [40])
        before = network.figures().want
        network.publish(0, b"news")
        network.run(3)
        figures = network.figures()
        self.assertEqual((figures.delivered, figures.want), (1.0, before))
        self.assertLess(figures.percentile(1.0), 0.25)
        network.disconnect(0)
        network.run(3)
        self.assertEqual(sorted(map(len, islands(network))), [1, 39])
