# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of sessions, over WebRTC in memory.
"""

from __future__ import annotations

from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from tests.webrtc.pair import RtcSessionPair
from twisted_libp2p.testing.muxer import SessionConformance
from twisted_libp2p.testing.muxer.pair import SessionPair
from twisted_libp2p.webrtc.native import installed


@skipUnless(installed(), "twisted-libp2p-native is not installed")
class RtcSessionTests(SessionConformance, SynchronousTestCase):
    """
    Sessions and streams in memory.
    """

    def connect(self) -> SessionPair:
        """
        Connect two sessions.
        """
        return RtcSessionPair(self.clock)
