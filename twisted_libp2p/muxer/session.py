# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The session that the muxers of this package share: it has one transport of bytes below,
and many streams above.

It joins three parts and adds the end of the session to them: the
L{table<twisted_libp2p.muxer.table>} of streams, the
L{turns<twisted_libp2p.muxer.turns>} in which they are sent and notified, and the frames
of the muxer, which a subclass parses and packs.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    ClosedHere,
    ConnectionClosing,
    ErrorCode,
    LimitExceeded,
    PeerUnresponsive,
    ProtocolViolation,
    SessionEnded,
    StreamAborted,
    Truncated,
)
from twisted_libp2p.interfaces import IMuxerSession, ISecureTransport, Role
from twisted_libp2p.logger import Logger
from twisted_libp2p.muxer.ends import HeldEnds
from twisted_libp2p.muxer.frames import Frames
from twisted_libp2p.muxer.phase import CLOSING, NEW, PHASES, RUNNING, Phase
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.table import StreamTable
from twisted_libp2p.muxer.turns import Turns
from twisted_libp2p.pacing import Deadline, stateAfter

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import (
        IConnectionScope,
        IFlushable,
        IMuxedConnection,
    )

__all__ = [
    "CLOSE_TIMEOUT",
    "MAX_CONTROL",
    "MuxerSession",
    "Phase",
]

#: The most control frames that wait for a transport which takes none.
MAX_CONTROL = 1024

#: Seconds in which a transport that is being closed has to close.
CLOSE_TIMEOUT = 10.0


