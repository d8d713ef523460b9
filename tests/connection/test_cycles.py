# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the memory that a connection over TCP leaves.
"""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from twisted_libp2p.events import ClosedConn
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory

_MINE = ("twisted_libp2p.", "twisted.internet.tcp")


class CycleTests(TestCase):
    """
    A connection that is over is free at once.
    """

    async def _use(self, dialer: Node, listener: Node, target: Any) -> None:
        """
        Connect, open a stream, and close the connection.
        """
        factory = Factory.forProtocol(Protocol)
        factory.noisy = False
        stream: Any = await dialer.openStream(target, PROTOCOL_ID, factory)
        connection = stream.transport.connection
        await dialer.identify(target)
        both: Deferred[None] = Deferred()
        ends: list[str] = []

        def ended(event: ClosedConn) -> None:
            ends.append(event.direction)
            if len(ends) == 2:
                both.callback(None)

        watching = [
            node.events.subscribe(ClosedConn, ended) for node in (dialer, listener)
        ]
        connection.close()
        await both
        for each in watching:
            each.cancel()
        # The calls that have reported the ends return.
        await deferLater(reactor, 0)

    async def _garbage(self, security: str) -> list[str]:
        """
        Return the types of the objects that the collector finds after a connection.
        """
        listener = Node(reactor, security=[security], listen=["/ip4/127.0.0.1/tcp/0"])
        listener.registry.register(PROTOCOL_ID, EchoFactory())
        dialer = Node(reactor, security=[security])
        for node in (listener, dialer):
            node.startService()
            self.addCleanup(node.stopService)
        (address,) = await listener.whenListening()
        # Caches are filled by the first one.
        await self._use(dialer, listener, address)
        gc.collect()
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            await self._use(dialer, listener, address)
            gc.collect()
            kinds = [type(each) for each in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.enable()
            gc.garbage.clear()
        names = [f"{each.__module__}.{each.__qualname__}" for each in kinds]
        return [name for name in names if name.startswith(_MINE)]

    async def test_closed(self) -> None:
        """
        The garbage collector finds nothing of a connection that was closed, on either
        side.
        """
        for security in ("noise", "tls"):
            self.assertEqual(await self._garbage(security), [], security)
