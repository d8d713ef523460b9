# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
mplex with its options, as it is proposed to peers.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_libp2p.interfaces import IMuxedConnection, IMuxer, Role
from twisted_libp2p.muxer.layer import SessionFactory
from twisted_libp2p.muxer.mplex.frame import PROTOCOL_ID
from twisted_libp2p.muxer.mplex.session import MplexSession

__all__ = ["Mplex"]


@implementer(IMuxer)
class Mplex:
    """
    The mplex muxer: for peers that know no other.  The specification has given
    it up in 2025, since its streams have no flow control.

    @ivar clock: what runs the timers.
    @ivar maxInboundStreams: how many streams the peer may have open; more are
        reset.
    @ivar maxOutboundStreams: how many our side may have open.
    @ivar maxUnread: how many received bytes of a connection may wait for
        streams whose applications do not read.  4 MiB hold the largest message
        four times over, and are what js-libp2p stores for a single stream.
    @ivar patience: seconds for which a connection stands still at this bound
        before a stream is reset, as in go-libp2p.
    """

    protocolID = PROTOCOL_ID

    def __init__(
        self,
        clock: IReactorTime,
        *,
        maxInboundStreams: int = 128,
        maxOutboundStreams: int = 128,
        maxUnread: int = 4 * 1024 * 1024,
        patience: float = 5.0,
    ) -> None:
        self.clock: IReactorTime = clock
        self.maxInboundStreams = maxInboundStreams
        self.maxOutboundStreams = maxOutboundStreams
        self.maxUnread = maxUnread
        self.patience = patience

    def wrap(self, role: Role, connection: IMuxedConnection) -> SessionFactory:
        """
        Return a factory whose protocol is the session of one connection.

        @param role: the part of our side in the upgrade of the connection.
        """
        return SessionFactory(connection, MplexSession(self, role, connection))
