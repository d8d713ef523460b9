# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A request and its answer: one message each, on a stream of their own.

Most protocols of libp2p are of this form: a message with its length before it, often
protobuf, is answered by another one::

    class KeyValue(Service):
        def attach(self, host):
            self.exchange = Exchange("/kv/1.0.0", host.clock)
            self.exchange.serve(host.registry, self.answer)

        def answer(self, connection, request):
            return self.values.get(request, b"")

        async def get(self, connection, key):
            return await self.exchange.ask(connection, key)

The size of each message is checked before it is received, and nothing waits for ever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from inspect import iscoroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IReactorTime,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.errors import (
    ErrorCode,
    InvalidInput,
    Libp2pError,
    ProtocolViolation,
    UpgradeTimeout,
)
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import (
    Connection,
    IConnection,
    IRegistration,
    IRegistry,
    ISelfDelimiting,
)
from twisted_libp2p.logger import Logger
from twisted_libp2p.negotiation import protocolids
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.wire.frames import FrameBuffer, delimit

__all__ = ["Answer", "Exchange", "MessageReceiver", "Receiver"]

#: Seconds for a complete message of the peer, by default.
TIMEOUT = 10.0

#: Maximum size of a message in bytes, by default.
MAX_MESSAGE = 64 * 1024

#: Returns the answer to the request of the peer of a connection, now or later.
Answer = Callable[[Connection, bytes], bytes | Awaitable[bytes]]

_log = Logger()


@implementer(IHalfCloseableProtocol)
class Receiver(Protocol):
    """
    Reads from a stream within a deadline, and reports the end once.

    Subclasses define L{feed} and L{ended}.
    """

    transport: Any
    _receiving = False

    def __init__(self, deadlines: Deadlines, name: str) -> None:
        """
        Prepare to read a stream.

        @param deadlines: the time that each peer has.
        @param name: names the protocol in the error of a peer that is late.
        """
        self._deadlines = deadlines
        self._name = name

    def connectionMade(self) -> None:
        """
        Start the deadline.
        """
        self._receiving = True
        self._deadlines.begin(self)

    def dataReceived(self, data: bytes) -> None:
        """
        Read; reset the stream after an error of the peer.
        """
        if self._receiving:
            try:
                self.feed(data)
            except Libp2pError:
                self.end(Failure())
                self.transport.abortConnection()

    def readConnectionLost(self) -> None:
        """
        Report the end, and close.
        """
        self.end(None)
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """
        Do nothing: only our own close leads here.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report that the stream was lost.
        """
        self.end(reason)

    def timedOut(self) -> None:
        """
        Reset a stream that is late.
        """
        self.end(Failure(UpgradeTimeout(self._name, self._deadlines.seconds)))
        self.transport.abortConnection()

    def end(self, reason: Failure | None) -> None:
        """
        Read no further, and report the end; again does nothing.

        @param reason: the error; None if the peer has ended its half, or if everything
            was read.
        """
        if self._receiving:
            self._receiving = False
            self._deadlines.end(self)
            self.ended(reason)

    def feed(self, data: bytes) -> None:
        """
        Read some bytes.

        @raise Libp2pError: they break the protocol.
        """
        raise NotImplementedError

    def ended(self, reason: Failure | None) -> None:
        """
        Handle the end, as for L{end}.
        """
        raise NotImplementedError


class MessageReceiver(Receiver):
    """
    Cuts the received bytes into messages, each with its length before it.

    Its deadlines are for its own kind of stream: their timer stops when none is left.
    """

    def __init__(self, deadlines: Deadlines, name: str, maximum: int) -> None:
        """
        Prepare to read a stream.

        @param deadlines: the time that each peer has.
        @param name: names the protocol in errors.
        @param maximum: maximum size of a message, in bytes.
        """
        super().__init__(deadlines, name)
        self._frames = FrameBuffer(maximum)

    def messages(self, data: bytes) -> Iterator[bytes]:
        """
        Cut off the messages that are complete.

        @param data: the received bytes.
        @return: the messages; those that are not taken stay for the next call.
        @raise ProtocolViolation: a message is too long, or its length is malformed.
        """
        self._frames.feed(data)
        try:
            yield from self._frames
        except InvalidInput as error:
            raise ProtocolViolation(self._name, str(error)) from None

    def end(self, reason: Failure | None) -> None:
        """
        Read no further, and stop the timer.
        """
        super().end(reason)
        self._deadlines.rest()


class _SingleReceiver(MessageReceiver):
    """
    Reads a single message.
    """

    message: bytes | None = None

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange.deadlines, exchange.name, exchange.maximum)

    def feed(self, data: bytes) -> None:
        """
        Read, up to the end of the message.
        """
        self.message = next(self.messages(data), None)
        if self.message is not None:
            if self._frames.trailingData:
                self.message = None
                raise ProtocolViolation(self._name, "bytes after the message")
            self.end(None)


