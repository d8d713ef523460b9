# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A subscription: the messages of a topic, for one subscriber.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from inspect import iscoroutine
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.logger import Logger
from twisted_libp2p.pubsub.faultlog import FaultLog
from twisted_libp2p.pubsub.topicmessage import TopicMessage

__all__ = [
    "BUFFER",
    "MAX_BUFFERED",
    "MAX_OVERFLOW",
    "SlowPolicy",
    "Subscription",
]

#: How many messages wait for a subscriber by default.
BUFFER: Final = 64

#: Maximum number of bytes that wait for a subscriber; a single message may be larger.
MAX_BUFFERED: Final = 4 << 20

#: The same with the policy C{wait}.  The last RPC of each peer still comes before the
#: peer has to wait, and there may be many peers; further messages are dropped.
MAX_OVERFLOW: Final = 16 << 20

#: The memory of a message without its data, as far as it counts there.
_OVERHEAD: Final = 512

#: Called when a subscriber is ready for more.
Ready = Callable[["Subscription"], None]

#: Handles a message; a Deferred or a coroutine lets the next message wait.
Receive = Callable[[TopicMessage], Any]


class SlowPolicy(Enum):
    """
    What happens to messages that a subscriber is too slow for.
    """

    #: Nothing is read from the peers that have sent them until there is room.
    WAIT = "wait"
    DROP_OLDEST = "drop-oldest"
    DROP_NEWEST = "drop-newest"
    #: Only the latest message waits.
    LATEST = "latest"

    @classmethod
    def of(cls, policy: SlowPolicy | str) -> SlowPolicy:
        """
        Return a policy, which may be given by its name.

        @raise ConfigurationError: the policy is unknown.
        """
        try:
            return cls(policy)
        except ValueError:
            names = ", ".join(each.value for each in cls)
            raise ConfigurationError(
                f"{policy!r} is not a policy for slow subscribers: choose from {names}"
            ) from None


@implementer(IPushProducer)
class Subscription:
    """
    The messages of a topic, for one subscriber.

    It is an asynchronous iterator, which ends when the subscription is cancelled::

        async for message in topic.subscribe():
            print(message.source, message.data)

    @ivar topic: the name of the topic.
    @ivar dropped: the number of messages that the subscriber was too slow for.
    @ivar cancelled: whether it has ended.
    """

    _log = Logger()

    def __init__(
        self,
        topic: str,
        ready: Ready,
        ended: Ready,
        policy: SlowPolicy,
        buffer: int,
        receive: Receive | None,
    ) -> None:
        """
        Begin without messages.

        @param ready: called when a subscriber that was too slow is ready again.
        @param ended: called when the subscription is cancelled.
        @param policy: for a subscriber that is too slow.
        @param buffer: how many messages may wait.
        @param receive: handles each message; None for an iterator.
        """
        if buffer < 1:
            raise ConfigurationError(f"buffer={buffer}: give 1 or more, such as 64")
        self.topic = topic
        self.dropped = 0
        self.cancelled = False
        self._ready = ready
        self._ended = ended
        self._policy = policy
        self._buffer = 1 if policy is SlowPolicy.LATEST else buffer
        self._receive = receive
        self._messages: deque[TopicMessage] = deque()
        self._size = 0
        self._faults = FaultLog()
        self._waiting: deque[Deferred[TopicMessage]] = deque()
        self._busy = self._pumping = self._paused = self._blocks = False
        self._consumer: IConsumer | None = None

    def __len__(self) -> int:
        """
        Return how many messages wait.
        """
        return len(self._messages)

    @property
    def full(self) -> bool:
        """
        Whether no further message has room.
        """
        return len(self._messages) >= self._buffer or self._size >= MAX_BUFFERED

    @property
    def blocks(self) -> bool:
        """
        Whether the peers that send messages have to wait for the subscriber.
        """
        return self._policy is SlowPolicy.WAIT and self.full

    def deliver(self, message: TopicMessage) -> None:
        """
        Give a message to the subscriber, or let it wait.
        """
        if self.cancelled:
            return
        if self._waiting:
            self._waiting.popleft().callback(message)
            return
        if self._policy is SlowPolicy.WAIT:
            if self._size + _OVERHEAD * len(self._messages) >= MAX_OVERFLOW:
                self.dropped += 1
                return
        elif self.full:
            self.dropped += 1
            if self._policy is SlowPolicy.DROP_NEWEST:
                return
            self._pop()
        self._messages.append(message)
        self._size += len(message.data)
        self._blocks = self.blocks
        if self._receive is not None:
            self._pump()

    def _pop(self) -> TopicMessage:
        message = self._messages.popleft()
        self._size -= len(message.data)
        return message

    def _relieved(self) -> None:
        """
        Let the peers go on, if the subscriber has room again.
        """
        if self._blocks and not self.blocks:
            self._blocks = False
            self._ready(self)

    def _pump(self) -> None:
        """
        Call the receiver, one message after the other.
        """
        if self._pumping:
            return
        self._pumping = True
        while self._messages and not (self._busy or self._paused or self.cancelled):
            self._handle(self._pop())
        self._pumping = False
        if not self._busy:
            self._relieved()

    def _handle(self, message: TopicMessage) -> None:
        """
        Call the receiver with a message.
        """
        assert self._receive is not None
        try:
            result = self._receive(message)
        except Exception:
            self._failed(Failure(), message.time)
            return
        if iscoroutine(result):
            result = Deferred.fromCoroutine(result)
        if isinstance(result, Deferred):
            self._busy = True
            result.addErrback(self._failed, message.time)
            result.addCallback(self._handled)

    def _failed(self, reason: Failure, now: float) -> None:
        others = self._faults.due(now)
        if others is not None:
            self._log.failure(
                "a subscriber of {topic} failed{others}",
                reason,
                topic=self.topic,
                others=others,
            )

    def _handled(self, _: object) -> None:
        self._busy = False
        self._pump()

    # An iterator

    def __aiter__(self) -> Subscription:
        return self

    def __anext__(self) -> Deferred[TopicMessage]:
        return self.next()

    def next(self) -> Deferred[TopicMessage]:
        """
        Wait for the next message.

        @return: fires with the message.  Fails with C{StopAsyncIteration} after the end
            of the subscription.  Cancelling it ends the wait.
        """
        waiting: Deferred[TopicMessage] = Deferred(self._waiting.remove)
        if self._messages:
            waiting.callback(self._pop())
            self._relieved()
        elif self.cancelled:
            waiting.errback(StopAsyncIteration())
        else:
            self._waiting.append(waiting)
        return waiting

    # A producer

    def feed(self, consumer: IConsumer) -> None:
        """
        Write the data of each message to a consumer, as fast as it takes them.

        @param consumer: such as a transport, or a C{FileSender}'s target.
        """
        self._consumer = consumer
        self._receive = lambda message: consumer.write(message.data)
        consumer.registerProducer(self, True)
        self._pump()

    def pauseProducing(self) -> None:
        """
        Let messages wait.
        """
        self._paused = True

    def resumeProducing(self) -> None:
        """
        Go on.
        """
        self._paused = False
        self._pump()

    def stopProducing(self) -> None:
        """
        End the subscription: its consumer has ended.
        """
        self._consumer = None
        self.cancel()

    def cancel(self) -> None:
        """
        End the subscription.  Messages that wait can still be taken by L{next}.
        """
        if self.cancelled:
            return
        self.cancelled = True
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.unregisterProducer()
        waiting, self._waiting = self._waiting, deque()
        self._ended(self)
        while waiting:
            waiting.popleft().errback(StopAsyncIteration())
