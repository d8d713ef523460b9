# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ways in which a peer is gone.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Ending"]


class Ending(StrEnum):
    """
    The way in which the last connection to a peer has ended.
    """

    #: The peer announced the end, as a program that stops in good order does.
    LEFT = "left"
    #: No end was announced: the peer has crashed, or the network was cut, or the peer
    #: broke a protocol.
    LOST = "lost"
    #: Our side ended it.
    CLOSED = "closed"
