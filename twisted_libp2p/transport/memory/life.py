# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The life of one end of a connection in memory, as a table.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["LIFE", "Life"]


class Life(IntEnum):
    """
    The life of an end.
    """

    OPEN = 0
    #: Our side closes; the written bytes are still delivered.
    CLOSING = 1
    #: The other end has aborted: nothing more is delivered in either direction.
    CUT = 2
    #: The same, and our side has closed or aborted.
    ABORTED = 3
    #: The connection is over, and our side had not begun to close it.
    LOST = 4
    #: The connection is over, and our side had begun to close it.
    CLOSED = 5


_OPEN, _CLOSING, _CUT, _ABORTED, _LOST, _CLOSED = Life

#: The next state, and the effect of the transition, for each state and event.  An event
#: that is not in the table changes nothing.
LIFE: dict[tuple[Life, str], tuple[Life, str]] = {
    (_OPEN, "close"): (_CLOSING, "deliver, then close both ends"),
    (_CUT, "close"): (_ABORTED, "nothing is left to close"),
    (_OPEN, "abort"): (_ABORTED, "drop the bytes, cut the other end"),
    (_CLOSING, "abort"): (_ABORTED, "drop the bytes, cut the other end"),
    (_OPEN, "cut"): (_CUT, "deliver nothing more"),
    (_CLOSING, "cut"): (_ABORTED, "deliver nothing more"),
    (_OPEN, "lose"): (_LOST, "report"),
    (_CUT, "lose"): (_LOST, "report"),
    (_CLOSING, "lose"): (_CLOSED, "report"),
    (_ABORTED, "lose"): (_CLOSED, "report"),
}
