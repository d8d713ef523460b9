# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Which side opened a connection or a stream, and which side plays which part in it.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Direction", "Role"]


class Direction(StrEnum):
    """
    The side that opened a connection or a stream, seen from here.
    """

    #: The peer opened it.
    INBOUND = "inbound"
    #: We opened it.
    OUTBOUND = "outbound"


class Role(StrEnum):
    """
    The part that a side plays in an upgrade: the first to speak, or not.

    It follows from the direction, except in hole punching, where both sides dial and
    one of them has to be the server.
    """

    #: Proposes protocols, begins the handshake, opens streams with odd numbers.
    CLIENT = "client"
    #: Answers.
    SERVER = "server"
