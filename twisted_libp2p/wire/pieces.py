# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Waiting pieces of a byte stream, whose memory stays in proportion to their bytes.

A C{bytes} object of two bytes takes 48 bytes of memory, with its place in a list.  A
peer that sends very small frames could multiply by that whatever bound there is on the
number of bytes; so small pieces that wait together are joined now and then::

    pieces.append(data)
    if not len(pieces) % MANY:
        joinSmall(pieces)
"""

from __future__ import annotations

from collections import deque

__all__ = ["MANY", "SMALL", "joinSmall"]

#: The number of pieces after which they are looked at.
MANY = 64

#: Pieces of fewer bytes are joined; the memory that a larger piece takes in addition is
#: less than a tenth of its size.
SMALL = 1024


def joinSmall(pieces: list[bytes] | deque[bytes], new: int = MANY) -> None:
    """
    Join the small pieces that follow each other at the end of a sequence, in place.

    Called at each L{MANY}th piece, it copies a byte a few times at the most: a joined
    piece is soon no longer small.

    @param new: the number of pieces that may have come since the last call.  A large
        piece among them hides no small ones before it: a peer could send one in time
        for each call.
    """
    joined: list[bytes] = []
    small: list[bytes] = []
    while pieces and (new > 0 or len(pieces[-1]) < SMALL):
        piece = pieces.pop()
        new -= 1
        if len(piece) < SMALL:
            small.append(piece)
        else:
            if small:
                joined.append(b"".join(reversed(small)))
                small = []
            joined.append(piece)
    if small:
        joined.append(b"".join(reversed(small)))
    pieces.extend(reversed(joined))
