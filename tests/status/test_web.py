# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.web}.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource

from tests.status.browsing import Browsing
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.status import web
from twisted_libp2p.status.web import MAX_CONNECTIONS, WebService, loopback


class LoopbackTests(SynchronousTestCase):
    """
    Where a site is bound to.
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

        self.patch(web, "serverFromString", parse)
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
            WebService(memory, description, site).startService()
            ((port, _, _, bound),) = memory.tcpServers
            self.assertEqual((port, bound), (8080, interface))

    def test_nonsense(self) -> None:
        """
        What is no endpoint is refused in one line.
        """
        for description in ("", "8080", "tcp", "tcp:http", "nonsense:1", "tcp:1:x=y"):
            with self.assertRaises(ConfigurationError) as caught:
                WebService(MemoryReactorClock(), description, site)
            told = str(caught.exception)
            self.assertIn(f"{description} is no server endpoint", told)
            self.assertNotIn("\n", told)


def site() -> Any:
    """
    Make an empty site.
    """
    return Resource(), lambda: None


class ConnectionTests(SynchronousTestCase):
    """
    The connections of a site.
    """

    def setUp(self) -> None:
        """
        Start an empty site.
        """
        self.memory: Any = MemoryReactorClock()
        self.closed: list[None] = []
        self.service = WebService(
            self.memory,
            "tcp:8080",
            lambda: (Resource(), lambda: self.closed.append(None)),
        )
        self.service.startService()

    def test_limit(self) -> None:
        """
        There are only so many.
        """
        browsers = [Browsing(self.memory) for _ in range(MAX_CONNECTIONS)]
        self.assertTrue(Browsing(self.memory).refused)
        self.assertFalse(any(each.refused for each in browsers))
        browsers[0].transport.loseConnection()
        self.assertFalse(Browsing(self.memory).refused)
        self.successResultOf(self.service.stopService())

    def test_stop(self) -> None:
        """
        They end with the service, which leaves nothing to do.
        """
        browsers = [Browsing(self.memory) for _ in range(3)]
        self.assertEqual(browsers[0].ask("/nothing")[0], 404)
        self.successResultOf(self.service.stopService())
        self.assertFalse(any(each.transport.connected for each in browsers))
        self.assertEqual(self.memory.getDelayedCalls(), [])
        self.assertEqual(len(self.closed), 1)

    def test_notStarted(self) -> None:
        """
        Without a start there is no port, and nothing to stop.
        """
        service = WebService(self.memory, "tcp:8080", site)
        self.failureResultOf(service.whenListening(), ConfigurationError)
        self.successResultOf(service.stopService())
        self.successResultOf(self.service.stopService())


class PortTests(TestCase):
    """
    On a real port.
    """

    async def test_inUse(self) -> None:
        """
        A port that somebody else has is told, and can be stopped.
        """
        with socket.create_server(("127.0.0.1", 0)) as taken:
            service = WebService(reactor, f"tcp:{taken.getsockname()[1]}", site)
            service.startService()
            with self.assertRaises(CannotListenError):
                await service.whenListening()
            await service.stopService()

    async def test_stop(self) -> None:
        """
        A connection that is kept alive does not outlive the service.
        """
        service = WebService(reactor, "tcp:0", site)
        service.startService()
        port: Any = await service.whenListening()
        client: Any = await TCP4ClientEndpoint(
            reactor, "127.0.0.1", port.getHost().port
        ).connect(Factory.forProtocol(Protocol))
        lost = client.connectionLost = Lost()
        await service.stopService()
        await lost.waiting


class Lost:
    """
    Waits for the end of a connection.
    """

    def __init__(self) -> None:
        self.waiting: Any = Deferred()

    def __call__(self, reason: object) -> None:
        self.waiting.callback(None)
