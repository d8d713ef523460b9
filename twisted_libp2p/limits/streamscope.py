# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The use of all scopes by one stream.

There may be very many idle streams, so such an object has two fields only: its class
is the direction, and the limiter keeps the bytes of the few streams that hold any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from zope.interface import implementer

from twisted_libp2p.errors import ConnectionClosing
from twisted_libp2p.interfaces import Direction, IStreamScope, Resource
from twisted_libp2p.limits.connectionstate import ENDED
from twisted_libp2p.limits.scope import giveAll, takeAll

if TYPE_CHECKING:
    from twisted_libp2p.limits.connectionscope import ConnectionScope

__all__ = ["InboundStreamScope", "OutboundStreamScope", "StreamScope"]

INBOUND, OUTBOUND = Direction
STREAMS = Resource.STREAMS


@implementer(IStreamScope)
class StreamScope:
    """
    The use of all scopes by one stream, from its beginning to its end.

    It keeps itself where the stream is counted.  So neither the order of the ends of
    stream and connection nor an attribute of the stream can falsify the counts.

    @cvar direction: the side that opens the stream.
    @ivar protocol: the protocol that the stream is counted for; None so far.
    """

    __slots__ = ("_connection", "protocol")

    direction: ClassVar[Direction]

    def __init__(self, connection: ConnectionScope) -> None:
        """
        Begin as a stream in negotiation.

        @param connection: the scope that has counted the stream.
        """
        self._connection: ConnectionScope | None = connection
        self.protocol: str | None = None

    @property
    def closed(self) -> bool:
        """
        Whether the stream has given everything back.
        """
        return self._connection is None

    def agree(self, protocol: str) -> None:
        """
        Count the stream as one of the negotiated protocol, instead of as one in
        negotiation.

        @raise LimitExceeded: too many streams speak the protocol.
        @raise ConnectionClosing: the stream has ended meanwhile.
        """
        connection = self._connection
        if connection is None:
            raise ConnectionClosing("the stream has ended")
        limiter, direction = connection.limiter, self.direction
        scopes = (limiter.ofProtocol(protocol),)
        full = takeAll(scopes, STREAMS, direction)
        if full is not None:
            connection.insist(scopes, direction, full)
        self.protocol = protocol
        if direction is INBOUND:
            giveAll((limiter.transient,), STREAMS, direction)

    def hold(self, size: int) -> None:
        """
        Count bytes that are kept for the stream; they are given back with it.

        @param size: how many more; negative when they are no longer kept.
        """
        connection = self._connection
        if connection is not None:
            held = connection.limiter.held
            held[self] = held.get(self, 0) + size
            connection.hold(size)

    def close(self) -> None:
        """
        Give back everything, as the stream has ended.  Calling it again does
        nothing.
        """
        connection, self._connection = self._connection, None
        if connection is None:
            return
        limiter, direction = connection.limiter, self.direction
        protocol, scopes = self.protocol, connection.scopes
        if protocol is not None:
            scope = limiter.protocols[protocol]
            giveAll((*scopes, scope), STREAMS, direction)
            if not scope.streams:
                limiter.leaveProtocol(protocol)
        elif direction is INBOUND:
            giveAll((*scopes, limiter.transient), STREAMS, direction)
        else:
            giveAll(scopes, STREAMS, direction)
        if direction is INBOUND and connection.subnets:
            limiter.subnets.closeStream(connection.subnets)
        if limiter.held:
            connection.free(limiter.held.pop(self, 0))
        if protocol not in limiter.background:
            connection.idleSince = limiter.now()
        if connection.state is ENDED:
            connection.streamClosed()


class InboundStreamScope(StreamScope):
    """
    The use of all scopes by a stream that the peer opens.
    """

    __slots__ = ()
    direction = INBOUND


class OutboundStreamScope(StreamScope):
    """
    The use of all scopes by a stream that our side opens.
    """

    __slots__ = ()
    direction = OUTBOUND
