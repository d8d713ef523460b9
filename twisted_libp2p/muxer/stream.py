# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The stream that all muxers share: a Twisted transport inside of a connection.

Calls go one way at a time.  A method that the application calls (C{write},
C{loseConnection}, C{resumeProducing}, ...) never calls the application back before it
returns.  It notes the event in the stream's state, and asks the session for a turn; the
session calls L{Stream.deliverPending} in that turn, which is the end of the read in
progress, or the next turn of the reactor.

Written bytes wait in the L{outbox<twisted_libp2p.muxer.outbox>}, unread bytes in the
L{inbox<twisted_libp2p.muxer.inbox>}: these are base classes, so that a stream is one
object.  The ends of both halves are a table, in L{state<twisted_libp2p.muxer.state>}.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IHalfCloseableProtocol, IProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ErrorCode, StreamAborted, StreamReset
from twisted_libp2p.interfaces import Direction, IMuxedStream
from twisted_libp2p.logger import Logger
from twisted_libp2p.muxer.facts import StreamFacts
from twisted_libp2p.muxer.inbox import Inbox, StreamSession
from twisted_libp2p.muxer.outbox import ABSENT, HIGH_WATER
from twisted_libp2p.muxer.state import (
    CLOSE,
    FIN_RECEIVED,
    FIN_SENT,
    KEEP,
    LEAVE,
    LOSE,
    LOST,
    NEGOTIATED,
    READ_END,
    RESET,
    SHUT,
    START,
    WRITE_END,
    Event,
)

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IStreamScope

__all__ = ["Stream"]

_log = Logger()


