# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The course of recent messages, for the question why one has not come.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["MAX_TRAILS", "Trail", "Trails"]

#: Maximum number of messages whose course is known.
MAX_TRAILS: Final = 1024


class Trail:
    """
    The course of one message.

    @ivar topic: its topic.
    @ivar size: the size of its data in bytes.
    @ivar sender: the peer that has delivered it, in text; empty for one of our own.
    @ivar time: when it has come.
    @ivar verdict: what has become of it; empty while it is validated.
    @ivar forwarded: to how many peers it went.
    @ivar refused: for how many peers there was no room.
    """

    __slots__ = (
        "forwarded",
        "refused",
        "sender",
        "size",
        "time",
        "topic",
        "verdict",
    )

    def __init__(self, topic: str, size: int, sender: str, time: float) -> None:
        self.topic = topic
        self.size = size
        self.sender = sender
        self.time = time
        self.verdict = ""
        self.forwarded = 0
        self.refused = 0

    def __str__(self) -> str:
        if self.sender:
            origin = f"from {self.sender}: {self.verdict or 'not validated so far'}"
        else:
            origin = "published here"
        full = f"; no room for {self.refused}" if self.refused else ""
        return (
            f"{self.size} bytes of {self.topic!r}, {origin}; sent to"
            f" {self.forwarded} peers{full}"
        )


class Trails:
    """
    The courses of the last messages.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Trail] = OrderedDict()

    def begin(self, id: bytes, trail: Trail) -> None:
        """
        Add a message; the oldest one is forgotten if there are too many.
        """
        self._known[id] = trail
        if len(self._known) > MAX_TRAILS:
            self._known.popitem(last=False)

    def get(self, id: bytes) -> Trail | None:
        """
        Return the course of a message; None if it is not known.
        """
        return self._known.get(id)
