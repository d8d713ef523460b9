# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Requests to other servers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.dht.gathering import fewAtATime
from twisted_libp2p.dht.messages import MAX_ANSWER, Message, MessageType
from twisted_libp2p.errors import ProtocolViolation, UpgradeTimeout
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import DialOptions, IConnection, IHost
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.protocols.exchange import Exchange, MessageReceiver
from twisted_libp2p.wire.frames import delimit

__all__ = ["REQUEST_TIME", "STREAMS", "Client"]

T = TypeVar("T")

#: Seconds for one request: to connect, and to get the whole answer.
REQUEST_TIME: Final = 10.0

#: The most streams on which one peer gets announcements, if each has its own.
STREAMS: Final = 8

_PING: Final = Message(MessageType.PING)

# A lookup must not start a lookup.
_DIRECTLY: Final = DialOptions(routed=False, timeout=REQUEST_TIME)


class _NotRead(ProtocolViolation):
    """
    The peer has ended the stream, and may not have read all messages.
    """


class _Announcement(MessageReceiver):
    """
    Sends messages that get no answer, and waits until the peer has read them.

    The peer ends the stream after one message.  After several it answers a ping, or
    has not read all of them: js-libp2p 3.3 reads only one of the messages that arrive
    together.

    py-libp2p 0.8.1 sends each message back, which is ignored.

    @ivar result: fires when the peer has read the messages.
    """

    def __init__(
        self, deadlines: Deadlines, name: str, messages: Sequence[Message]
    ) -> None:
        super().__init__(deadlines, name, MAX_ANSWER)
        self.result: Deferred[None] = Deferred(self._cancelled)
        self._messages = messages
        self._pinging = len(messages) > 1
        self._echoes = 0

    def connectionMade(self) -> None:
        """
        Send the messages, and a ping; or one message, and end our half.
        """
        super().connectionMade()
        data = b"".join(delimit(each.toBytes()) for each in self._messages)
        if self._pinging:
            self.transport.write(data + delimit(_PING.toBytes()))
        else:
            self.transport.write(data)
            self.transport.loseWriteConnection()

    def feed(self, data: bytes) -> None:
        """
        Read the answer to the ping, and the echoes before it.
        """
        for each in self.messages(data):
            answer = Message.fromBytes(each, self._name)
            if self._pinging and answer.type is MessageType.PING:
                self._pinging = False
                self.end(None)
                self.transport.loseConnection()
                return
            self._echoes += 1
            if self._echoes > len(self._messages):
                raise ProtocolViolation(self._name, "two answers to an announcement")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Report the end.
        """
        self.end(None if reason.check(ConnectionDone) else reason)

    def ended(self, reason: Failure | None) -> None:
        """
        Report the end.
        """
        if reason is None and self._pinging:
            reason = Failure(_NotRead(self._name, "the ping has no answer"))
        self._fire(reason)

    def failed(self, reason: Failure) -> None:
        """
        Report an error.
        """
        self._fire(reason)

    def _fire(self, result: Failure | None) -> None:
        if not self.result.called:
            self.result.callback(result)

    def _cancelled(self, _: object) -> None:
        if self.transport is not None:
            self.transport.abortConnection()


class Client:
    """
    Sends requests to servers.

    @ivar sent: the number of requests that were sent, by their type.
    @ivar failed: the number of these without a valid answer.
    """

    def __init__(self, host: IHost, protocol: str) -> None:
        """
        Make a client of a node.

        @param host: the node.
        @param protocol: the protocol id.
        """
        self._host = host
        self._protocol = protocol
        self._exchange = Exchange(
            protocol, host.clock, timeout=REQUEST_TIME, maximum=MAX_ANSWER
        )
        self.sent: Counter[MessageType] = Counter()
        self.failed: Counter[MessageType] = Counter()

    def ask(self, peer: PeerID, request: Message) -> Deferred[Message]:
        """
        Send a request to a peer, and connect to it first if need be.

        @return: fires with the answer.  Fails with
            L{UpgradeTimeout<twisted_libp2p.errors.UpgradeTimeout>} if it is late, with
            L{ProtocolViolation<twisted_libp2p.errors.ProtocolViolation>} if it is not
            one, or as the dial does.
        """

        def connected(connection: IConnection) -> Deferred[bytes]:
            return self._exchange.ask(connection, request.toBytes())

        def answered(data: bytes) -> Message:
            answer = Message.fromBytes(data, self._protocol)
            if answer.type is not request.type:
                raise ProtocolViolation(
                    self._protocol,
                    f"{answer.type.name} answers {request.type.name}",
                )
            return answer

        asking = self._within(peer, connected).addCallback(answered)
        return self._counted(asking, request.type)

    def announce(self, peer: PeerID, *messages: Message) -> Deferred[None]:
        """
        Send messages of one type that get no answer: all on one stream, or each on its
        own if the peer does not read more.

        @return: fires when the peer has read them; fails as L{ask} does.
        """
        announcing = self._announce(peer, *messages)
        return announcing.addErrback(self._oneByOne, peer, messages)

    def _oneByOne(
        self, reason: Failure, peer: PeerID, messages: Sequence[Message]
    ) -> Deferred[None]:
        """
        Send each message on a stream of its own.
        """
        reason.trap(_NotRead)
        announcing = fewAtATime(
            STREAMS, lambda message: self._announce(peer, message), messages
        )
        return announcing.addCallback(lambda _: None)

    def _announce(self, peer: PeerID, *messages: Message) -> Deferred[None]:
        """
        Send messages on one stream.
        """

        def connected(connection: IConnection) -> Deferred[None]:
            announcement = _Announcement(
                self._exchange.deadlines,
                self._protocol,
                messages,
            )
            factory = StreamFactory(lambda: announcement)
            opening = connection.openStream(self._protocol, factory)
            opening.addErrback(announcement.failed)
            return announcement.result

        kind = messages[0].type
        return self._counted(self._within(peer, connected), kind, len(messages))

    def _counted(
        self, asking: Deferred[T], kind: MessageType, count: int = 1
    ) -> Deferred[T]:
        """
        Count requests, and their failure.
        """
        self.sent[kind] += count

        def failed(reason: Failure) -> Failure:
            self.failed[kind] += count
            return reason

        return asking.addErrback(failed)

    def _within(self, peer: PeerID, use: Any) -> Deferred[Any]:
        """
        Use a connection to a peer, all within the time of a request.
        """
        asking: Deferred[Any] = self._host.connect(peer, _DIRECTLY)
        asking.addCallback(use)
        return asking.addTimeout(REQUEST_TIME, self._host.clock, self._late)

    def _late(self, result: Any, seconds: float) -> Any:
        if isinstance(result, Failure) and result.check(CancelledError):
            raise UpgradeTimeout(self._protocol, seconds)
        return result

    def stop(self) -> None:
        """
        Stop the timers.
        """
        self._exchange.deadlines.stop()
