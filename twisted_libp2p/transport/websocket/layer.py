# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A WebSocket as a byte stream: written bytes leave in binary messages, and the payloads
of received messages are delivered as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IProducer,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from websockets.frames import CLOSE, CloseCode, Frame
from websockets.protocol import CLIENT, OPEN, Protocol

from twisted_libp2p.errors import (
    HandshakeEnded,
    HandshakeFailed,
    Libp2pError,
    ProtocolViolation,
    Truncated,
    departed,
)
from twisted_libp2p.interfaces import ITrustedProxies
from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import Allowance, Deadline, Layer
from twisted_libp2p.printable import printable
from twisted_libp2p.transport.websocket.frames import FrameReader, packed
from twisted_libp2p.transport.websocket.opening import NAME, Opening, ServerOpening

__all__ = ["WebSocketFactory", "WebSocketLayer"]

#: The maximum size of the payload of a sent frame, in bytes.
FRAME: Final = 64 * 1024

#: Seconds that the peer has to answer a close frame, and to close the transport.
CLOSING_TIME: Final = 5.0

#: The number of received frames without data, such as pings, that are allowed at once,
#: and the seconds after which one more is allowed.
EMPTY_BURST: Final = 100
EMPTY_INTERVAL: Final = 0.5

# The close codes of an end in good order: normal, a page that is left, and none.
_ENDS: Final = frozenset(
    (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD)
)


