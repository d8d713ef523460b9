# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The calls of a session that mean the same below WebTransport.
"""

from __future__ import annotations

from twisted_libp2p.interfaces import IQuicConnections, QuicStats

__all__ = ["Passing"]


class Passing:
    """
    Passes calls on to the endpoint below.
    """

    def __init__(self, below: IQuicConnections) -> None:
        self._below = below

    def ping(self, handle: int) -> None:
        """
        Send a PING.
        """
        self._below.ping(handle)

    def moved(self, handle: int, now: float) -> None:
        """
        Note that our own address has changed.
        """
        self._below.moved(handle, now)

    def setWindow(self, handle: int, size: int) -> None:
        """
        Change the window of the connection.
        """
        self._below.setWindow(handle, size)

    def forget(self, handle: int) -> None:
        """
        Forget the connection.
        """
        self._below.forget(handle)

    def certificate(self, handle: int) -> bytes | None:
        """
        Return None: no certificate proves who the peer is.
        """
        return None

    def alpn(self, handle: int) -> bytes | None:
        """
        Return the agreed application protocol.
        """
        return self._below.alpn(handle)

    def address(self, handle: int) -> tuple[str, int]:
        """
        Return the present address of the peer.
        """
        return self._below.address(handle)

    def stats(self, handle: int) -> QuicStats:
        """
        Return facts of the connection.
        """
        return self._below.stats(handle)
