# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
How a caller wants a peer to be dialed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from zope.interface import Interface

from twisted_libp2p.interfaces.direction import Role

if TYPE_CHECKING:
    from twisted_libp2p.address import Multiaddr
    from twisted_libp2p.interfaces.connections import IConnection

__all__ = ["DEFAULT_OPTIONS", "DialOptions", "IFirstStream"]


class IFirstStream(Interface):
    """
    The stream for which a peer is dialed.
    """

    def open(connection: IConnection) -> None:
        """
        Open the stream, unless it is open on another connection, or nobody wants it.

        @param connection: a connection whose peer has proven its identity, and may
            still refuse us.
        """

    def whenOthersEnded(connection: IConnection) -> Deferred[None]:
        """
        Wait for the end of the connection that has the stream, if that is another one,
        and somebody wants the stream.

        @param connection: a connection that is ready.
        """


@dataclass(frozen=True, slots=True)
class DialOptions:
    """
    The options of one dial.

    @ivar role: the part that our side plays in the upgrade.  It is the client, except
        in hole punching, where both sides dial and one of them has to be the server.
    @ivar local: the address to dial from, such as C{/ip4/0.0.0.0/tcp/4001}; None leaves
        the choice to the system.  A transport that cannot do this refuses the address
        with L{UnsupportedAddress<twisted_libp2p.errors.UnsupportedAddress>}.
    @ivar fromListener: whether to dial from a port on which the node listens: True to
        do so or not at all, as for hole punching; False to take a new port.  None
        prefers such a port for public addresses.
    @ivar fresh: whether to open a new connection even if one exists.
    @ivar timeout: seconds that this caller waits for the connection; None for 60.
    @ivar allowLimited: whether a stream may be opened on a connection that leads
        through a relay, with its limits on time and bytes.
    @ivar routed: whether routings may be asked for addresses of the peer.  A routing
        sets this to False for its own dials: otherwise it would ask itself.
    @ivar host: the name of the host whose IP address is dialed, for transports that ask
        the host for its name, such as WebSocket; the dialer sets it.
    @ivar roundTrip: the expected seconds to the peer and back, for transports that send
        lost packets again themselves, such as QUIC; None if nothing is known.
    @ivar first: the stream for which the peer is dialed, for transports that can open
        it before the peer has accepted us, such as QUIC; None without one.
    """

    role: Role = Role.CLIENT
    local: Multiaddr | None = None
    fromListener: bool | None = None
    fresh: bool = False
    timeout: float | None = None
    allowLimited: bool = False
    routed: bool = True
    host: str | None = None
    roundTrip: float | None = None
    first: IFirstStream | None = None


#: The options of a caller that asks for nothing special.
DEFAULT_OPTIONS = DialOptions()
