# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The way from a tunnel to its peer.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from twisted_libp2p.connection.connection import isDirect
from twisted_libp2p.interfaces import DialOptions, IConnection, IHost
from twisted_libp2p.node.targets import Target

__all__ = ["DIRECT_TIME", "PeerEndpoint"]

#: Seconds that a relayed connection has to get a direct one beside it.
DIRECT_TIME = 5.0

_OPTIONS = DialOptions(allowLimited=True)


@implementer(IStreamClientEndpoint)
class PeerEndpoint:
    """
    Opens streams to a peer, on a direct connection if there can be one.
    """

    def __init__(self, host: IHost, target: Target, protocol: str) -> None:
        """
        @param target: a peer id, or an address.
        @param protocol: the protocol id.
        """
        self._host = host
        self._target = target
        self._protocol = protocol
        # The relayed connection beside which no direct one has appeared in time.
        self._alone: IConnection | None = None

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the peer, unless that is done, and open a stream.
        """
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        connection: IConnection = await self._host.connect(self._target, _OPTIONS)
        if not isDirect(connection) and connection is not self._alone:
            direct = await self._host.whenDirect(connection.remotePeer, DIRECT_TIME)
            self._alone = connection if direct is None else None
            connection = direct or connection
        return await connection.openStream(self._protocol, factory, allowLimited=True)
