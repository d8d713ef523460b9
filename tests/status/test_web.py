# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.web}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource

from tests.status.browsing import Browsing
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.status.web import MAX_CONNECTIONS, WebService


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

    def test_log(self) -> None:
        """
        Requests are logged at level debug.
        """
        logged = EventLoggingObserver()
        globalLogPublisher.addObserver(logged)
        self.addCleanup(globalLogPublisher.removeObserver, logged)
        Browsing(self.memory).ask("/a")
        (event,) = (each for each in logged if "/a" in formatEvent(each))
        self.assertEqual(event["log_level"], LogLevel.debug)
        self.assertIn("asked for /a: 404", formatEvent(event))

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


class PlaceTests(SynchronousTestCase):
    """
    The place of a site in the log.
    """

    def test_url(self) -> None:
        """
        It is a URL, which a terminal lets its user click, unless no browser can open
        the site.
        """
        service = WebService(MemoryReactorClock(), "tcp:0", site)
        unix = UNIXAddress("socket")
        for address, shown in (
            (IPv4Address("TCP", "127.0.0.1", 80), "http://127.0.0.1:80/"),
            (IPv6Address("TCP", "::1", 80), "http://[::1]:80/"),
            (unix, unix),
        ):
            self.assertEqual(service.placeOf(address), shown)
        address = IPv4Address("TCP", "127.0.0.1", 80)
        service = WebService(MemoryReactorClock(), "tcp:0", site, "metrics")
        self.assertEqual(service.placeOf(address), "http://127.0.0.1:80/metrics")


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
