# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The streams on which peers send requests: any number on each, one answered at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.dht.answers import Asker
from twisted_libp2p.dht.messages import MAX_REQUEST, Message, MessageType
from twisted_libp2p.errors import ErrorCode, LimitExceeded, ProtocolViolation
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IRegistration, IRegistry
from twisted_libp2p.pacing import Deadlines
from twisted_libp2p.pacing.allowance import Allowance
from twisted_libp2p.protocols.exchange import MessageReceiver
from twisted_libp2p.wire.frames import delimit

__all__ = ["IDLE_TIME", "MAX_STREAMS", "REQUESTS_PER_SECOND", "Requests"]

#: Seconds for the next complete request on a stream.
IDLE_TIME: Final = 60.0

#: The most streams on which one peer sends requests, as in rust-libp2p and js-libp2p.
MAX_STREAMS: Final = 32

#: The most requests of one peer in a second, and at once.
REQUESTS_PER_SECOND: Final = 100
BURST: Final = 200

#: Returns the answer to a request; None if it gets none.
Answer = Callable[[Message, Asker, float], Message | None]


class _Account:
    """
    The use that one peer makes of us.

    @ivar streams: its open streams.
    @ivar allowance: the requests that it may send.
    """

    __slots__ = ("allowance", "streams")

    def __init__(self, now: float) -> None:
        self.streams: set[_Serving] = set()
        self.allowance = Allowance(BURST, 1.0 / REQUESTS_PER_SECOND, now)


@implementer(IPushProducer)
class _Serving(MessageReceiver):
    """
    Answers the requests on one stream, as fast as the peer reads the answers.
    """

    _account: _Account | None = None
    _asker: Asker
    _paused = False

    def __init__(self, requests: Requests) -> None:
        super().__init__(requests.deadlines, requests.protocol, MAX_REQUEST)
        self._requests = requests

    def connectionMade(self) -> None:
        """
        Begin, unless the peer has too many streams.
        """
        connection = self.transport.connection
        self._asker = Asker(connection.remotePeer, connection.remoteAddress)
        account = self._requests.account(connection.remotePeer)
        if len(account.streams) >= MAX_STREAMS:
            self.transport.abortConnection(ErrorCode.LIMIT_EXCEEDED)
            return
        account.streams.add(self)
        self._account = account
        super().connectionMade()
        self.transport.registerProducer(self, True)

    def feed(self, data: bytes) -> None:
        """
        Answer the requests that are complete.
        """
        requests = self._requests
        for request in self.messages(data):
            assert self._account is not None
            now = requests.clock.seconds()
            if not self._account.allowance.take(now):
                raise LimitExceeded(
                    "requests of a peer", REQUESTS_PER_SECOND, BURST, "the DHT"
                )
            self._deadlines.end(self)
            self._deadlines.begin(self)
            message = Message.fromBytes(request, requests.protocol)
            requests.received[message.type] += 1
            answer = requests.answer(message, self._asker, now)
            if answer is not None:
                self.transport.write(delimit(answer.toBytes()))
            if self._paused:
                break

    def ended(self, reason: Failure | None) -> None:
        """
        Stop producing answers.
        """
        if reason is not None and reason.check(ProtocolViolation, LimitExceeded):
            self._requests.refused += 1
        self._leave()
        self.transport.unregisterProducer()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        End.
        """
        super().connectionLost(reason)
        self._leave()

    def _leave(self) -> None:
        account, self._account = self._account, None
        if account is not None:
            account.streams.discard(self)

    def pauseProducing(self) -> None:
        """
        Answer and read no more requests until the peer has read its answers.
        """
        self._paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """
        Go on with the requests.
        """
        self._paused = False
        self.transport.resumeProducing()
        self.dataReceived(b"")

    def stopProducing(self) -> None:
        """
        Do nothing: the stream is lost, which connectionLost reports.
        """

    def reset(self) -> None:
        """
        Reset the stream.
        """
        self.end(None)
        self.transport.abortConnection()


class Requests:
    """
    All streams on which peers send requests.

    @ivar clock: the time.
    @ivar protocol: the protocol id, for errors.
    @ivar deadlines: the time for each request.
    @ivar answer: answers a request.
    @ivar received: the number of requests by their type.
    @ivar refused: the number of streams that were reset for a request.
    """

    def __init__(self, clock: IReactorTime, protocol: str, answer: Answer) -> None:
        self.clock = clock
        self.protocol = protocol
        self.answer = answer
        self.deadlines = Deadlines(clock, IDLE_TIME)
        self.received: Counter[MessageType] = Counter()
        self.refused = 0
        self._accounts: dict[PeerID, _Account] = {}

    def serve(self, registry: IRegistry) -> IRegistration:
        """
        Accept streams.

        @return: an object whose C{cancel} ends that.
        """
        return registry.register(self.protocol, StreamFactory(lambda: _Serving(self)))

    def account(self, peer: PeerID) -> _Account:
        """
        Return the account of a peer.
        """
        found = self._accounts.get(peer)
        if found is None:
            found = self._accounts[peer] = _Account(self.clock.seconds())
        return found

    def forget(self, peer: PeerID) -> None:
        """
        Forget a peer without a connection.
        """
        self._accounts.pop(peer, None)

    def stop(self) -> None:
        """
        Reset all streams, because this node is no longer a server.
        """
        for account in list(self._accounts.values()):
            for each in list(account.streams):
                each.reset()
        self._accounts.clear()
        self.deadlines.stop()
