# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The life of a connection in the counts.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["ADMITTED", "ENDED", "LEAVING", "OPEN", "UPGRADING", "ConnectionState"]


class ConnectionState(Enum):
    """
    The life of a connection in the counts::

        UPGRADING -> ADMITTED -> LEAVING -> ENDED

    Each state may also end at once.
    """

    #: The peer is not known.
    UPGRADING = "upgrading"
    #: The connection is counted for its peer and the system.
    ADMITTED = "admitted"
    #: Its place is free for another one; its streams are still counted.
    LEAVING = "leaving"
    #: Streams that close give back their part, and no stream may open.
    ENDED = "ended"


# The states by themselves: see "Names of constants" in docs/internals.rst.
UPGRADING, ADMITTED, LEAVING, ENDED = ConnectionState

#: The states in which streams may open.
OPEN = (ADMITTED, LEAVING)
