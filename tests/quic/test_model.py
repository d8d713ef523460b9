# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The model of sessions, over the backend of aioquic.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explore
from tests.quic.model import QuicModel
from twisted_libp2p.quic.aioquic.backend import AioquicBackend


class ModelTests(SynchronousTestCase):
    """
    Nothing is lost, doubled or out of order, nothing stands still, and nothing is left,
    whatever both sides and the network do.
    """

    def test_aioquic(self) -> None:
        """
        Two sessions over aioquic.
        """
        explore(lambda: QuicModel(self, AioquicBackend()), 12)
