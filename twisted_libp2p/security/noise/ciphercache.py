# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The channels that keep their ciphers.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import ReferenceType, ref

if TYPE_CHECKING:
    from twisted_libp2p.security.noise.channel import NoiseChannel

__all__ = ["MOST_READY", "CipherCache"]

#: The number of channels of a node that keep their ciphers: 4.5 KiB for each, a third
#: of the size of an idle connection.  Other channels make them again, in a microsecond.
MOST_READY: Final = 256


class CipherCache:
    """
    The channels that keep their ciphers, of all channels that share this.
    """

    __slots__ = ("_channels", "_maximum")

    def __init__(self, maximum: int = MOST_READY) -> None:
        """
        @param maximum: the number of such channels.
        """
        self._maximum = maximum
        # The longest-serving first; some have ended since.
        self._channels: deque[ReferenceType[NoiseChannel]] = deque()

    def add(self, channel: NoiseChannel) -> None:
        """
        Add a channel that has made its ciphers; the channel that has kept its own for
        longest drops them.
        """
        self._channels.append(ref(channel))
        if len(self._channels) > self._maximum:
            oldest = self._channels.popleft()()
            if oldest is not None:
                oldest.rest()
