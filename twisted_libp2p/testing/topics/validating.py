# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Validators in virtual time.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock

from twisted_libp2p.identity import PeerID
from twisted_libp2p.pubsub import TopicMessage
from twisted_libp2p.pubsub.actions import Check, Verdict
from twisted_libp2p.pubsub.validation import Validator, Validators
from twisted_libp2p.testing.topics.timeline import Timeline

__all__ = ["SimulatedValidation"]


class SimulatedValidation:
    """
    The validators of all nodes.
    """

    def __init__(
        self,
        timeline: Timeline,
        make: Callable[[int], Validator] | None,
        seconds: float,
    ) -> None:
        """
        Begin without nodes.

        @param timeline: the time of the simulation.
        @param make: returns the validator of a node by its number; None if everything
            is valid.
        @param seconds: the time that a validation takes.
        """
        self._timeline = timeline
        self._make = make
        self._seconds = seconds
        self._validators: dict[int, Validators] = {}

    def begin(self, number: int, topic: str) -> None:
        """
        Give a node its validator.
        """
        validators = self._validators[number] = Validators(Clock())
        if self._make is not None:
            validators.set(topic, [self._make(number)])

    def validate(
        self, number: int, check: Check, decided: Callable[[bytes, Verdict], None]
    ) -> None:
        """
        Validate a message for a node.

        @param decided: called with the id of the message and the verdict, after the
            time that this takes.
        """
        message = check.message
        sender = PeerID.fromBytes(check.sender)
        seen = TopicMessage(message, sender, self._timeline.now, False)
        self._validators[number].validate(
            seen,
            lambda verdict: self._timeline.after(
                self._seconds, decided, message.id, verdict
            ),
        )
