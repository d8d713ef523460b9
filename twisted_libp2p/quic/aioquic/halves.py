# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two halves of a stream of aioquic, as tables.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["READING", "WRITING", "Reading", "Writing", "readingAfter", "writingAfter"]


class Reading(IntEnum):
    """
    The peer's half, as the user knows it.
    """

    #: The user has read all that there was.
    QUIET = 0
    #: The user is to read until there is nothing.
    REPORTED = 1
    #: The user has stopped reading: received bytes are dropped.
    STOPPED = 2
    #: The user has read the end, or does not want it.
    OVER = 3


class Writing(IntEnum):
    """
    Our half.
    """

    #: The user may write.
    OPEN = 0
    #: The user has ended it, or has reset it.
    ENDED = 1
    #: The peer reads no longer, and this has been reported.
    UNWANTED = 2


#: The next state of the peer's half, for each state and event.  An event that is not in
#: the table changes nothing.
READING: dict[tuple[Reading, str], Reading] = {
    (Reading.QUIET, "report"): Reading.REPORTED,
    (Reading.REPORTED, "read all"): Reading.QUIET,
    (Reading.QUIET, "stop"): Reading.STOPPED,
    (Reading.REPORTED, "stop"): Reading.STOPPED,
    (Reading.QUIET, "read end"): Reading.OVER,
    (Reading.REPORTED, "read end"): Reading.OVER,
    (Reading.STOPPED, "end comes"): Reading.OVER,
}

#: The same of our half.
WRITING: dict[tuple[Writing, str], Writing] = {
    (Writing.OPEN, "end"): Writing.ENDED,
    (Writing.OPEN, "refuse"): Writing.UNWANTED,
    (Writing.ENDED, "refuse"): Writing.UNWANTED,
}


def readingAfter(state: Reading, event: str) -> Reading:
    """
    Return the state of the peer's half after an event.
    """
    return READING.get((state, event), state)


def writingAfter(state: Writing, event: str) -> Writing:
    """
    Return the state of our half after an event.
    """
    return WRITING.get((state, event), state)
