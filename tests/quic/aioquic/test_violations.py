# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Hostile peers before the backend over aioquic.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.quic.violations import Handshakes, Listeners, Onlookers, Violations
from twisted_libp2p.interfaces import IQuicBackend
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.testing.quic.pair import MOMENT


class AioquicTests(Violations, Handshakes, Listeners, Onlookers, SynchronousTestCase):
    """
    aioquic, and our judge.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make a backend.
        """
        return AioquicBackend(lambda: MOMENT)
