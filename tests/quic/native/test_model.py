# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The model of sessions, over the native backend, and over one of each.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explore
from tests.quic.model import QuicModel
from tests.quic.native import requireNative
from twisted_libp2p.quic.aioquic.backend import AioquicBackend


class ModelTests(SynchronousTestCase):
    """
    Nothing is lost, doubled or out of order, nothing stands still, and nothing is left,
    whatever both sides and the network do.
    """

    def setUp(self) -> None:
        """
        Make both backends.
        """
        self.native = requireNative().NativeBackend()
        self.aioquic = AioquicBackend()

    def test_native(self) -> None:
        """
        Two sessions over the native backend.
        """
        explore(lambda: QuicModel(self, self.native), 30)

    def test_mixed(self) -> None:
        """
        One session over each backend.
        """
        explore(lambda: QuicModel(self, self.native, self.aioquic), 6)
        explore(lambda: QuicModel(self, self.aioquic, self.native), 6)
