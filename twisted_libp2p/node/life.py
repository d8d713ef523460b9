# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The states of a node, and how it goes through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from math import inf
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredList,
    TimeoutError,
    maybeDeferred,
)
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import addTimeout

__all__ = ["LIFE", "Life", "LivingService", "stopAll"]

_log = Logger()


class Life(Enum):
    """
    The state of a node.
    """

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    #: It takes no connections any longer, and stops when its streams have ended.
    DRAINING = "draining"
    STOPPING = "stopping"
    #: It stops, and starts again after that.
    RESTARTING = "restarting"


#: The next state, and the effect of the transition, for each state and event.  An event
#: that is not in the table changes nothing.
LIFE: dict[tuple[Life, str], tuple[Life, str | None]] = {
    (Life.STOPPED, "start"): (Life.STARTING, "begin"),
    (Life.STARTING, "listening"): (Life.RUNNING, None),
    # A node that was never started may have connections all the same.
    (Life.STOPPED, "stop"): (Life.STOPPING, "end"),
    (Life.STARTING, "stop"): (Life.STOPPING, "end"),
    (Life.RUNNING, "stop"): (Life.STOPPING, "end"),
    (Life.STOPPED, "drain"): (Life.STOPPING, "end"),
    (Life.STARTING, "drain"): (Life.DRAINING, "leave"),
    (Life.RUNNING, "drain"): (Life.DRAINING, "leave"),
    (Life.DRAINING, "drained"): (Life.STOPPING, "end"),
    (Life.DRAINING, "stop"): (Life.STOPPING, "end"),
    (Life.DRAINING, "start"): (Life.RESTARTING, "end"),
    (Life.STOPPING, "start"): (Life.RESTARTING, None),
    (Life.RESTARTING, "stop"): (Life.STOPPING, None),
    (Life.STOPPING, "stopped"): (Life.STOPPED, None),
    (Life.RESTARTING, "stopped"): (Life.STARTING, "begin"),
}


class LivingService(MultiService):
    """
    A service that goes through the states of L{LIFE}: it can be started and stopped at
    any time, also from within its own start, and starts and stops in full.

    @ivar clock: the reactor, for times and timers.
    @ivar life: its state.
    """

    clock: IReactorTime
    _log = Logger()

    def __init__(self) -> None:
        super().__init__()
        self.life = Life.STOPPED
        # The callers that wait for the end of a stop.
        self._stopped: list[Deferred[Any]] = []
        self._leaving: Deferred[Any] | None = None
        self._leavingTime = 0.0

    def startService(self) -> None:
        """
        Start.  A service that is stopping starts again when it has stopped.
        """
        self.happened("start")

    def stopService(self) -> Deferred[None]:
        """
        Stop.

        @return: fires when it has stopped.
        """
        stopping = self.whenStopped()
        self.happened("stop")
        return stopping

    def drain(self, seconds: float) -> Deferred[None]:
        """
        Stop in good order: take nothing new, and stop when everything that is under
        way has ended, or when the time is over.  C{stopService} stops at once.

        @param seconds: the longest time until the stop begins.  A service that drains
                already keeps its time.
        @return: fires when it has stopped.
        @raise ConfigurationError: that is no time.
        """
        if not 0 <= seconds < inf:
            raise ConfigurationError(
                f"drain({seconds}): it has to be a number of seconds, such as 30"
            )
        self._leavingTime = seconds
        stopped = self.whenStopped()
        self.happened("drain")
        return stopped

    def whenStopped(self) -> Deferred[None]:
        """
        Wait for the end of the next stop.
        """
        waiting: Deferred[None] = Deferred()
        self._stopped.append(waiting)
        return waiting

    def happened(self, event: str) -> None:
        """
        Go to the next state, and apply the effect of the transition.

        @param event: an event of L{LIFE}.
        """
        following = LIFE.get((self.life, event))
        if following is not None:
            self.life, effect = following
            if effect == "begin":
                self.begin()
            elif effect == "leave":
                self._leave()
            elif effect == "end":
                leaving, self._leaving = self._leaving, None
                if leaving is not None:
                    leaving.cancel()
                self.running = 0
                self.refuse()
                Deferred.fromCoroutine(self.end()).addErrback(
                    lambda reason: self._log.failure("the node failed to stop", reason)
                ).addBoth(self._hasStopped)

    def _leave(self) -> None:
        """
        Drain, for as long as it may take.
        """

        def left(result: object) -> None:
            if isinstance(result, Failure) and not result.check(
                CancelledError, TimeoutError
            ):
                self._log.failure("the node failed to drain", result)
            self.happened("drained")

        leaving = Deferred.fromCoroutine(self.leave())
        if self.life is not Life.DRAINING:
            # A subscriber has stopped the node meanwhile.
            leaving.addErrback(lambda _: None).cancel()
            return
        self._leaving = leaving
        addTimeout(leaving, self._leavingTime, self.clock)
        leaving.addBoth(left)

    def _hasStopped(self, _: object) -> None:
        """
        Start again if that was asked for, and report the end of the stop.
        """
        waiting, self._stopped = self._stopped, []
        self.happened("stopped")
        for each in waiting:
            each.callback(None)

    def begin(self) -> None:
        """
        Start, and report the event C{"listening"} at the end.
        """
        raise NotImplementedError

    async def leave(self) -> None:
        """
        Take nothing new, and wait until everything that is under way has ended.  It is
        cancelled when that takes too long.
        """
        raise NotImplementedError

    def refuse(self) -> None:
        """
        Refuse all orders from now on.
        """
        raise NotImplementedError

    async def end(self) -> None:
        """
        Stop everything.
        """
        raise NotImplementedError


async def stopAll(
    services: Sequence[IService], clock: IReactorTime, seconds: float | None = None
) -> None:
    """
    Stop services, the last one first.  The error of one is logged, and keeps the others
    from nothing.

    @param clock: runs the deadline.
    @param seconds: the time that they have; None for as long as they need.  A service
        that takes longer is cancelled and named in the log.
    """

    def failed(reason: Failure, service: IService) -> None:
        if reason.check(CancelledError):
            _log.warn(
                "{service} did not stop within {seconds:g} s",
                service=service,
                seconds=seconds,
            )
        else:
            _log.failure("{service} failed to stop", reason, service=service)

    stopping: Deferred[Any] = DeferredList(
        [
            maybeDeferred(each.stopService).addErrback(failed, each)
            for each in reversed(services)
        ]
    )
    if seconds is not None:
        addTimeout(stopping, seconds, clock)
    await stopping
