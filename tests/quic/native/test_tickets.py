# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Resumed sessions of TLS over the native backend.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.quic.native import requireNative
from tests.quic.tickets import Tickets
from twisted_libp2p.interfaces import IQuicBackend
from twisted_libp2p.testing.quic.pair import QuicPair


class NativeTests(Tickets, SynchronousTestCase):
    """
    rustls, and our judge.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make a backend.
        """
        backend: IQuicBackend = requireNative().NativeBackend()
        return backend

    def resumed(self, pair: QuicPair) -> bool:
        """
        Check whether no certificate was shown.
        """
        return self.judged == 0
