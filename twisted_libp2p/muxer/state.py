# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The states of a stream, as tables.

A stream has two halves, which end on their own.  Each half has a small machine:
L{SENDING} is the table of ours, L{RECEIVING} that of the peer's.  An event moves the
halves that have a row for it, and their effects are carried out by the stream, ours
first.  An event that neither half has a row for changes nothing: it repeats
something, or it comes too late.

Three facts are kept apart, since they come at different times:

  - the end of a half I{on the wire}: C{SENT} and C{UNREAD} and all later states;
  - the I{notification} of the application: C{ENDED} follows when it has been made.
    Between C{UNREAD} and C{ENDED} an application that has paused still reads bytes
    that came before the end;
  - whether the application has I{left}, by C{loseConnection} or since it lost the
    stream: C{LEAVING}, C{DISCARDING}, C{DISCARDED}.

L{START} is where each stream begins.  All pairs that can be reached from there are
built once, as L{StreamState} objects that stand for themselves: a stream keeps one of
these, asks it for facts by attributes, and looks its next state up in it.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "CLOSE",
    "FIN_RECEIVED",
    "FIN_SENT",
    "KEEP",
    "LEAVE",
    "LOSE",
    "LOST",
    "NEGOTIATED",
    "READ_END",
    "RECEIVING",
    "RESET",
    "SENDING",
    "SHUT",
    "START",
    "STATES",
    "WRITE_END",
    "Effect",
    "Event",
    "Receiving",
    "Sending",
    "StreamState",
]


class Sending(IntEnum):
    """
    Our half.
    """

    #: The application may write.
    OPEN = 0
    #: The half ends when all written bytes are sent.
    DRAINING = 1
    #: The end has left, and the application was not notified of it.
    SENT = 2
    #: Nothing leaves any longer.  The application has been notified of the end, or is
    #: to be notified of nothing but the loss of the stream.
    ENDED = 3
    #: C{connectionLost} is being called.
    LOSING = 4
    #: C{connectionLost} has returned.
    LOST = 5


class Receiving(IntEnum):
    """
    The peer's half.
    """

    #: The peer may send, and the application reads.
    OPEN = 0
    #: The application has closed the stream while its protocol is negotiated: only
    #: the negotiator reads.
    LEAVING = 1
    #: The application has left; received bytes are dropped.
    DISCARDING = 2
    #: The end has come, and the application has not been notified of it.
    UNREAD = 3
    #: So too, and the session has ended since: the application may read the rest.
    KEPT = 4
    #: The end has come, and the application knows.
    ENDED = 5
    #: The end has come, or nothing waits for it, and the application has left.
    DISCARDED = 6


class Event(IntEnum):
    """
    The events that move a half.
    """

    #: The application ends our half: C{loseWriteConnection}.
    SHUT = 0
    #: The application leaves: C{loseConnection}.
    CLOSE = 1
    #: The application leaves while its protocol is negotiated.
    LEAVE = 2
    #: The peer has confirmed the protocol.
    NEGOTIATED = 3
    #: The end of our half has been given to the transport.
    FIN_SENT = 4
    #: The end of the peer's half has come.
    FIN_RECEIVED = 5
    #: The application is to be notified of the end of our half.
    WRITE_END = 6
    #: The application is to be notified of the end of the peer's half.
    READ_END = 7
    #: Either side has reset the stream, or the session has ended.
    RESET = 8
    #: The session has ended while the application has not read everything.
    KEEP = 9
    #: C{connectionLost} is about to be called.
    LOSE = 10
    #: C{connectionLost} has returned.
    LOST = 11


# The events by themselves: see "Names of constants" in docs/internals.rst.
(
    SHUT,
    CLOSE,
    LEAVE,
    NEGOTIATED,
    FIN_SENT,
    FIN_RECEIVED,
    WRITE_END,
    READ_END,
    RESET,
    KEEP,
    LOSE,
    LOST,
) = Event


