# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Which channels have their ciphers ready.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import ReferenceType, ref

if TYPE_CHECKING:
    from twisted_libp2p.security.noise.channel import NoiseChannel

__all__ = ["MOST_READY", "Ready"]

#: How many channels of a node have their ciphers ready: 4.5 KiB for each, a third
#: of what an idle connection takes.  Others make them anew, in a microsecond.
MOST_READY: Final = 256


class Ready:
    """
    The channels that have their ciphers, of all that share this.
    """

    __slots__ = ("_channels", "_most")

    def __init__(self, most: int = MOST_READY) -> None:
        """
        @param most: how many there may be.
        """
        self._most = most
        # Who made them first is in front; some have ended since.
        self._channels: deque[ReferenceType[NoiseChannel]] = deque()

    def add(self, channel: NoiseChannel) -> None:
        """
        One more has them: who has had them for longest gives up his.
        """
        self._channels.append(ref(channel))
        if len(self._channels) > self._most:
            oldest = self._channels.popleft()()
            if oldest is not None:
                oldest.rest()
