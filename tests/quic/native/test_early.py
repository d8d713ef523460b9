# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Streams that are opened before the peer has accepted us, with the native backend.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.quic.early import EarlyMixin
from tests.quic.native import requireNative
from twisted_libp2p.interfaces import IQuicBackend


class NativeEarlyTests(EarlyMixin, SynchronousTestCase):
    """
    The dialer and the listener use the native backend.
    """

    def makeBackend(self) -> IQuicBackend:
        """
        Make the backend.
        """
        made: IQuicBackend = requireNative().NativeBackend()
        return made
