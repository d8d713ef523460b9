# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of sessions and streams, over QUIC in memory.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.testing.muxer import SessionConformance
from twisted_libp2p.testing.muxer.pair import SessionPair
from twisted_libp2p.testing.quic.network import QuicSessionPair


class SessionTests(SessionConformance, SynchronousTestCase):
    """
    The suite over aioquic.
    """

    def connect(self) -> SessionPair:
        """
        Connect two sessions.
        """
        return QuicSessionPair(self.clock, AioquicBackend())
