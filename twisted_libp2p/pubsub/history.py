# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The recent messages: peers hear which ones there are, and ask for them.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.storage import MAX_HISTORY

__all__ = ["History"]

#: The memory of a message without its data, in bytes.
_OVERHEAD: Final = 768


def _memory(message: Message) -> int:
    """
    Return the memory of a message in bytes: it is there a second time, encoded for the
    peers.
    """
    size = len(message.data) + len(message.signature or b"") + len(message.key or b"")
    return 2 * size + len(message.id) + _OVERHEAD


class History:
    """
    The messages of the last heartbeats, in windows of one heartbeat each.

    @ivar size: their memory in bytes.
    """

    __slots__ = ("_gossip", "_maximum", "_messages", "_sent", "_windows", "size")

    def __init__(self, length: int, gossip: int, maximum: int = MAX_HISTORY) -> None:
        """
        Begin with empty windows.

        @param length: the number of windows.
        @param gossip: the number of the newest windows that peers hear about.
        @param maximum: the largest size of all messages in bytes.
        """
        self._windows: deque[dict[str, deque[bytes]]] = deque(
            [{} for _ in range(length)], length
        )
        self._gossip = gossip
        self._maximum = maximum
        self._messages: dict[bytes, Message] = {}
        self._sent: dict[bytes, dict[bytes, int]] = {}
        self.size = 0

    def put(self, message: Message) -> None:
        """
        Add a message.
        """
        if message.id not in self._messages:
            self._messages[message.id] = message
            self.size += _memory(message)
            self._windows[0].setdefault(message.topic, deque()).append(message.id)
            while self.size > self._maximum:
                self._dropOldest()

    def requested(self, id: bytes, peer: bytes) -> tuple[Message | None, int]:
        """
        Return a message for which a peer asks, and how often it has asked for it.
        """
        message = self._messages.get(id)
        if message is None:
            return None, 0
        counts = self._sent.setdefault(id, {})
        counts[peer] = counts.get(peer, 0) + 1
        return message, counts[peer]

    def recent(self, topic: str) -> list[bytes]:
        """
        Return the ids of a topic that peers hear about, the newest first.
        """
        return [
            id
            for index in range(self._gossip)
            for id in reversed(self._windows[index].get(topic, ()))
        ]

    def shift(self) -> None:
        """
        Begin a new window, and drop the messages of the last.
        """
        for ids in self._windows[-1].values():
            for id in ids:
                self._drop(id)
        self._windows.appendleft({})

    def _dropOldest(self) -> None:
        """
        Drop the oldest message: in the oldest window with its topic it is the first.
        """
        message = next(iter(self._messages.values()))
        for window in reversed(self._windows):
            ids = window.get(message.topic)
            if ids:
                self._drop(ids.popleft())
                return

    def _drop(self, id: bytes) -> None:
        self.size -= _memory(self._messages.pop(id))
        self._sent.pop(id, None)
