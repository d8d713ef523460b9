# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
yamux with its options, as it is proposed to peers.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.interfaces import IMuxedConnection, IMuxer, Role
from twisted_libp2p.muxer.layer import SessionFactory
from twisted_libp2p.muxer.yamux.frame import PROTOCOL_ID
from twisted_libp2p.muxer.yamux.session import YamuxSession
from twisted_libp2p.muxer.yamux.window import INITIAL_WINDOW, MAX_WINDOW

__all__ = ["Yamux"]


@implementer(IMuxer)
class Yamux:
    """
    The yamux muxer.

    @ivar clock: what runs the timers and measures the round trip.
    @ivar maxInboundStreams: how many streams the peer may have open; more are
        reset.
    @ivar maxOutboundStreams: how many our side may have open.  rust-yamux ends
        a connection that has more than 512.
    @ivar maxWindow: how far the receive window of a stream grows, in bytes.
    @ivar maxGrowth: how many bytes all receive windows of a connection have
        above their initial size, together.
    @ivar ackBacklog: how many of our streams may wait for the peer's
        acknowledgement; more are announced later.
    @ivar keepAlive: seconds between two pings; a peer that gives no sign of
        life for as long after one is taken for dead.  None never asks.
    """

    protocolID = PROTOCOL_ID

    def __init__(
        self,
        clock: IReactorTime,
        *,
        maxInboundStreams: int = 512,
        maxOutboundStreams: int = 500,
        maxWindow: int = MAX_WINDOW,
        maxGrowth: int = 4 * MAX_WINDOW,
        ackBacklog: int = 256,
        keepAlive: float | None = 30.0,
    ) -> None:
        if maxWindow < INITIAL_WINDOW:
            raise ConfigurationError(
                f"maxWindow is {maxWindow}; it cannot be less than {INITIAL_WINDOW}"
            )
        self.clock: IReactorTime = clock
        self.maxInboundStreams = maxInboundStreams
        self.maxOutboundStreams = maxOutboundStreams
        self.maxWindow = maxWindow
        self.maxGrowth = maxGrowth
        self.ackBacklog = ackBacklog
        self.keepAlive = keepAlive

    def wrap(self, role: Role, connection: IMuxedConnection) -> SessionFactory:
        """
        Return a factory whose protocol is the session of one connection.

        @param role: the part of our side in the upgrade of the connection.
        """
        return SessionFactory(connection, YamuxSession(self, role, connection))
