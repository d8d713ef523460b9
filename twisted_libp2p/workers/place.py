# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One place for a worker: the worker that has it, and the one that takes it over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_libp2p.logger import Logger
from twisted_libp2p.workers.life import Life
from twisted_libp2p.workers.process import WorkerProcess

__all__ = ["Place"]

#: Seconds until a worker that has ended is started again: at first, and at the most
#: after several that have ended soon.
FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 30.0

#: Seconds of life after which the end of a worker is not a failure to start.
STEADY: Final = 30.0


class Place:
    """
    A place for a worker, which is not empty for long.

    A worker that is to be replaced serves until its successor is ready.

    @ivar number: its number, from 1.
    @ivar worker: the worker that has it; None if it has ended.
    @ivar successor: the worker that takes it over as soon as it is ready.
    @ivar restarts: the number of workers that were started in place of others.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        number: int,
        spawn: Callable[[Place], WorkerProcess],
        leaving: float,
    ) -> None:
        """
        @param clock: runs the timers.
        @param spawn: starts a worker of a place.
        @param leaving: seconds that a worker may take to end.
        """
        self.number = number
        self.worker: WorkerProcess | None = None
        self.successor: WorkerProcess | None = None
        self.restarts = 0
        self._clock = clock
        self._spawn = spawn
        self._leaving = leaving
        self._all: list[WorkerProcess] = []
        self._failures = 0
        self._waiting: IDelayedCall | None = None
        self._closed = False

    @property
    def workers(self) -> list[WorkerProcess]:
        """
        All workers that have not ended.
        """
        return list(self._all)

    @property
    def serving(self) -> bool:
        """
        Whether its worker accepts connections.
        """
        return self.worker is not None and self.worker.serving

    def replace(self) -> None:
        """
        Start a successor, unless there is one; try again later if the system has no
        room for another process.
        """
        self._stopWaiting()
        if self.successor is None and not self._closed:
            again = self.worker is not None or self._failures > 0
            try:
                self.successor = self._spawn(self)
            except OSError as error:
                self._log.error(
                    "worker {number} cannot be started: {error}",
                    number=self.number,
                    error=str(error),
                )
                self._startLater(0.0)
            else:
                self.restarts += again
                self._all.append(self.successor)

    def close(self) -> None:
        """
        Let all workers end.
        """
        self._closed = True
        self._stopWaiting()
        for each in self.workers:
            each.leave(self._leaving, all_=True)

    def _stopWaiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.active():
            waiting.cancel()

    def ready(self, worker: WorkerProcess) -> None:
        """
        Let a successor take over.
        """
        before, self.worker, self.successor = self.worker, worker, None
        if before is not None:
            before.leave(self._leaving)

    def lost(self, worker: WorkerProcess) -> None:
        """
        Start a successor of a worker that does not answer, or ends without an order.
        """
        if worker is self.worker and self.successor is None and not self._closed:
            self._log.warn(
                "worker {number} (process {pid}) {fault}: starting another",
                number=self.number,
                pid=worker.pid,
                fault="does not answer" if worker.life is Life.SILENT else "ends",
            )
            self.replace()

    def gone(self, worker: WorkerProcess) -> None:
        """
        Note that a worker has ended; start another, later if this happens often.
        """
        self._all.remove(worker)
        if worker is self.successor:
            self.successor = None
        elif worker is self.worker:
            self.worker = None
        else:
            # It was replaced before.
            return
        if self.serving or self.successor is not None or self._closed:
            return
        self._startLater(self._clock.seconds() - worker.since)

    def _startLater(self, lived: float) -> None:
        """
        Plan the start of another worker.

        @param lived: seconds that the last one has lived.
        """
        self._failures = 1 if lived >= STEADY else self._failures + 1
        wait = min(FIRST_WAIT * 4.0 ** (self._failures - 1), LONGEST_WAIT)
        self._log.info(
            "worker {number} is started again in {wait:g} s",
            number=self.number,
            wait=wait,
        )
        self._waiting = self._clock.callLater(wait, self._restart)

    def _restart(self) -> None:
        self._waiting = None
        self.replace()
