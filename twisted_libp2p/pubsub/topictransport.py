# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A topic as the transport of a protocol.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProtocol,
    IPushProducer,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import NodeStopping
from twisted_libp2p.logger import Logger
from twisted_libp2p.pubsub.subscription import Subscription

if TYPE_CHECKING:
    from twisted_libp2p.pubsub.topic import Topic

__all__ = ["TopicAddress", "TopicTransport"]


@implementer(IAddress)
class TopicAddress:
    """
    The address of a topic.

    @ivar topic: its name.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic

    def __repr__(self) -> str:
        return f"TopicAddress({self.topic!r})"


@implementer(ITransport, IPushProducer)
class TopicTransport:
    """
    Joins a protocol with a topic: each message is one call of C{dataReceived}, and each
    write is one message.  While a write waits for room in the queues to peers, nothing
    is delivered, so that a protocol that answers has no more than one answer waiting.
    """

    _log = Logger()

    def __init__(
        self, topic: Topic, subscription: Subscription, protocol: IProtocol
    ) -> None:
        self._topic = topic
        self._subscription = subscription
        self._protocol = protocol
        self._paused = False
        self._unsent = 0
        self.disconnecting = False

    def connect(self) -> None:
        """
        Connect the protocol.
        """
        self._protocol.makeConnection(self)
        if self._subscription.cancelled:
            self.ended()
        else:
            self._subscription.feed(_Receiver(self))

    def received(self, data: bytes) -> None:
        """
        Give the data of a message to the protocol.
        """
        if not self.disconnecting:
            self._protocol.dataReceived(data)

    def write(self, data: bytes) -> None:
        """
        Publish a message, if there is a peer.
        """
        published = self._topic.publish(data, alone=True)
        published.addErrback(self._notSent)
        if not published.called:
            self._unsent += 1
            self._subscription.pauseProducing()
            published.addCallback(self._sent)

    def _notSent(self, reason: Failure) -> None:
        if not reason.check(NodeStopping):
            self._log.failure(
                "a message of {topic} is lost", reason, topic=self._topic.name
            )

    def _sent(self, _: object) -> None:
        self._unsent -= 1
        self._read()

    def _read(self) -> None:
        """
        Let messages be delivered, if the protocol wants them and no write waits.
        """
        if not (self._paused or self._unsent):
            self._subscription.resumeProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Publish one message of several parts.
        """
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """
        End the subscription.
        """
        if not self.disconnecting:
            self.disconnecting = True
            self._subscription.cancel()

    def ended(self) -> None:
        """
        Report the end of the subscription to the protocol.
        """
        self.disconnecting = True
        try:
            self._protocol.connectionLost(Failure(ConnectionDone()))
        except Exception:
            # Other subscriptions of the topic end too.
            self._log.failure("a protocol of {topic} failed", topic=self._topic.name)

    def pauseProducing(self) -> None:
        """
        Deliver nothing until L{resumeProducing}.
        """
        self._paused = True
        self._subscription.pauseProducing()

    def resumeProducing(self) -> None:
        """
        Deliver messages again.
        """
        self._paused = False
        self._read()

    def stopProducing(self) -> None:
        """
        End the subscription.
        """
        self.loseConnection()

    def getPeer(self) -> TopicAddress:
        """
        Return the address of the topic.
        """
        return TopicAddress(self._topic.name)

    def getHost(self) -> TopicAddress:
        """
        Return the address of the topic.
        """
        return TopicAddress(self._topic.name)


@implementer(IConsumer)
class _Receiver:
    """
    Takes the data of messages for a protocol.
    """

    def __init__(self, transport: TopicTransport) -> None:
        self._transport = transport

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """
        Do nothing: the transport pauses the subscription itself.
        """

    def unregisterProducer(self) -> None:
        """
        Note the end of the subscription.
        """
        self._transport.ended()

    def write(self, data: bytes) -> None:
        """
        Take the data of a message.
        """
        self._transport.received(data)
