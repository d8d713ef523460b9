# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
What a security protocol is made of: a machine that shakes hands, and the
channel that comes out of it.  Both are fed with bytes and know of no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted_libp2p.interfaces import Secured

__all__ = ["Channel", "HandshakeMachine", "OpenChannel"]


class HandshakeMachine(Protocol):
    """
    One side of one handshake.

    """

    @property
    def protocolID(self) -> str:
        """
        The security protocol, for errors.
        """

    @property
    def secured(self) -> Secured | None:
        """
        What the handshake has proven; None while there is more to receive.
        """

    @property
    def channel(self) -> Channel | None:
        """
        What carries the bytes from then on.
        """

    @property
    def trailing(self) -> bytes:
        """
        The bytes that came behind the last handshake message.
        """

    def start(self) -> bytes:
        """
        @return: what to send before anything was received.
        """

    def receive(self, data: bytes) -> bytes:
        """
        @return: what to send in answer to these bytes.

        @raise twisted_libp2p.errors.HandshakeFailed: the handshake is over.
        """


class Channel(Protocol):
    """
    Both directions of a connection that is secured.
    """

    @property
    def truncated(self) -> bool:
        """
        Whether an end of the connection here and now would cut something off
        that the peer has begun to send.
        """

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        @param pieces: what to send; not empty.
        @return: the bytes for the transport, in as many pieces as is handy.
        """

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Take in bytes of the transport.

        @param opened: where the plaintext goes; also what was good in front of
            an error.
        @raise twisted_libp2p.errors.ProtocolViolation: the peer did not send
            these bytes, or not as it has to.  The channel is of no use then.
        """


class OpenChannel:
    """
    A channel that leaves the bytes as they are: whoever is below has opened
    what comes, and will seal what goes, or nobody has to.
    """

    __slots__ = ()

    truncated = False

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Send as it is what is to be sent.
        """
        return list(pieces)

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Take as it is what comes.
        """
        opened.append(data)
