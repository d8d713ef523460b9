# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The requests of a layer to the transport below it, apart from Twisted's interfaces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.interfaces import IProtocol

__all__ = ["IFlushable", "IHalfCloseable", "ISwitchable"]


class IFlushable(Interface):
    """
    A transport that can send at once, instead of at the end of a read or of the
    reactor's turn.

    A caller that has one writes all its bytes through it, and none directly to the
    transport that it was adapted from: otherwise the order of bytes may be lost.
    """

    def write(data: bytes) -> None:
        """
        Send bytes, when it is convenient.
        """

    def writeSequence(iovec: Iterable[bytes]) -> None:
        """
        Send several pieces of bytes, when it is convenient.
        """

    def writeNow(data: bytes) -> None:
        """
        Send bytes at once, as far as the transport takes them; the rest, and all of
        them if earlier bytes still wait, leave when it is convenient.
        """

    def flush() -> None:
        """
        Send the written bytes at once, as far as the transport takes them.  A producer
        may be resumed before this returns.
        """


class IHalfCloseable(Interface):
    """
    A transport that can close one direction, as every C{ITCPTransport} can.
    """

    def loseWriteConnection() -> None:
        """
        Close our direction when all written bytes are sent.
        """


class ISwitchable(Interface):
    """
    A transport whose protocol can put another protocol in its place, and is out of the
    path from then on.
    """

    protocol: IProtocol | None = Attribute(
        "The protocol that receives, or the one that was lent the transport, and has"
        " perhaps put another in its place.  None after the connection."
    )

    def switchProtocol(present: IProtocol, successor: IProtocol) -> None:
        """
        Deliver to another protocol from now on.

        @param present: the caller.  If it is not the protocol that receives, nothing
            changes.
        """

    def lend(protocol: IProtocol) -> bool:
        """
        Let a protocol use the transport before L{switchProtocol}: the present one still
        receives, even if the borrower puts another protocol in its own place.

        @return: whether the transport keeps a place for the borrower, C{protocol}.
        """

    def unread(data: bytes) -> None:
        """
        Deliver bytes that a protocol has received and does not want to its successor,
        before all other bytes.
        """
