# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams that are opened before the peer has accepted us, with C{aioquic}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.quic.early import EarlyMixin
from twisted_libp2p.interfaces import IQuicBackend
from twisted_libp2p.quic.aioquic.backend import AioquicBackend


class EarlyTests(EarlyMixin, SynchronousTestCase):
    """
    The dialer and the listener use C{aioquic}.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend.
        """
        return AioquicBackend()
