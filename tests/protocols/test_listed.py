# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.protocols.listed}.
"""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity
from twisted_libp2p.protocols.listed import ListedService

PEER = Identity.generate().peerID


class ListedServiceTests(SynchronousTestCase):
    """
    The list of a service, which may change while the service runs.
    """

    def test_opened(self) -> None:
        """
        The log says each time when the protocol becomes open to every peer, and not
        again while it stays so.
        """
        service = ListedService("/a", lambda peer: False)
        self.addCleanup(service.stopService)
        with capturedLogs() as logs:
            service.startService()
            self.assertEqual((service.allowed(PEER), len(logs)), (False, 0))
            service.replace(None)
            self.assertEqual((service.allowed(PEER), len(logs)), (True, 1))
            service.replace(None)
            self.assertEqual(len(logs), 1)
            service.replace(lambda peer: peer == PEER)
            self.assertEqual((service.allowed(PEER), len(logs)), (True, 1))
            service.replace(None)
        self.assertEqual(len(logs), 2)
        self.assertEqual(
            formatEvent(logs[0]),
            "/a is open to every peer: --allow-for names those that may use it",
        )