@implementer(IMuxerSession, IPushProducer)
class MuxerSession(Frames):
    """
    The muxer of one connection.

    A subclass parses received frames, and packs the frames that a stream needs; it
    writes nothing to the transport.  It reports to the stream: C{deliver},
    C{finReceived}, C{resetReceived}.  Frames of a stream that is not in the table, or
    whose state is C{closed} there, have crossed a reset.

    @ivar connection: the owner of the session.
    @ivar role: the part of our side in the upgrade of the connection.
    @ivar phase: where the session is in its life.
    @ivar table: the streams.
    @ivar turns: when these are sent and notified.
    @ivar transport: the transport of bytes; None before the session begins.
    @ivar below: the object through which all bytes are written to it.
    @ivar budget: grants the memory beyond the share of any session; None grants all.
    """

    # See "A session apart from its layer" in docs/internals.rst.
    __slots__ = (
        "_closeCall",
        "_held",
        "_reason",
        "below",
        "budget",
        "clock",
        "connection",
        "exhausted",
        "keepsAlive",
        "phase",
        "role",
        "table",
        "transport",
        "turns",
    )

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        role: Role,
        connection: IMuxedConnection,
        maxInboundStreams: int,
        maxOutboundStreams: int,
    ) -> None:
        self.transport: Any = None
        self.clock: IReactorTime = clock
        self.role: Role = role
        self.connection: IMuxedConnection = connection
        self.phase: Phase = NEW
        self.budget: IConnectionScope | None = None
        self.keepsAlive = False
        self.exhausted = False
        self.table: StreamTable[Stream] = StreamTable(
            clock, maxInboundStreams, maxOutboundStreams
        )
        self.turns = Turns(clock)
        # Made when an end is held back: nearly never.
        self._held: HeldEnds | None = None
        self._reason: Failure | None = None
        self._closeCall: Deadline | None = None

    # IMuxerSession

    @property
    def streams(self) -> Collection[Stream]:
        """
        The streams that are not closed yet.
        """
        return self.table.byKey.values()

    @property
    def ended(self) -> bool:
        """
        Whether the session has ended; its transport may still be closing.
        """
        return self.phase > RUNNING

    @property
    def full(self) -> LimitExceeded | None:
        """
        The error of L{openStream} while our side has as many streams open as it
        may have; None while it may open more.
        """
        table = self.table
        if table.outbound < table.maxOutbound:
            return None
        return LimitExceeded(
            "outbound streams of a connection",
            table.maxOutbound,
            table.outbound,
            self.outboundOption,
        )

    @property
    def received(self) -> int:
        """
        The received bytes.
        """
        return self.turns.received

    @property
    def sent(self) -> int:
        """
        The sent bytes.
        """
        return self.turns.sent

    def openStream(self, protocol: IProtocol) -> Stream:
        """
        Open a stream and connect the protocol to it.  The peer learns of it
        with the first bytes, or at the end of the reactor's turn.

        @raise ConnectionClosing: the session is ending, or not connected.
        @raise LimitExceeded: too many streams are open.
        """
        if self.phase is not RUNNING:
            raise ConnectionClosing("the session has ended, or has not begun")
        table = self.table
        if table.outbound >= table.maxOutbound:
            full = self.full
            assert full is not None
            raise full
        stream = self.newStream()
        self._connect(stream, protocol)
        if not stream.queued:
            self.turns.ready(stream)
        return stream

    def close(self, code: int = 0) -> None:
        """
        End the session.  Bytes that the streams have written and the peer is ready
        to take are sent; streams that have not ended by then are lost with
        L{StreamAborted}.

        @param code: the reason, for the peer, if the muxer has a place for it.
        """
        suffix = f" (code {code:#x})" if code else ""
        reason = Failure(StreamAborted("this side ended the session" + suffix))
        if self.ended:
            self._endStreams(reason)
            return
        self.turns.pump(everything=True)
        if self._held is not None:
            self._held.releaseAll()
            self.turns.pump(everything=True)
        done = Failure(ClosedHere(code))
        self._end(reason, done, self.goAwayFrame(code))

    def abort(self, reason: Failure) -> None:
        """
        End the session at once; every stream is lost for this reason.  A close
        that is under way is cut short.

        If the peer is considered dead, streams whose peer had ended its half stay
        until their applications have read everything, as if the transport was lost.
        """
        keep = reason.check(PeerUnresponsive) is not None
        if not self.ended:
            self._end(reason, reason, None, keep)
            return
        if self.phase is CLOSING and self.transport is not None:
            self.transport.abortConnection()
        self._endStreams(reason, keep)

    # The muxer's tools

    def find(self, key: int) -> Stream | None:
        """
        Return the stream with this key; None if the table has none.

        @param key: the result of C{key}.
        """
        return self.table.byKey.get(key)

    def violation(self, streamID: int, message: str) -> ProtocolViolation:
        """
        Return the error for a peer that broke the rules of a stream.
        """
        return ProtocolViolation(self.protocolID, f"stream {streamID}: {message}")

    def streamReceived(self, stream: Stream) -> bool:
        """
        Have the owner build the protocol for a stream that the peer opens.

        @return: whether there is one.
        """
        protocol: IProtocol | None = None
        table = self.table
        try:
            if table.inbound < table.maxInbound:
                # The contract passes the stream instead of an address.
                protocol = self.connection.buildProtocol(stream)  # type: ignore[arg-type]
            else:
                self.connection.streamRefused()
        except Exception:
            self._log.failure("no protocol for {stream}", stream=stream)
        if self.phase is not RUNNING:
            if protocol is not None:
                # The session has ended meanwhile, and with it the stream, which
                # is in no table yet.
                self.connection.streamClosed(stream, self._reason or connectionDone)
            return False
        if protocol is None:
            self.sendControl(self.resetFrame(stream, ErrorCode.LIMIT_EXCEEDED))
            return False
        self._connect(stream, protocol)
        return True

    def sendControl(self, frame: bytes) -> None:
        """
        Send a frame ahead of all streams.
        """
        turns = self.turns
        if self.ended:
            return
        turns.sendControl(frame)
        if turns.paused and len(turns.control) > MAX_CONTROL:
            self.violated(
                ProtocolViolation(
                    self.protocolID, "the peer asks for answers, and reads none"
                )
            )

    def holdEnd(self, stream: Stream) -> None:
        """
        Send the end of our half C{apart} seconds from now, or earlier by L{releaseEnd}.
        """
        if self._held is None:
            self._held = HeldEnds(self.turns.ready)
        self._held.hold(self.clock, self.apart, stream)

    def releaseEnd(self, stream: Stream) -> None:
        """
        Send the end of our half, if L{holdEnd} holds it back.
        """
        if self._held is not None:
            self._held.release(stream)

    def peerEnded(self, code: int) -> None:
        """
        End the session, since the peer has announced its end.
        """
        reason = Failure(SessionEnded(code))
        self._end(reason, reason if code else connectionDone, b"", keep=True)

    def violated(self, violation: ProtocolViolation) -> None:
        """
        End the session of a peer that broke the protocol.
        """
        reason = Failure(violation)
        self._end(reason, reason, self.protocolErrorFrame())

    # What streams ask for

    def reset(self, stream: Stream, code: int) -> None:
        """
        Send a reset of a stream, and nothing else of it any longer.
        """
        self.turns.dequeue(stream)
        if self.announced(stream):
            self.sendControl(self.resetFrame(stream, code))

    def closed(self, stream: Stream, reason: Failure) -> None:
        """
        Forget a stream: both its halves have ended, and its protocol has been
        notified.
        """
        if not self.table.remove(stream):
            return
        turns = self.turns
        if stream.queued or turns.toNotify or turns.wantsMore:
            turns.forget(stream)
        self.streamEnded(stream)
        try:
            self.connection.streamClosed(stream, reason)
        except Exception:
            self._log.failure("the owner of {stream} raised", stream=stream)
        stream.protocol = None

    # The transport below

    def start(self, transport: Any, below: IFlushable) -> None:
        """
        Begin, on a transport that is connected.

        @param below: the object through which all bytes are written to it.
        """
        self.phase = stateAfter(PHASES, self.phase, "start")
        self.transport = transport
        self.below = below
        self.turns.start(self, below)
        self.started()
        transport.registerProducer(self, True)
        self.connection.sessionStarted(self)

    def started(self) -> None:
        """
        Send the first frames, before the owner has the session.
        """

    def transportLost(self, reason: Failure) -> None:
        """
        End all streams, and then the session, as the transport is gone.

        A peer that ends in good order announces it, by a go-away or in its security
        protocol.  A transport that ends without that was closed by a peer that has
        crashed, or by somebody in the middle.
        """
        ended = self.ended
        phase, self.phase = self.phase, stateAfter(PHASES, self.phase, "lose")
        if self.phase is phase:
            return
        streamReason = reason
        if reason.check(ConnectionDone):
            below = self.transport
            if ISecureTransport.providedBy(below) and below.announced:
                # This says nothing about streams that had not ended: their bytes may
                # be incomplete.
                streamReason = Failure(SessionEnded(ErrorCode.NONE))
            else:
                reason = streamReason = Failure(Truncated(self.protocolID))
        if not ended:
            self._stop(streamReason, reason, keep=True)
        if self._closeCall is not None and self._closeCall.active():
            self._closeCall.cancel()
        self._endStreams(streamReason, keep=True)
        self.connection.sessionLost(self._reason or reason)

    def pauseProducing(self) -> None:
        """
        Note that the transport is full.
        """
        self.turns.paused = True

    def resumeProducing(self) -> None:
        """
        Note that the transport takes more, and send.
        """
        turns = self.turns
        turns.paused = False
        if not turns.held and self.phase is RUNNING:
            turns.run()

    def stopProducing(self) -> None:
        """
        Note that the transport is gone; C{connectionLost} follows.
        """
        self.turns.paused = True

    # Within

    def _connect(self, stream: Stream, protocol: IProtocol) -> None:
        """
        Put a stream into the table and connect its protocol.
        """
        self.table.add(self.key(stream), stream)
        stream.protocol = protocol
        try:
            protocol.makeConnection(stream)
        except Exception:
            stream.failed("makeConnection")

    def _end(
        self,
        streamReason: Failure,
        reason: Failure,
        last: bytes | None,
        keep: bool = False,
    ) -> None:
        """
        End the session, once: streams first, then the transport.

        @param streamReason: why the streams are lost.
        @param reason: why the session is lost.
        @param last: the last bytes for the peer; None to drop the transport without
            any.
        @param keep: whether streams whose peer has ended its half stay until their
            applications have read everything, or leave.
        """
        phase, self.phase = self.phase, stateAfter(PHASES, self.phase, "end")
        if self.phase is not phase:
            self._stop(streamReason, reason, keep)
            if self.transport is not None and self.phase is CLOSING:
                self._closeTransport(last)

    def _stop(self, streamReason: Failure, reason: Failure, keep: bool) -> None:
        """
        Send nothing any longer, and end the streams.

        @param streamReason: why the streams are lost.
        @param reason: why the session is lost.
        @param keep: as for L{_end}.
        """
        self._reason = reason
        turns = self.turns
        turns.stop()
        self.table.stop()
        if self._held is not None:
            self._held.stop()
            self._held = None
        self.sessionEnded(reason)
        turns.toNotify.clear()
        self._endStreams(streamReason, keep)

    def _closeTransport(self, last: bytes | None) -> None:
        """
        Close the transport, after some last bytes, or at once.
        """
        transport = self.transport
        transport.unregisterProducer()
        if last is None:
            transport.abortConnection()
            return
        if last:
            self.below.write(last)
        transport.loseConnection()
        if self.phase is CLOSING:
            self._closeCall = Deadline(
                self.clock, CLOSE_TIMEOUT, transport.abortConnection
            )

    def _endStreams(self, reason: Failure, keep: bool = False) -> None:
        """
        End all streams, or all that need not be kept.
        """
        self.turns.end(list(self.table.byKey.values()), reason, keep)
