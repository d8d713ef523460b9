# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Reports to the service manager, as C{sd_notify(3)} of systemd describes: a node is
ready, is alive, and stops.

A report is a datagram of lines C{NAME=VALUE} to the Unix socket that the environment
names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.protocol import ConnectedDatagramProtocol
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IDrainable, IHost, IHostService
from twisted_libp2p.logger import Logger
from twisted_libp2p.node.conditions import Condition

__all__ = ["Manager", "NotifyService", "notifyService", "report"]

#: Seconds between two looks at the node.
INTERVAL = 1.0


def report(**values: str) -> bytes:
    """
    Make a report.

    @param values: the names in lower case, and their values, which lose their line
        ends.
    """
    return "\n".join(
        f"{name.upper()}={' '.join(value.split())}" for name, value in values.items()
    ).encode()


@dataclass(frozen=True, slots=True)
class Manager:
    """
    The service manager that has started the program.

    @ivar socket: the address of its socket; it begins with a NUL if it is abstract.
    @ivar watchdog: seconds within which it wants a sign of life; None if it does not
        want any.
    """

    socket: str
    watchdog: float | None = None

    @classmethod
    def of(cls, environment: Mapping[str, str], pid: int) -> Manager | None:
        """
        Read the environment.

        @param pid: the id of this process: the manager may expect the signs of life
            from another one.
        @return: None without such a manager.
        @raise ConfigurationError: the environment is invalid.
        """
        place = environment.get("NOTIFY_SOCKET")
        if not place:
            return None
        if place[0] not in "/@" or len(place) == 1:
            raise ConfigurationError(
                f"NOTIFY_SOCKET={place}: it has to be the path of a Unix socket, or an"
                " abstract one, such as @notify"
            )
        socket = f"\0{place[1:]}" if place[0] == "@" else place
        microseconds = environment.get("WATCHDOG_USEC")
        if not microseconds or environment.get("WATCHDOG_PID", str(pid)) != str(pid):
            return cls(socket)
        if not microseconds.isdecimal() or not int(microseconds):
            raise ConfigurationError(
                f"WATCHDOG_USEC={microseconds}: it has to be a number of microseconds"
            )
        return cls(socket, int(microseconds) / 1e6)


_log = Logger()


class _Sender(ConnectedDatagramProtocol):
    """
    Sends reports.
    """

    transport: Any = None
    noisy = False

    def connectionFailed(self, failure: Failure) -> None:
        """
        Log that the socket does not exist.
        """
        _log.warn(
            "no report reaches the service manager: {error}",
            error=failure.getErrorMessage(),
        )

    def connectionRefused(self) -> None:
        """
        Go on: the manager may be restarting, and keeps its socket then.
        """

    def datagramReceived(self, datagram: bytes, addr: object = None) -> None:
        """
        Ignore an answer, which is never sent.
        """


@implementer(IDrainable, IHostService)
class NotifyService(Service):
    """
    Reports the life of a node to the service manager.
    """

    name = "notify"
    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        manager: Manager,
        conditions: Callable[[], Iterable[Condition]],
        summary: Callable[[], str],
    ) -> None:
        """
        @param reactor: sends the reports, and so shows that it turns.
        @param conditions: returns the conditions under which the node is ready.
        @param summary: describes the state of a node that is ready, in one line.
        """
        self._reactor = reactor
        self._manager = manager
        self._conditions = conditions
        self._summary = summary
        self._clock: IReactorTime = reactor
        self._port: IListeningPort | None = None
        self._loops: list[LoopingCall] = []
        self._ready = self._stopping = False
        self._status = ""

    def attach(self, host: IHost) -> None:
        """
        Take the time of the node.
        """
        self._clock = host.clock

    def startService(self) -> None:
        """
        Begin to report.
        """
        super().startService()
        self._ready = self._stopping = False
        self._status = ""
        self._sender = _Sender()
        port = self._reactor.connectUNIXDatagram(self._manager.socket, self._sender)
        if self._sender.transport is None:
            return
        self._port = port
        self._repeat(INTERVAL, self._look)
        if self._manager.watchdog is not None:
            self._repeat(self._manager.watchdog / 2, self._live)

    def _repeat(self, seconds: float, function: Callable[[], None]) -> None:
        loop = LoopingCall(function)
        loop.clock = self._clock
        loop.start(seconds, now=False)
        self._loops.append(loop)
        # The node is about to start: a first look is for the next turn of the reactor.
        self._clock.callLater(0, self._first, function)

    def _first(self, function: Callable[[], None]) -> None:
        if self.running:
            function()

    def _look(self) -> None:
        """
        Report whether the node is ready, and its state, if that has changed.
        """
        unmet = [
            f"{each.name}: {each.detail}" for each in self._conditions() if not each.met
        ]
        values = {}
        if not unmet and not self._ready:
            self._ready = True
            values["ready"] = "1"
        status = "; ".join(unmet) or f"ready, with {self._summary()}"
        if status != self._status:
            self._status = values["status"] = status
        self._send(values)

    def _live(self) -> None:
        """
        Report that the reactor turns.
        """
        self._send({"watchdog": "1"})

    def _send(self, values: Mapping[str, str]) -> None:
        if not values or self._port is None:
            return
        try:
            self._sender.transport.write(report(**values))
        except OSError as error:
            self._log.debug("no report was sent: {error}", error=str(error))

    def drain(self) -> None:
        """
        Report that the node is going to stop.
        """
        if not self._stopping:
            self._stopping = True
            self._send({"stopping": "1"})

    def stopService(self) -> None:
        """
        Report that the node stops, and report nothing any longer.
        """
        super().stopService()
        self.drain()
        loops, self._loops = self._loops, []
        for loop in loops:
            loop.stop()
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()


def notifyService(
    reactor: Any,
    conditions: Callable[[], Iterable[Condition]],
    summary: Callable[[], str],
) -> NotifyService | None:
    """
    Make the service for the manager that has started this program; None without one.

    @param conditions: as for L{NotifyService}.
    @param summary: as for L{NotifyService}.
    @raise ConfigurationError: the environment is invalid.
    """
    manager = Manager.of(os.environ, os.getpid())
    if manager is None:
        return None
    return NotifyService(reactor, manager, conditions, summary)
