# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.networks}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.pubsub import SignaturePolicy, ethereum, filecoin, idOfContent
from twisted_libp2p.testing.topics import TopicNetwork


class NetworksTests(SynchronousTestCase):
    """
    Nodes with the parameters of a network.
    """

    def test_delivered(self) -> None:
        """
        Messages reach all nodes.
        """
        for make in (ethereum, filecoin):
            network = TopicNetwork(30, profile=make(idOfContent))
            network.run(3)
            network.publish(0, b"block")
            network.run(3)
            figures = network.figures()
            self.assertEqual(figures.delivered, 1.0)
            self.assertLessEqual(6, figures.degree)

    def test_authors(self) -> None:
        """
        Messages of Filecoin are signed, those of Ethereum are not.
        """
        unsigned = ethereum(idOfContent).policy
        self.assertIs(unsigned, SignaturePolicy.STRICT_NO_SIGN)
        self.assertIs(filecoin(idOfContent).policy, SignaturePolicy.STRICT_SIGN)
