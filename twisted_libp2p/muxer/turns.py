# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The turns of a session: when its streams are sent, and when their applications are
notified.

Theory of operation
===================

Nothing happens in the call that asks for it.  A stream with bytes to send calls
L{Turns.ready}, a stream with an event for its application calls L{Turns.notify}; both
only put it into a list.  The lists are worked off in a I{turn}, which comes

  - at the end of the read in which they were filled: the session sets C{held} while it
    parses, and runs the turn after that, so that all answers leave together;
  - when the transport takes more, after it was full;
  - otherwise in the next iteration of the reactor.

So a protocol is never re-entered by a method that it calls, and the frames of many
small writes make one batch.

A turn (L{Turns.run}) has rounds.  Each round first notifies: the streams of
C{toNotify}, and, if the transport takes more, those of C{wantsMore}, whose producers
wait to be asked.  This may queue more bytes.  The round then sends: C{control} frames,
which belong to no stream, and one frame of each stream in the C{queue}, in turns, until
the transport is full or nothing is left.  If there is more to notify, another round
follows, at most L{ROUNDS} of them: then the reactor gets its chance, and the rest comes
in the next turn.

Four rules hold at any time, and are needed for correctness:

  1. A stream is in C{queue} if and only if its C{queued} is true.  It enters only if it
     has something to send and the peer takes it, and leaves at once when it ends: the
     queue cannot grow by streams that have ended.
  2. While C{held} is true no turn begins: the session is in the middle of a read, a
     round, or a write to the transport, which may resume us before it returns.
  3. While C{paused} is true nothing is given to the transport; bytes wait in the
     streams, and producers are not asked.
  4. After L{Turns.stop} nothing is sent.  Streams whose applications still read are
     notified as before.

Three things are there for speed alone; "Reading and writing" in docs/internals.rst has
their measured gains:
a stream with more than L{BATCH} bytes is sent in the call (C{ready}); a read that has
made L{EARLY} streams ready sends them in the middle (L{Turns.flushNow}); and the turn
of an iteration of the reactor ends with C{flush}, so that the layers below need no
iteration of their own.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.interfaces import IFlushable
from twisted_libp2p.muxer.outbox import Outbox

__all__ = ["BATCH", "EARLY", "ROUNDS", "Turns"]

#: So many bytes go to the transport in one piece, and without waiting for the
#: end of the reactor's turn.
BATCH = 32 * 1024

#: The most rounds of one turn.  Producers that write 16 KiB fill a socket of Twisted's
#: in four; some transports are never full.
ROUNDS = 8

#: Number of streams with output at which a session flushes in the middle of a read: the
#: peer works on the first of them while we go on.
EARLY = 16


class Output(Protocol):
    """
    The session, as its turns use it.
    """

    def emit(self, stream: Any, batch: list[bytes | memoryview]) -> int:
        """
        Append the next frames of a stream.

        @return: how many bytes these are.
        """

    def controlSent(self) -> None:
        """
        Note that all control frames leave.
        """


class Ending(Protocol):
    """
    A stream, at the end of its session.
    """

    def sessionEnded(self, reason: Failure, keep: bool) -> None:
        """
        Lose the stream for a reason, unless it is kept.
        """


