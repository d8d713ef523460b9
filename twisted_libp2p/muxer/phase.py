# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The life of a session.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CLOSING", "GONE", "NEW", "PHASES", "RUNNING", "Phase"]


class Phase(IntEnum):
    """
    The life of a session.
    """

    #: It has no transport yet.
    NEW = 0
    #: Streams may be opened.
    RUNNING = 1
    #: The session has ended, and its transport is being closed.
    CLOSING = 2
    #: The transport is lost.
    GONE = 3


# See "Names of constants" in docs/internals.rst.
NEW, RUNNING, CLOSING, GONE = Phase

#: The next phase, and the effect of the transition, for each phase and event.  An event
#: that is not in the table changes nothing.
PHASES: dict[tuple[Phase, str], tuple[Phase, str]] = {
    (NEW, "start"): (RUNNING, "take the transport"),
    (NEW, "end"): (CLOSING, "end the streams"),
    (RUNNING, "end"): (CLOSING, "end the streams, close the transport"),
    (NEW, "lose"): (GONE, "end the streams, report"),
    (RUNNING, "lose"): (GONE, "end the streams, report"),
    (CLOSING, "lose"): (GONE, "report"),
}
