# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Whether other peers can dial a node.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["Reachability", "Verdict"]


class Reachability(Enum):
    """
    Whether peers in the internet can dial a node.
    """

    #: At least one address is reachable.
    PUBLIC = "public"
    #: No address is reachable, or the router gives each connection another port.
    PRIVATE = "private"
    #: Nobody has tried yet, or the answers contradict each other.
    UNKNOWN = "unknown"


class Verdict(Enum):
    """
    Whether a node is reached at one address.
    """

    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"
