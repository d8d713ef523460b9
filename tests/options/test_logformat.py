# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the format of the log of C{twist libp2p}.
"""

from __future__ import annotations

from io import StringIO
from typing import Any

from twisted.application.runner._runner import Runner
from twisted.application.twist._options import TwistOptions
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import LogLevel, LogPublisher, jsonFileLogObserver
from twisted.python.log import LogPublisher as LegacyPublisher
from twisted.python.usage import Options
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.logger import Logger
from twisted_libp2p.options.logformat import chooseFormat


class ChoiceTests(SynchronousTestCase):
    """
    Text or JSON.
    """

    def chosen(self, *arguments: str, json: bool = True) -> str:
        """
        Return the format after a command line of C{twist}, whose own default is JSON.
        """
        parent = TwistOptions()
        parent["logFormat"] = "json" if json else "text"
        parent["fileLogObserverFactory"] = jsonFileLogObserver
        chooseFormat(parent, ["twist", *arguments])
        text = parent["fileLogObserverFactory"] is not jsonFileLogObserver
        self.assertEqual(text, parent["logFormat"] == "text")
        return str(parent["logFormat"])

    def test_default(self) -> None:
        """
        It is text wherever the log goes, and after C{twist}'s other options.
        """
        self.assertEqual(self.chosen("libp2p", "--echo"), "text")
        self.assertEqual(self.chosen("--log-file=-", "libp2p"), "text")
        self.assertEqual(self.chosen("--log-level", "debug", "libp2p"), "text")
        self.assertEqual(self.chosen("libp2p", "--log-format=json"), "text")

    def test_asked(self) -> None:
        """
        It is JSON if that is asked for, also by the beginning of the option.
        """
        self.assertEqual(self.chosen("--log-format=json", "libp2p"), "json")
        self.assertEqual(self.chosen("--log-format", "JSON", "libp2p"), "json")
        self.assertEqual(self.chosen("--log-fo=json", "libp2p"), "json")

    def test_text(self) -> None:
        """
        Text that is asked for is the same text.
        """
        chosen = self.chosen("--log-format=text", "libp2p", json=False)
        self.assertEqual(chosen, "text")

    def test_elsewhere(self) -> None:
        """
        A program that has its options from elsewhere keeps its format, and so does one
        that is not C{twist}.
        """
        self.assertEqual(self.chosen("--other-option"), "json")
        for parent in (None, Options()):
            chooseFormat(parent, ["twistd"])
        self.assertEqual(dict(parent or {}), {})


class TextTests(SynchronousTestCase):
    """
    The lines of the text.
    """

    def setUp(self) -> None:
        """
        Make a log as C{twist} does.
        """
        self.file = StringIO()
        parent: Any = TwistOptions()
        parent.selectDefaultLogObserver()
        chooseFormat(parent, ["twist", "libp2p"])
        self.observer = parent["fileLogObserverFactory"](self.file)

    def lines(self) -> list[str]:
        """
        Return the lines without their times.
        """
        return [line.split(" ", 1)[1] for line in self.file.getvalue().splitlines()]

    def test_own(self) -> None:
        """
        Our lines are written, and Twisted's about the requests of a site.
        """
        Logger("twisted_libp2p.x", observer=self.observer).info("port starting on 1")
        publisher = LogPublisher(self.observer)
        legacy = LegacyPublisher(
            observerPublisher=publisher, publishPublisher=publisher
        )
        legacy.msg("GET / starting on 4001")
        # As other programs may publish them.
        publisher({"log_format": "bare", "log_time": 0.0})
        self.assertEqual(
            self.lines(),
            [
                "[twisted_libp2p.x#info] port starting on 1",
                "[-] GET / starting on 4001",
                "[-#-] bare",
            ],
        )

    def test_ports(self) -> None:
        """
        Twisted's own lines about ports and its reactor are left out.
        """
        publisher = LogPublisher(self.observer)
        legacy = LegacyPublisher(
            observerPublisher=publisher, publishPublisher=publisher
        )
        for text in (
            "ControlFactory starting on 'data/control.sock'",
            "libp2p starting on 4001",
            "(TCP Port 4001 Closed)",
            "(UNIX Port data/control.sock Closed)",
        ):
            legacy.msg(text)
        runner = Runner(reactor=MemoryReactorClock())
        log = Logger(f"{Runner.__module__}.Runner", observer=self.observer)
        log.emit(LogLevel.info, "Starting reactor...")
        self.assertEqual(type(runner)._log.namespace, log.namespace)
        self.assertEqual(self.lines(), [])