class Turns:
    """
    The turns of one session.

    @ivar queue: the streams with something to send; ordered, so that they take turns.
    @ivar control: the frames that leave ahead of all streams.
    @ivar toNotify: the streams whose applications have an event to learn of.
    @ivar wantsMore: the streams whose producers wait to be asked until the transport
        takes more; the little that is left of their bytes leaves with the next.
    @ivar held: whether no turn may begin.
    @ivar paused: whether the transport is full.
    @ivar received: the bytes that the layer has received.
    @ivar sent: the bytes that were handed to the transport.
    @ivar stopped: whether nothing is sent any longer.
    """

    __slots__ = (
        "_call",
        "_clock",
        "_output",
        "_transport",
        "control",
        "held",
        "paused",
        "queue",
        "received",
        "sent",
        "stopped",
        "toNotify",
        "wantsMore",
    )

    def __init__(self, clock: IReactorTime) -> None:
        self._clock: IReactorTime = clock
        self._output: Output | None = None
        self._transport: IFlushable | None = None
        self._call: IDelayedCall | None = None
        self.queue: OrderedDict[Outbox, None] = OrderedDict()
        self.control: list[bytes] = []
        self.toNotify: dict[Outbox, None] = {}
        # Made when a producer waits.
        self.wantsMore: dict[Outbox, None] | None = None
        self.held = False
        self.paused = False
        self.received = 0
        self.sent = 0
        self.stopped = False

    def start(self, output: Output, transport: IFlushable) -> None:
        """
        Begin to send.

        @param output: packs the frames of streams.
        @param transport: takes the batches.
        """
        self._output = output
        self._transport = transport

    # What streams and the session ask for

    def ready(self, stream: Outbox) -> None:
        """
        Have something of a stream sent.
        """
        if self.stopped or stream.state.closed:
            return
        if not stream.queued:
            stream.queued = True
            self.queue[stream] = None
        if self.held or self.paused:
            return
        if stream.unsentSize >= BATCH:
            self.pump()
            if not (self.toNotify or self.wantsMore):
                return
        self.call()

    def notify(self, stream: Outbox) -> None:
        """
        Have the application of a stream notified.
        """
        self.toNotify[stream] = None
        if not self.held:
            self.call()

    def sendControl(self, frame: bytes) -> None:
        """
        Send a frame ahead of all streams.
        """
        self.control.append(frame)
        if not self.held:
            self.call()

    def forget(self, stream: Outbox) -> None:
        """
        Neither send nor notify a stream any longer.
        """
        if stream.queued:
            self.queue.pop(stream, None)
        self.toNotify.pop(stream, None)
        if self.wantsMore:
            self.wantsMore.pop(stream, None)

    def dequeue(self, stream: Outbox) -> None:
        """
        Send nothing of a stream any longer.
        """
        if stream.queued:
            stream.queued = False
            # It is not there if the turns have been stopped.
            self.queue.pop(stream, None)

    def end(self, streams: Iterable[Ending], reason: Failure, keep: bool) -> None:
        """
        End streams, since their session has ended, and notify their applications.

        @param keep: whether streams whose peer has ended its half stay until their
            applications have read everything.
        """
        held, self.held = self.held, True
        try:
            for stream in streams:
                stream.sessionEnded(reason, keep)
        finally:
            self.held = held
        if self.toNotify and not held:
            self.call()

    def stop(self) -> None:
        """
        Send nothing any longer, and forget all pending events.
        """
        self.stopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None
        self.control.clear()
        self.queue.clear()
        self.toNotify.clear()
        self.wantsMore = None
        # It knows this object.
        self._output = self._transport = None

    # Turns

    def call(self) -> None:
        """
        Have a turn in the next iteration of the reactor.
        """
        if self._call is None:
            self._call = self._clock.callLater(0, self._iteration)

    def _iteration(self) -> None:
        """
        Have a turn, and send its batches at once: nothing else of this iteration would
        add to them.
        """
        self._call = None
        self.run(now=True)
        if self._transport is not None and not self.paused:
            self._transport.flush()

    def run(self, now: bool = False) -> None:
        """
        Notify and send, in rounds, until the transport is full or nothing is left.

        @param now: whether small batches leave at once, and need not be joined.
        """
        for _ in range(ROUNDS):
            pending, self.toNotify = self.toNotify, {}
            if self.wantsMore and not self.paused:
                pending |= self.wantsMore
                self.wantsMore.clear()
            if pending:
                self._deliver(pending)
            if self.stopped:
                # Applications may still read from some streams.
                if self.toNotify:
                    self.call()
                return
            if self.queue or self.control:
                self.pump(now=now)
            if not self.toNotify and (self.paused or not self.wantsMore):
                return
        self.call()

    def _deliver(self, pending: Iterable[Outbox]) -> None:
        """
        Notify the applications of streams.
        """
        self.held = True
        try:
            for stream in pending:
                stream.deliverPending()
                if stream.unsentSize and stream.sendWindow and not stream.queued:
                    self.ready(stream)
        finally:
            self.held = False

    def pump(self, everything: bool = False, now: bool = False) -> None:
        """
        Hand frames to the transport until it is full or none is left.  Calls no
        application.

        @param everything: send even if the transport is full.
        @param now: whether small batches leave at once, and need not be joined.
        """
        output, transport = self._output, self._transport
        if output is None or transport is None:
            return
        queue = self.queue
        if everything and self.wantsMore:
            queue.update(self.wantsMore)
        # The transport may resume us while it takes a batch: that begins no turn.
        held, self.held = self.held, True
        try:
            while (queue or self.control) and (everything or not self.paused):
                batch: list[bytes | memoryview] = []
                if self.control:
                    batch += self.control
                    self.control.clear()
                    output.controlSent()
                size = self._fill(batch, output, everything)
                if not batch:
                    # The backend makes the frames.
                    self.sent += size
                else:
                    data = b"".join(batch)
                    self.sent += len(data)
                    if now and len(data) < BATCH:
                        transport.writeNow(data)
                    else:
                        transport.write(data)
        finally:
            self.held = held

    def _fill(
        self, batch: list[bytes | memoryview], output: Output, everything: bool
    ) -> int:
        """
        Append frames of the waiting streams, one data frame of each in turn, up to
        L{BATCH} bytes.

        @param everything: ask no producer for more.
        @return: their size.
        """
        queue = self.queue
        size = 0
        while queue and size < BATCH:
            stream = queue.popitem(last=False)[0]
            stream.queued = False
            size += output.emit(stream, batch)
            if stream._producer is not None and stream.wantsMore and not everything:
                if self.wantsMore is None:
                    self.wantsMore = {}
                self.wantsMore[stream] = None
            elif stream.unsentSize and stream.sendWindow:
                stream.queued = True
                queue[stream] = None
        return size

    def flushNow(self) -> None:
        """
        Send all frames that there are, in the middle of a read.
        """
        if not self.paused and self._transport is not None:
            self.pump()
            self._transport.flush()
