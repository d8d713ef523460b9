# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The contract of the machines that ask a proxy for a connection.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["Credentials", "Opening"]


class Credentials(NamedTuple):
    """
    What a proxy knows its user by.
    """

    user: str
    password: str


class Opening(Protocol):
    """
    Our side of the conversation with a proxy, without I/O.

    @ivar opened: whether the proxy has connected us.
    @ivar trailing: the bytes of the peer that came with the proxy's last answer.
    """

    opened: bool
    trailing: bytes

    def start(self) -> bytes:
        """
        Return the bytes to send before anything was received.
        """

    def receive(self, data: bytes) -> bytes:
        """
        Take in bytes of the proxy.

        @return: the bytes to send in answer.
        @raise ProxyRefused: the proxy does not connect us with the peer.
        @raise ProxyFailed: the proxy does not let us in, or speaks another protocol.
        """
