# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A deadline that is believed only after every socket was read once.

A reactor runs its timers before it looks at its sockets.  When the process was
stopped, or was busy for long, a timer is overdue while the bytes that the peer
has sent in time wait in the socket.  So a deadline that has passed is judged one
turn of the reactor later: by then the reactor has read each socket that has
something to read, and the bytes may have cancelled the deadline.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

__all__ = ["Deadline", "addTimeout"]

T = TypeVar("T")


class Deadline:
    """
    One delayed call that lets the reactor read once more before it runs.

    It has of C{IDelayedCall} only what the waiting code uses.
    """

    __slots__ = ("_args", "_call", "_clock", "_function", "_hasPassed")

    def __init__(
        self,
        clock: IReactorTime,
        seconds: float,
        function: Callable[..., object],
        *args: object,
    ) -> None:
        """
        @param clock: runs the timer.
        @param seconds: how long from now.
        @param function: what to call when the deadline is missed.
        @param args: the arguments of the function.
        """
        self._clock = clock
        self._function = function
        self._args = args
        self._hasPassed = False
        self._call: IDelayedCall = clock.callLater(seconds, self._passed)

    def _passed(self) -> None:
        """
        Let the reactor read all sockets, and then judge.
        """
        self._hasPassed = True
        self._call = self._clock.callLater(0, self._function, *self._args)

    def active(self) -> bool:
        """
        Return whether the function is still to be called.
        """
        return self._call.active()

    def cancel(self) -> None:
        """
        Do not call the function, and keep it no longer: it mostly belongs to the owner
        of this object.
        """
        self._call.cancel()
        del self._function, self._args

    def reset(self, seconds: float) -> None:
        """
        Begin again.

        @param seconds: how long from now.
        """
        if self._hasPassed:
            self._call.cancel()
            self._hasPassed = False
            self._call = self._clock.callLater(seconds, self._passed)
        else:
            self._call.reset(seconds)


def addTimeout(
    deferred: Deferred[T],
    seconds: float,
    clock: IReactorTime,
    onTimeoutCancel: Callable[[T | Failure, float], T] | None = None,
) -> Deferred[T]:
    """
    Do as C{Deferred.addTimeout} does, but let the reactor read once more before the
    Deferred is cancelled.

    @param deferred: the Deferred that has to fire in time.
    @param seconds: how long from now.
    @param clock: runs the timer.
    @param onTimeoutCancel: what becomes of the result of the cancelled Deferred.
    @return: the Deferred.
    """
    timeout = _Timeout(deferred, seconds, clock, onTimeoutCancel or _timedOut)
    return deferred.addBoth(timeout.fired)


class _Timeout(Generic[T]):
    """
    The time that a Deferred has.  Each dial has three: so this is one object with one
    callback, where C{Deferred.addTimeout} makes three functions and two callbacks.
    """

    __slots__ = ("_call", "_clock", "_deferred", "_late", "_seconds")

    def __init__(
        self,
        deferred: Deferred[T],
        seconds: float,
        clock: IReactorTime,
        late: Callable[[T | Failure, float], T],
    ) -> None:
        self._deferred: Deferred[T] | None = deferred
        self._seconds = seconds
        self._clock = clock
        self._late = late
        self._call: IDelayedCall = clock.callLater(seconds, self._passed)

    def _passed(self) -> None:
        """
        Let the reactor read all sockets, and then judge.
        """
        self._call = self._clock.callLater(0, self._cancel)

    def _cancel(self) -> None:
        deferred, self._deferred = self._deferred, None
        if deferred is not None:
            deferred.cancel()

    def fired(self, result: T | Failure) -> T | Failure:
        """
        Stop the timer; replace the result if it came too late.
        """
        if self._deferred is None:
            return self._late(result, self._seconds)
        self._deferred = None
        self._call.cancel()
        return result


def _timedOut(result: T | Failure, seconds: float) -> T:
    """
    Make a C{TimeoutError} of the cancellation.
    """
    if isinstance(result, Failure):
        result.trap(CancelledError)
        raise TimeoutError(seconds, "Deferred")
    return result