class WebSocketLayer(Layer):
    """
    One connection through a WebSocket.

    The wrapped protocol is connected at once.  Its first bytes wait for the opening
    handshake, and leave as the first message.

    A WebSocket has no half-close.  L{loseWriteConnection} sends a close frame: the
    peer's bytes are delivered until its own close frame, with which most peers answer
    at once.

    If the peer has not sent a close frame, the end of the transport is L{Truncated
    <twisted_libp2p.errors.Truncated>}.

    @ivar disconnecting: whether our side has begun to close.
    """

    factory: WebSocketFactory
    disconnecting: bool = False

    _log = Logger()
    _client: IAddress | None = None
    _finishing = False
    _reason: Failure | None = None
    _producer: Any = None
    _ending: Deadline | None = None
    _empty: Allowance | None = None

    def __init__(
        self, factory: WebSocketFactory, wrappedProtocol: IProtocol, opening: Opening
    ) -> None:
        super().__init__(factory, wrappedProtocol)
        self._opening: Opening | None = opening
        self._protocol: Protocol = opening.protocol
        self._masks = opening.protocol.side is CLIENT
        self._reader = FrameReader(not self._masks)
        self._held: list[bytes] = []

    # What the transport below calls.

    def makeConnection(self, transport: Any) -> None:
        """
        Connect the wrapped protocol, and begin the opening handshake.
        """
        super().makeConnection(transport)
        first = self._opening.start() if self._opening is not None else b""
        if first:
            self.below.write(first)

    def dataReceived(self, data: bytes) -> None:
        """
        Read bytes of the transport; once our side hangs up they are dropped.
        """
        if self._reason is not None:
            return
        if self._opening is not None:
            data = self._open(self._opening, data)
        if data:
            reader = self._reader
            payloads = reader.read(data)
            if payloads and not self.disconnecting and self.wrappedProtocol is not None:
                self.wrappedProtocol.dataReceived(
                    payloads[0] if len(payloads) == 1 else b"".join(payloads)
                )
            if reader.control or reader.empty or reader.violation is not None:
                self._control(reader)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end to the wrapped protocol.
        """
        if self._ending is not None and self._ending.active():
            self._ending.cancel()
        reason = self._explain(reason)
        self._opening = self._producer = None
        self._held.clear()
        super().connectionLost(reason)

    def _explain(self, reason: Failure) -> Failure:
        """
        Return the typed reason for an end of the transport.
        """
        if self._reason is not None:
            return self._reason
        if self.disconnecting or reason.check(Libp2pError):
            return reason
        if self._opening is not None:
            # Otherwise the TLS below it has failed.
            kind = HandshakeEnded if departed(reason) else HandshakeFailed
            error = kind(
                NAME,
                "the connection ended during the opening handshake:"
                f" {self.factory.explain(reason)}",
            )
            error.__cause__ = reason.value
            return Failure(error)
        if self._finishing or not reason.check(ConnectionDone):
            return reason
        return Failure(Truncated(NAME))

    # From the handshake to messages.

    def _open(self, opening: Opening, data: bytes) -> bytes:
        """
        Go on with the opening handshake.

        @return: the bytes that came after it.
        """
        answer = opening.receive(data)
        if opening.failure is not None:
            if answer:
                self.below.write(answer)
            self._hangUp(opening.failure)
            return b""
        if answer:
            self.below.writeNow(answer)
        if not opening.done:
            return b""
        self._opening = None
        if isinstance(opening, ServerOpening):
            self._arrived(opening)
        held, self._held = self._held, []
        if held:
            self.writeNow(b"".join(held))
        if self._finishing:
            self._finish()
        return opening.trailing

    def _arrived(self, opening: ServerOpening) -> None:
        """
        Note the client, as proxies have stated it, and log the page.
        """
        proxies = self.factory.proxies
        if proxies is not None and opening.forwarded:
            peer = self.transport.getPeer()
            client = proxies.client(peer, opening.forwarded)
            self._client = None if client is peer else client
        if opening.origin is not None:
            self._log.info(
                "a page of {origin} connects from {peer}",
                origin=printable(opening.origin, 100),
                peer=self.getPeer(),
            )

    def _control(self, reader: FrameReader) -> None:
        """
        Answer frames of control, and violations.
        """
        protocol = self._protocol
        control, reader.control = reader.control, []
        empty, reader.empty = reader.empty, 0
        # One more than can be allowed: to parse a flood would keep all others waiting.
        protocol.receive_data(b"".join(control[: EMPTY_BURST + 1]))
        frames = cast(list[Frame], protocol.events_received())
        empty += sum(frame.opcode is not CLOSE for frame in frames)
        # A close frame may be wrong in itself.
        error = None if protocol.parser_exc is None else str(protocol.parser_exc)
        if not all(self._allowEmpty() for _ in range(empty)):
            error = "too many frames without data"
            protocol.fail(CloseCode.POLICY_VIOLATION)
        elif reader.violation is not None:
            code, error = reader.violation
            protocol.fail(code)
        last = protocol.data_to_send()
        if last:
            self.below.writeNow(b"".join(last))
        if error is not None:
            self._hangUp(ProtocolViolation(NAME, error))
        elif protocol.close_rcvd is not None:
            self._closedByPeer(protocol)

    def _allowEmpty(self) -> bool:
        """
        Decide whether the peer may send one more frame without data by now.
        """
        now = self.factory.clock.seconds()
        if self._empty is None:
            self._empty = Allowance(EMPTY_BURST, EMPTY_INTERVAL, now)
        return self._empty.take(now)

    # How it ends.

    def _closedByPeer(self, protocol: Protocol) -> None:
        """
        End after the peer's close frame, which the library has answered.
        """
        close = protocol.close_rcvd
        assert close is not None
        error: Exception
        if close.code in _ENDS or self.disconnecting:
            error = ConnectionDone()
        else:
            said = f": {close.reason}" if close.reason else ""
            error = ProtocolViolation(
                NAME, f"the peer closed with code {int(close.code)}{said}"
            )
        # The server closes the transport first, so that its port needs not wait.
        self._hangUp(error, patient=protocol.side is CLIENT)

    def _hangUp(self, error: Exception, patient: bool = False) -> None:
        """
        Receive nothing more, and close the transport.  The peer may not read our last
        bytes, and a producer would keep the transport from closing.

        @param error: the reason of the end.
        @param patient: whether the peer closes the transport.
        """
        self._reason = Failure(error)
        self._held.clear()
        if not self.connected:
            return
        self._limit()
        producer, self._producer = self._producer, None
        if producer is not None:
            self.transport.unregisterProducer()
        if not patient:
            self.transport.loseConnection()
        if producer is not None:
            producer.stopProducing()

    def _limit(self) -> None:
        """
        Give the peer a last few seconds.
        """
        if self._ending is None:
            self._ending = Deadline(
                self.factory.clock, CLOSING_TIME, self.transport.abortConnection
            )

    def _finish(self) -> None:
        """
        Send a close frame, as soon as the WebSocket is open and no producer is
        registered.
        """
        self._finishing = True
        if self._producer is not None:
            return
        if self.disconnecting and self.connected:
            self._limit()
        protocol = self._protocol
        if self._opening is None and protocol.state is OPEN:
            protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self.below.writeNow(b"".join(protocol.data_to_send()))

    # What the wrapped protocol calls.

    def getPeer(self) -> Any:
        """
        Return the address of the client, as trusted proxies have stated it, or that of
        the transport's other end.
        """
        return self.transport.getPeer() if self._client is None else self._client

    def write(self, data: bytes) -> None:
        """
        Send bytes.
        """
        if not isinstance(data, bytes):
            raise TypeError(f"data must be bytes, not {type(data).__name__}")
        frames = self._pack(data)
        if frames:
            self.below.writeSequence(frames)

    def writeNow(self, data: bytes) -> None:
        """
        Send bytes at once, as far as the transport takes them.
        """
        frames = self._pack(data)
        if frames:
            self.below.writeNow(frames[0] if len(frames) == 1 else b"".join(frames))

    def _pack(self, data: bytes) -> list[bytes]:
        """
        Put bytes into frames; keep them if the WebSocket is not open yet.
        """
        if self._opening is not None and self._reason is None:
            self._held.append(data)
        elif self._protocol.state is OPEN and data:
            size = len(data)
            if size <= FRAME:
                return [packed(data, self._masks)]
            view = memoryview(data)
            return [
                packed(view[begin : begin + FRAME], self._masks)
                for begin in range(0, size, FRAME)
            ]
        return []

    def loseConnection(self) -> None:
        """
        Close when all written bytes are sent and the peer has answered.
        """
        if self._reason is None:
            self.disconnecting = True
            self._finish()
            # The answer has to be read.
            self.transport.resumeProducing()

    def loseWriteConnection(self) -> None:
        """
        Announce that all bytes are written; receive until the peer answers.
        """
        self._finish()

    def abortConnection(self) -> None:
        """
        Close at once: nothing more is sent, nothing more is received.
        """
        self.disconnecting = True
        self._held.clear()
        self.transport.abortConnection()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        Let the transport pause and resume a producer.
        """
        if self._reason is not None or not self.connected:
            producer.stopProducing()
            return
        super().registerProducer(producer, streaming)
        self._producer = producer

    def unregisterProducer(self) -> None:
        """
        Forget the producer; close now if that has waited for it.
        """
        if self._producer is not None:
            self._producer = None
            super().unregisterProducer()
            if self._finishing:
                self._finish()

    def stopProducing(self) -> None:
        """
        Close, since nothing more is wanted.
        """
        self.loseConnection()