class Effect(IntEnum):
    """
    The effects of a move, which the stream carries out.
    """

    #: Send the end of our half as soon as that can be done.
    DRAIN = 0
    #: Drop the bytes that the application has not read.
    DISCARD = 1
    #: Have the session notify the application in its next turn, and give the peer some
    #: time to end its half, if the application has left.
    NOTIFY = 2
    #: Call C{writeConnectionLost}, if the application has it.
    REPORT_WRITE_END = 3
    #: Call C{readConnectionLost}, if the application has it; close otherwise.
    REPORT_READ_END = 4


#: Our half: the next state and the effects of each event.
SENDING: dict[tuple[Sending, Event], tuple[Sending, tuple[Effect, ...]]] = {
    (Sending.OPEN, Event.SHUT): (Sending.DRAINING, (Effect.DRAIN,)),
    (Sending.OPEN, Event.CLOSE): (Sending.DRAINING, (Effect.DRAIN,)),
    (Sending.OPEN, Event.LEAVE): (Sending.DRAINING, (Effect.DRAIN,)),
    (Sending.OPEN, Event.RESET): (Sending.ENDED, ()),
    (Sending.OPEN, Event.KEEP): (Sending.ENDED, ()),
    (Sending.DRAINING, Event.CLOSE): (Sending.DRAINING, (Effect.DRAIN,)),
    (Sending.DRAINING, Event.LEAVE): (Sending.DRAINING, (Effect.DRAIN,)),
    (Sending.DRAINING, Event.NEGOTIATED): (Sending.DRAINING, (Effect.DRAIN,)),
    (Sending.DRAINING, Event.FIN_SENT): (Sending.SENT, (Effect.NOTIFY,)),
    (Sending.DRAINING, Event.RESET): (Sending.ENDED, ()),
    (Sending.DRAINING, Event.KEEP): (Sending.ENDED, ()),
    (Sending.SENT, Event.CLOSE): (Sending.SENT, (Effect.NOTIFY,)),
    (Sending.SENT, Event.WRITE_END): (Sending.ENDED, (Effect.REPORT_WRITE_END,)),
    (Sending.SENT, Event.RESET): (Sending.ENDED, ()),
    (Sending.SENT, Event.KEEP): (Sending.ENDED, ()),
    (Sending.SENT, Event.LOSE): (Sending.LOSING, ()),
    (Sending.ENDED, Event.CLOSE): (Sending.ENDED, (Effect.NOTIFY,)),
    (Sending.ENDED, Event.LOSE): (Sending.LOSING, ()),
    (Sending.LOSING, Event.LOST): (Sending.LOST, ()),
}

#: The peer's half: the next state and the effects of each event.
RECEIVING: dict[tuple[Receiving, Event], tuple[Receiving, tuple[Effect, ...]]] = {
    (Receiving.OPEN, Event.CLOSE): (Receiving.DISCARDING, (Effect.DISCARD,)),
    (Receiving.OPEN, Event.LEAVE): (Receiving.LEAVING, ()),
    (Receiving.OPEN, Event.FIN_RECEIVED): (Receiving.UNREAD, ()),
    (Receiving.OPEN, Event.RESET): (Receiving.DISCARDED, (Effect.DISCARD,)),
    (Receiving.LEAVING, Event.NEGOTIATED): (Receiving.DISCARDING, (Effect.DISCARD,)),
    (Receiving.LEAVING, Event.FIN_RECEIVED): (
        Receiving.DISCARDED,
        (Effect.REPORT_READ_END,),
    ),
    (Receiving.LEAVING, Event.RESET): (Receiving.DISCARDED, (Effect.DISCARD,)),
    (Receiving.DISCARDING, Event.FIN_RECEIVED): (Receiving.DISCARDED, ()),
    (Receiving.DISCARDING, Event.RESET): (Receiving.DISCARDED, ()),
    (Receiving.UNREAD, Event.CLOSE): (Receiving.DISCARDED, (Effect.DISCARD,)),
    (Receiving.UNREAD, Event.LEAVE): (Receiving.DISCARDED, (Effect.DISCARD,)),
    (Receiving.UNREAD, Event.READ_END): (Receiving.ENDED, (Effect.REPORT_READ_END,)),
    (Receiving.UNREAD, Event.KEEP): (Receiving.KEPT, ()),
    (Receiving.UNREAD, Event.RESET): (Receiving.DISCARDED, (Effect.DISCARD,)),
    (Receiving.KEPT, Event.CLOSE): (Receiving.DISCARDED, (Effect.DISCARD,)),
    (Receiving.KEPT, Event.READ_END): (Receiving.ENDED, (Effect.REPORT_READ_END,)),
    (Receiving.KEPT, Event.RESET): (Receiving.DISCARDED, (Effect.DISCARD,)),
    (Receiving.ENDED, Event.CLOSE): (Receiving.DISCARDED, ()),
    (Receiving.ENDED, Event.LEAVE): (Receiving.DISCARDED, ()),
    (Receiving.ENDED, Event.RESET): (Receiving.DISCARDED, ()),
    (Receiving.ENDED, Event.LOSE): (Receiving.DISCARDED, ()),
}


