# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
One worker, as its supervisor sees it: a process with two pipes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import LogLevel
from twisted.python.failure import Failure

from twisted_libp2p.logger import Logger
from twisted_libp2p.node.life import Life as NodeLife
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.workers.channel import Channel, packed
from twisted_libp2p.workers.life import LIFE, Life

__all__ = ["WorkerProcess", "suspended"]

#: Seconds in which a worker has to be ready; it may have to load a database.
START_TIME: Final = 120.0

#: Seconds between two questions whether a worker lives, and without an answer after
#: which it is replaced.
ASK_INTERVAL: Final = 0.25
SILENCE: Final = 2.0

#: Seconds between two such questions after which this process itself was stopped, or
#: busy, so that no worker is to blame.
OWN_PAUSE: Final = 1.0

#: Seconds for the answer to any other question.
ANSWER_TIME: Final = 5.0

#: The most bytes of a line in the log.
LONGEST_LINE: Final = 8192

#: The states in which a node accepts no connections and is about to end.
_ENDING: Final = (NodeLife.DRAINING.value, NodeLife.STOPPING.value)


def suspended(pid: int | None) -> bool:
    """
    Return whether a child process is stopped by a signal; false where the system does
    not show it.
    """
    if sys.platform != "linux" or pid is None:
        return False
    flags = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
    try:
        return os.waitid(os.P_PID, pid, flags) is not None
    except ChildProcessError:
        # It has ended.
        return False


