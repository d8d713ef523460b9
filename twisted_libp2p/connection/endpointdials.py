# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Connections through endpoints of the application, which have no address.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from twisted_libp2p.connection.dial import DIAL_LIMIT
from twisted_libp2p.connection.upgrade import Instead
from twisted_libp2p.connection.upgrader import Upgrader
from twisted_libp2p.errors import UpgradeTimeout
from twisted_libp2p.interfaces import AnyTransport, DialOptions, IConnection
from twisted_libp2p.pacing import addTimeout
from twisted_libp2p.transport.endpoint import NOWHERE, NamedEndpoint

__all__ = ["EndpointDials"]


class EndpointDials:
    """
    Connects through endpoints, and knows the attempts that are under way.
    """

    def __init__(
        self,
        upgrader: Upgrader,
        transport: Callable[[NamedEndpoint], AnyTransport],
        instead: Instead,
    ) -> None:
        """
        @param upgrader: makes connections of transports.
        @param transport: makes the transport of an endpoint.
        @param instead: returns the connection to use instead of a new one.
        """
        self._upgrader = upgrader
        self._transport = transport
        self._instead = instead
        self._pending: set[Deferred[IConnection]] = set()

    def dial(
        self, endpoint: NamedEndpoint, options: DialOptions
    ) -> Deferred[IConnection]:
        """
        Open a connection to the peer at an endpoint, whoever it is.

        @return: fires with the connection, or with an older one to the same peer.
            Fails with the error of the endpoint or of the upgrade.
        """
        dialing: Deferred[IConnection] = Deferred.fromCoroutine(
            self._dial(endpoint, options)
        )
        seconds = DIAL_LIMIT if options.timeout is None else options.timeout
        addTimeout(dialing, seconds, self._upgrader.context.clock, _late)
        self._pending.add(dialing)

        def ended(result: IConnection | Failure) -> IConnection | Failure:
            self._pending.discard(dialing)
            return result

        return dialing.addBoth(ended)

    async def _dial(self, endpoint: NamedEndpoint, options: DialOptions) -> IConnection:
        transport = self._transport(endpoint)
        instead = None if options.fresh else self._instead
        upgrade = self._upgrader.outbound(transport, None, options, instead)
        return await self._upgrader.connect(
            upgrade, transport, NOWHERE, options=options
        )

    def stop(self) -> None:
        """
        Give up all attempts.
        """
        for dialing in list(self._pending):
            dialing.cancel()


def _late(result: IConnection | Failure, seconds: float) -> IConnection:
    """
    Raise the error of an attempt that has taken too long.
    """
    if isinstance(result, Failure):
        raise UpgradeTimeout("the connection through an endpoint", seconds)
    return result
