# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What all muxers share: a wrapper with one transport below and many streams
above.

The session owns the streams' table and the order in which they send.  It is a
streaming producer to its transport: while the transport is full, what streams
write stays in the streams.  Frames leave in batches: at the end of a read, at
the end of the reactor's turn, or at once when there is much to send.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocol,
    IPushProducer,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
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
from twisted_libp2p.interfaces import Direction, IMuxerSession, Role
from twisted_libp2p.muxer.state import CLOSED
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.pacing import Deadline

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IConnectionScope, IMuxedConnection

__all__ = [
    "BATCH",
    "CLOSE_TIMEOUT",
    "FIRST_DATA",
    "LINGER",
    "MAX_BODY",
    "MAX_CONTROL",
    "MuxerSession",
    "SessionFactory",
]

INBOUND, OUTBOUND = Direction

#: The most bytes of a stream in one frame.  With what each layer adds it fits a
#: Noise message, one read of Twisted's, which takes 64 KiB, and one segment of
#: the loopback device, which takes 65483 bytes.
MAX_BODY = 65280

#: So many bytes go to the transport in one piece, and without waiting for the
#: end of the reactor's turn.
BATCH = 32 * 1024

#: How often streams are told and sent in one turn, at the most.  Producers that
#: write 16 KiB fill a socket of Twisted's in four; some transports are never full.
ROUNDS = 8

#: When so many streams have something to say during a read, it leaves at once: the
#: peer works on it while we go on.
EARLY = 16

#: The most control frames that wait for a transport which takes none.
MAX_CONTROL = 1024

#: Note, in C{Stream.announce}, that no data of an accepted stream has left yet.
FIRST_DATA = 1 << 16

#: Seconds in which the peer has to end its half after ours has ended.
LINGER = 30.0

#: Seconds in which a transport that is being closed has to close.
CLOSE_TIMEOUT = 10.0


