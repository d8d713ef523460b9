# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The channels of one connection that may not send, as too many bytes of all wait.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted_libp2p.webrtc.channel import Channel

__all__ = ["Crowd"]


class Crowd:
    """
    These channels, in the order in which they began to wait.
    """

    def __init__(self) -> None:
        self._waiting: dict[Channel, None] = {}

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
