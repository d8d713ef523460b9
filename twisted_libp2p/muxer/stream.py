# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The stream that all muxers share: a Twisted transport inside of a connection.

Calls go one way at a time.  What the application calls (C{write},
C{loseConnection}, C{resumeProducing}, ...) never calls the application back
before it returns; the session does that in its own turn, which is the end of
the read in progress, or the next turn of the reactor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.errors import ErrorCode, StreamAborted, StreamReset
from twisted_libp2p.interfaces import Direction, IMuxedStream
from twisted_libp2p.muxer.state import (
    CLOSED,
    FIN_RECEIVED,
    FIN_SENT,
    OPEN,
    TRANSITIONS,
    StreamState,
)
from twisted_libp2p.wire.pieces import MANY, SMALL, joinSmall

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IMuxedConnection, IStreamScope
    from twisted_libp2p.muxer.session import MuxerSession

__all__ = ["HIGH_WATER", "LOW_WATER", "Stream"]

#: A producer is paused when more bytes than this wait in its stream.
HIGH_WATER = 64 * 1024

#: A paused producer is resumed when no more bytes than this are left.
LOW_WATER = 16 * 1024

_log = Logger()


@implementer(IMuxedStream)
class Stream:
    """
    One stream of a muxed connection.

    To its protocol it is a transport as a TCP connection is, half-close
    included: C{loseWriteConnection}, and C{IHalfCloseableProtocol} to learn of
    the peer's.  A protocol that does not provide that interface and whose peer
    has closed its half loses the connection as soon as its own bytes are sent.

    C{loseConnection} waits until what was written is sent, and until a
    registered producer is unregistered.  It then ends our half and tells the
    protocol; what the peer still sends is discarded.

    @ivar session: the session that this stream is part of.
    @ivar protocol: who receives.  May be replaced at any time; None after the
        end.
    @ivar negotiating: whether the protocol is taken for agreed, but the peer
        has not confirmed it.  Until L{negotiated} our half does not end, and
        what arrives is delivered even if the application is not reading.
    @ivar disconnecting: whether our side is closing it, or has.
    @ivar disconnected: whether the protocol has been notified of its end.
    @ivar state: which halves have ended, on the wire.  The application may have
        bytes, and the end of the other half, still to read when both have.
    @ivar unsentSize: how many written bytes wait here.
    @ivar unreadSize: how many received bytes wait here for the application.
    @ivar sendWindow: how many bytes the peer is ready to take.
    @ivar receiveWindow: the muxer's own record of what we have allowed the
        peer to send; None where it knows no windows.
    @ivar announce: the muxer's own note of what its next frame for the stream
        has to carry.
    @ivar queued: whether the stream is in its session's send queue.
    """

    __slots__ = (
        "_closing",
        "_direction",
        "_eof",
        "_lost",
        "_negotiator",
        "_offset",
        "_paused",
        "_pieces",
        "_producer",
        "_producerPaused",
        "_reason",
        "_received",
        "_scope",
        "_streamID",
        "_streaming",
        "_writeEnded",
        "_writeTold",
        "announce",
        "disconnected",
        "disconnecting",
        "negotiating",
        "protocol",
        "queued",
        "receiveWindow",
        "sendWindow",
        "session",
        "state",
        "unreadSize",
        "unsentSize",
    )

    def __init__(
        self,
        session: MuxerSession,
        streamID: int,
        direction: Direction,
        sendWindow: int,
        receiveWindow: Any,
        announce: int,
    ) -> None:
        self.session = session
        self._streamID = streamID
        self._direction: Direction = direction
        self.protocol: IProtocol | None = None
        self._scope: IStreamScope | None = None
        self.negotiating = False
        self.disconnecting = False
        self.disconnected = False
        self.state: StreamState = OPEN
        self.unsentSize = 0
        self.unreadSize = 0
        self.sendWindow = sendWindow
        self.receiveWindow: Any = receiveWindow
        self.announce = announce
        self.queued = False
        # None when nothing waits: most streams of a crowd are idle, and an empty
        # deque takes more than all the rest of a stream.
        self._pieces: list[bytes] | deque[bytes] | None = None
        self._offset = 0
        self._closing = False
        self._writeEnded = False
        self._writeTold = False
        self._received: deque[bytes] | None = None
        self._paused = False
        self._eof = False
        self._lost = False
        self._negotiator: Any = None
        self._producer: Any = None
        self._streaming = False
        self._producerPaused = False
        self._reason: Failure | None = None

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.streamID} {self.direction}"
            f" {self.protocolID or 'not negotiated'} {self.state.name}>"
        )

    # Read-only: the counts depend on these.

    @property
    def streamID(self) -> int:
        """
        The number of the stream on the wire.
        """
        return self._streamID

    @property
    def direction(self) -> Direction:
        """
        Which side opened the stream.
        """
        return self._direction

    @property
    def scope(self) -> IStreamScope | None:
        """
        The use of all limits by this stream; None where its owner counts nothing.
        """
        return self._scope

    @property
    def connection(self) -> IMuxedConnection:
        """
        The owner of the session.
        """
        return self.session.connection

    @property
    def protocolID(self) -> str | None:
        """
        The protocol negotiated for this stream; None until then.
        """
        return None if self._scope is None else self._scope.protocol

    def adopt(self, scope: IStreamScope) -> None:
        """
        Keep what the owner has counted for this stream.

        @raise RuntimeError: the stream has a scope already.
        """
        if self._scope is not None:
            raise RuntimeError(f"{self} is counted already")
        self._scope = scope

    # ITransport

    def getPeer(self) -> PeerAddress:
        """
        Tell who is at the other end.
        """
        connection = self.connection
        return PeerAddress(
            connection.remotePeer, connection.remoteAddress, self.protocolID
        )

    def getHost(self) -> PeerAddress:
        """
        Tell who is at our end.
        """
        connection = self.connection
        return PeerAddress(
            connection.localPeer, connection.localAddress, self.protocolID
        )

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """
        Send these bytes, as soon as the peer and the transport take them.

        After C{loseConnection} or C{loseWriteConnection} only what a
        registered producer writes is still sent.
        """
        if type(data) is not bytes:
            data = _copy(data)
        if self._closing and (self._writeEnded or self._producer is None):
            return
        size = len(data)
        if size:
            pieces = self._pieces
            if pieces is None:
                self._pieces = [data]
            else:
                pieces.append(data)
                if not len(pieces) % MANY:
                    joinSmall(pieces)
            self.unsentSize = size = self.unsentSize + size
            # Less than that matters to nobody, once the session knows.
            if not self.queued or size > LOW_WATER:
                self._written()

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Send these pieces one after the other.
        """
        if self._closing and (self._writeEnded or self._producer is None):
            return
        pieces = [data if type(data) is bytes else _copy(data) for data in iovec]
        size = sum(map(len, pieces))
        if size:
            if self._pieces is None:
                self._pieces = []
            before = len(self._pieces)
            self._pieces.extend(piece for piece in pieces if piece)
            if before // MANY != len(self._pieces) // MANY:
                joinSmall(self._pieces, MANY + len(pieces))
            self.unsentSize += size
            self._written()

    def _written(self) -> None:
        """
        Ask to be sent, and pause the producer if too much is left here: the
        session wakes it when enough of that has gone.
        """
        if self.sendWindow:
            self.session.ready(self)
        if (
            self._producer is not None
            and self._streaming
            and self.unsentSize > HIGH_WATER
            and not self._producerPaused
        ):
            self._producerPaused = True
            self._producer.pauseProducing()

    def loseConnection(self) -> None:
        """
        End the stream when what was written is sent.  The protocol is told
        C{ConnectionDone} then.  What the peer sends from now on is discarded.
        """
        if self.disconnecting or self.disconnected:
            return
        self.disconnecting = True
        self._paused = False
        self._eof = False
        if not self.negotiating:
            self._discard()
        if self._writeEnded:
            # Nothing is left to be sent, so nothing else will wake the stream.
            self.session.wake(self)
        self._close()

    def loseWriteConnection(self) -> None:
        """
        End our half of the stream when what was written is sent.
        """
        if not self._closing:
            self._close()

    def _close(self) -> None:
        """
        Let our half end behind the last byte.
        """
        self._closing = True
        if self.writeEnding:
            self.session.ready(self)
        if self.disconnecting and self._producer is None:
            self.session.linger(self)

    def abortConnection(self, code: int = ErrorCode.NONE) -> None:
        """
        Reset the stream: what waits to be sent or read is dropped, and both
        sides lose the connection.

        @param code: why; told to the peer where the muxer has a place for it.
        """
        self.fail(Failure(StreamAborted()), code)

    def fail(self, reason: Failure, code: int) -> None:
        """
        Reset the stream for a reason of its own.
        """
        if self._settled:
            return
        if self.state != CLOSED:
            self.session.reset(self, code)
        self._over(reason)
        self.disconnecting = True
        self.session.wake(self)

    # ITCPTransport: options of a socket, which a stream does not have

    def getTcpNoDelay(self) -> bool:
        """
        Return True: a stream never holds back small writes, as Nagle does.
        """
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Do nothing.  Servers such as conch call this on any transport.
        """

    def getTcpKeepAlive(self) -> bool:
        """
        Return True: the connection is probed, and all its streams with it.
        """
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        Do nothing.  The policy of the connection manager says how connections
        are kept alive.
        """

    def stopConsuming(self) -> None:
        """
        Lose the connection, as the transports of a reactor do.
        """
        self.loseConnection()

    # IPushProducer: the application as a reader

    def pauseProducing(self) -> None:
        """
        Deliver nothing from now on.  The peer may fill its window.
        """
        if not self.disconnecting:
            self._paused = True

    def resumeProducing(self) -> None:
        """
        Deliver again, beginning with what came in the meantime.
        """
        if self._paused:
            self._paused = False
            if self._received or self._eof:
                self.session.wake(self)

    def stopProducing(self) -> None:
        """
        Lose the connection.
        """
        self.loseConnection()

    # IConsumer: the application as a writer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """
        Let a producer write: a push producer is paused while more than
        L{HIGH_WATER} bytes wait here, a pull producer is asked whenever no
        more than L{LOW_WATER} do.

        @raise RuntimeError: there is one already.
        """
        if self._producer is not None:
            raise RuntimeError(
                f"cannot register {producer!r}: {self._producer!r} is registered"
            )
        kept = self._reason is not None and self._eof
        if self._writeEnded and not kept:
            producer.stopProducing()
            return
        self._producer = producer
        self._streaming = bool(streaming)
        self._producerPaused = False
        if not streaming:
            if not kept:
                producer.resumeProducing()
        elif kept or self.unsentSize > HIGH_WATER:
            self._producerPaused = True
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        """
        The producer has no more to write.
        """
        self._producer = None
        if self._closing:
            self._close()

    # The session's side: sending

    @property
    def writeEnding(self) -> bool:
        """
        Whether all is sent but the end of our half.
        """
        return (
            self._closing
            and not self.unsentSize
            and self._producer is None
            and not self._writeEnded
            and not self.negotiating
        )

    def take(self, size: int, batch: list[bytes | memoryview]) -> None:
        """
        Move the oldest unsent bytes to a batch, without a copy of them: the
        batch is joined.

        @param size: how many; no more than C{unsentSize}.
        """
        if size == self.unsentSize and not self._offset:
            batch += self._pieces or ()
            self._pieces = None
            self.unsentSize = 0
        else:
            self._takePart(size, batch)
        if self.disconnecting and self._producer is None:
            self.session.linger(self)

    def _takePart(self, size: int, batch: list[bytes | memoryview]) -> None:
        """
        Move bytes to a batch, and cut a piece where that has to be.
        """
        pieces = self._pieces
        if not isinstance(pieces, deque):
            # Many may be left, and a list would move them all up each time.
            pieces = self._pieces = deque(pieces or ())
        offset = self._offset
        self.unsentSize -= size
        while size:
            piece = pieces[0]
            left = len(piece) - offset
            if left <= size:
                batch.append(memoryview(piece)[offset:] if offset else piece)
                pieces.popleft()
                offset = 0
                size -= left
            else:
                batch.append(memoryview(piece)[offset : offset + size])
                offset += size
                size = 0
        self._offset = offset
        if not pieces:
            self._pieces = None

    def finSent(self) -> None:
        """
        The end of our half is on its way.
        """
        self._writeEnded = True
        self.state = TRANSITIONS[self.state, FIN_SENT]
        if self.disconnecting:
            self.session.linger(self)
        self.session.wake(self)

    @property
    def starving(self) -> bool:
        """
        Whether a producer should be asked for more.
        """
        return (
            self._producer is not None
            and self.unsentSize <= LOW_WATER
            and (self._producerPaused or not self._streaming)
        )

    # The session's side: receiving

    def switchProtocol(self, present: IProtocol, successor: IProtocol) -> None:
        """
        Deliver to another protocol from now on, if the caller receives.
        """
        if self.protocol is present:
            self.protocol = successor

    def lend(self, protocol: IProtocol) -> bool:
        """
        Connect an application before its protocol is agreed.  The present protocol,
        a wrapper which negotiates, receives until L{negotiated}, even if the
        application replaces its own protocol meanwhile.
        """
        self._negotiator, self.protocol = self.protocol, protocol
        return True

    def deliver(self, data: bytes) -> None:
        """
        Hand bytes of the peer to the protocol, now or when it reads again.
        """
        if (self._paused or self._received) and not self.negotiating:
            received = self._received
            if received is None:
                received = self._received = deque()
            received.append(data)
            if not len(received) % MANY:
                joinSmall(received)
            self.unreadSize += len(data)
            return
        if not self.disconnecting or self.negotiating:
            receiver = self._negotiator or self.protocol
            try:
                receiver.dataReceived(data)  # type: ignore[union-attr]
            except Exception:
                self.failed("dataReceived")
        self.session.delivered(self, len(data))

    def unread(self, data: bytes) -> None:
        """
        Take back bytes that were delivered to a protocol which has since been
        replaced: they are delivered again, before all others, as soon as
        C{protocol} wants to read.
        """
        if not data or self.disconnecting or self._settled:
            return
        if not (self._paused or self._received):
            # Whoever gives back is in the midst of receiving.
            self.protocol.dataReceived(data)  # type: ignore[union-attr]
            return
        received = self._received
        if received is None:
            received = self._received = deque()
        if received and len(data) + len(received[0]) <= SMALL:
            received[0] = data + received[0]
        else:
            received.appendleft(data)
        self.unreadSize += len(data)
        self.session.delivered(self, -len(data))
        self.session.wake(self)

    def negotiated(self) -> None:
        """
        The peer has confirmed the protocol.
        """
        self.negotiating = False
        self._negotiator = None
        if self.disconnecting:
            self._discard()
        if self._closing:
            self._close()

    def finReceived(self) -> None:
        """
        The peer ended its half.
        """
        after = TRANSITIONS.get((self.state, FIN_RECEIVED))
        if after is None:
            return
        self.state = after
        self._eof = self.negotiating or not self.disconnecting
        self.attend()

    def resetReceived(self, code: int) -> None:
        """
        The peer reset the stream: what it sent before is not to be trusted to
        be whole, and is dropped.
        """
        self._over(Failure(StreamReset(code)))
        self.attend()

    def sessionEnded(self, reason: Failure, keep: bool = False) -> None:
        """
        End the stream together with its session.

        @param reason: why the session has ended.
        @param keep: whether a paused application may still read what has come, if
            the peer's half has come to its end: until it resumes, closes or aborts.
        """
        if keep and self._eof:
            self._endHalf(reason)
        else:
            self._over(reason)
        self.attend()

    def _endHalf(self, reason: Failure) -> None:
        """
        End our half, which nobody receives any more, and keep the peer's, which is
        whole.
        """
        if self._reason is not None:
            return
        if self.state == CLOSED or not (
            self.unsentSize or IHalfCloseableProtocol.providedBy(self.protocol)
        ):
            # Nothing of either half is missing.
            reason = connectionDone
        self._reason = reason
        self.state = CLOSED
        self._closing = self._writeEnded = True
        self.negotiating = False
        self._pieces = None
        self.unsentSize = 0
        # Not stopped: it may be the transport into which the rest is to be read.
        if self._producer is not None and self._streaming and not self._producerPaused:
            self._producerPaused = True
            try:
                self._producer.pauseProducing()
            except Exception:
                self.failed("pauseProducing")

    # Turns

    def attend(self) -> None:
        """
        Tell the application all that it has to know by now.
        """
        received = self._received
        while received and not self._paused and (self._eof or self._reason is None):
            data = received.popleft()
            self.unreadSize -= len(data)
            try:
                self.protocol.dataReceived(data)  # type: ignore[union-attr]
            except Exception:
                self.failed("dataReceived")
            self.session.delivered(self, len(data))
        if self._eof and not received and (self.negotiating or not self._paused):
            self._eof = False
            self._readEnded()
        if self._producer is not None and self._reason is None and self.starving:
            self._producerPaused = False
            try:
                self._producer.resumeProducing()
            except Exception:
                self.failed("resumeProducing")
        if self._writeEnded and not self.disconnected and self._reason is None:
            self._tellWriteEnded()
        if self._reason is None and self._settled:
            self._reason = connectionDone
        reason = self._reason
        if reason is not None and not self._eof:
            if not self.disconnected:
                self._lose(reason)
            if self._lost:
                # Not if this is called from within _lose: that goes on.
                self.session.closed(self, reason)

    def _tellWriteEnded(self) -> None:
        """
        Our half has ended on the wire.
        """
        if self.disconnecting:
            self._lose(connectionDone)
        elif not self._writeTold:
            self._writeTold = True
            if IHalfCloseableProtocol.providedBy(self.protocol):
                self._call("writeConnectionLost")

    def _readEnded(self) -> None:
        """
        The peer's half has ended, and all of it was delivered.
        """
        if self.negotiating or not self.disconnecting:
            if IHalfCloseableProtocol.providedBy(self._negotiator or self.protocol):
                self._call("readConnectionLost")
            elif not self._writeEnded:
                self.loseConnection()

    @property
    def _settled(self) -> bool:
        """
        Whether C{connectionLost} is the only call that the application has still to
        expect, if any.  C{state} does not say so: on the wire a stream has ended when
        both halves have, and its application may not have read everything.
        """
        return self.state == CLOSED and not self._eof

    def _over(self, reason: Failure) -> None:
        """
        Both halves end here and now, whatever was under way.
        """
        if self._reason is None:
            # Where our side has closed and all has left, that was the end.
            closed = self.disconnecting and self._writeEnded
            self._reason = connectionDone if closed else reason
        self.state = CLOSED
        self._closing = self._writeEnded = True
        self._eof = False
        # The rest of a body that was cut off here is for nobody: not kept, and
        # not delivered.
        self._paused = self.negotiating = False
        self._pieces = None
        self.unsentSize = 0
        self._discard()

    def _discard(self) -> None:
        """
        Drop what the application has not read.
        """
        if self._received:
            size = self.unreadSize
            self._received.clear()
            self.unreadSize = 0
            self.session.delivered(self, size)

    def _lose(self, reason: Failure) -> None:
        """
        Tell the protocol, once, that it has lost its connection.
        """
        if self.disconnected:
            return
        self.disconnected = self.disconnecting = True
        producer, self._producer = self._producer, None
        try:
            if producer is not None:
                producer.stopProducing()
        except Exception:
            self._logFailure("stopProducing")
        # The producer may have replaced it.
        protocol = self.protocol
        negotiator, self._negotiator = self._negotiator, None
        if negotiator is not None:
            # It loses the connection first, and then what it wraps by now, if it
            # has not left that already.
            if negotiator.wrappedProtocol is not None:
                negotiator.wrappedProtocol = protocol
            protocol = negotiator
        try:
            if protocol is not None:
                protocol.connectionLost(reason)
        except Exception:
            self._logFailure("connectionLost")
        self._lost = True

    def _call(self, name: str) -> None:
        """
        Tell the protocol of the end of a half.
        """
        try:
            getattr(self._negotiator or self.protocol, name)()
        except Exception:
            self.failed(name)

    def failed(self, where: str) -> None:
        """
        The application raised: its stream ends, and nothing else.
        """
        self._logFailure(where)
        self.fail(Failure(), ErrorCode.NONE)

    def _logFailure(self, where: str) -> None:
        _log.failure("{where} of {stream} raised", where=where, stream=self)


def _copy(data: bytes | bytearray | memoryview) -> bytes:
    """
    Give bytes that nobody can change any more.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"a stream takes bytes, not {type(data).__name__}")
    return bytes(data)
