# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The facts of a stream: who opened it, its protocol, its addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_libp2p.address import PeerAddress
from twisted_libp2p.interfaces import Direction

if TYPE_CHECKING:
    from twisted_libp2p.interfaces import IMuxedConnection, IStreamScope
    from twisted_libp2p.muxer.inbox import StreamSession

__all__ = ["StreamFacts"]


class StreamFacts:
    """
    The read-only facts of a stream.  An application cannot change them by mistake: the
    counts of the limits depend on them.
    """

    __slots__ = ()

    session: StreamSession
    _direction: Direction
    _scope: IStreamScope | None
    _streamID: int

    @property
    def connection(self) -> IMuxedConnection:
        """
        The owner of the session.
        """
        return self.session.connection

    @property
    def streamID(self) -> int:
        """
        The number of the stream on the wire.
        """
        return self._streamID

    @property
    def direction(self) -> Direction:
        """
        The side that opened the stream.
        """
        return self._direction

    @property
    def scope(self) -> IStreamScope | None:
        """
        The use of all limits by this stream; None if its owner counts nothing.
        """
        return self._scope

    @property
    def protocolID(self) -> str | None:
        """
        The protocol negotiated for this stream; None until then.
        """
        return None if self._scope is None else self._scope.protocol

    def getPeer(self) -> PeerAddress:
        """
        Return the id and the address of the peer, and the protocol of the stream.
        """
        connection, scope = self.session.connection, self._scope
        return PeerAddress(
            connection.remotePeer,
            connection.remoteAddress,
            None if scope is None else scope.protocol,
        )

    def getHost(self) -> PeerAddress:
        """
        Return our own id and address, and the protocol of the stream.
        """
        connection = self.connection
        return PeerAddress(
            connection.localPeer, connection.localAddress, self.protocolID
        )

    # ITCPTransport: options of a socket, which a stream does not have

    def getTcpNoDelay(self) -> bool:
        """
        Return True: a stream never holds back small writes, as Nagle does.
        """
        return True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Do nothing.  Servers such as conch call this on any transport.
        """

    def getTcpKeepAlive(self) -> bool:
        """
        Return True: the connection is probed, and all its streams with it.
        """
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """
        Do nothing.  The policy of the connection manager decides how connections
        are kept alive.
        """