@implementer(IMuxedStream)
class Stream(Inbox, StreamFacts):
    """
    One stream of a muxed connection.

    To its protocol it is a transport as a TCP connection is, half-close
    included: C{loseWriteConnection}, and C{IHalfCloseableProtocol} to learn of
    the peer's.  A protocol that does not provide that interface and whose peer
    has closed its half loses the connection as soon as its own bytes are sent.

    C{loseConnection} waits until all written bytes are sent, and until a
    registered producer is unregistered.  It then ends our half and notifies the
    protocol; bytes that the peer still sends are discarded.

    @ivar key: the place of the stream in the table of its session.
    @ivar receiveWindow: the muxer's own record of the bytes that the peer may still
        send; None if it has no windows.
    @ivar announce: the muxer's own note of the flags that its next frame for the
        stream has to carry.
    """

    __slots__ = (
        "_direction",
        "_scope",
        "_streamID",
        "announce",
        "key",
        "receiveWindow",
    )

    def __init__(
        self,
        session: StreamSession,
        streamID: int,
        direction: Direction,
        sendWindow: int,
        receiveWindow: Any,
        announce: int,
    ) -> None:
        # See "Slots, and objects made at first use" in docs/internals.rst.
        self.session = session
        self.key = streamID
        self._streamID = streamID
        self._direction: Direction = direction
        self._scope: IStreamScope | None = None
        self.state = START
        self._reason: Failure | None = None
        self.announce = announce
        # The outbox
        self.sendWindow = sendWindow
        self.unsentSize = 0
        self.queued = False
        self._pieces = None
        self._offset = 0
        self._producer = None
        self._demand = ABSENT
        # The inbox
        self.receiveWindow: Any = receiveWindow
        self.protocol = None
        self.negotiating = False
        self._negotiator = None
        self.unreadSize = 0
        self._received = None
        self._paused = False

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.streamID} {self.direction}"
            f" {self.protocolID or 'not negotiated'} {self.state!r}>"
        )

    # ITransport

    @property
    def disconnecting(self) -> bool:
        """
        Whether our side is closing the stream, or has closed it.
        """
        return self.state.left

    @property
    def disconnected(self) -> bool:
        """
        Whether the protocol has been notified of the end of the stream.
        """
        return self.state.lost

    def loseConnection(self) -> None:
        """
        End the stream when all written bytes are sent.  The protocol is notified
        with C{ConnectionDone} then.  Bytes that the peer sends from now on are
        discarded.
        """
        if not self.state.left:
            self._paused = False
            self._happened(LEAVE if self.negotiating else CLOSE)

    def loseWriteConnection(self) -> None:
        """
        End our half of the stream when all written bytes are sent.
        """
        self._happened(SHUT)

    def abortConnection(self, code: int = ErrorCode.NONE) -> None:
        """
        Reset the stream: bytes that wait to be sent or read are dropped, and both
        sides lose the connection.

        @param code: the reason; the peer sees it if the muxer has a place for it.
        """
        self.fail(Failure(StreamAborted()), code)

    def fail(self, reason: Failure, code: int) -> None:
        """
        Reset the stream for a reason of its own.
        """
        state = self.state
        if state.settled:
            return
        if not state.closed:
            self.session.reset(self, code)
        self._over(reason)
        self.session.turns.notify(self)

    def stopConsuming(self) -> None:
        """
        Lose the connection, as the transports of a reactor do.
        """
        self.loseConnection()

    def stopProducing(self) -> None:
        """
        Lose the connection.
        """
        self.loseConnection()

    # The owner's side: limits and negotiation

    def adopt(self, scope: IStreamScope) -> None:
        """
        Keep the use of all limits by this stream.

        @raise RuntimeError: the stream has a scope already.
        """
        if self._scope is not None:
            raise RuntimeError(f"{self} is counted already")
        self._scope = scope

    def switchProtocol(self, present: IProtocol, successor: IProtocol) -> None:
        """
        Deliver to another protocol from now on, if the caller receives.
        """
        if self.protocol is present:
            self.protocol = successor

    def lend(self, protocol: IProtocol) -> bool:
        """
        Connect an application before its protocol is confirmed.  The present
        protocol, which negotiates, receives until L{negotiated}, even if the
        application replaces its own protocol meanwhile.
        """
        self._negotiator, self.protocol = self.protocol, protocol
        return True

    def negotiated(self) -> None:
        """
        Note that the peer has confirmed the protocol.
        """
        self.negotiating = False
        self._negotiator = None
        if self.state.shut:
            self._happened(NEGOTIATED)

    # The session's side

    @property
    def writeEnding(self) -> bool:
        """
        Whether all is sent but the end of our half.
        """
        return (
            self.state.draining
            and not self.unsentSize
            and self._producer is None
            and not self.negotiating
        )

    def finSent(self) -> None:
        """
        Note that the end of our half is on its way.
        """
        self.state, effects = self.state.after[FIN_SENT]
        for effect in effects:
            _EFFECTS[effect](self)

    def finReceived(self) -> None:
        """
        Note that the peer has ended its half.
        """
        after = self.state.after.get(FIN_RECEIVED)
        if after is not None:
            self.state, effects = after
            for effect in effects:
                _EFFECTS[effect](self)
            self.deliverPending()

    def resetReceived(self, code: int) -> None:
        """
        Note that the peer has reset the stream: bytes that it sent before may be
        incomplete, and are dropped.
        """
        self._over(Failure(StreamReset(code)))
        self.deliverPending()

    def sessionEnded(self, reason: Failure, keep: bool = False) -> None:
        """
        End the stream together with its session.

        @param reason: why the session has ended.
        @param keep: whether a paused application may still read the received bytes,
            if the peer has ended its half: until it resumes, closes or aborts.
        """
        if keep and self.state.unread:
            self._keep(reason)
        else:
            self._over(reason)
        self.deliverPending()

    def failed(self, where: str) -> None:
        """
        Reset the stream, and nothing else, since its application has raised.
        """
        self._logFailure(where)
        self.fail(Failure(), ErrorCode.NONE)

    def deliverPending(self) -> None:
        """
        Notify the application of all events that it does not know, in their order:
        received bytes, the end of the peer's half, room for its producer, the end of
        our half, and the loss of the stream.
        """
        received = self._received
        if received:
            self._deliverReceived(received)
        if (
            self.state.unread
            and not received
            and (self.negotiating or not self._paused)
        ):
            self._happened(READ_END)
        if self._producer is not None and self._reason is None and self.wantsMore:
            try:
                self._resumeProducer()
            except Exception:
                self.failed("resumeProducing")
        if self._reason is not None or self.state.sent:
            self._reportEnds()

    # Within: the effects of events

    def _happened(self, event: Event) -> bool:
        """
        Move to the next state, and carry out the effects.

        @return: False if the event changes nothing.
        """
        after = self.state.after.get(event)
        if after is None:
            return False
        self.state, effects = after
        for effect in effects:
            _EFFECTS[effect](self)
        return True

    def _written(self) -> None:
        """
        Ask to be sent, and pause the producer if too much is left here: the
        session resumes it when enough of that has gone.
        """
        if self.sendWindow:
            self.session.turns.ready(self)
        if self._producer is not None and self.unsentSize > HIGH_WATER:
            self._pauseProducer()

    def _drain(self) -> None:
        """
        Send the end of our half as soon as that can be done.
        """
        if self.writeEnding:
            self.session.turns.ready(self)
        if self.state.left and self._producer is None:
            self.session.table.linger(self)

    def _linger(self) -> None:
        """
        Give the peer time, from now on, to take the rest and to end its half.
        """
        self.session.table.linger(self)

    def _notify(self) -> None:
        """
        Have the session notify the application in its next turn; give the peer time to
        end its half, if the application has left.
        """
        session, state = self.session, self.state
        session.turns.notify(self)
        if state.left and not state.closed:
            session.table.linger(self)

    def _over(self, reason: Failure) -> None:
        """
        End both halves now.
        """
        if self._reason is None:
            # If our side has closed and all has left, the stream has ended well.
            state = self.state
            self._reason = connectionDone if state.left and state.sent else reason
        # The rest of a body that was cut off here is neither kept nor delivered.
        self._paused = self.negotiating = False
        self._dropUnsent()
        self._happened(RESET)

    def _keep(self, reason: Failure) -> None:
        """
        End our half, since nobody receives it, and keep the peer's, which is
        complete.
        """
        if self._reason is not None:
            return
        if self.state.closed or not (
            self.unsentSize or IHalfCloseableProtocol.providedBy(self.protocol)
        ):
            # Nothing of either half is missing.
            reason = connectionDone
        self._reason = reason
        self.negotiating = False
        self._dropUnsent()
        self._happened(KEEP)
        # It is not stopped: it may be the transport into which the rest is read.
        try:
            self._pauseProducer()
        except Exception:
            self.failed("pauseProducing")

    # Within: notifying the application

    def _reportWriteEnd(self) -> None:
        """
        Notify the application that our half has ended on the wire.
        """
        receiver = self._negotiator or self.protocol
        if IHalfCloseableProtocol.providedBy(self.protocol):
            try:
                receiver.writeConnectionLost()
            except Exception:
                self.failed("writeConnectionLost")

    def _reportReadEnd(self) -> None:
        """
        Notify the application that the peer's half has ended, and that it has got
        all bytes of it.
        """
        receiver = self._negotiator or self.protocol
        if IHalfCloseableProtocol.providedBy(receiver):
            try:
                receiver.readConnectionLost()
            except Exception:
                self.failed("readConnectionLost")
        elif not self.state.sent:
            self.loseConnection()

    def _reportEnds(self) -> None:
        """
        Notify the application of the end of our half, or that it has lost the stream.
        """
        state, reason = self.state, self._reason
        if reason is None and state.sent:
            if not state.left:
                self._happened(WRITE_END)
            elif not state.lost:
                self._lose(connectionDone)
            state, reason = self.state, self._reason
            if reason is None and state.settled:
                self._reason = reason = connectionDone
        if reason is not None and not state.unread:
            if not state.lost:
                self._lose(reason)
                state = self.state
            if state.gone:
                # Not within connectionLost: the call that makes it goes on here.
                self.session.closed(self, reason)

    def _lose(self, reason: Failure) -> None:
        """
        Notify the protocol, once, that it has lost its connection.
        """
        self.state = self.state.after[LOSE][0]
        if self._producer is not None:
            self._stopProducer()
        # The producer may have replaced it.
        protocol = self.protocol
        if self._negotiator is not None:
            protocol = self._leaveNegotiator(protocol)
        try:
            if protocol is not None:
                protocol.connectionLost(reason)
        except Exception:
            self._logFailure("connectionLost")
        self.state = self.state.after[LOST][0]

    def _stopProducer(self) -> None:
        """
        Notify the producer that nothing is sent any longer.
        """
        producer, self._producer = self._producer, None
        self._demand = ABSENT
        try:
            producer.stopProducing()
        except Exception:
            self._logFailure("stopProducing")

    def _leaveNegotiator(self, protocol: IProtocol | None) -> IProtocol:
        """
        Return the negotiator.  It loses the connection first, and then the protocol
        that it wraps by now, if it has not left that already.
        """
        negotiator, self._negotiator = self._negotiator, None
        if negotiator.wrappedProtocol is not None:
            negotiator.wrappedProtocol = protocol
        lost: IProtocol = negotiator
        return lost

    def _logFailure(self, where: str) -> None:
        _log.failure("{where} of {stream} raised", where=where, stream=self)


#: By the numbers of the effects.
_EFFECTS = (
    Stream._drain,
    Stream._discard,
    Stream._notify,
    Stream._reportWriteEnd,
    Stream._reportReadEnd,
)
