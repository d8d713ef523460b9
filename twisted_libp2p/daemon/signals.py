# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The signals that a daemon obeys.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from threading import current_thread, main_thread
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from twisted_libp2p.logger import Logger

__all__ = ["HangupService", "TerminationService"]

#: The signals that ask a program to end.
ENDING = (signal.SIGTERM, signal.SIGINT)


class HangupService(Service):
    """
    Calls a function at each C{SIGHUP}, by which administrators have daemons read their
    files again.  Without it the signal ends the program.
    """

    def __init__(self, reactor: Any, function: Callable[[], object]) -> None:
        self._reactor = reactor
        self._function = function
        self._before: Any = None

    def privilegedStartService(self) -> None:
        """
        Handle the signal before anybody can know that the node listens.
        """
        super().privilegedStartService()
        self._handle()

    def startService(self) -> None:
        """
        Handle the signal.
        """
        super().startService()
        self._handle()

    def _handle(self) -> None:
        """
        Handle the signal, unless another handler does, the program ignores it, or
        this is not its main thread.
        """
        if (
            current_thread() is main_thread()
            and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
        ):
            self._before = signal.signal(signal.SIGHUP, self._received)

    def stopService(self) -> None:
        """
        Handle the signal no longer.
        """
        super().stopService()
        before, self._before = self._before, None
        if before is not None:
            signal.signal(signal.SIGHUP, before)

    def _received(self, *_: object) -> None:
        self._reactor.callFromThread(self._function)


class TerminationService(Service):
    """
    Lets a node drain at C{SIGTERM} or C{SIGINT}, and then the program end.  A second
    signal ends it at once.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, drain: Callable[[], Deferred[None]], seconds: float
    ) -> None:
        """
        @param drain: lets the node drain; fires when it has stopped.
        @param seconds: the longest time that it takes, for the log.
        """
        self._reactor = reactor
        self._drain = drain
        self._seconds = seconds
        self._before: dict[int, Any] = {}
        self._draining = False
        self._signalledBefore = False
        self._ending = False

    def startService(self) -> None:
        """
        Handle the signals as soon as the reactor does: it sets its own handlers when it
        begins to run.
        """
        super().startService()
        self._draining = self._signalledBefore = self._ending = False
        self._before = {}
        self._reactor.addSystemEventTrigger("before", "shutdown", self._shutDown)
        self._reactor.callWhenRunning(self._handle)

    def stopService(self) -> None:
        """
        Handle the signals no longer.
        """
        super().stopService()
        for number, before in self._before.items():
            signal.signal(number, before)

    def _handle(self) -> None:
        """
        Handle the signals, but for those that the program ignores, as shells have it
        for C{twist ... &}, and those without a handler.
        """
        if self.running and current_thread() is main_thread():
            for number in ENDING:
                if callable(signal.getsignal(number)):
                    self._before[number] = signal.signal(number, self._received)

    def leave(self) -> None:
        """
        Let the node drain, and then the program end, unless that has begun.
        """
        if not self._draining:
            self._draining = True
            self._drain().addBoth(lambda _: self.end())

    def end(self) -> None:
        """
        End the program at once, unless it ends already.
        """
        if not self._ending:
            self._ending = True
            self._reactor.stop()

    def _received(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self._signalled, number)

    def _signalled(self, number: int) -> None:
        """
        Drain at the first signal, and end at the second.
        """
        if self._signalledBefore:
            self._end(number)
            return
        self._signalledBefore = True
        if self._draining:
            return
        self._draining = True
        self._log.info(
            "{signal}: draining for up to {seconds:g} s; a second signal ends at once",
            signal=signal.Signals(number).name,
            seconds=self._seconds,
        )
        self._drain().addBoth(lambda _: self._end(number))

    def _shutDown(self) -> None:
        """
        Note that the program ends anyway.
        """
        self._ending = True

    def _end(self, number: int) -> None:
        """
        End the program as the reactor does at this signal.
        """
        if not self._ending:
            self._ending = True
            self._before[number](number, None)
