# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Hostile peers before the native backend.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.quic.native import requireNative
from tests.quic.violations import Handshakes, Listeners, Onlookers, Violations
from twisted_libp2p.interfaces import IQuicBackend


class NativeTests(Violations, Handshakes, Listeners, Onlookers, SynchronousTestCase):
    """
    quinn-proto, and our judge.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make a backend.
        """
        backend: IQuicBackend = requireNative().NativeBackend()
        return backend
