# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.secio.secio}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError, DialFailed
from twisted_libp2p.interfaces import ISecurity
from twisted_libp2p.security.secio import SECIO
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.testing.security import SecurityConformance


class SECIOConformanceTests(SecurityConformance, SynchronousTestCase):
    """
    SECIO is a security protocol.
    """

    def security(self) -> ISecurity:
        """
        SECIO.
        """
        return SECIO(self.clock)


class SECIOTests(SynchronousTestCase):
    """
    Tests for L{SECIO}.
    """

    def test_nodes(self) -> None:
        """
        Nodes that are asked for it speak it; others do not, though they are
        dialed with nothing else.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        asked, also = (nodes.start(security=[SECIO(nodes.clock)]) for _ in range(2))
        for connection in nodes.connect(asked, also):
            self.assertEqual(connection.security, "/secio/1.0.0")
        other = nodes.start()
        for dialer, listener in ((asked, other), (other, asked)):
            with self.assertRaises(DialFailed):
                nodes.result(dialer.connect(listener.addresses[0]))

    def test_unknownAlgorithm(self) -> None:
        """
        What we do not have cannot be chosen, and the error tells what can.
        """
        for option, have in (
            ("exchanges", "P-256, P-384, P-521"),
            ("ciphers", "AES-256, AES-128"),
            ("hashes", "SHA256, SHA512"),
        ):
            for names in ((), ("Blowfish",), ("",)):
                error = self.assertRaises(
                    ConfigurationError, SECIO, Clock(), **{option: names}
                )
                self.assertIn(have, str(error))
                self.assertNotIn("\n", str(error))
