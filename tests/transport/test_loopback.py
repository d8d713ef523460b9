# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.loopback}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.transport import loopback as module
from twisted_libp2p.transport.loopback import localServer, loopback


class LoopbackTests(SynchronousTestCase):
    """
    Where an endpoint is bound to.
    """

    def test_unless(self) -> None:
        """
        To loopback, if nothing else is told.
        """
        for kind, bound in (
            ("tcp:8080", "tcp:8080:interface=127.0.0.1"),
            ("tcp:port=8080", "tcp:port=8080:interface=127.0.0.1"),
            ("tcp:8080:backlog=9", "tcp:8080:backlog=9:interface=127.0.0.1"),
            ("tcp6:8080", r"tcp6:8080:interface=\:\:1"),
            ("ssl:443:privateKey=k", "ssl:443:privateKey=k:interface=127.0.0.1"),
            ("tls:/certs:443", r"tls:/certs:443:interface=\:\:1"),
            ("haproxy:tcp:8080", "haproxy:tcp:8080:interface=127.0.0.1"),
            (
                "ssl:443:privateKey=/etc/0.0.0.0.pem",
                "ssl:443:privateKey=/etc/0.0.0.0.pem:interface=127.0.0.1",
            ),
            (
                "ssl:443:privateKey=/etc/interface=a/k",
                "ssl:443:privateKey=/etc/interface=a/k:interface=127.0.0.1",
            ),
            (r"tls:/a\:\:b:443", r"tls:/a\:\:b:443:interface=\:\:1"),
            ("haproxy:haproxy:tcp:1", "haproxy:haproxy:tcp:1:interface=127.0.0.1"),
        ):
            self.assertEqual(loopback(kind), bound)

    def test_told(self) -> None:
        """
        Elsewhere, if that is told; or if there is no interface.
        """
        for kind in (
            "tcp:8080:interface=0.0.0.0",
            "tcp:8080:interface=",
            r"tcp:8080:interface=\:\:",
            "tcp:8080:0.0.0.0",
            r"tcp6:8080:\:\:",
            r"tls:/certs:443:50:\:\:",
            "haproxy:tcp:8080:0.0.0.0",
            "haproxy:tcp:8080:interface=192.0.2.1",
            "unix:/run/a:mode=600",
            "systemd:domain=INET:index=0",
        ):
            self.assertEqual(loopback(kind), kind)

    def test_bound(self) -> None:
        """
        It is bound there indeed, whatever wraps the endpoint: kinds of other
        packages too.
        """
        folder = self.mktemp()
        os.mkdir(folder)
        real = serverFromString

        def parse(reactor: Any, description: str) -> Any:
            kind, _, rest = description.partition(":")
            if kind == "strange":
                return real(reactor, f"tcp:{rest}")
            if kind == "strange6":
                return real(reactor, f"tcp6:{rest}")
            return real(reactor, description)

        self.patch(module, "serverFromString", parse)
        for description, interface in (
            ("tcp:8080", "127.0.0.1"),
            ("tcp6:8080", "::1"),
            ("tcp:8080:interface=0.0.0.0", "0.0.0.0"),
            ("tcp:8080:0.0.0.0", "0.0.0.0"),
            (r"tcp6:8080:50:\:\:", "::"),
            ("tcp6:8080:50", "::1"),
            ("haproxy:tcp:8080", "127.0.0.1"),
            ("haproxy:tcp6:8080", "::1"),
            (r"haproxy:tcp6:8080:interface=\:\:", "::"),
            ("haproxy:tcp:8080:interface=0.0.0.0", "0.0.0.0"),
            (f"tls:{folder}:8080", "::1"),
            (f"tls:{folder}:8080:interface=0.0.0.0", "0.0.0.0"),
            ("strange:8080", "127.0.0.1"),
            ("strange6:8080", "::1"),
            ("strange:8080:interface=0.0.0.0", "0.0.0.0"),
        ):
            memory: Any = MemoryReactorClock()
            localServer(memory, description).listen(Factory())
            ((port, _, _, bound),) = memory.tcpServers
            self.assertEqual((port, bound), (8080, interface))

    def test_nonsense(self) -> None:
        """
        What is no endpoint is refused in one line.
        """
        for description in ("", "8080", "tcp", "tcp:http", "nonsense:1", "tcp:1:x=y"):
            with self.assertRaises(ConfigurationError) as caught:
                localServer(MemoryReactorClock(), description)
            told = str(caught.exception)
            self.assertIn(f"{description} is no server endpoint", told)
            self.assertNotIn("\n", told)
