# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The channels of one connection that may not send, as too many bytes of all wait, or of
channels that the peer has closed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted_libp2p.webrtc.channel import Channel

__all__ = ["MAX_ORPHANED", "Crowd"]

#: The most bytes that may wait in channels that the peer has closed, but for those of
#: the last one.  SCTP keeps them until the peer has acknowledged them, and does not
#: count them among those of all channels.
MAX_ORPHANED: Final = 1024 * 1024


class Crowd:
    """
    These channels, in the order in which they began to wait.
    """

    def __init__(self) -> None:
        self._waiting: dict[Channel, None] = {}
        # By the numbers of closed channels that are not free.
        self._orphaned: dict[int, int] = {}
        self._size = 0

    @property
    def full(self) -> bool:
        """
        Whether too many bytes wait in channels that the peer has closed.
        """
        return self._size >= MAX_ORPHANED

    def orphan(self, id: int, size: int) -> None:
        """
        Note the bytes that wait, at the most, in a channel that the peer has closed.
        """
        if size:
            self._orphaned[id] = self._orphaned.get(id, 0) + size
            self._size += size

    def freed(self, id: int) -> bool:
        """
        Note that nothing waits in a closed channel any longer.

        @return: whether this was one too many before.
        """
        full = self.full
        self._size -= self._orphaned.pop(id, 0)
        return full and not self.full

    def note(self, channel: Channel) -> None:
        """
        Note a channel that was written to.
        """
        if channel.crowded and channel.open:
            self._waiting[channel] = None

    def leave(self, channel: Channel) -> None:
        """
        Forget a channel.
        """
        self._waiting.pop(channel, None)

    def drained(self) -> Iterator[int]:
        """
        Generate the numbers of the streams that may write again.
        """
        waiting, self._waiting = self._waiting, {}
        for channel in waiting:
            if channel.open and channel.crowded:
                channel.crowded = channel.blocked = False
                yield channel.number
