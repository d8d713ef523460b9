# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The life of the mapping of one port, without I/O.

A mapping is a wish, as a reservation at a relay is: it is asked for again when the
gateway refuses, restarts or is replaced, and before it expires.  The states are a
table.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from twisted_libp2p.portmap.lease import Lease

__all__ = ["LIFETIME", "MAX_RETRY", "MIN_RETRY", "Effect", "Event", "Mapping", "State"]

#: The seconds for which a mapping is asked.  One that we leave behind after a crash
#: lasts no longer.
LIFETIME: Final = 3600

#: Seconds until a gateway is asked again that has refused, or that is not there: the
#: first and the longest wait.
MIN_RETRY: Final = 60.0
MAX_RETRY: Final = 3600.0

#: The part of the lifetime after which a mapping is renewed, the part of the rest after
#: which a failed renewal is tried again, and the minimum of both, in seconds.
RENEWAL: Final = 0.5
RETRIAL: Final = 0.25
MIN_RENEWAL: Final = 2.0


class State(Enum):
    """
    The states of a mapping.
    """

    IDLE = "idle"
    ASKING = "asking"
    HELD = "held"
    RENEWING = "renewing"
    WAITING = "waiting"


class Event(Enum):
    """
    The events of a mapping.
    """

    WANTED = "wanted"
    UNWANTED = "unwanted"
    GRANTED = "granted"
    REFUSED = "refused"
    DUE = "due"
    EXPIRED = "expired"
    #: The gateway has forgotten its mappings, or is another one.
    FORGOTTEN = "forgotten"


class Effect(Enum):
    """
    The orders of a mapping.
    """

    #: Ask the gateway.
    ASK = "ask"
    #: Give up the question and the wait.
    CANCEL = "cancel"
    #: Announce the public address as ours.
    ANNOUNCE = "announce"
    #: Announce it no longer.
    WITHDRAW = "withdraw"
    #: Delete the mapping at the gateway.
    DELETE = "delete"
    #: Report L{Event.DUE} after L{Mapping.wait}.
    WAIT = "wait"


#: For each state: its events, each with the next state and the effects.  Other events
#: change nothing.
TABLE: Final[dict[State, dict[Event, tuple[State, tuple[Effect, ...]]]]] = {
    State.IDLE: {
        Event.WANTED: (State.ASKING, (Effect.ASK,)),
    },
    State.ASKING: {
        Event.GRANTED: (State.HELD, (Effect.ANNOUNCE, Effect.WAIT)),
        Event.REFUSED: (State.WAITING, (Effect.WAIT,)),
        Event.FORGOTTEN: (State.ASKING, (Effect.CANCEL, Effect.ASK)),
        # The gateway may have granted it meanwhile.
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL, Effect.DELETE)),
    },
    State.HELD: {
        Event.DUE: (State.RENEWING, (Effect.ASK,)),
        Event.EXPIRED: (State.ASKING, (Effect.CANCEL, Effect.WITHDRAW, Effect.ASK)),
        Event.FORGOTTEN: (State.ASKING, (Effect.CANCEL, Effect.WITHDRAW, Effect.ASK)),
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL, Effect.DELETE, Effect.WITHDRAW)),
    },
    State.RENEWING: {
        Event.GRANTED: (State.HELD, (Effect.ANNOUNCE, Effect.WAIT)),
        # The old lease is valid until it expires.
        Event.REFUSED: (State.HELD, (Effect.WAIT,)),
        Event.EXPIRED: (State.WAITING, (Effect.CANCEL, Effect.WITHDRAW, Effect.WAIT)),
        Event.FORGOTTEN: (State.ASKING, (Effect.CANCEL, Effect.WITHDRAW, Effect.ASK)),
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL, Effect.DELETE, Effect.WITHDRAW)),
    },
    State.WAITING: {
        Event.DUE: (State.ASKING, (Effect.ASK,)),
        Event.FORGOTTEN: (State.ASKING, (Effect.CANCEL, Effect.ASK)),
        Event.UNWANTED: (State.IDLE, (Effect.CANCEL,)),
    },
}


class Mapping:
    """
    The state of the mapping of one port, and when what is due.

    @ivar state: the state.
    @ivar lease: the lease that is held; None without one.
    @ivar expires: when it ends, by the clock of the node.
    @ivar failures: the number of refusals since the last success.
    """

    __slots__ = ("_random", "expires", "failures", "lease", "state")

    def __init__(self, random: Callable[[], float]) -> None:
        """
        @param random: returns numbers from 0 to 1, which spread the waits.
        """
        self.state = State.IDLE
        self.lease: Lease | None = None
        self.expires = 0.0
        self.failures = 0
        self._random = random

    @property
    def held(self) -> bool:
        """
        Whether there is a lease.
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
        if event in (Event.REFUSED, Event.EXPIRED):
            self.failures += 1
        elif event in (Event.FORGOTTEN, Event.UNWANTED):
            self.failures = 0
        return effects

    def granted(self, now: float, lease: Lease) -> tuple[Effect, ...]:
        """
        Take a lease.

        @return: the orders, in their order.
        """
        effects = self.happened(Event.GRANTED)
        if self.held:
            self.lease = lease
            self.expires = now + min(lease.lifetime, LIFETIME)
            self.failures = 0
        return effects

    def wait(self, now: float) -> float:
        """
        Return the seconds after which the next L{Event.DUE} has to come.
        """
        if self.state is State.HELD:
            part = RETRIAL if self.failures else RENEWAL
            return max((self.expires - now) * part, MIN_RENEWAL)
        spread = 0.5 + 0.5 * self._random()
        doubled = 2.0 ** min(max(self.failures - 1, 0), 16)
        return min(MIN_RETRY * doubled, MAX_RETRY) * spread
