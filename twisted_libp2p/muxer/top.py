# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The top of the stack of layers.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NoReturn

from twisted_libp2p.pacing import Layer

__all__ = ["CLOSING", "GONE", "NEW", "RUNNING", "Phase", "Top"]


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


class Top(Layer):
    """
    A layer with no transport for the layer above it: what is above has transports of
    its own, the streams.  A call that means the layer means the whole session.
    """

    __slots__ = ()

    def close(self, code: int = 0) -> None:
        """
        End the session in order.
        """
        raise NotImplementedError

    def write(self, data: bytes) -> NoReturn:
        """
        Refuse bytes that belong to no stream.
        """
        raise TypeError("a session takes no bytes: write on a stream of it")

    def loseConnection(self) -> None:
        """
        End the session.
        """
        self.close()

    def loseWriteConnection(self) -> None:
        """
        End the session, which has no halves.
        """
        self.close()
