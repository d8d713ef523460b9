# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The channels that our side closes, although the peer should or may do it.
"""

from __future__ import annotations

from twisted_libp2p.webrtc.channel import Channel

__all__ = ["CLOSE_WAIT", "Closings"]

#: Seconds after the last message of a channel whose halves have ended, after which it
#: is closed, if the peer has opened it and has not closed it, or has not acknowledged
#: the end of ours.  SCTP keeps a message that comes later: with a window full of them
#: it ends the connection.
#: Node-datachannel 0.33 uses the number of a channel again before it knows that the
#: other side has closed it; rust-libp2p 0.57 acknowledges nothing.
CLOSE_WAIT = 10.0


class Closings:
    """
    Closes each channel in its time.
    """

    def __init__(self) -> None:
        # By the numbers of streams, in the order of their times.
        self._due: dict[int, tuple[float, Channel]] = {}

    def add(self, channel: Channel, now: float) -> None:
        """
        Give the peer time, from now.
        """
        self._due.pop(channel.number, None)
        self._due[channel.number] = now + CLOSE_WAIT, channel

    def drop(self, channel: Channel) -> None:
        """
        Note that a channel is closed.
        """
        self._due.pop(channel.number, None)

    def due(self) -> float | None:
        """
        Return when the next time is over; None without one.
        """
        for due, _ in self._due.values():
            return due
        return None

    def expired(self, now: float) -> list[Channel]:
        """
        Return the channels to close.  Those whose last bytes are still under way get
        the same time again.
        """
        found = []
        for number, (due, channel) in list(self._due.items()):
            if due > now:
                break
            del self._due[number]
            if channel.flowing:
                self.add(channel, now)
            else:
                found.append(channel)
        return found
