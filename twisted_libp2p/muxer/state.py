# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two halves of a stream, as a table.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "CLOSED",
    "FIN_RECEIVED",
    "FIN_SENT",
    "LOCAL_CLOSED",
    "OPEN",
    "REMOTE_CLOSED",
    "TRANSITIONS",
    "StreamEvent",
    "StreamState",
]


class StreamState(IntEnum):
    """
    Which halves of a stream have ended.
    """

    OPEN = 0
    LOCAL_CLOSED = 1
    REMOTE_CLOSED = 2
    CLOSED = 3


class StreamEvent(IntEnum):
    """
    What ends a half.  A reset ends both from any state, and is not listed.
    """

    FIN_SENT = 0
    FIN_RECEIVED = 1


OPEN = StreamState.OPEN
LOCAL_CLOSED = StreamState.LOCAL_CLOSED
REMOTE_CLOSED = StreamState.REMOTE_CLOSED
CLOSED = StreamState.CLOSED
FIN_SENT = StreamEvent.FIN_SENT
FIN_RECEIVED = StreamEvent.FIN_RECEIVED

#: What is not in the table does not happen, or changes nothing.
TRANSITIONS: dict[tuple[StreamState, StreamEvent], StreamState] = {
    (OPEN, FIN_SENT): LOCAL_CLOSED,
    (OPEN, FIN_RECEIVED): REMOTE_CLOSED,
    (LOCAL_CLOSED, FIN_RECEIVED): CLOSED,
    (REMOTE_CLOSED, FIN_SENT): CLOSED,
}
