# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The owner of a node's connections, and the rules that it applies to them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.python.failure import Failure

    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.connection import Connection
    from twisted_libp2p.identity import PeerID

__all__ = [
    "IConnectionManager",
    "IConnectionScope",
    "IExpendability",
    "IGater",
    "IStreamScope",
]


class IConnectionManager(Interface):
    """
    Who owns the connections of a node: it is asked on the way to each of them,
    and told of its beginning and its end.

    What it raises is a L{Libp2pError<twisted_libp2p.errors.Libp2pError>}: the
    connection is not to be, and the peer is told its C{wireCode} if it can be
    told anything by then.
    """

    def dialing(peer: PeerID | None, address: Multiaddr) -> None:
        """
        An address is about to be dialed.

        @raise Libp2pError: it must not be.
        """

    def dialed() -> IConnectionScope:
        """
        @return: the scope of a connection that our side opens.
        """

    def accepted(
        address: Multiaddr | None, drop: Callable[[Exception], None]
    ) -> IConnectionScope:
        """
        A transport was accepted, and nothing was read from it.

        @param address: where it comes from.
        @param drop: gives the upgrade up, if another one needs its place.
        @return: the scope of the connection that may come of it.
        @raise Libp2pError: it is to be closed.
        """

    def secured(peer: PeerID, address: Multiaddr | None, direction: str) -> None:
        """
        A peer has proven who it is.

        @raise Libp2pError: it is not wanted.
        """

    def opened(connection: Connection) -> None:
        """
        A connection is ready.

        @raise Libp2pError: it is refused, and C{closed} will not be of interest.
        """

    def closed(connection: Connection, reason: Failure) -> None:
        """
        A connection has ended, were it refused or not.
        """


class IConnectionScope(Interface):
    """
    What one connection may have, and has, of all limits, from the first byte of
    its transport to the last.
    """

    room: int = Attribute("How many more bytes the windows may have.")

    def claim() -> int:
        """
        Ask for more memory for windows.  If little is left, peers that hold much
        have to give some back.

        @return: how many more bytes the windows may have; negative if so many
            are to be given back as far as that can be done.
        """

    admitted: bool = Attribute("Whether the connection is counted for its peer.")

    def openStream(inbound: bool) -> IStreamScope:
        """
        Count a stream that is about to be opened, by the peer or by us.

        @return: the use of the limits by this stream, which has to be closed.
        @raise twisted_libp2p.errors.LimitExceeded: there are too many.
        @raise twisted_libp2p.errors.ConnectionClosing: the connection is not
            admitted, or has ended.
        """

    def hold(size: int) -> None:
        """
        Windows have grown by so many bytes, of those that C{room} tells.
        """

    def free(size: int) -> None:
        """
        So many bytes are needed no more.
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


class IGater(Interface):
    """
    Says who is dialed and who is let in.

    Each method gives None to go on, or one line that tells why not.
    """

    def beforeDial(peer: PeerID | None, address: Multiaddr) -> str | None:
        """
        An address is about to be dialed.

        @param peer: who has to answer there; None if anybody may.
        """

    def accepted(address: Multiaddr | None) -> str | None:
        """
        A transport was accepted.  To refuse it costs least: it is closed, and
        no byte of it was read.

        @param address: where it comes from; None if that has no such form.
        """

    def secured(peer: PeerID, address: Multiaddr | None, direction: str) -> str | None:
        """
        The peer has proven who it is.  A refused peer gets the code C{GATED}
        when its muxer is agreed, if the muxer has a place for a code, and
        nobody here hears of the connection.

        @param direction: C{"inbound"} or C{"outbound"}.
        """

    def upgraded(connection: Connection) -> str | None:
        """
        The connection is ready, and nobody has been told.  A peer that is
        refused learns that it was (code C{GATED}), if the muxer can tell.
        """


class IExpendability(Interface):
    """
    Says which connections can be done without.
    """

    def key(connection: Connection, value: float) -> Any:
        """
        @param value: what the tags of the peer add up to.
        @return: what connections are sorted by: the one with the least goes
            first.
        """
