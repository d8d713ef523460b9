# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the levels of the log, by part of a node.
"""

from __future__ import annotations

from twisted.application.twist._options import TwistOptions
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.logger import Logger, setLevels
from twisted_libp2p.options.daemon import Options


class LevelTests(SynchronousTestCase):
    """
    C{--log-level}.
    """

    def setUp(self) -> None:
        """
        Have levels of the test alone.
        """
        self.addCleanup(setLevels, {})

    def options(self, value: str, level: LogLevel = LogLevel.info) -> Options:
        """
        Read the option, below C{twist}.
        """
        options = Options()
        options.parseOptions(["--log-level", value])
        parent = TwistOptions()
        parent["logLevel"] = level
        options.parent = parent
        return options

    def logged(self, name: str) -> str:
        """
        Return the first letters of the levels that a logger passes on.
        """
        observer = EventLoggingObserver()
        log = Logger(f"twisted_libp2p.{name}", observer=observer)
        for level in LogLevel.iterconstants():
            log.emit(level, "something has happened")
        passed = [event["log_level"] for event in observer]
        self.assertEqual([*filter(log.logs, LogLevel.iterconstants())], passed)
        return "".join(level.name[0] for level in passed)

    def test_parts(self) -> None:
        """
        Each part has its level, and the others the one of all; the filter of C{twist}
        passes the lowest.
        """
        options = self.options("warn,relay=debug,muxer.yamux=error")
        options.setLogLevels()
        self.assertEqual(self.logged("relay.service"), "diwec")
        self.assertEqual(self.logged("muxer.mplex.session"), "wec")
        self.assertEqual(self.logged("muxer.yamux.session"), "ec")
        assert options.parent is not None
        self.assertIs(options.parent["logLevel"], LogLevel.debug)

    def test_usual(self) -> None:
        """
        Without a level for all parts, that of C{twist} applies; C{twistd} has none, and
        logs everything.
        """
        self.options("relay=debug", LogLevel.error).setLogLevels()
        self.assertEqual(self.logged("dht.service"), "ec")
        self.assertEqual(self.logged("relay.service"), "diwec")
        options = self.options("relay=warn")
        options.parent = None
        options.setLogLevels()
        self.assertEqual(self.logged("dht.service"), "diwec")
        self.assertEqual(self.logged("relay.service"), "wec")

    def test_none(self) -> None:
        """
        Without the option, the events that C{twist} would drop are not made.
        """
        options = Options()
        options.parseOptions([])
        options.setLogLevels()
        self.assertEqual(self.logged("relay.service"), "diwec")
        options.parent = TwistOptions()
        options.setLogLevels()
        self.assertEqual(self.logged("relay.service"), "iwec")
        self.assertIs(options.parent["logLevel"], LogLevel.info)

    def test_wrong(self) -> None:
        """
        One line says what would be right.
        """
        for value, error in (
            ("loud", "no level 'loud': choose from debug, info, warn, error, critical"),
            ("relay=", "no level '': choose from debug"),
            ("relais=debug", "no part 'relais': choose from access, address,"),
        ):
            with self.assertRaisesRegex(ConfigurationError, error):
                self.options(value).setLogLevels()
