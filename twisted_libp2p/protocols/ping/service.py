# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The ping service: answers pings, and pings the peers of connections.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from zope.interface import implementer

from twisted_libp2p.connection.building import StreamFactory
from twisted_libp2p.interfaces import IConnection, IHost, IHostService
from twisted_libp2p.protocols.ping.protocol import PROTOCOL_ID, Ping
from twisted_libp2p.protocols.ping.responder import PingFactory

__all__ = ["PingService"]


@implementer(IHostService)
class PingService(Service):
    """
    Speaks ping for a node, in both directions.
    """

    name = "ping"
    _host: IHost

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[IConnection, DeferredLock] = WeakKeyDictionary()

    def attach(self, host: IHost) -> None:
        """
        Answer the pings of the peers of a node.
        """
        self._host = host
        host.registry.register(PROTOCOL_ID, PingFactory(host.clock), allowLimited=True)

    def ping(self, connection: IConnection) -> Deferred[float]:
        """
        Ping a peer once, on a stream of its own.  Pings of one connection go one
        after the other: peers accept one stream of pings, or two.

        @return: fires with the round trip in seconds.
        """
        lock = self._locks.setdefault(connection, DeferredLock())
        return lock.run(lambda: Deferred.fromCoroutine(self._ping(connection)))

    async def _ping(self, connection: IConnection) -> float:
        pinger = await self.open(connection)
        try:
            return await pinger.ping()
        finally:
            pinger.transport.loseConnection()

    async def open(self, connection: IConnection) -> Ping:
        """
        Open a stream for any number of pings.
        """
        pinger = Ping(self._host.clock)
        await connection.openStream(PROTOCOL_ID, StreamFactory(lambda: pinger))
        return pinger
