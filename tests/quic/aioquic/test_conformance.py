# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of backends over aioquic.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.interfaces import IQuicBackend
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.testing.quic import QuicBackendConformance


class AioquicTests(QuicBackendConformance, SynchronousTestCase):
    """
    aioquic passes the suite.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make a backend whose clock does not matter.
        """
        return AioquicBackend()
