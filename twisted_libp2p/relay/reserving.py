# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The life of one reservation at one relay, without I/O.

A reservation is a wish: it is asked for again when the relay restarts, when the
connection is lost, and before it expires.  The states are a table.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from twisted_libp2p.relay.messages import Status

__all__ = ["MAX_LIFETIME", "MIN_LIFETIME", "Effect", "Event", "Reserving", "State"]

#: A reservation that is shorter is refused, and of a longer one only this much is
#: believed; in seconds.
MIN_LIFETIME: Final = 30.0
MAX_LIFETIME: Final = 24 * 3600.0

#: Seconds until a relay that cannot be reached is dialed again: the first and the
#: longest wait.
MIN_RETRY: Final = 1.0
MAX_RETRY: Final = 15.0

#: Seconds until a relay that refuses is asked again: the first and the longest wait.
MIN_REFUSED: Final = 60.0
MAX_REFUSED: Final = 3600.0

#: Seconds until a relay is asked again whose refusal is meant: it has no place, or it
#: does not serve us.
DENIED: Final = 600.0

#: The part of the lifetime after which a reservation is renewed, and the part of the
#: rest after which a failed renewal is tried again.
RENEWAL: Final = 0.5
RETRIAL: Final = 0.25


class State(Enum):
    """
    The states of a reservation.
    """

    IDLE = "idle"
    CONNECTING = "connecting"
    ASKING = "asking"
    HELD = "held"
    RENEWING = "renewing"
    WAITING = "waiting"


class Event(Enum):
    """
    The events of a reservation.
    """

    WANTED = "wanted"
    UNWANTED = "unwanted"
    CONNECTED = "connected"
    GRANTED = "granted"
    FAILED = "failed"
    LOST = "lost"
    DUE = "due"
    EXPIRED = "expired"


class Effect(Enum):
    """
    The orders of a reservation.
    """

    #: Connect to the relay.
    CONNECT = "connect"
    #: Ask the relay for a place.
    ASK = "ask"
    #: Give up the dial, the question and the wait.
    CANCEL = "cancel"
    #: Announce the addresses of the relay as ours.
    ANNOUNCE = "announce"
    #: Announce them no longer.
    WITHDRAW = "withdraw"
    #: Report L{Event.DUE} after L{Reserving.wait}.
    WAIT = "wait"


#: For each state: its events, each with the next state and the effects.  Other events
#: change nothing.
TABLE: Final[dict[State, dict[Event, tuple[State, tuple[Effect, ...]]]]] = {
    State.IDLE: {
        Event.WANTED: (State.CONNECTING, (Effect.CONNECT,)),
    },
    State.CONNECTING: {
        Event.CONNECTED: (State.ASKING, (Effect.ASK,)),
        Event.FAILED: (State.WAITING, (Effect.WAIT,)),
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL,)),
    },
    State.ASKING: {
        Event.GRANTED: (State.HELD, (Effect.ANNOUNCE, Effect.WAIT)),
        Event.FAILED: (State.WAITING, (Effect.WAIT,)),
        Event.LOST: (State.WAITING, (Effect.CANCEL, Effect.WAIT)),
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL,)),
    },
    State.HELD: {
        Event.DUE: (State.RENEWING, (Effect.ASK,)),
        Event.EXPIRED: (
            State.CONNECTING,
            (Effect.CANCEL, Effect.WITHDRAW, Effect.CONNECT),
        ),
        Event.LOST: (State.WAITING, (Effect.CANCEL, Effect.WITHDRAW, Effect.WAIT)),
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL, Effect.WITHDRAW)),
    },
    State.RENEWING: {
        Event.GRANTED: (State.HELD, (Effect.ANNOUNCE, Effect.WAIT)),
        # The old reservation is valid until it expires.
        Event.FAILED: (State.HELD, (Effect.WAIT,)),
        Event.EXPIRED: (
            State.WAITING,
            (Effect.CANCEL, Effect.WITHDRAW, Effect.WAIT),
        ),
        Event.LOST: (State.WAITING, (Effect.CANCEL, Effect.WITHDRAW, Effect.WAIT)),
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL, Effect.WITHDRAW)),
    },
    State.WAITING: {
        Event.DUE: (State.CONNECTING, (Effect.CONNECT,)),
        # The relay has connected to us, or another service has connected to it.
        Event.CONNECTED: (State.ASKING, (Effect.CANCEL, Effect.ASK)),
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL,)),
    },
}


class Reserving:
    """
    The state of one reservation, and when what is due.

    @ivar state: the state.
    @ivar expires: the time at which the reservation ends, in seconds since the epoch;
        0 without one.
    @ivar failures: the number of failures since the last success.
    @ivar status: the last refusal of the relay; None if it was another failure.
    """

    __slots__ = ("_random", "expires", "failures", "state", "status")

    def __init__(self, random: Callable[[], float]) -> None:
        """
        @param random: returns numbers from 0 to 1, so that the peers of a relay that
            restarts do not all come at once.
        """
        self.state = State.IDLE
        self.expires = 0.0
        self.failures = 0
        self.status: int | None = None
        self._random = random

    @property
    def held(self) -> bool:
        """
        Whether there is a reservation.
        """
        return self.state in (State.HELD, State.RENEWING)

    def happened(self, event: Event) -> tuple[Effect, ...]:
        """
        Take an event.

        @return: the orders, in their order.
        """
        after = TABLE[self.state].get(event)
        if after is None:
            return ()
        self.state, effects = after
        if event in (Event.FAILED, Event.EXPIRED):
            self.failures += 1
        elif event in (Event.LOST, Event.UNWANTED):
            self.failures, self.status = 0, None
        if not self.held:
            self.expires = 0.0
        return effects

    def granted(self, now: float, expires: float) -> tuple[Effect, ...]:
        """
        Take a reservation.

        @param expires: when it ends, as the relay says.
        """
        effects = self.happened(Event.GRANTED)
        if self.held:
            self.expires = min(expires, now + MAX_LIFETIME)
            self.failures, self.status = 0, None
        return effects

    def refused(self, status: int | None) -> tuple[Effect, ...]:
        """
        Take a refusal.

        @param status: the answer of the relay; None for any other failure.
        """
        self.status = status
        return self.happened(Event.FAILED)

    def wait(self, now: float) -> float:
        """
        Return the seconds after which the next L{Event.DUE} has to come.
        """
        if self.state is State.HELD:
            left = max(0.0, self.expires - now)
            return left * (RETRIAL if self.failures else RENEWAL)
        spread = 0.5 + 0.5 * self._random()
        doubled = 2.0 ** min(max(self.failures - 1, 0), 16)
        if self.status in (Status.RESERVATION_REFUSED, Status.PERMISSION_DENIED):
            return min(DENIED * doubled, MAX_REFUSED) * spread
        if self.status is not None:
            return min(MIN_REFUSED * doubled, MAX_REFUSED) * spread
        return min(MIN_RETRY * doubled, MAX_RETRY) * spread
