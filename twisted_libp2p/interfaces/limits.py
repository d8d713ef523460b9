# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Limits: the counted resources, the scopes in which they are counted, and the use of
them by one connection or stream.
"""

from __future__ import annotations

from enum import StrEnum

from zope.interface import Attribute, Interface

from twisted_libp2p.interfaces.direction import Direction

__all__ = ["IConnectionScope", "IStreamScope", "Resource", "ScopeKind"]


class Resource(StrEnum):
    """
    A limited resource.
    """

    CONNECTIONS = "connections"
    STREAMS = "streams"
    #: Bytes by which windows exceed their initial size.
    MEMORY = "memory"


class ScopeKind(StrEnum):
    """
    A kind of scope: L{twisted_libp2p.limits.scope} explains each.
    """

    SYSTEM = "system"
    TRANSIENT = "transient"
    PEER = "peer"
    PROTOCOL = "protocol"
    SUBNET = "subnet"


class IConnectionScope(Interface):
    """
    The use of all limits by one connection, from the first byte of its transport to
    the last.
    """

    room: int = Attribute("The number of bytes by which the windows may grow.")
    admitted: bool = Attribute("Whether the connection is counted for its peer.")

    def claim() -> int:
        """
        Ask for more memory for windows.  If little is left, peers that hold much
        have to give some back.

        @return: the number of bytes by which the windows may grow; a negative number
            of bytes is to be given back when possible.
        """

    def openStream(direction: Direction) -> IStreamScope:
        """
        Count a stream that is about to be opened.

        @return: the use of the limits by this stream, which has to be closed.
        @raise twisted_libp2p.errors.LimitExceeded: there are too many.
        @raise twisted_libp2p.errors.ConnectionClosing: the connection is not
            admitted, or has ended.
        """

    def hold(size: int) -> None:
        """
        Count bytes by which windows have grown, up to C{room}.
        """

    def free(size: int) -> None:
        """
        Give bytes back that are no longer needed.
        """

    def close(kept: bool = False) -> None:
        """
        Give back everything.  Calling it again does nothing.

        @param kept: whether streams have unread bytes, which stay counted until they
            are given back by C{free}.
        """


class IStreamScope(Interface):
    """
    The use of all limits by one stream, from its beginning to its end.
    """

    closed: bool = Attribute("Whether the stream has given everything back.")
    protocol: str | None = Attribute("The negotiated protocol; None so far.")

    def agree(protocol: str) -> None:
        """
        Count the stream as one of the negotiated protocol.

        @raise twisted_libp2p.errors.LimitExceeded: too many streams speak it.
        @raise twisted_libp2p.errors.ConnectionClosing: the stream has ended.
        """

    def hold(size: int) -> None:
        """
        Count bytes that are kept for the stream; they are given back with it.

        @param size: how many more; negative when they are no longer kept.
        """

    def close() -> None:
        """
        Give everything back.  Calling it again does nothing.
        """
