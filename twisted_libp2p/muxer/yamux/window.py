# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The receive window of a yamux stream, without I/O, and its growth.

A window is the number of bytes that the peer may send before it has to wait for a
WindowUpdate.
Throughput is at most one window a round trip; so a window that the peer uses
up faster than that is doubled.
"""

from __future__ import annotations

__all__ = ["INITIAL_WINDOW", "MAX_SEND_WINDOW", "MAX_WINDOW", "ReceiveWindow"]

#: The window of each side on a new stream, in bytes.
INITIAL_WINDOW = 256 * 1024

#: The largest receive window, unless it is configured, in bytes.
MAX_WINDOW = 16 * 1024 * 1024

#: The most that a peer can allow us to send.
MAX_SEND_WINDOW = (1 << 32) - 1

#: A window grows when less than so many round trips went by since its last
#: update.
_BUSY_ROUND_TRIPS = 4


class ReceiveWindow:
    """
    The bytes that the peer may still send on one stream.

    At any time C{size} is the sum of C{available}, of the received bytes that wait for
    the application, and of C{consumed}.

    @ivar size: the whole window, in bytes.
    @ivar available: how many bytes the peer may send now.
    @ivar consumed: how many bytes the application has taken since the last update.
    @ivar updated: the time of the last update.
    """

    __slots__ = ("available", "consumed", "size", "updated")

    def __init__(self, now: float) -> None:
        self.size = INITIAL_WINDOW
        self.available = INITIAL_WINDOW
        self.consumed = 0
        self.updated = now

    @property
    def due(self) -> bool:
        """
        Whether it is time to inform the peer: half of the window is free again.
        """
        return self.consumed * 2 >= self.size

    @property
    def growth(self) -> int:
        """
        How many bytes the window has above the initial size.
        """
        return self.size - INITIAL_WINDOW

    def update(self, now: float, roundTrip: float, maximum: int, room: int) -> int:
        """
        Free the consumed bytes; grow if the peer is fast enough to need it, or shrink
        by the consumed bytes if others need the memory more.

        @param now: the time.
        @param roundTrip: the round trip in the same unit; 0 keeps the window from
            growing.
        @param maximum: the largest size.
        @param room: how many bytes may be added to the size at most; negative if
            so many are to be given back.  The bytes that the peer may
            already send cannot be.
        @return: by how much the peer's allowance rises.
        """
        grown = self.size
        if room < 0:
            grown = max(self.size + room, INITIAL_WINDOW, self.size - self.consumed)
        elif now - self.updated < roundTrip * _BUSY_ROUND_TRIPS:
            grown = max(min(self.size * 2, maximum, self.size + room), self.size)
        delta = self.consumed + grown - self.size
        self.size = grown
        self.available += delta
        self.consumed = 0
        self.updated = now
        return delta
