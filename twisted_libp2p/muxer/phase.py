# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The life of a session.
"""

from __future__ import annotations

from enum import IntEnum

__all__ = ["CLOSING", "GONE", "NEW", "RUNNING", "Phase"]


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
