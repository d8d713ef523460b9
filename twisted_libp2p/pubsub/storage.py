# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The memory that a router may use for messages.

It belongs to the topics and not to a peer, and so it is not charged to the limits of a
peer: a flood of valid messages in one topic would take the memory of the windows of all
peers.  The router has a share of its own instead.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = [
    "MAX_HISTORY",
    "MAX_SEEN",
    "MEMORY_OF_SEEN",
    "SHARES",
    "STORAGE",
    "Storage",
]

#: Maximum memory of all recent messages in bytes; the oldest are dropped.
MAX_HISTORY: Final = 32 << 20

#: Maximum number of messages that are known as seen; the oldest half is forgotten.
MAX_SEEN: Final = 1 << 18

#: The memory of one of them in bytes: of its id, which has at most 64, and of its place
#: in a dictionary.
MEMORY_OF_SEEN: Final = 144

#: Each of both takes at most one part in so many of the memory of the node.
SHARES: Final = 8


class Storage(NamedTuple):
    """
    The bounds of what a router stores.

    @ivar history: the memory of the recent messages in bytes.
    @ivar seen: the number of the messages that are known as seen.
    """

    history: int = MAX_HISTORY
    seen: int = MAX_SEEN

    @classmethod
    def within(cls, memory: int) -> Storage:
        """
        Return the bounds for a node.

        @param memory: the limit of its memory in bytes.
        """
        share = memory // SHARES
        return cls(
            min(share, MAX_HISTORY), max(min(share // MEMORY_OF_SEEN, MAX_SEEN), 2)
        )


#: The bounds without limits of the node.
STORAGE: Final = Storage()
