# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.daemon.signals}.
"""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.daemon.signals import ENDING, TerminationService


class Handlers:
    """
    The handlers of the signals of a process, with those of the reactor.
    """

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.current: dict[int, Any] = dict.fromkeys(ENDING, self._end)

    def _end(self, number: int, frame: object) -> None:
        self.ended.append(number)

    def getsignal(self, number: int) -> Any:
        """
        Return a handler, as C{signal.getsignal}.
        """
        return self.current[number]

    def signal(self, number: int, handler: Any) -> Any:
        """
        Set a handler, as C{signal.signal}.
        """
        before, self.current[number] = self.current[number], handler
        return before


class TerminationTests(SynchronousTestCase):
    """
    A node drains at the first signal.
    """

    def setUp(self) -> None:
        """
        Start the service in a process without a reactor.
        """
        self.handlers = Handlers()
        self.patch(signal, "signal", self.handlers.signal)
        self.patch(signal, "getsignal", self.handlers.getsignal)
        reactor: Any = MemoryReactorClock()
        self.reactor = reactor
        self.drained: Deferred[None] = Deferred()
        self.drains = 0
        self.service = TerminationService(self.reactor, self.drain, 30.0)
        self.reactor.callFromThread = lambda function, *a: function(*a)
        self.service.startService()
        for function, arguments, keywords in self.reactor.whenRunningHooks:
            function(*arguments, **keywords)

    def drain(self) -> Deferred[None]:
        """
        Drain for as long as the test wants.
        """
        self.drains += 1
        return self.drained

    def receive(self, number: int) -> None:
        """
        Receive a signal.
        """
        self.handlers.current[number](number, None)

    def shutDown(self) -> None:
        """
        Begin to end the program.
        """
        for function, arguments, keywords in self.reactor.triggers["before"][
            "shutdown"
        ]:
            function(*arguments, **keywords)

    def test_first(self) -> None:
        """
        The program ends when the node has drained, by the signal that it got.
        """
        self.receive(signal.SIGTERM)
        self.assertEqual((self.drains, self.handlers.ended), (1, []))
        self.service.stopService()
        self.drained.callback(None)
        self.assertEqual(self.handlers.ended, [signal.SIGTERM])

    def test_second(self) -> None:
        """
        A second signal ends it at once, and once.
        """
        self.receive(signal.SIGTERM)
        self.receive(signal.SIGINT)
        self.assertEqual((self.drains, self.handlers.ended), (1, [signal.SIGINT]))
        self.drained.callback(None)
        self.assertEqual(self.handlers.ended, [signal.SIGINT])

    def test_leave(self) -> None:
        """
        An order ends the program as a signal does, once; a signal that comes with it is
        the first.
        """
        stops: list[str] = []
        self.reactor.stop = lambda: stops.append("stop")
        self.service.leave()
        self.service.leave()
        self.receive(signal.SIGTERM)
        self.assertEqual((self.drains, stops, self.handlers.ended), (1, [], []))
        self.drained.callback(None)
        self.assertEqual((stops, self.handlers.ended), (["stop"], []))
        self.service.end()
        self.assertEqual(stops, ["stop"])

    def test_ends(self) -> None:
        """
        A program that ends for another reason is not ended again.
        """
        self.receive(signal.SIGTERM)
        self.shutDown()
        self.drained.callback(None)
        self.assertEqual(self.handlers.ended, [])

    def test_ignored(self) -> None:
        """
        A signal that the program ignores, as shells have it for C{twist ... &}, or
        that has no handler, stays as it is.
        """
        self.service.stopService()
        for before in (signal.SIG_IGN, signal.SIG_DFL, None):
            self.handlers.current[signal.SIGINT] = before
            self.service.startService()
            function, arguments, keywords = self.reactor.whenRunningHooks[-1]
            function(*arguments, **keywords)
            self.assertIs(self.handlers.current[signal.SIGINT], before)
            self.receive(signal.SIGTERM)
            self.assertEqual(self.handlers.ended, [])
            self.service.stopService()
            self.assertIs(self.handlers.current[signal.SIGINT], before)

    def test_stop(self) -> None:
        """
        A stopped service leaves the signals to the reactor.
        """
        self.service.stopService()
        self.receive(signal.SIGTERM)
        self.assertEqual((self.drains, self.handlers.ended), (0, [signal.SIGTERM]))
