# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Whole nodes in memory: no socket, no port, and no time but the test's own.

A test of a protocol of yours::

    class GreeterTests(SynchronousTestCase):
        def setUp(self):
            self.nodes = MemoryNodes()
            self.addCleanup(self.nodes.stop)

        def test_greeting(self):
            server, client = self.nodes.start(), self.nodes.start()
            server.registry.register("/greeter/1.0.0", GreeterFactory())
            greeted = self.nodes.result(
                client.connector(server.addresses[0], "/greeter/1.0.0").connect(
                    Factory.forProtocol(Greeted)
                )
            )
            self.nodes.advance(10.0)
            ...
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_libp2p.connection import Connection
from twisted_libp2p.node import Node
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport

__all__ = ["MemoryNodes"]

T = TypeVar("T")


class MemoryNodes:
    """
    Nodes that reach each other in memory, and the clock that moves them.

    Nothing moves by itself: L{settle} lets happen whatever needs no time,
    L{advance} lets time pass.

    @ivar clock: the reactor of all these nodes.
    @ivar network: what connects them.
    """

    def __init__(self, delay: float = 0.0) -> None:
        """
        @param delay: seconds that bytes are on their way, in one direction.
        """
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, delay)
        self._nodes: list[Node] = []

    def start(self, listen: Iterable[str] = ("/memory/0",), **options: Any) -> Node:
        """
        Start a node.

        @param listen: where; a free address, by default.
        @param options: further ones for L{Node}.
        """
        node = Node(
            self.clock,
            listen=listen,
            transports=[MemoryTransport(self.network)],
            **options,
        )
        self._nodes.append(node)
        node.startService()
        self.settle()
        return node

    def connect(self, dialer: Node, listener: Node) -> tuple[Connection, Connection]:
        """
        Connect two nodes, and let them tell each other what they are.

        @return: the dialer's end of the connection, and the listener's.
        """
        near = self.result(dialer.connect(listener.addresses[0]))
        return near, listener.connections.to(dialer.peerID)[-1]

    def settle(self) -> None:
        """
        Let happen whatever needs no time.
        """
        self.clock.advance(0)

    def advance(self, seconds: float) -> None:
        """
        Let time pass, from one timer to the next.
        """
        until = self.clock.seconds() + seconds
        while True:
            times = [call.getTime() for call in self.clock.getDelayedCalls()]
            step = min([until, *times])
            self.clock.advance(max(0.0, step - self.clock.seconds()))
            if step >= until:
                return

    def result(self, waiting: Deferred[T] | Coroutine[Deferred[Any], Any, T]) -> T:
        """
        Let happen whatever needs no time, and give what came of something.

        @raise Exception: what it failed with.
        @raise AssertionError: it takes more than no time.
        """
        results: list[Any] = []
        ensureDeferred(waiting).addBoth(results.append)
        self.settle()
        if not results:
            raise AssertionError(f"{waiting} waits for something")
        (result,) = results
        if isinstance(result, Failure):
            result.raiseException()
        return result  # type: ignore[no-any-return]

    def stop(self) -> None:
        """
        Stop all nodes.

        @raise AssertionError: they have left something to do for the reactor.
        """
        nodes, self._nodes = self._nodes, []
        for node in nodes:
            self.result(node.stopService())
        left = self.clock.getDelayedCalls()
        if left:
            raise AssertionError(f"the nodes have stopped, but left {left}")
