# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Replays: old messages of an author that come again after they were forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from twisted_libp2p.identity import PeerID
from twisted_libp2p.pubsub.actions import Validation
from twisted_libp2p.pubsub.topicmessage import TopicMessage

__all__ = ["MAX_AUTHORS", "ReplayCheck"]

#: Maximum number of authors whose last sequence numbers are known; the author that was
#: silent for the longest time is forgotten.
MAX_AUTHORS: Final = 4096


class ReplayCheck:
    """
    A validator that ignores a message whose sequence number is not above all earlier
    ones of its author, as C{BasicSeqnoValidator} of go-libp2p-pubsub does::

        await node.pubsub.join("news", [own, ReplayCheck()])

    It belongs after the other validators, since it counts each message that it accepts.
    A message that another one of its author has overtaken is lost.

    @ivar highest: the highest numbers by author, the author of the last message at the
        end.  An application that stores them, and gives them to its next check, is safe
        from replays after a restart, too.
    """

    def __init__(
        self,
        highest: dict[PeerID, int] | None = None,
        maximum: int = MAX_AUTHORS,
    ) -> None:
        """
        Begin, with the numbers of an earlier check if there are any.

        @param highest: the numbers of an earlier check.
        @param maximum: the largest number of authors.
        """
        self.highest: OrderedDict[PeerID, int] = OrderedDict(highest or {})
        self._maximum = maximum

    def __call__(self, message: TopicMessage) -> Validation:
        """
        Validate a message.  One without an author has no number, and is accepted.
        """
        author, number = message.source, message.sequence
        if author is None or number is None:
            return Validation.ACCEPT
        if number <= self.highest.get(author, -1):
            return Validation.IGNORE
        self.highest[author] = number
        self.highest.move_to_end(author)
        if len(self.highest) > self._maximum:
            self.highest.popitem(last=False)
        return Validation.ACCEPT
