# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.certificates}.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.python.reflect import requireModule
from twisted.trial.unittest import SynchronousTestCase

from tests.autotls.servers import BROKER, DIRECTORY, MemoryWeb
from tests.status.test_metrics import requireClient
from tests.vectors import vectorIdentity
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.autotls import AutoTLS
from twisted_libp2p.errors import NoCertificate
from twisted_libp2p.status.certificates import certificateLines, certificateMetrics
from twisted_libp2p.testing import HostDouble


class GettingTestCase(SynchronousTestCase):
    """
    A node that gets a certificate.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        identity = vectorIdentity(1)
        addresses = map(
            Multiaddr, ("/ip4/10.1.0.2/tcp/1", "/ip4/10.1.0.2/tcp/1/tls/ws")
        )
        host = HostDouble(self.clock, identity, addresses)
        self.service = AutoTLS(
            self.mktemp(),
            directory=DIRECTORY,
            broker=BROKER,
            agent=MemoryWeb(self.clock.seconds),
            wall=self.clock.seconds,
            random=lambda: 0.5,
        )
        self.service.attach(host)
        self.node: Any = SimpleNamespace(services=[self.service])
        self.addCleanup(self.service.stopService)

    def get(self) -> None:
        """
        Let the node get its certificate.
        """
        self.service.startService()
        for _ in range(40):
            self.clock.advance(0.5)


class CertificateTests(GettingTestCase):
    """
    The lines and the metrics of a node that gets a certificate.
    """

    def test_lines(self) -> None:
        """
        The page names the certificate, its end, the next request, and the last error.
        """
        (before,) = certificateLines(self.node)
        self.assertRegex(
            before, r"AutoTLS: \*\.[a-z0-9]+\.libp2p\.direct: none yet, no address"
        )
        self.get()
        self.service.problem = NoCertificate("no luck")
        line, problem = certificateLines(self.node)
        self.assertRegex(
            line,
            r": valid until 2027-\d\d-\d\d \d\d:\d\d UTC, the next request 2027-",
        )
        self.assertIn("no luck", problem)

    def test_asking(self) -> None:
        """
        A request on its way is in words, too.
        """
        self.service.startService()
        while self.service.state != "asking":
            self.clock.advance(0.5)
        (line,) = certificateLines(self.node)
        self.assertRegex(line, r": none yet, asked for now$")

    def test_metrics(self) -> None:
        """
        The end of the certificate and the failures are metrics.
        """
        requireClient()
        core: Any = requireModule("prometheus_client.core")
        for got in (False, True):
            if got:
                self.get()
            expires, failures = certificateMetrics(self.node, core)
            (sample,) = expires.samples
            self.assertEqual(sample.value > self.clock.seconds(), got)
            self.assertEqual(failures.samples[0].value, 0)
