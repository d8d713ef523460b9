# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Which peers have the newest description of this node.
"""

from __future__ import annotations

__all__ = ["Version"]


class Version:
    """
    The version of our own description: a vector clock with a single writer.

    Each change makes a new version, with a greater number.  With each connection the
    number of the version is kept that its peer was sent last, None before the first.
    A peer is up to date if its number is the newest one; the versions between do not
    matter, since each message is complete.

    The number is also that of our signed records, so it must grow across restarts:
    the first one is the time in milliseconds.

    @ivar number: the number of the newest version.
    """

    __slots__ = ("number",)

    def __init__(self, seconds: float) -> None:
        """
        @param seconds: the time since the epoch.
        """
        self.number = int(seconds * 1000)

    def advance(self) -> None:
        """
        Make a new version.
        """
        self.number += 1

    def isOutdated(self, sent: int | None) -> bool:
        """
        Return whether a peer has an older version.  A peer that has none yet is about
        to ask.

        @param sent: the number of the version that the peer was sent last.
        """
        return sent is not None and sent != self.number