class _Asking(_SingleReceiver):
    """
    Sends a request, and waits for the answer.

    @ivar result: fires with the answer.
    """

    def __init__(self, exchange: Exchange, request: bytes) -> None:
        super().__init__(exchange)
        self._request = _delimited(request)
        self.result: Deferred[bytes] = Deferred(self._cancelled)
        self._opening: Deferred[IProtocol] | None = None

    def opening(self, opening: Deferred[IProtocol]) -> None:
        """
        Follow the stream as it is opened.
        """
        self._opening = opening
        opening.addCallbacks(lambda _: None, self._fail)

    def _cancelled(self, _: object) -> None:
        """
        Reset the stream, or open none.
        """
        if self.transport is not None:
            self.transport.abortConnection()
        if self._opening is not None:
            self._opening.cancel()

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.write(self._request)

    def ended(self, reason: Failure | None) -> None:
        """
        Report the answer.
        """
        if reason is None and self.message is None:
            violation = ProtocolViolation(self._name, "the answer is not complete")
            reason = Failure(violation)
        if reason is not None:
            self._fail(reason)
        elif self.message is not None:
            self.transport.loseConnection()
            if not self.result.called:
                self.result.callback(self.message)

    def _fail(self, reason: Failure) -> None:
        if not self.result.called:
            self.result.errback(reason)


@implementer(ISelfDelimiting)
class _Answering(_SingleReceiver):
    """
    Reads a request, and sends the answer.
    """

    def __init__(self, exchange: Exchange, answer: Answer) -> None:
        super().__init__(exchange)
        self._answer = answer
        self._waiting: Deferred[Any] | None = None

    def readConnectionLost(self) -> None:
        """
        Go on with the answer if the request was complete, and reset the stream
        otherwise.
        """
        if self.message is None:
            self.end(None)
            self.transport.abortConnection(ErrorCode.PROTOCOL_VIOLATION)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Give up the answer.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        super().connectionLost(reason)

    def ended(self, reason: Failure | None) -> None:
        """
        Ask for the answer, and send it.
        """
        if self.message is not None and reason is None:
            self._waiting = maybeDeferred(self._ask, self.message)
            self._waiting.addCallback(self._send).addErrback(self._failed)

    def _ask(self, request: bytes) -> Any:
        answer = self._answer(self.transport.connection, request)
        return Deferred.fromCoroutine(answer) if iscoroutine(answer) else answer

    def _send(self, answer: bytes) -> None:
        self._waiting = None
        self.transport.write(_delimited(answer))
        self.transport.loseConnection()

    def _failed(self, reason: Failure) -> None:
        """
        Reset the stream; log an error, unless the peer is at fault.
        """
        self._waiting = None
        if not reason.check(Libp2pError, CancelledError):
            _log.failure("{protocol} has no answer", reason, protocol=self._name)
        self.transport.abortConnection()


def _delimited(message: bytes) -> bytes:
    """
    Put the length of a message of ours in front of it.

    @raise TypeError: it is not C{bytes}.
    """
    try:
        return delimit(message)
    except TypeError:
        raise TypeError(f"a message is bytes, not {type(message).__name__}") from None


class Exchange:
    """
    A protocol of one request and one answer.

    @ivar protocols: its ids, in order of preference.
    @ivar name: the first of them, for errors.
    @ivar maximum: maximum size of a message of the peer, in bytes.
    @ivar deadlines: the time for a message of the peer.
    """

    def __init__(
        self,
        protocols: str | Iterable[str],
        clock: IReactorTime,
        *,
        timeout: float = TIMEOUT,
        maximum: int = MAX_MESSAGE,
    ) -> None:
        """
        Describe the protocol.

        @param protocols: the protocol id, or several in order of preference.
        @param clock: runs the deadlines.
        @param timeout: seconds for a complete message of the peer.
        @param maximum: maximum size of a message of the peer, in bytes.
        @raise ConfigurationError: an id is invalid, or there is none.
        """
        self.protocols = protocolids.proposals(protocols)
        self.name = self.protocols[0]
        self.maximum = maximum
        self.deadlines = Deadlines(clock, timeout)

    def ask(
        self, connection: IConnection, request: bytes, *, allowLimited: bool = False
    ) -> Deferred[bytes]:
        """
        Send a request to a peer.

        @param allowLimited: whether the stream may run over a relay.
        @return: fires with the answer.  Fails with
            L{ProtocolViolation<twisted_libp2p.errors.ProtocolViolation>} if it is too
            long or not complete, with
            L{UpgradeTimeout<twisted_libp2p.errors.UpgradeTimeout>} if it is late, or as
            C{openStream} of the connection does.  If it is cancelled, the stream is
            reset.
        @raise TypeError: the request is not C{bytes}.
        """
        asking = _Asking(self, request)
        factory = StreamFactory(lambda: asking)
        asking.opening(
            connection.openStream(self.protocols, factory, allowLimited=allowLimited)
        )
        return asking.result

    def serve(
        self,
        registry: IRegistry,
        answer: Answer,
        allow: Iterable[PeerID | str] | Callable[[PeerID], bool] | None = None,
    ) -> IRegistration:
        """
        Answer the requests of peers.

        @param answer: called with the connection and the request; returns the answer,
            or a coroutine or Deferred of it.  If it raises, the stream is reset.
        @param allow: the peers that may ask, as for C{register} of the registry.
        @return: an object whose C{cancel} ends the service.
        """
        return registry.register(
            self.protocols,
            StreamFactory(lambda: _Answering(self, answer)),
            allow=allow,
        )
