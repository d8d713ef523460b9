# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The two parts of a security protocol: a machine that does the handshake, and the channel
that comes out of it.  Both are fed with bytes, and neither does any I/O.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from twisted_libp2p.interfaces import Secured

__all__ = ["Channel", "HandshakeMachine", "OpenChannel"]


class HandshakeMachine(ABC):
    """
    One side of one handshake.

    @cvar protocolID: the security protocol, for errors.
    @ivar secured: the outcome; None while there is more to receive.
    @ivar channel: the channel of the secured connection; None until then.
    @ivar trailing: the bytes that came after the last handshake message.
    @ivar farewell: the last bytes for the peer after C{receive} has raised, perhaps
        none, before the transport is closed in order; None to drop it at once.
    """

    protocolID: ClassVar[str]
    secured: Secured | None = None
    channel: Channel | None = None
    trailing: bytes = b""
    farewell: bytes | None = None

    @abstractmethod
    def start(self) -> bytes:
        """
        Return the bytes to send before anything was received.
        """

    @abstractmethod
    def receive(self, data: bytes) -> bytes:
        """
        Take in received bytes.

        @return: the bytes to send in answer.
        @raise twisted_libp2p.errors.HandshakeFailed: the handshake is over.
        """


class Channel(ABC):
    """
    Both directions of a secured connection, from the handshake to its end.

    Most security protocols have no message for the end of a direction; the defaults are
    theirs.  A channel that C{announces} ends has one: our side ends by L{close}, and
    waits for the end of the peer's direction; without it, the end of the transport is a
    truncation.

    @cvar announces: whether the ends of both directions are announced.
    @ivar truncated: whether an end of the transport here and now would cut off
        something that the peer has begun to send.
    @ivar ended: whether the peer has announced that it sends nothing more.
    @ivar waiting: whether written bytes wait for the end of a message of the peer's.
    @ivar overdue: whether the peer keeps too many of our bytes waiting, or makes us
        answer too much.
    @ivar refused: whether C{open} has raised because the peer has refused our side,
        which took the handshake for complete.
    @ivar farewell: the last bytes for the peer after C{open} has raised, perhaps none,
        before the transport is closed in order; None to drop it at once.
    """

    __slots__ = ()

    announces: ClassVar[bool] = False
    truncated: bool = False
    ended: bool = False
    waiting: bool = False
    overdue: bool = False
    refused: bool = False
    farewell: bytes | None = None

    @abstractmethod
    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Protect bytes that are to be sent.

        @param pieces: the bytes; not empty.
        @return: the bytes for the transport, in as many pieces as is convenient.
        """

    @abstractmethod
    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Take in bytes of the transport.

        @param opened: the list that takes the plaintext, also of the good bytes before
            an error.
        @raise twisted_libp2p.errors.RemoteError: the peer did not send these bytes, or
            broke the protocol.  The channel cannot be used after that.
        """

    def late(self) -> list[bytes]:
        """
        Return bytes for the transport that are due after L{open}, if the channel
        C{announces} ends: the answers of the protocol itself, and bytes that had to
        wait.
        """
        return []

    def close(self) -> bytes:
        """
        Announce our end; nothing is sealed after that.

        @return: the bytes for the transport; none if they were returned before, or have
            to wait.
        """
        return b""


class OpenChannel(Channel):
    """
    A channel that leaves all bytes as they are.
    """

    __slots__ = ()

    def seal(self, pieces: Sequence[bytes]) -> list[bytes]:
        """
        Return the bytes that are to be sent.
        """
        return list(pieces)

    def open(self, data: bytes, opened: list[bytes]) -> None:
        """
        Pass on the received bytes.
        """
        opened.append(data)
