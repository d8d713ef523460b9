# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The wrapper around every security protocol: it moves the bytes between a
transport, a L{HandshakeMachine} or L{Channel}, and the wrapped protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import (
    HandshakeFailed,
    Libp2pError,
    ProtocolViolation,
    RemoteError,
)
from twisted_libp2p.interfaces import Handshake, ISecureTransport, Secured
from twisted_libp2p.pacing import Layer
from twisted_libp2p.security.machine import Channel, HandshakeMachine
from twisted_libp2p.wire.pieces import MANY, joinSmall

__all__ = ["SecureFactory", "SecureTransport"]

# Writes are joined up to this many bytes; it is far enough below the 64 KiB of
# most frames, and the cost of a frame is small beside that of its bytes.
_JOIN = 32 * 1024


@implementer(ISecureTransport)
class SecureTransport(Layer):
    """
    The transport of a protocol whose peer is authenticated.

    Until the handshake is done there is no wrapped protocol.  If the handshake
    fails, C{handshake.failed} is told; later ends are told to the wrapped
    protocol's C{connectionLost}.

    Small writes of one turn of the reactor, or of one C{dataReceived}, are
    joined and leave together, at its end.  Whatever a single read of the
    transport brings is handed to the wrapped protocol in one piece.

    A half-close is not passed upwards: an end that no key has signed is no
    statement of the peer's, so it ends the connection.

    @ivar secured: what the handshake has proven and agreed.
    @ivar disconnecting: whether our side has begun to close.
    @ivar announced: whether the peer has announced the end of the transport, as far as
        the security protocol has a message for it.
    """

    # The protocol below may have given our dataReceived to its transport when
    # it stepped aside, so it is never rebound.

    factory: SecureFactory
    secured: Secured
    disconnecting: bool = False
    announced: bool = False

    _log = Logger()
    _channel: Channel | None = None
    _reason: Failure | None = None
    _busy = False
    _paused = False
    _flushing: IDelayedCall | None = None
    _resuming: IDelayedCall | None = None
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
        elif self._machine is not None:
            self._shakeHands(self._machine, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The transport is gone: tell whoever has to know.
        """
        self.connected = 0
        if self._held and not (self._busy or self._paused or self.disconnecting):
            self._deliver()
        machine, self._machine = self._machine, None
        # What nobody has read may end anywhere.
        channel = None if self._held else self._channel
        self._channel = None
        wrapped, self.wrappedProtocol = self.wrappedProtocol, None
        self._held.clear()
        self._pending.clear()
        for call in (self._flushing, self._resuming):
            if call is not None:
                call.cancel()
        self._flushing = self._resuming = None
        if machine is not None:
            if not reason.check(HandshakeFailed):
                error = HandshakeFailed(
                    machine.protocolID,
                    "the connection ended during the handshake:"
                    f" {reason.getErrorMessage()}",
                )
                error.__cause__ = reason.value
                reason = Failure(error)
            self.factory.handshake.failed(reason)
        elif wrapped is not None:
            if self._reason is not None:
                reason, self._reason = self._reason, None
            else:
                reason = self._explain(channel, reason)
            wrapped.connectionLost(reason)

    def _explain(self, channel: Channel | None, reason: Failure) -> Failure:
        """
        Tell a connection that was cut from one that has ended.

        @param channel: the channel; None if our side has let it go, or has not read
            all that came.
        @param reason: why the transport is gone.
        """
        if (
            channel is not None
            and channel.truncated
            and not self.disconnecting
            and reason.check(ConnectionDone)
        ):
            return Failure(
                ProtocolViolation(
                    self.secured.protocolID, "the connection ended inside a frame"
                )
            )
        return reason

    # From handshake to channel.

    def _shakeHands(self, machine: HandshakeMachine, data: bytes) -> None:
        try:
            answer = machine.receive(data)
        except Exception as error:
            if not isinstance(error, Libp2pError):
                self._log.failure("A handshake broke down.")
            self._refuse(error)
            return
        if machine.secured is not None:
            # What the wrapped protocol has to say at once leaves together with
            # the last message of the handshake.
            self._ahead = answer
            self._secure(machine)
        elif answer:
            self.below.writeNow(answer)

    def _refuse(self, error: Exception) -> None:
        """
        The handshake is over: hang up, and tell why.
        """
        self._machine = None
        self.transport.abortConnection()
        self.factory.handshake.failed(Failure(error.with_traceback(None)))

    def _secure(self, machine: HandshakeMachine) -> None:
        """
        Connect the wrapped protocol.
        """
        assert machine.secured is not None
        self._machine = None
        self.secured = machine.secured
        self._channel = machine.channel
        if machine.trailing:
            self._held.append(machine.trailing)
        self._busy = True
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

    def _deliver(self) -> None:
        """
        Hand up all that is held; hold back meanwhile what is written.
        """
        self._busy = True
        while self._held and not self._paused and self._channel is not None:
            self._open(self._channel, self._held.pop(0))
        self._busy = False
        self._flush(now=True)

    def _open(self, channel: Channel, data: bytes) -> None:
        """
        Hand up what is in some bytes of the transport.
        """
        opened: list[bytes] = []
        violation = None
        try:
            channel.open(data, opened)
        except RemoteError as error:
            violation = error.with_traceback(None)
        if opened:
            self._hand(opened[0] if len(opened) == 1 else b"".join(opened))
        if violation is not None:
            self._violated(violation)

    def _hand(self, plaintext: bytes) -> None:
        """
        Hand up what the peer has said.
        """
        try:
            self.wrappedProtocol.dataReceived(plaintext)
        except Exception:
            # Further down this would end the reading of something that may not
            # be ours alone.
            self._log.failure("A protocol failed to take what it received.")
            self._abort(Failure())

    def _violated(self, error: RemoteError) -> None:
        """
        The peer has broken the protocol: end the connection.
        """
        self._abort(Failure(error))

    def _abort(self, reason: Failure) -> None:
        """
        End the connection at once, for this reason, unless it has ended.
        """
        if self._channel is not None:
            self._reason = reason
            self.abortConnection()

    def _flush(self, now: bool) -> None:
        """
        Send the joined writes.

        @param now: whether the transport has to send them at once, as far as it can.
        """
        channel = self._channel
        if channel is None:
            return
        frames: list[bytes] = []
        if self._ahead:
            frames.append(self._ahead)
            self._ahead = b""
        if self._pending:
            pending, self._pending = self._pending, []
            self._pendingSize = 0
            frames += channel.seal(pending)
        if not frames:
            return
        if now:
            self.below.writeNow(frames[0] if len(frames) == 1 else b"".join(frames))
        else:
            self.below.writeSequence(frames)

    def _flushTurn(self) -> None:
        self._flushing = None
        self._flush(now=True)

    def _resumeTurn(self) -> None:
        self._resuming = None
        self._deliver()
        if not self._paused and self._channel is not None:
            self.transport.resumeProducing()

    # What the wrapped protocol calls.

    def write(self, data: bytes) -> None:
        """
        Send bytes; small ones wait for more until this turn of the reactor is
        over.
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

    def writeSequence(self, iovec: Iterable[bytes]) -> None:
        """
        Send several pieces of bytes.
        """
        self.write(b"".join(iovec))

    def flush(self) -> None:
        """
        Send what is held back, as far as the socket takes it at once.
        """
        self._flush(now=True)

    def loseConnection(self) -> None:
        """
        Close when everything that was written is sent.
        """
        self._flush(now=False)
        self.disconnecting = True
        self.transport.loseConnection()

    def loseWriteConnection(self) -> None:
        """
        Send everything that was written, and then close this direction of the
        transport.
        """
        self._flush(now=False)
        self.transport.loseWriteConnection()

    def abortConnection(self) -> None:
        """
        Close at once: nothing more is sent, nothing more is received.
        """
        self.disconnecting = True
        self._channel = None
        self._held.clear()
        self._pending.clear()
        self.transport.abortConnection()

    def pauseProducing(self) -> None:
        """
        Deliver nothing until L{resumeProducing}.
        """
        self._paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        Deliver again; first, in a turn of its own, what the transport brought
        in spite of the pause.
        """
        self._paused = False
        if self._held and not self._busy:
            if self._resuming is None:
                self._resuming = self.factory.clock.callLater(0, self._resumeTurn)
        else:
            self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """
        Close, since nothing more is wanted.
        """
        self.loseConnection()


class SecureFactory(WrappingFactory[SecureTransport]):
    """
    Builds the L{SecureTransport} of one connection.

    @ivar handshake: what our side brings to the handshake.
    @ivar clock: what ends a turn of the reactor.
    """

    protocol: type[SecureTransport] = SecureTransport
    noisy = False

    def __init__(
        self,
        handshake: Handshake,
        wrappedFactory: IProtocolFactory,
        machine: Callable[[], HandshakeMachine],
        clock: IReactorTime,
    ) -> None:
        """
        @param machine: makes the machine of the handshake.
        """
        super().__init__(wrappedFactory)
        self.handshake = handshake
        self.clock = clock
        self._machine: Callable[[], HandshakeMachine] | None = machine
        self._address: IAddress | None = None

    def buildProtocol(self, addr: IAddress | None) -> SecureTransport:
        """
        Build the wrapper; its wrapped protocol is built after the handshake.
        """
        self._address = addr
        assert self._machine is not None
        return self.protocol(self, self._machine())

    def buildWrapped(self) -> Any:
        """
        Build what the wrapper wraps.

        @return: None if the connection is refused.
        """
        wrapped = self.wrappedFactory.buildProtocol(self._address)
        # There is one of each for a connection: what has led to it must not stay
        # for as long as it does.
        self.wrappedFactory = _SPENT
        self._machine = None
        self.handshake = self.handshake.done()
        return wrapped


#: What a factory wraps that has built all that it had to.
_SPENT = Factory()