@implementer(IMuxerSession, IPushProducer)
class MuxerSession(Protocol):
    """
    The muxer of one connection.

    A subclass parses what is received, and gives the frames that a stream
    needs; it writes nothing to the transport.  What it receives it tells the
    stream: C{deliver}, C{finReceived}, C{resetReceived}; of a stream that is
    not in the table, or is C{CLOSED} there, frames have crossed a reset.

    @cvar protocolID: the muxer's name on the wire, for errors.
    @cvar outboundOption: the option that bounds the streams of our side, for errors.
    @ivar connection: the owner of the session.
    @ivar role: the part of our side in the upgrade of the connection.
    @ivar exhausted: whether our side can never open another stream, although the
        session goes on.
    @ivar keepsAlive: whether the session notices by itself that the peer is dead.
    @cvar apart: the seconds by which the end of an accepted stream follows its first
        data, if the application has closed it by then; 0 is the next turn.
    @ivar budget: whom it asks for memory beyond what any session may have; None
        lets it have what it wants.
    """

    # A class of Twisted's has no slots: what it does not know is kept in a small
    # dictionary, and there is a session for each idle connection.
    __slots__ = (
        "_awake",
        "_closeCall",
        "_control",
        "_counts",
        "_ended",
        "_endings",
        "_held",
        "_limits",
        "_lingerCall",
        "_lingering",
        "_lost",
        "_paused",
        "_ready",
        "_reason",
        "_streams",
        "_turnCall",
        "clock",
        "connection",
        "role",
    )

    protocolID: str
    outboundOption = "maxOutboundStreams of the muxer"
    keepsAlive = False
    exhausted = False
    apart = 0.0
    budget: IConnectionScope | None = None
    _log = Logger()

    def __init__(
        self,
        factory: SessionFactory,
        clock: IReactorTime,
        role: Role,
        connection: IMuxedConnection,
        maxInboundStreams: int,
        maxOutboundStreams: int,
    ) -> None:
        self.factory: SessionFactory = factory
        self.clock: IReactorTime = clock
        self.role: Role = role
        self.connection: IMuxedConnection = connection
        self._limits = {INBOUND: maxInboundStreams, OUTBOUND: maxOutboundStreams}
        self._counts = {INBOUND: 0, OUTBOUND: 0}
        self._streams: dict[int, Stream] = {}
        # Ordered, so that streams take turns; a mapping, so that a stream
        # which ends leaves at once: a queue of the dead could be made to grow.
        self._ready: OrderedDict[Stream, None] = OrderedDict()
        self._awake: dict[Stream, None] = {}
        # Their producers are asked as soon as the transport takes more; the
        # little that is left in them leaves with what comes.
        self._starving: dict[Stream, None] = {}
        self._lingering: dict[Stream, float] = {}
        self._control: list[bytes] = []
        # Accepted streams whose first data has just left, and whose end waits; None
        # where there are none, as nearly always.
        self._endings: dict[Stream, IDelayedCall] | None = None
        self._held = False
        self._paused = False
        self._ended = False
        self._lost = False
        self._reason: Failure | None = None
        self._turnCall: IDelayedCall | None = None
        self._lingerCall: IDelayedCall | None = None
        self._closeCall: Deadline | None = None

    # IMuxerSession

    @property
    def streams(self) -> Collection[Stream]:
        """
        The streams that are not closed yet.
        """
        return self._streams.values()

    @property
    def full(self) -> LimitExceeded | None:
        """
        The error of L{openStream} while our side has as many streams open as it
        may have; None while it may open more.
        """
        limit, current = self._limits[OUTBOUND], self._counts[OUTBOUND]
        if current < limit:
            return None
        return LimitExceeded(
            "outbound streams of a connection", limit, current, self.outboundOption
        )

    def openStream(self, protocol: IProtocol) -> Stream:
        """
        Open a stream and connect the protocol to it.  The peer learns of it
        with the first bytes, or at the end of the reactor's turn.

        @raise ConnectionClosing: the session is ending, or not connected.
        @raise LimitExceeded: too many streams are open.
        """
        if self._ended or self.transport is None:
            raise ConnectionClosing("the session has ended, or has not begun")
        full = self.full
        if full is not None:
            raise full
        stream = self.newStream()
        self._connect(stream, protocol)
        if not stream.queued:
            self.ready(stream)
        return stream

    def ping(self) -> Deferred[float]:
        """
        Measure the round trip below the streams.

        @return: a failure, unless the muxer has a message for it.
        """
        return fail(NotImplementedError(f"{self.protocolID} cannot ping"))

    def close(self, code: int = 0) -> None:
        """
        End the session.  What the streams have written and the peer is ready
        to take is sent; streams that have not ended by then are lost with
        L{StreamAborted}.

        @param code: why; told to the peer where the muxer has a place for it.
        """
        suffix = f" (code {code:#x})" if code else ""
        reason = Failure(StreamAborted("this side ended the session" + suffix))
        if self._ended:
            self._endStreams(reason)
            return
        if not self._lost and self.transport is not None:
            self._pump(everything=True)
            for stream in list(self._endings or ()):
                self.endNow(stream)
            self._pump(everything=True)
        done = Failure(ClosedHere(code)) if code else connectionDone
        self._end(reason, done, self.farewell(code))

    def idleGrowth(self, since: float) -> Stream | None:
        """
        Return None: the muxer has no windows that grow.
        """
        return None

    def abort(self, reason: Failure) -> None:
        """
        End the session at once; every stream is lost for this reason.  A close
        that is under way is cut short.

        If the peer is taken for dead, streams whose peer had ended its half stay
        until their applications have read everything, as if the transport was lost.
        """
        transport: Any = self.transport
        keep = reason.check(PeerUnresponsive) is not None
        if not self._ended:
            self._end(reason, reason, None, keep)
            return
        if not self._lost and transport is not None:
            transport.abortConnection()
        self._endStreams(reason, keep)

    @property
    def ended(self) -> bool:
        """
        Whether the session has ended; its transport may still be closing.
        """
        return self._ended

    # The muxer's part

    @abstractmethod
    def newStream(self) -> Stream:
        """
        Make an outbound stream.

        @raise LimitExceeded: there is no stream id left.
        """

    @abstractmethod
    def key(self, stream: Stream) -> int:
        """
        @return: where the stream is in the table.
        """

    @abstractmethod
    def parse(self, data: bytes) -> None:
        """
        Take in what the transport has received.  Whatever a stream is told may
        end the session: nothing is parsed any more when C{ended} is true.

        @raise ProtocolViolation: the peer broke the protocol.
        """

    @abstractmethod
    def emit(self, stream: Stream, batch: list[bytes | memoryview]) -> int:
        """
        Append the next frames of a stream: no more than one of data, of no
        more than L{MAX_BODY} bytes and no more than its C{sendWindow}, which
        is lowered here.

        The bytes are moved by C{stream.take}.  If C{stream.writeEnding} is
        true after that, the end of our half is sent too, and C{stream.finSent}
        is called.

        @return: how many bytes these are.
        """

    @abstractmethod
    def resetFrame(self, stream: Stream, code: int) -> bytes:
        """
        Return the frame that resets a stream.
        """

    @abstractmethod
    def announced(self, stream: Stream) -> bool:
        """
        @return: whether the peer has been told of the stream.
        """

    @abstractmethod
    def delivered(self, stream: Stream, size: int) -> None:
        """
        Bytes of a stream were handed to the application, or dropped.  A muxer
        with windows has the peer told that it may send as many more.

        @param size: how many; negative where some were handed back.
        """

    def farewell(self, code: int) -> bytes:
        """
        @return: what tells the peer that we end the session.
        """
        return b""

    def complaint(self) -> bytes:
        """
        @return: what tells the peer that it broke the protocol.
        """
        return b""

    def streamEnded(self, stream: Stream) -> None:
        """
        A stream has left the table.
        """

    def sessionEnded(self, reason: Failure) -> None:
        """
        The session is over: cancel what waits.
        """

    # Protocol

    def connectionMade(self) -> None:
        """
        Begin: tell the owner.
        """
        self.transport.registerProducer(self, True)  # type: ignore[union-attr]
        self.connection.sessionStarted(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Take what the transport has received, then send what came of it.
        """
        if self._ended:
            return
        self._held = True
        try:
            self.parse(data)
        except ProtocolViolation as violation:
            self._violated(violation)
        finally:
            self._held = False
        if self._ready or self._control or self._awake or self._starving:
            self._turn()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End all streams, and then the session, as the transport is gone.

        A peer that ends in good order announces it, by a go-away or in its security
        protocol.  A transport that ends without that was closed by a peer that has
        crashed, or by somebody in the middle.
        """
        if self._lost:
            return
        self._lost = True
        streamReason = reason
        if reason.check(ConnectionDone):
            if getattr(self.transport, "announced", False):
                # It says nothing of streams that had not ended: what came on them
                # is not to be taken as whole.
                streamReason = Failure(SessionEnded(ErrorCode.NONE))
            else:
                reason = streamReason = Failure(Truncated(self.protocolID))
        self._end(streamReason, reason, None, keep=True)
        if self._closeCall is not None and self._closeCall.active():
            self._closeCall.cancel()
        self._endStreams(streamReason, keep=True)
        self.connection.sessionLost(self._reason or reason)

    # IPushProducer, as the transport sees us

    def pauseProducing(self) -> None:
        """
        The transport is full.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        The transport takes more.
        """
        self._paused = False
        if not self._ended and not self._held:
            self._turn()

    def stopProducing(self) -> None:
        """
        The transport is gone; C{connectionLost} tells of it.
        """
        self._paused = True

    # What streams ask for

    def ready(self, stream: Stream) -> None:
        """
        A stream has something to send.
        """
        if self._ended or stream.state == CLOSED:
            return
        if not stream.queued:
            stream.queued = True
            self._ready[stream] = None
        if self._held or self._paused:
            return
        if stream.unsentSize >= BATCH:
            self._pump()
            if not (self._awake or self._starving):
                return
        self._callTurn()

    def wake(self, stream: Stream) -> None:
        """
        A stream has something to tell its application.
        """
        self._awake[stream] = None
        if not self._held:
            self._callTurn()

    def endLater(self, stream: Stream) -> None:
        """
        Let the end of our half leave C{apart} seconds from now, or earlier by
        L{endNow}: apart from the first data of an accepted stream, if its owner
        negotiates on it.

        js-libp2p (3.3.11) notifies of an end only the listeners that are there when it
        comes.  If it comes in one read with the answer of the negotiation, the
        application has none yet, and its C{for await} never ends.
        """
        if self._endings is None:
            self._endings = {}
        self._endings[stream] = self.clock.callLater(self.apart, self.endNow, stream)

    def endNow(self, stream: Stream) -> None:
        """
        Let the end of our half leave, if L{endLater} holds it back.
        """
        endings = self._endings
        call = endings.pop(stream, None) if endings is not None else None
        if call is None:
            return
        if call.active():
            call.cancel()
        if not endings:
            self._endings = None
        if stream.writeEnding:
            self.ready(stream)

    def linger(self, stream: Stream) -> None:
        """
        Our side has closed a stream: give the peer L{LINGER} seconds from now
        to take what is left, and to close its half.
        """
        if self._ended or stream.state == CLOSED:
            return
        lingering = self._lingering
        lingering.pop(stream, None)
        lingering[stream] = self.clock.seconds() + LINGER
        if self._lingerCall is None:
            self._lingerCall = self.clock.callLater(LINGER, self._lingerPassed)

    def hurry(self) -> None:
        """
        Amid a read, send at once what L{EARLY} streams and more have to say.
        """
        if not self._paused:
            self._pump()
            transport: Any = self.transport
            transport.flush()

    def reset(self, stream: Stream, code: int) -> None:
        """
        Our side resets a stream: nothing else of it leaves any more.
        """
        if stream.queued:
            stream.queued = False
            # Not there any more if the session is ending.
            self._ready.pop(stream, None)
        if self.announced(stream):
            self.urge(self.resetFrame(stream, code))

    def closed(self, stream: Stream, reason: Failure) -> None:
        """
        Forget a stream: both its halves have ended, and its protocol has been
        notified.
        """
        key = self.key(stream)
        if self._streams.get(key) is not stream:
            key = _aside(stream)
        if self._streams.pop(key, None) is None:
            return
        self._counts[stream._direction] -= 1
        if stream.queued:
            self._ready.pop(stream, None)
        self._awake.pop(stream, None)
        self._starving.pop(stream, None)
        self._lingering.pop(stream, None)
        self.streamEnded(stream)
        try:
            self.connection.streamClosed(stream, reason)
        except Exception:
            self._log.failure("the owner of {stream} raised", stream=stream)
        stream.protocol = None

    # What subclasses ask for

    def find(self, key: int) -> Stream | None:
        """
        @param key: as L{key} gives it.
        @return: the stream of this key; None if there is none.
        """
        return self._streams.get(key)

    def known(self, key: int) -> Stream | None:
        """
        Find the stream in whose place the peer opens another.  A stream that has
        ended on the wire makes its place free: what the peer may do does not depend
        on whether the application has been notified, or has read everything.

        @return: None if there is none.
        """
        stream = self._streams.get(key)
        if stream is not None and stream.state == CLOSED:
            stream.attend()
            if self._streams.get(key) is stream:
                # Its application has paused it.
                self._streams[_aside(stream)] = self._streams.pop(key)
            stream = None
        return stream

    def violation(self, streamID: int, message: str) -> ProtocolViolation:
        """
        @return: the error for a peer that broke the rules of a stream.
        """
        return ProtocolViolation(self.protocolID, f"stream {streamID}: {message}")

    def streamReceived(self, stream: Stream) -> bool:
        """
        The peer opens a stream: have the owner build its protocol.

        @return: whether there is one.
        """
        protocol: IProtocol | None = None
        try:
            if self._counts[INBOUND] < self._limits[INBOUND]:
                # The contract gives the stream where others give an address.
                protocol = self.connection.buildProtocol(stream)  # type: ignore[arg-type]
            else:
                self.connection.streamRefused()
        except Exception:
            self._log.failure("no protocol for {stream}", stream=stream)
        if self._ended:
            if protocol is not None:
                # The session has ended meanwhile, and with it the stream, which
                # nobody else knows.
                self.connection.streamClosed(stream, self._reason or connectionDone)
            return False
        if protocol is None:
            self.urge(self.resetFrame(stream, ErrorCode.LIMIT_EXCEEDED))
            return False
        self._connect(stream, protocol)
        return True

    def urge(self, frame: bytes) -> None:
        """
        Send a frame ahead of all streams.
        """
        if self._ended:
            return
        self._control.append(frame)
        if self._paused and len(self._control) > MAX_CONTROL:
            self._violated(
                ProtocolViolation(
                    self.protocolID, "the peer asks for answers, and reads none"
                )
            )
        elif not self._held:
            self._callTurn()

    def peerEnded(self, code: int) -> None:
        """
        The peer has announced the end of the session.
        """
        reason = Failure(SessionEnded(code))
        self._end(reason, reason if code else connectionDone, b"", keep=True)

    # Within

    def _connect(self, stream: Stream, protocol: IProtocol) -> None:
        """
        Put a stream into the table and connect its protocol.
        """
        self._streams[self.key(stream)] = stream
        self._counts[stream._direction] += 1
        stream.protocol = protocol
        try:
            protocol.makeConnection(stream)
        except Exception:
            stream.failed("makeConnection")

    def _callTurn(self) -> None:
        """
        Have a turn, when the reactor's is over.
        """
        if self._turnCall is None:
            self._turnCall = self.clock.callLater(0, self._turnIsUp)

    def _turnIsUp(self) -> None:
        self._turnCall = None
        self._turn()

    def _turn(self) -> None:
        """
        Tell streams what they wait for, and send what is to be sent, time and
        again until the transport is full or there is no more.
        """
        for _ in range(ROUNDS):
            awake, self._awake = self._awake, {}
            if not self._paused:
                awake |= self._starving
                self._starving.clear()
            if awake:
                self._attend(awake)
            if self._ended:
                # Some of its streams may still be read.
                if self._awake:
                    self._callTurn()
                return
            self._pump()
            if not self._awake and (self._paused or not self._starving):
                return
        self._callTurn()

    def _attend(self, awake: Iterable[Stream]) -> None:
        """
        Tell streams what they wait for.
        """
        self._held = True
        try:
            for stream in awake:
                stream.attend()
                if stream.unsentSize and stream.sendWindow and not stream.queued:
                    self.ready(stream)
        finally:
            self._held = False

    def _pump(self, everything: bool = False) -> None:
        """
        Hand frames to the transport until it is full or there are none.
        Calls no stream's protocol.

        @param everything: send even if the transport is full.
        """
        ready = self._ready
        transport: Any = self.transport
        if everything:
            ready.update(self._starving)
        # The transport may resume us while it takes a batch: that is no turn.
        held, self._held = self._held, True
        try:
            while (ready or self._control) and (everything or not self._paused):
                batch: list[bytes | memoryview] = []
                if self._control:
                    batch += self._control
                    self._control.clear()
                    self.flushed()
                size = 0
                while ready and size < BATCH:
                    stream = ready.popitem(last=False)[0]
                    stream.queued = False
                    size += self.emit(stream, batch)
                    if stream.starving and not everything:
                        self._starving[stream] = None
                    elif stream.unsentSize and stream.sendWindow:
                        stream.queued = True
                        ready[stream] = None
                if batch:
                    transport.write(b"".join(batch))
        finally:
            self._held = held

    def flushed(self) -> None:
        """
        The control frames leave.
        """

    def _lingerPassed(self) -> None:
        """
        Let the reactor read once before a peer is taken for late.
        """
        self._lingerCall = self.clock.callLater(0, self._lingered)

    def _lingered(self) -> None:
        """
        Reset the closed streams whose peer has had its time.
        """
        self._lingerCall = None
        now = self.clock.seconds()
        lingering = self._lingering
        while lingering:
            stream, deadline = next(iter(lingering.items()))
            # A clock that was set back gives nobody more time than there is.
            left = min(deadline - now, LINGER)
            if left > 0:
                self._lingerCall = self.clock.callLater(left, self._lingerPassed)
                break
            del lingering[stream]
            stream.abortConnection()

    def _violated(self, violation: ProtocolViolation) -> None:
        """
        End the session of a peer that broke the protocol.
        """
        reason = Failure(violation)
        self._end(reason, reason, self.complaint())

    def _end(
        self,
        streamReason: Failure,
        reason: Failure,
        farewell: bytes | None,
        keep: bool = False,
    ) -> None:
        """
        End the session, once: streams first, then the transport.

        @param streamReason: why the streams are lost.
        @param reason: why the session is lost.
        @param farewell: the last bytes for the peer; None to drop the
            transport without a word.
        @param keep: whether streams whose peer has ended its half stay until their
            applications have read everything, or leave.
        """
        if self._ended:
            return
        self._ended = True
        self._reason = reason
        for call in (self._turnCall, self._lingerCall):
            if call is not None and call.active():
                call.cancel()
        self._turnCall = self._lingerCall = None
        self._control.clear()
        self._ready.clear()
        self._lingering.clear()
        endings, self._endings = self._endings or {}, None
        for call in endings.values():
            if call.active():
                call.cancel()
        self.sessionEnded(reason)
        self._awake.clear()
        self._endStreams(streamReason, keep)
        self._starving.clear()
        if self._lost or self.transport is None:
            return
        transport: Any = self.transport
        transport.unregisterProducer()
        if farewell is None:
            transport.abortConnection()
            return
        if farewell:
            transport.write(farewell)
        transport.loseConnection()
        if not self._lost:
            self._closeCall = Deadline(
                self.clock, CLOSE_TIMEOUT, transport.abortConnection
            )

    def _endStreams(self, reason: Failure, keep: bool = False) -> None:
        """
        End all streams, or all that need not be kept.
        """
        held, self._held = self._held, True
        try:
            for stream in list(self._streams.values()):
                stream.sessionEnded(reason, keep)
        finally:
            self._held = held
        if self._awake and not held:
            self._callTurn()


def _aside(stream: Stream) -> int:
    """
    Return the key, in the table of its session, of a stream whose place on the wire
    has been taken by another stream.
    """
    return ~id(stream)


class SessionFactory(WrappingFactory):
    """
    A wrapping factory whose wrapped factory is asked once for every stream,
    not once for the connection.
    """

    noisy = False

    def __init__(
        self,
        connection: IMuxedConnection,
        build: Callable[[SessionFactory], MuxerSession],
    ) -> None:
        """
        @param connection: the owner of the session.
        @param build: builds the session for this factory.
        """
        super().__init__(connection)
        self._build: Callable[[SessionFactory], MuxerSession] | None = build

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> MuxerSession:
        """
        Build the session of one transport.
        """
        assert self._build is not None
        # There is one session for a connection, and this stays as long as it does.
        build, self._build = self._build, None
        return build(self)
