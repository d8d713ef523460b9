# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The validation of messages: the signature first, then the validators of the topic.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import iscoroutine
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from twisted_libp2p.logger import Logger
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.pubsub.actions import Validation, Verdict
from twisted_libp2p.pubsub.faultlog import FaultLog
from twisted_libp2p.pubsub.topicmessage import TopicMessage

__all__ = [
    "MAX_VALIDATING",
    "MAX_VALIDATING_OF_TOPIC",
    "VALIDATION_TIME",
    "Validator",
    "Validators",
]

#: Maximum number of messages that are validated at the same time, of all topics and of
#: one, as in go-libp2p-pubsub.
MAX_VALIDATING: Final = 8192
MAX_VALIDATING_OF_TOPIC: Final = 1024

#: Seconds after which a message that is still validated is ignored.
VALIDATION_TIME: Final = 10.0

#: Returns what is to become of a message, or a coroutine or Deferred of it.
Validator = Callable[[TopicMessage], Any]

_VERDICTS: Final = {
    Validation.ACCEPT: Verdict.ACCEPTED,
    Validation.REJECT: Verdict.REJECTED,
    Validation.IGNORE: Verdict.IGNORED,
}
_log = Logger()


class Validators:
    """
    The validators of all topics.

    @ivar running: the number of messages that are validated now, by topic.
    """

    def __init__(self, clock: IReactorTime) -> None:
        """
        Begin without validators.

        @param clock: runs the deadline.
        """
        self._clock = clock
        self._validators: dict[str, Sequence[Validator]] = {}
        self._deferred: set[Deferred[Any]] = set()
        self._faults = FaultLog()
        self.running: dict[str, int] = {}

    def set(self, topic: str, validators: Sequence[Validator]) -> None:
        """
        Set the validators of a topic.
        """
        if validators:
            self._validators[topic] = tuple(validators)
        else:
            self._validators.pop(topic, None)

    def has(self, topic: str) -> bool:
        """
        Return whether a topic has a validator.
        """
        return topic in self._validators

    def validate(
        self, message: TopicMessage, decided: Callable[[Verdict], None]
    ) -> None:
        """
        Ask the validators of a topic, one after the other.

        @param decided: called with the verdict, at once if no validator has to wait.
        """
        self._ask(message, 0, decided)

    def _ask(
        self, message: TopicMessage, index: int, decided: Callable[[Verdict], None]
    ) -> None:
        validators = self._validators.get(message.topic, ())
        while index < len(validators):
            result = self._called(validators[index], message)
            if isinstance(result, Deferred):
                self._wait(result, message, index, decided)
                return
            verdict = self._verdict(result, message)
            if verdict is not Verdict.ACCEPTED:
                decided(verdict)
                return
            index += 1
        decided(Verdict.ACCEPTED)

    def _wait(
        self,
        result: Deferred[Any],
        message: TopicMessage,
        index: int,
        decided: Callable[[Verdict], None],
    ) -> None:
        topic = message.topic
        count = self.running.get(topic, 0)
        if count >= MAX_VALIDATING_OF_TOPIC or len(self._deferred) >= MAX_VALIDATING:
            result.addErrback(lambda _: None)
            result.cancel()
            decided(Verdict.THROTTLED)
            return
        self.running[topic] = count + 1
        self._deferred.add(result)

        def over(value: Any) -> None:
            self._deferred.discard(result)
            left = self.running.get(topic, 1) - 1
            if left:
                self.running[topic] = left
            else:
                self.running.pop(topic, None)
            verdict = self._verdict(value, message)
            if verdict is Verdict.ACCEPTED:
                self._ask(message, index + 1, decided)
            else:
                decided(verdict)

        addTimeout(result, VALIDATION_TIME, self._clock)
        result.addErrback(self._failed, topic).addCallback(over)

    def stop(self) -> None:
        """
        End all validations.
        """
        for each in list(self._deferred):
            each.cancel()

    def check(self, message: TopicMessage) -> Deferred[Verdict]:
        """
        Validate a message of our own.
        """
        if not self.has(message.topic):
            return succeed(Verdict.ACCEPTED)
        result: Deferred[Verdict] = Deferred()
        self.validate(message, result.callback)
        return result

    def _called(self, validator: Validator, message: TopicMessage) -> Any:
        """
        Call a validator.  A message that makes it fail is ignored: the fault is ours.
        """
        try:
            result = validator(message)
        except Exception:
            return self._failed(Failure(), message.topic)
        return Deferred.fromCoroutine(result) if iscoroutine(result) else result

    def _failed(self, reason: Failure, topic: str) -> Validation:
        if not reason.check(CancelledError):
            others = self._faults.due(self._clock.seconds())
            if others is not None:
                _log.failure(
                    "a validator of {topic} failed{others}",
                    reason,
                    topic=topic,
                    others=others,
                )
        return Validation.IGNORE

    def _verdict(self, result: Any, message: TopicMessage) -> Verdict:
        if isinstance(result, Validation):
            return _VERDICTS[result]
        others = self._faults.due(self._clock.seconds())
        if others is not None:
            _log.error(
                "a validator of {topic} returned {result}, which is not a"
                " Validation{others}",
                topic=message.topic,
                result=repr(result),
                others=others,
            )
        return Verdict.IGNORED
