# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Applications that call anything from any callback, over each pair of a security protocol
and a muxer.
"""

from __future__ import annotations

import gc

from twisted.trial.unittest import SynchronousTestCase

from tests.amounts import amount
from tests.examples import explained, seeds
from tests.unruly import Raised, World

#: How many runs of each pair the suite tries.
RUNS = amount(60, 20)


class RandomApplicationTests(SynchronousTestCase):
    """
    Whatever applications do, each protocol is connected and lost once and in this
    order, events pair, what was written before an orderly close arrives whole,
    everything is given back, and nothing is logged but the exceptions of the
    applications themselves.
    """

    def explore(self, security: str, muxer: str) -> None:
        """
        Try the runs of one pair.
        """
        for seed in seeds(RUNS):
            world = World(seed, security, muxer)
            with explained(world.explain):
                self.assertEqual(world.run(), [])
                logged = [
                    each.getTraceback()
                    for each in self.flushLoggedErrors()
                    if not each.check(Raised)
                ]
                self.assertEqual(logged, [])
        # A Deferred that nobody has heard of logs its failure when it goes.
        gc.collect()
        self.flushLoggedErrors(Raised)

    def test_noiseYamux(self) -> None:
        """
        Noise and yamux.
        """
        self.explore("noise", "yamux")

    def test_noiseMplex(self) -> None:
        """
        Noise and mplex.
        """
        self.explore("noise", "mplex")

    def test_tlsYamux(self) -> None:
        """
        TLS and yamux.
        """
        self.explore("tls", "yamux")

    def test_tlsMplex(self) -> None:
        """
        TLS and mplex.
        """
        self.explore("tls", "mplex")
