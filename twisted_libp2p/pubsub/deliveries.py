# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The states of messages that were seen, and the peers that have sent them.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from twisted_libp2p.pubsub.actions import Verdict
from twisted_libp2p.pubsub.message import Message

__all__ = ["DONE", "STATES", "Delivery", "DeliveryState"]


class DeliveryState(Enum):
    """
    The state of a message that was seen.
    """

    PENDING = "pending"
    VALID = "valid"
    INVALID = "invalid"
    IGNORED = "ignored"


class Delivery:
    """
    How a message has come.

    @ivar state: the state of the message.
    @ivar message: the message, while it is validated.
    @ivar sender: the peer that has sent it first.
    @ivar others: the peers that have sent it too.
    @ivar at: when it was valid.
    """

    __slots__ = ("at", "message", "others", "sender", "state")

    def __init__(
        self, state: DeliveryState, sender: bytes = b"", message: Message | None = None
    ) -> None:
        self.state = state
        self.sender = sender
        self.message = message
        self.others: set[bytes] | None = None
        self.at = 0.0


#: The facts about most messages: nobody has to know more.
DONE: Final = {each: Delivery(each) for each in DeliveryState}

#: The states after the verdicts.
STATES: Final = {
    Verdict.ACCEPTED: DeliveryState.VALID,
    Verdict.REJECTED: DeliveryState.INVALID,
    Verdict.IGNORED: DeliveryState.IGNORED,
    Verdict.THROTTLED: DeliveryState.IGNORED,
}