class WorkerProcess(ProcessProtocol):
    """
    A worker.

    @ivar number: the number of its place.
    @ivar pid: its process id.
    @ivar life: its state.
    @ivar since: the time of its start.
    @ivar addresses: the addresses at which it is reached, once it is ready.
    """

    _log = Logger()
    transport: Any

    def __init__(
        self,
        clock: Any,
        number: int,
        orders: int,
        reports: int,
        changed: Callable[[WorkerProcess, str], object],
        asked: Callable[[dict[str, Any]], Any],
    ) -> None:
        """
        @param clock: runs the timers.
        @param number: the number of its place.
        @param orders: the worker's descriptor for orders.
        @param reports: the worker's descriptor for reports.
        @param changed: called with this worker and C{ready}, C{replace} or C{gone}.
        @param asked: returns the reply to a question of the worker.
        """
        self.number = number
        self.pid: int | None = None
        self.life = Life.STARTING
        self.since = clock.seconds()
        self.addresses: list[str] = []
        self.orders = orders
        self._hears = True
        self._clock = clock
        self._reports = reports
        self._changed = changed
        self._asked = asked
        self._channel = Channel(self._received)
        self._lines = {1: _Lines(self._logLine), 2: _Lines(self._logLine)}
        self._questions = 0
        self._answers: dict[int, Deferred[Any]] = {}
        self._heard = self._looked = clock.seconds()
        self._late: IDelayedCall | None = None
        self._asking: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """
        Keep the process id, which Twisted forgets when the process has ended, and wait
        until the worker is ready.
        """
        self.pid = self.transport.pid
        self._late = self._clock.callLater(START_TIME, self.happened, "late")

    def happened(self, event: str) -> None:
        """
        Go to the next state, and apply the effect of the transition.

        @param event: an event of L{LIFE}.
        """
        following = LIFE.get((self.life, event))
        if following is None:
            return
        self.life, effect = following
        if effect in ("ready", "kill", "gone"):
            self._stopWaiting()
        if effect == "ready":
            self._heard = self._looked = self._clock.seconds()
            self._ask()
        elif effect == "kill":
            with suppress(ProcessExitedAlready):
                self.transport.signalProcess("KILL")
        if effect in ("ready", "replace", "gone"):
            self._changed(self, effect)

    def leave(self, seconds: float, *, all_: bool = False) -> None:
        """
        Let the worker finish its streams and end.

        @param seconds: the time after which it is killed.
        @param all_: whether no other process will listen on its addresses.
        """
        self.happened("leave")
        if self.life is Life.LEAVING:
            self._stopWaiting()
            self._late = self._clock.callLater(seconds, self.happened, "late")
            self.send({"leave": "all" if all_ else "one"})

    def kill(self) -> None:
        """
        End the worker at once.
        """
        self.happened("leave")
        self.happened("late")

    def _stopWaiting(self) -> None:
        late, self._late = self._late, None
        if late is not None and late.active():
            late.cancel()

    @property
    def serving(self) -> bool:
        """
        Whether it accepts connections.
        """
        return self.life is Life.SERVING

    def send(self, message: dict[str, Any]) -> None:
        """
        Send a message, unless the worker no longer reads.
        """
        if self._hears:
            self.transport.writeToChild(self.orders, packed(message))

    # Questions

    def ask(self, about: str, **arguments: Any) -> Deferred[Any]:
        """
        Ask the worker something.

        @param about: the subject: C{life}, C{metrics}, C{status} or C{control}.
        @return: fires with the answer; fails with C{TimeoutError} after
            L{ANSWER_TIME}, and with C{ConnectionLost} if the worker ends.
        """
        if self.life not in (Life.SERVING, Life.SILENT, Life.LEAVING):
            return fail(ConnectionLost("the worker does not answer"))
        return addTimeout(self._question(about, arguments), ANSWER_TIME, self._clock)

    def _question(self, about: str, arguments: dict[str, Any]) -> Deferred[Any]:
        self._questions += 1
        number = self._questions

        def forget(_: object) -> None:
            self._answers.pop(number, None)

        answer: Deferred[Any] = Deferred(forget)
        self._answers[number] = answer
        self.send({"ask": number, "about": about, **arguments})
        return answer

    def _ask(self) -> None:
        """
        Ask whether the worker lives, and look how long it has not answered.
        """
        self._asking = None
        if self.life not in (Life.SERVING, Life.SILENT):
            return
        now = self._clock.seconds()
        if now - self._looked > OWN_PAUSE:
            self._heard = now
        elif now - self._heard >= SILENCE or suspended(self.pid):
            self.happened("silent")
        self._looked = now
        # A worker that is stopped reads nothing: one question waits, not many.
        if not self._answers:
            self._question("life", {}).addCallbacks(self._lives, lambda _: None)
        self._asking = self._clock.callLater(ASK_INTERVAL, self._ask)

    def _lives(self, life: str) -> None:
        """
        Note that a worker ends without an order.
        """
        if life in _ENDING:
            self.happened("ending")

    def _received(self, message: dict[str, Any]) -> None:
        self._heard = self._clock.seconds()
        self.happened("answered")
        if "ready" in message:
            self.addresses = message["ready"]
            self.happened("ready")
            return
        if "question" in message:
            reply = self._asked(message)
            self.send({"reply": message["question"], "is": reply})
            return
        answer = self._answers.pop(message["answer"], None)
        if answer is not None:
            answer.callback(message["is"])

    # The process

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        Read a report, or a line of its output.
        """
        if childFD == self._reports:
            self._channel.dataReceived(data)
        else:
            self._lines[childFD].dataReceived(data)

    def _logLine(self, line: str) -> None:
        self._log.info("[worker {number}] {line}", number=self.number, line=line)

    def childConnectionLost(self, childFD: int) -> None:
        """
        Note that a pipe is closed, usually since the worker is about to end.
        """
        if childFD == self.orders:
            self._hears = False

    def processEnded(self, reason: Failure) -> None:
        """
        Note that the worker has ended.
        """
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()
        answers, self._answers = self._answers, {}
        for each in answers.values():
            each.errback(ConnectionLost("the worker has ended"))
        expected = self.life in (Life.LEAVING, Life.KILLED)
        self._log.emit(
            LogLevel.info if expected else LogLevel.warn,
            "worker {number} (process {pid}) has ended: {reason}",
            number=self.number,
            pid=self.pid,
            reason=_inWords(reason.value),
        )
        self.happened("ended")


class _Lines:
    """
    The lines that a worker writes, if this program keeps the log.
    """

    def __init__(self, log: Callable[[str], object]) -> None:
        """
        @param log: called with each line.
        """
        self._log = log
        self._rest = b""

    def dataReceived(self, data: bytes) -> None:
        """
        Log the complete lines, and the beginning of a line that is too long.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._log(line.decode(errors="replace"))


def _inWords(ended: Any) -> str:
    """
    Describe the end of a process.
    """
    if ended.signal is not None:
        return f"signal {ended.signal}"
    return f"status {ended.exitCode}"
