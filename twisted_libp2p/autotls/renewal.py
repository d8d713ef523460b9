# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
When a certificate is asked for, without I/O.  The states are a table.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

__all__ = [
    "MAX_RETRY",
    "MIN_RETRY",
    "RENEWAL",
    "RENEWAL_TABLE",
    "SETTLE_TIME",
    "Effect",
    "Event",
    "Renewal",
    "State",
]

#: Seconds from the first address that the broker may dial until the first request:
#: other addresses come in the meantime, or peers find that nobody can dial it.
SETTLE_TIME: Final = 5.0

#: The part of its life after which a certificate is renewed.
RENEWAL: Final = 2 / 3

#: The part of its life by which a renewal is spread, so that not all nodes that were
#: started together renew together.
SPREAD: Final = 1 / 24

#: Seconds until the next try after a failure: the first wait and the longest one.
#: Authorities count failures, and refuse an account for hours that has too many.
MIN_RETRY: Final = 3600.0
MAX_RETRY: Final = 24 * 3600.0


#: Seconds by which a timer may be early.
_TOLERANCE: Final = 1.0


class State(Enum):
    """
    The states of a renewal.
    """

    #: The broker cannot dial any address.
    IDLE = "idle"
    WAITING = "waiting"
    ASKING = "asking"


class Event(Enum):
    """
    The events of a renewal.
    """

    #: There is an address that the broker can dial.
    REACHABLE = "reachable"
    #: The broker can no longer dial any.
    UNREACHABLE = "unreachable"
    DUE = "due"
    OBTAINED = "obtained"
    FAILED = "failed"
    STOPPED = "stopped"


class Effect(Enum):
    """
    The orders of a renewal.
    """

    #: Ask for a certificate.
    ASK = "ask"
    #: Report L{Event.DUE} after L{Renewal.wait}.
    WAIT = "wait"
    #: Give up the request and the wait.
    CANCEL = "cancel"


#: For each state: its events, each with the next state and the effects.  Other events
#: change nothing.
RENEWAL_TABLE: Final[dict[State, dict[Event, tuple[State, tuple[Effect, ...]]]]] = {
    State.IDLE: {
        Event.REACHABLE: (State.WAITING, (Effect.WAIT,)),
    },
    State.WAITING: {
        Event.UNREACHABLE: (State.IDLE, (Effect.CANCEL,)),
        Event.DUE: (State.ASKING, (Effect.ASK,)),
        Event.STOPPED: (State.IDLE, (Effect.CANCEL,)),
    },
    State.ASKING: {
        Event.OBTAINED: (State.WAITING, (Effect.WAIT,)),
        Event.FAILED: (State.WAITING, (Effect.WAIT,)),
        Event.STOPPED: (State.IDLE, (Effect.CANCEL,)),
    },
}


class Renewal:
    """
    The state of a renewal, and when the next request is due.

    @ivar state: the state.
    @ivar failures: the number of failures since the last success.
    """

    def __init__(self, random: Callable[[], float]) -> None:
        """
        @param random: returns numbers from 0 to 1, which spread the waits.
        """
        self.state = State.IDLE
        self.failures = 0
        self._random = random
        # When the next request is due; None without a certificate or a failure.
        self._due: float | None = None

    def happened(self, event: Event) -> tuple[Effect, ...]:
        """
        Take an event.

        @return: the orders, in their order.
        """
        after = RENEWAL_TABLE[self.state].get(event)
        if after is None:
            return ()
        self.state, effects = after
        return effects

    def held(self, begins: float, expires: float, earliest: float = 0.0) -> None:
        """
        Take the validity of the present certificate.

        @param earliest: the time before which no other one is due, in seconds since
            1970: an authority may issue certificates that are about to expire.
        """
        self.failures = 0
        spread = SPREAD * (self._random() - 0.5)
        due = begins + (expires - begins) * (RENEWAL + spread)
        self._due = max(due, earliest)

    def failed(self, now: float, pause: float | None) -> tuple[Effect, ...]:
        """
        Take a failure.

        @param pause: the seconds for which the authority wants to be left alone; None
            if it does not say.
        @return: the orders, in their order.
        """
        self.failures += 1
        doubled = MIN_RETRY * 2.0 ** min(self.failures - 1, 16)
        seconds = min(max(doubled, pause or 0.0), MAX_RETRY)
        self._due = now + seconds * (0.75 + 0.5 * self._random())
        return self.happened(Event.FAILED)

    def isDue(self, now: float) -> bool:
        """
        Return whether a request is due.
        """
        return self._due is None or now >= self._due - _TOLERANCE

    def wait(self, now: float) -> float:
        """
        Return the seconds after which the next L{Event.DUE} has to come.
        """
        return SETTLE_TIME if self._due is None else max(self._due - now, SETTLE_TIME)