class StreamState:
    """
    The state of both halves of a stream.  There is one object of each.

    @ivar sending: our half.
    @ivar receiving: the peer's half.
    @ivar shut: whether the application has ended our half, or lost it.
    @ivar draining: whether our half ends when all is sent.
    @ivar sent: whether our half has ended on the wire.
    @ivar peerEnded: whether the peer's half has ended on the wire.
    @ivar closed: whether both have: the peer may have forgotten the stream.
    @ivar unread: whether the application is still to be notified of the end of the
        peer's half.
    @ivar settled: whether C{connectionLost} is the only call that the application may
        still expect.
    @ivar left: whether the application reads nothing any longer.
    @ivar discards: whether received bytes are dropped.
    @ivar lost: whether C{connectionLost} was called.
    @ivar gone: whether it has returned.
    @ivar after: the next state and the effects of each event that has any.
    """

    __slots__ = (
        "after",
        "closed",
        "discards",
        "draining",
        "gone",
        "left",
        "lost",
        "peerEnded",
        "receiving",
        "sending",
        "sent",
        "settled",
        "shut",
        "unread",
    )

    def __init__(self, sending: Sending, receiving: Receiving) -> None:
        self.sending = sending
        self.receiving = receiving
        self.shut = sending is not Sending.OPEN
        self.draining = sending is Sending.DRAINING
        self.sent = sending >= Sending.SENT
        self.peerEnded = receiving >= Receiving.UNREAD
        self.closed = self.sent and self.peerEnded
        self.unread = receiving in (Receiving.UNREAD, Receiving.KEPT)
        self.settled = self.closed and not self.unread
        self.discards = receiving in (Receiving.DISCARDING, Receiving.DISCARDED)
        self.left = self.discards or receiving is Receiving.LEAVING
        self.lost = sending >= Sending.LOSING
        self.gone = sending is Sending.LOST
        self.after: dict[Event, tuple[StreamState, tuple[Effect, ...]]] = {}

    def __repr__(self) -> str:
        return f"{self.sending.name}/{self.receiving.name}"


def _build() -> dict[tuple[Sending, Receiving], StreamState]:
    """
    Join both tables: build all states that can be reached from the first.
    """
    first = (Sending.OPEN, Receiving.OPEN)
    states = {first: StreamState(*first)}
    waiting = [first]
    while waiting:
        halves = waiting.pop()
        sending, receiving = halves
        for event in Event:
            ours = SENDING.get((sending, event))
            theirs = RECEIVING.get((receiving, event))
            if ours is None and theirs is None:
                continue
            nextSending, ourEffects = ours or (sending, ())
            nextReceiving, theirEffects = theirs or (receiving, ())
            after = (nextSending, nextReceiving)
            if after not in states:
                states[after] = StreamState(*after)
                waiting.append(after)
            # Unread bytes are dropped before anything else is done.
            effects = sorted(
                ourEffects + theirEffects, key=lambda each: each is not Effect.DISCARD
            )
            states[halves].after[event] = (states[after], tuple(effects))
    return states


#: All states, by their halves.
STATES = _build()

#: The state of a new stream.
START = STATES[Sending.OPEN, Receiving.OPEN]
