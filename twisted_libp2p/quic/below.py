# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The connection below a session.
"""

from __future__ import annotations

from typing import Protocol

from twisted_libp2p.interfaces import IQuicConnections

__all__ = ["Line"]


class Line(Protocol):
    """
    The connection below a session.

    @ivar endpoint: the backend's endpoint.
    @ivar handle: the number of the connection there.
    @ivar idleTimeout: seconds of silence that end a connection.
    @ivar layer: the name of the transport in errors.
    @ivar streamWindow: the bytes that a stream may keep unread.
    @ivar connectionWindow: the same for all streams.
    """

    endpoint: IQuicConnections
    handle: int
    idleTimeout: float
    layer: str
    streamWindow: int
    connectionWindow: int

    def touch(self) -> None:
        """
        Poll the connection in this turn of the reactor.
        """

    def drive(self) -> None:
        """
        Poll the connection now, if it was touched.
        """

    def hurry(self) -> None:
        """
        Have the peer acknowledge soon what was sent.
        """

    def close(self, code: int) -> None:
        """
        Close the connection when all is sent that the peer takes now; C{LOST} follows.
        """

    def abort(self, code: int) -> None:
        """
        Close the connection at once; C{LOST} follows.
        """
