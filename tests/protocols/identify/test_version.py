# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the version of our own description.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.protocols.identify.version import Version


class VersionTests(SynchronousTestCase):
    """
    Tests for L{Version}.
    """

    def test_restart(self) -> None:
        """
        A version that was made later has a greater number, even after many changes.
        """
        first = Version(1_700_000_000.0)
        for _ in range(1000):
            first.advance()
        self.assertGreater(Version(1_700_000_001.001).number, first.number)

    def test_outdated(self) -> None:
        """
        A peer is outdated if it has any version but the newest; a peer without one is
        not.
        """
        version = Version(1.0)
        sent = version.number
        self.assertFalse(version.isOutdated(None))
        self.assertFalse(version.isOutdated(sent))
        version.advance()
        self.assertTrue(version.isOutdated(sent))
        self.assertFalse(version.isOutdated(None))