class WebSocketFactory(WrappingFactory[WebSocketLayer]):
    """
    Puts a WebSocket between a transport and the protocols of another factory.

    @ivar clock: runs the deadlines.
    @ivar proxies: the proxies that may state the address of their client.
    """

    noisy = False

    def __init__(
        self,
        wrappedFactory: IProtocolFactory,
        opening: Callable[[], Opening],
        clock: IReactorTime,
        explain: Callable[[Failure], str] = Failure.getErrorMessage,
        proxies: ITrustedProxies | None = None,
    ) -> None:
        """
        @param opening: makes the opening handshake of our side.
        @param explain: returns the reason for which a transport has ended before the
            WebSocket was open.
        @param proxies: the proxies that may state the address of their client, by
            C{X-Forwarded-For}; None believes nobody.
        """
        super().__init__(wrappedFactory)
        self.proxies = proxies
        self.clock = clock
        self.explain = explain
        self._opening = opening

    def logPrefix(self) -> str:
        """
        Return the name under which Twisted logs the port: that of any node.
        """
        return "libp2p"

    def buildProtocol(  # type: ignore[override]
        self, addr: IAddress | None
    ) -> WebSocketLayer | None:
        """
        Build the layer and the protocol above it.

        @return: None if the wrapped factory refuses.
        """
        wrapped = self.wrappedFactory.buildProtocol(addr)
        return (
            None if wrapped is None else WebSocketLayer(self, wrapped, self._opening())
        )
