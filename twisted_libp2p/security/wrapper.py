# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The layer of every security protocol: it moves the bytes between a transport, a
L{HandshakeMachine} or L{Channel}, and the wrapped protocol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IDelayedCall, IProducer
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    HandshakeFailed,
    Libp2pError,
    ProtocolViolation,
    RemoteError,
)
from twisted_libp2p.interfaces import ISecureTransport, Role, Secured
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Deadline
from twisted_libp2p.pacing.below import halfClose
from twisted_libp2p.security.life import ENDING, Life, LivingLayer
from twisted_libp2p.security.machine import Channel, HandshakeMachine
from twisted_libp2p.security.reasons import cut, unfinished
from twisted_libp2p.wire.pieces import MANY, joinSmall

if TYPE_CHECKING:
    from twisted_libp2p.security.factory import SecureFactory

__all__ = ["CLOSING_TIME", "SecureTransport"]

#: Seconds that a peer has to take the last bytes of a channel or of a handshake.
CLOSING_TIME: Final = 5.0

# The most bytes of joined writes: far enough below the 64 KiB of most frames.
_JOIN: Final = 32 * 1024


@implementer(ISecureTransport)
class SecureTransport(LivingLayer):
    """
    The transport of a protocol whose peer is authenticated.

    Until the handshake is done there is no wrapped protocol.  If the handshake fails,
    C{handshake.failed} is called; later ends are reported to the wrapped protocol's
    C{connectionLost}.

    Small writes of one turn of the reactor, or of one C{dataReceived}, are joined and
    leave together, at its end.  The bytes of one read of the transport are handed to
    the wrapped protocol in one piece.

    A half-close of the transport is not passed on: an end that no key has signed is not
    a statement of the peer, so it ends the connection.  Where the channel announces
    ends, C{connectionLost} gets C{ConnectionDone} if the peer has announced its own, or
    our side had begun to close, and otherwise L{Truncated}; C{loseConnection} then
    waits for the end of the peer's direction, and a caller that does not want to wait
    aborts.

    @ivar secured: the outcome of the handshake.
    @ivar announced: whether the peer has announced the end of the transport, if the
        security protocol has a message for it.
    """

    # A protocol below may have given our dataReceived to its transport: it stays.
    factory: SecureFactory
    secured: Secured
    announced: bool = False

    _log = Logger()
    _channel: Channel | None = None
    # The reason of the end, if our side knows better than the transport; and that of
    # a handshake whose last bytes are on their way.
    _reason: Failure | None = None
    _refusal: Exception | None = None
    _busy = False
    _paused = False
    _flushing: IDelayedCall | None = None
    _resuming: IDelayedCall | None = None
    _hangingUp: Deadline | None = None
    _producer: IProducer | None = None
    _ahead = b""
    _pendingSize = 0

    def __init__(self, factory: SecureFactory, machine: HandshakeMachine) -> None:
        super().__init__(factory)
        self._machine: HandshakeMachine | None = machine
        self._pending: list[bytes] = []
        self._held: list[bytes] = []

    # What the transport below calls.

    def makeConnection(self, transport: Any) -> None:
        """
        Begin the handshake.
        """
        super().makeConnection(transport)
        self._advance("connect")
        first = self._machine.start() if self._machine is not None else b""
        if first:
            self.below.write(first)

    def dataReceived(self, data: bytes) -> None:
        """
        Take in bytes of the transport.
        """
        if self._channel is not None:
            held = self._held
            held.append(data)
            if not (self._busy or self._paused):
                self._deliver()
            elif not len(held) % MANY:
                joinSmall(held)
        elif self._machine is not None and self._life is not Life.ABORTED:
            self._shakeHands(self._machine, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end of the transport: to the owner of the handshake, or to the
        wrapped protocol.
        """
        self.connected = 0
        self._producer = None
        if self._held and not (self._busy or self._paused or self.disconnecting):
            self._deliver()
        self._advance("lose")
        machine, self._machine = self._machine, None
        refusal, self._refusal = self._refusal, None
        wrapped, self.wrappedProtocol = self.wrappedProtocol, None
        if refusal is not None:
            reason = Failure(refusal)
        elif machine is not None:
            reason = unfinished(machine.protocolID, reason)
        elif self._reason is not None:
            reason = self._reason
        elif self.announced:
            reason = connectionDone
        elif self._channel is not None and not self.disconnecting:
            # Bytes that no one has read may end anywhere.
            unread = bool(self._held)
            reason = cut(self.secured.protocolID, self._channel, unread, reason)
        self._letGo()
        if refusal is not None or machine is not None:
            self.factory.handshake.failed(reason)
        elif wrapped is not None:
            wrapped.connectionLost(reason)

    def _letGo(self) -> None:
        """
        Drop everything that belongs to the connection.
        """
        self._channel = self._reason = None
        self._held.clear()
        self._pending.clear()
        for call in (self._flushing, self._resuming):
            if call is not None:
                call.cancel()
        self._flushing = self._resuming = None
        if self._hangingUp is not None and self._hangingUp.active():
            self._hangingUp.cancel()

    # From handshake to channel.

    def _shakeHands(self, machine: HandshakeMachine, data: bytes) -> None:
        """
        Feed the handshake.
        """
        try:
            answer = machine.receive(data)
        except Exception as error:
            if not isinstance(error, Libp2pError):
                self._log.failure("A handshake broke down.")
            self._refuse(machine, error.with_traceback(None))
            return
        if machine.secured is not None:
            self._secure(machine, machine.secured, answer)
        elif answer:
            self.below.writeNow(answer)

    def _refuse(self, machine: HandshakeMachine, error: Exception) -> None:
        """
        End the connection, because the handshake has failed.  If the peer is sent a
        last message, the failure is reported when the transport is gone: the transport
        would be dropped at once.
        """
        self._machine = None
        if machine.farewell is None:
            self._advance("abort")
            self.transport.abortConnection()
            self.factory.handshake.failed(Failure(error))
        else:
            self._refusal = error
            self._hangUp(machine.farewell)

    def _secure(self, machine: HandshakeMachine, secured: Secured, last: bytes) -> None:
        """
        Send the last message of the handshake, and connect the wrapped protocol.
        """
        self.secured = secured
        channel = self._channel = machine.channel
        assert channel is not None
        # A channel that announces ends may have been given trailing bytes already.
        if machine.trailing or channel.announces:
            self._held.append(machine.trailing)
        self._busy = True
        if last and secured.muxer and self.factory.handshake.role is Role.CLIENT:
            # See docs/internals.rst, "The last message of a handshake leaves first".
            self.below.writeNow(last)
            if self._channel is None:
                return  # The transport was lost, and the handshake has failed.
        else:
            # The first bytes of a negotiator leave together with it.
            self._ahead = last
        self._advance("secure")
        self._machine = None
        try:
            self.wrappedProtocol = self.factory.buildWrapped()
            if self.wrappedProtocol is None:
                self.abortConnection()
            else:
                self.wrappedProtocol.makeConnection(self)
        except Exception:
            self._log.failure("A protocol failed to start.")
            self._abort(Failure())
        self._deliver()

    # Receiving.

    def _deliver(self) -> None:
        """
        Hand up all held bytes; meanwhile hold back the written ones.
        """
        self._busy = True
        while self._held and not self._paused and self._channel is not None:
            self._open(self._channel, self._held.pop(0))
        self._busy = False
        self._flush(now=True)

    def _open(self, channel: Channel, data: bytes) -> None:
        """
        Open bytes of the transport, and hand up their plaintext.
        """
        opened: list[bytes] = []
        violation = None
        try:
            channel.open(data, opened)
        except RemoteError as error:
            violation = error.with_traceback(None)
        if opened and not self.disconnecting:
            try:
                self.wrappedProtocol.dataReceived(
                    opened[0] if len(opened) == 1 else b"".join(opened)
                )
            except Exception:
                # Below us this would end the reading of something that may not be ours
                # alone.
                self._log.failure("A protocol failed to take what it received.")
                self._abort(Failure())
        if violation is not None:
            self._violated(violation)
        elif channel.announces and self._channel is not None:
            self._opened(channel)

    def _opened(self, channel: Channel) -> None:
        """
        Do what is due after bytes were opened, if the channel announces ends.
        """
        waited = channel.waiting
        self._ahead += b"".join(channel.late())
        if channel.ended:
            self.announced = True
            self._flush(now=False)
            if self._channel is not None:
                self._hangUp(channel.close())
        elif waited and self._life in ENDING and not channel.waiting:
            self._announce()

    def _violated(self, error: RemoteError) -> None:
        """
        End the connection, because the peer has broken the protocol.
        """
        channel = self._channel
        if channel is None:
            return
        if channel.refused:
            error = HandshakeFailed(self.secured.protocolID, str(error.args[1]))
        if channel.farewell is None:
            self._abort(Failure(error))
        else:
            self._reason = Failure(error)
            self._hangUp(channel.farewell)

    def _abort(self, reason: Failure) -> None:
        """
        End the connection at once, for this reason, unless it has ended.
        """
        if self._channel is not None:
            self._reason = reason
            self.abortConnection()

    def _resumeTurn(self) -> None:
        self._resuming = None
        self._deliver()
        if not self._paused and self._channel is not None:
            self.transport.resumeProducing()

    # Sending.

    def _flush(self, now: bool) -> None:
        """
        Send the joined writes.

        @param now: whether the transport has to send them at once, as far as it can.
        """
        channel = self._channel
        if channel is None:
            return
        frames = [self._ahead] if self._ahead else []
        self._ahead = b""
        if self._pending:
            pending, self._pending = self._pending, []
            self._pendingSize = 0
            frames += channel.seal(pending)
        if frames:
            if now:
                self.below.writeNow(frames[0] if len(frames) == 1 else b"".join(frames))
            else:
                self.below.writeSequence(frames)
        if channel.overdue:
            self._violated(
                ProtocolViolation(
                    self.secured.protocolID, "messages without data, and no end"
                )
            )

    def _flushTurn(self) -> None:
        self._flushing = None
        self._flush(now=True)

    # Ending.

    def _announce(self) -> None:
        """
        Announce our end to the peer, if no producer has anything left to write.
        """
        self._flush(now=False)
        channel = self._channel
        if channel is not None and self._producer is None:
            last = channel.close()
            if last:
                self.below.write(last)
            if self.disconnecting and not channel.waiting:
                # There are peers that answer nothing else: js-libp2p does not answer
                # the announcement.
                halfClose(self.transport)

    def _hangUp(self, last: bytes) -> None:
        """
        End the connection by the last bytes for the peer, which may not want to read
        them.  A producer would keep the transport from closing.
        """
        self._advance("hang up")
        self._channel = None
        self._held.clear()
        self._pending.clear()
        if not self.connected:
            return
        producer, self._producer = self._producer, None
        last, self._ahead = self._ahead + last, b""
        if last:
            self.below.write(last)
        if producer is not None:
            self.transport.unregisterProducer()
        self._hangingUp = Deadline(
            self.factory.clock, CLOSING_TIME, self.transport.abortConnection
        )
        self.transport.loseConnection()
        if producer is not None:
            producer.stopProducing()

    # What the wrapped protocol calls.

    def write(self, data: bytes) -> None:
        """
        Send bytes; small ones wait for more until this turn of the reactor is over.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"data must be bytes, not {type(data).__name__}")
        if self._channel is None or not data:
            return
        self._pending.append(data)
        self._pendingSize += len(data)
        if self._pendingSize >= _JOIN or self.disconnecting:
            self._flush(now=False)
        elif not self._busy and self._flushing is None:
            self._flushing = self.factory.clock.callLater(0, self._flushTurn)

    def writeNow(self, data: bytes) -> None:
        """
        Send bytes, and all joined writes, at once; during a read, at its end.
        """
        if self._channel is not None and data:
            self._pending.append(data)
            self._pendingSize += len(data)
            if not self._busy:
                self._flush(now=True)

    def flush(self) -> None:
        """
        Send the joined writes at once, as far as the transport takes them.
        """
        self._flush(now=True)

    def loseConnection(self) -> None:
        """
        Close when all written bytes are sent.
        """
        channel = self._channel
        if channel is None or not channel.announces:
            self._flush(now=False)
            self._advance("close")
            self.transport.loseConnection()
            return
        self._advance("close")
        self._announce()
        if self._paused:
            # The peer's answer has to be read.
            self.resumeProducing()

    def loseWriteConnection(self) -> None:
        """
        Send all written bytes, and end our direction: by its announcement, if the
        channel has one, otherwise by that of the transport.
        """
        channel = self._channel
        if channel is not None and channel.announces:
            self._advance("shut")
            self._announce()
        else:
            self._flush(now=False)
            halfClose(self.transport)

    def abortConnection(self) -> None:
        """
        Close at once: nothing more is sent, nothing more is received.
        """
        if self.connected:
            self._advance("abort")
            self._channel = None
            self._held.clear()
            self._pending.clear()
            self.transport.abortConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Let the transport pause and resume a producer.
        """
        if self._life is Life.HANGING_UP or not self.connected:
            producer.stopProducing()
            return
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        self._producer = producer
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """
        Forget the producer.
        """
        if self._producer is not None:
            self._producer = None
            self.transport.unregisterProducer()
            channel = self._channel
            if channel is not None and channel.announces and self._life in ENDING:
                self._announce()

    def pauseProducing(self) -> None:
        """
        Deliver nothing until L{resumeProducing}.
        """
        if not self.disconnecting:
            self._paused = True
            self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        Deliver again; first, in a turn of its own, the bytes that the transport brought
        in spite of the pause.
        """
        self._paused = False
        if self._held and not self._busy:
            if self._resuming is None:
                self._resuming = self.factory.clock.callLater(0, self._resumeTurn)
        else:
            self.transport.resumeProducing()
