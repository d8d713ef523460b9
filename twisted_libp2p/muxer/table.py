# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The streams of one session: by their keys, counted, and with a deadline once closed.

It knows nothing of frames, so it serves each session that carries
L{Stream<twisted_libp2p.muxer.stream.Stream>}s, those of a transport that is muxed
natively too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, Protocol, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_libp2p.interfaces import Direction
from twisted_libp2p.muxer.state import StreamState

__all__ = ["LINGER", "StreamTable"]

#: Seconds in which the peer has to end its half after ours has ended.
LINGER = 30.0

_INBOUND = Direction.INBOUND


class _Entry(Protocol):
    """
    A stream, as the table uses it.
    """

    key: int
    state: StreamState
    _direction: Direction

    def abortConnection(self) -> None: ...

    def deliverPending(self) -> None: ...


S = TypeVar("S", bound=_Entry)


class StreamTable(Generic[S]):
    """
    The streams of one session.

    @ivar byKey: the streams that are not closed yet, by the muxer's numbers for them.
        A stream that has lost its number to another one has a negative key.
    @ivar maxInbound: how many streams the peer may have open.
    @ivar maxOutbound: how many streams our side may have open.
    @ivar inbound: how many the peer has open.
    @ivar outbound: how many our side has open.
    """

    __slots__ = (
        "_clock",
        "_lingerCall",
        "_lingering",
        "_stopped",
        "byKey",
        "inbound",
        "maxInbound",
        "maxOutbound",
        "outbound",
    )

    def __init__(self, clock: IReactorTime, maxInbound: int, maxOutbound: int) -> None:
        self._clock: IReactorTime = clock
        self.maxInbound = maxInbound
        self.maxOutbound = maxOutbound
        self.inbound = self.outbound = 0
        self.byKey: dict[int, S] = {}
        # The closed streams and their deadlines, the earliest first; made when there
        # is one: see "Slots, and objects made at first use" in docs/internals.rst.
        self._lingering: dict[S, float] | None = None
        self._stopped = False
        self._lingerCall: IDelayedCall | None = None

    @property
    def streams(self) -> Collection[S]:
        """
        The streams that are not closed yet.
        """
        return self.byKey.values()

    def add(self, key: int, stream: S) -> None:
        """
        Take in a stream.
        """
        stream.key = key
        self.byKey[key] = stream
        if stream._direction is _INBOUND:
            self.inbound += 1
        else:
            self.outbound += 1

    def remove(self, stream: S) -> bool:
        """
        Forget a stream.

        @return: False if it was forgotten before.
        """
        if self.byKey.get(stream.key) is not stream:
            return False
        del self.byKey[stream.key]
        if stream._direction is _INBOUND:
            self.inbound -= 1
        else:
            self.outbound -= 1
        if self._lingering:
            self._lingering.pop(stream, None)
        return True

    def occupant(self, key: int) -> S | None:
        """
        Return the stream that keeps the peer from opening a stream of this key.

        A stream that has ended on the wire keeps nobody: the rules for the peer do not
        depend on whether our application has been notified, or has read everything.
        If it has not, the stream stays in the table under another key.
        """
        stream = self.byKey.get(key)
        if stream is not None and stream.state.closed:
            stream.deliverPending()
            if self.byKey.get(key) is stream:
                # Its application has paused it.
                del self.byKey[key]
                stream.key = ~id(stream)
                self.byKey[stream.key] = stream
            stream = None
        return stream

    # The deadline of closed streams

    def linger(self, stream: S) -> None:
        """
        Give the peer L{LINGER} seconds from now to take the rest of a stream that
        our side has closed, and to end its own half.  The stream is reset then.
        """
        if self._stopped or stream.state.closed:
            return
        lingering = self._lingering
        if lingering is None:
            lingering = self._lingering = {}
        else:
            lingering.pop(stream, None)
        lingering[stream] = self._clock.seconds() + LINGER
        if self._lingerCall is None:
            self._lingerCall = self._clock.callLater(LINGER, self._lingerPassed)

    def stop(self) -> None:
        """
        Let no stream linger, since the session has ended.
        """
        if self._lingerCall is not None and self._lingerCall.active():
            self._lingerCall.cancel()
        self._lingerCall = self._lingering = None
        self._stopped = True

    def _lingerPassed(self) -> None:
        """
        Let the reactor read once before a stream is reset: its end may wait in the
        socket if this process was stopped or busy.
        """
        self._lingerCall = self._clock.callLater(0, self._lingered)

    def _lingered(self) -> None:
        """
        Reset the closed streams whose time is over.
        """
        self._lingerCall = None
        now = self._clock.seconds()
        while self._lingering:
            stream, deadline = next(iter(self._lingering.items()))
            # A clock that was set back gives no stream more time than there is.
            left = min(deadline - now, LINGER)
            if left > 0:
                self._lingerCall = self._clock.callLater(left, self._lingerPassed)
                break
            del self._lingering[stream]
            stream.abortConnection()
