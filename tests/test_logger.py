# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.logger}, and for the log of connections.
"""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import (
    LogLevel,
    formatEvent,
    globalLogPublisher,
    jsonFileLogObserver,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.modules import allModules
from twisted_libp2p.address import Multiaddr, PeerAddress
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.logger import Logger
from twisted_libp2p.testing import MemoryNodes


class LoggerTests(SynchronousTestCase):
    """
    The fields of events.
    """

    def setUp(self) -> None:
        """
        Write a JSON log, as C{twist --log-format json} does.
        """
        self.file = StringIO()
        self.log = Logger(observer=jsonFileLogObserver(self.file, recordSeparator=""))

    def event(self) -> Any:
        """
        @return: the only line of the log.
        """
        (line,) = self.file.getvalue().splitlines()
        return json.loads(line)

    def test_objects(self) -> None:
        """
        Peers, addresses and reasons are texts.
        """
        peer = Identity.generate().peerID
        address = Multiaddr("/ip4/192.0.2.1/tcp/1")
        self.log.info(
            "{peer}",
            peer=peer,
            address=address,
            reason=Failure(ConfigurationError("it has ended")),
            error=ValueError("no value"),
            direction=Direction.INBOUND,
            client=IPv4Address("TCP", "192.0.2.1", 1),
            other=IPv6Address("TCP", "2001:db8::1", 1),
            path=UNIXAddress(b"/run/x"),
            caller=PeerAddress(peer, address),
        )
        event = self.event()
        found = {name: event[name] for name in event if not name.startswith("log_")}
        expected = {
            "peer": str(peer),
            "address": str(address),
            "reason": "it has ended",
            "error": "no value",
            "direction": "inbound",
            "client": "192.0.2.1:1",
            "other": "[2001:db8::1]:1",
            "path": "/run/x",
            "caller": f"{address}/p2p/{peer}",
        }
        self.assertEqual(found, expected)

    def test_plain(self) -> None:
        """
        Texts, numbers and nothing stay as they are.
        """
        self.log.info("", text="a", count=3, seconds=0.5, known=True, place=None)
        event = self.event()
        for name, value in (
            ("text", "a"),
            ("count", 3),
            ("seconds", 0.5),
            ("known", True),
            ("place", None),
        ):
            self.assertEqual(event[name], value)

    def test_broken(self) -> None:
        """
        An object without a text does not disturb the program that logs it.
        """

        class Broken:
            def __str__(self) -> str:
                raise ValueError

        self.log.info("{it}", it=Broken())
        self.assertIn("Broken", self.event()["it"])

    def test_failure(self) -> None:
        """
        The failure of an error keeps its traceback.
        """
        self.log.failure("it failed", Failure(ValueError("no value")), peer=b"x")
        event = self.event()
        self.assertEqual(event["log_failure"]["type"]["__name__"], "ValueError")

    def test_namespace(self) -> None:
        """
        A logger is named after its module, or its class.
        """
        self.assertEqual(Logger().namespace, __name__)

        class Speaker:
            log = Logger()

        self.assertTrue(Speaker().log.namespace.endswith(".Speaker"))

    def test_everywhere(self) -> None:
        """
        The package logs by no other logger.
        """
        others = [
            module.__name__
            for module in allModules()
            if module.__name__ != "twisted_libp2p.logger"
            and re.search(
                r"^from twisted\.logger import .*\bLogger\b",
                Path(str(module.__file__)).read_text("utf-8"),
                re.MULTILINE,
            )
        ]
        self.assertEqual(others, [])


class ConnectionTests(SynchronousTestCase):
    """
    The lines about connections.
    """

    def test_lines(self) -> None:
        """
        The log has a line for the beginning of a connection, and one for its end,
        both at level debug.
        """
        nodes = MemoryNodes()
        self.addCleanup(nodes.stop)
        client, server = nodes.start(), nodes.start()
        logged = EventLoggingObserver()
        globalLogPublisher.addObserver(logged)
        self.addCleanup(globalLogPublisher.removeObserver, logged)
        near, _ = nodes.connect(client, server)
        nodes.advance(4)
        nodes.result(near.close())
        lines = [
            each
            for each in logged
            if each["log_namespace"] == "twisted_libp2p.connmanager.connectionlog"
            and each["peer"] == str(server.peerID)
        ]
        self.assertEqual([each["log_level"] for each in lines], [LogLevel.debug] * 2)
        address = str(near.remoteAddress)
        beginning, end = map(formatEvent, lines)
        self.assertEqual(
            beginning,
            f"connected to {server.peerID} at {address}: outbound, memory, /noise,"
            " /yamux/1.0.0",
        )
        self.assertRegex(
            end,
            rf"^disconnected from {server.peerID} at {address} after 4\.\d s: .+$",
        )
        self.assertIn(lines[1]["reason"], end)
