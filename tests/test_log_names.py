# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the names that users see in a log: none of them is private.
"""

from __future__ import annotations

import inspect
from typing import Any

from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import Logger, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.modules import allModules
from twisted_libp2p.identity import Identity
from twisted_libp2p.tap import Options, makeService

RELAY = f"/ip4/127.0.0.1/tcp/1/p2p/{Identity.generate().peerID}"


class LogNameTests(SynchronousTestCase):
    """
    What Twisted writes before the text of a log line.
    """

    def test_ports(self) -> None:
        """
        A port that starts to listen is logged under a name that a user knows.
        """
        path = self.mktemp()
        for arguments in (
            ["--status", "tcp:8080"],
            ["--psk", path],
        ):
            with open(path, "w") as file:
                file.write("/key/swarm/psk/1.0.0/\n/base16/\n" + "ab" * 32 + "\n")
            reactor: Any = MemoryReactorClock()
            options = Options()
            options.parseOptions(["--listen", "/ip4/127.0.0.1/tcp/4001", *arguments])
            service: Any = makeService(options, reactor)
            service.startService()
            names = {factory.logPrefix() for _, factory, *_ in reactor.tcpServers}
            self.assertTrue(names <= {"libp2p", "Site"}, names)
            self.assertIn("libp2p", names)
            self.successResultOf(service.stopService())

    def test_listensNowhere(self) -> None:
        """
        A service logs who it is; one that listens nowhere logs what would let
        peers dial it, too.
        """
        for arguments, lines in (
            (["--no-listen"], 1),
            (["--no-listen", "--relay", RELAY], 0),
            (["--listen", "/ip4/127.0.0.1/tcp/1"], 0),
        ):
            logged = EventLoggingObserver()
            globalLogPublisher.addObserver(logged)
            self.addCleanup(globalLogPublisher.removeObserver, logged)
            options = Options()
            options.parseOptions(arguments)
            service: Any = makeService(options, MemoryReactorClock())
            service.startService()
            globalLogPublisher.removeObserver(logged)
            told = [
                formatEvent(each)
                for each in logged
                if "listens nowhere" in formatEvent(each)
            ]
            self.assertEqual(len(told), lines)
            for line in told:
                self.assertIn("--no-listen", line)
            first, *_ = map(formatEvent, logged)
            self.assertEqual(first, f"this node is {service.peerID}")
            self.successResultOf(service.stopService())

    def test_loggers(self) -> None:
        """
        No private class has a logger, which would be named after it.
        """
        found = []
        for module in allModules():
            for name, value in inspect.getmembers(module):
                if inspect.isclass(value) and value.__name__.startswith("_"):
                    found += [
                        name
                        for base in value.__mro__
                        if base.__module__.startswith("twisted_libp2p")
                        and any(
                            isinstance(each, Logger) for each in vars(base).values()
                        )
                    ]
        self.assertEqual(found, [])
