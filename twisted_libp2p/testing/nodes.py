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
            server.serve("/greeter/1.0.0", Greeter)
            greeted = self.nodes.result(
                client.openStream(server.addresses[0], "/greeter/1.0.0", Greeted)
            )
            self.nodes.advance(10.0)
            ...
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from itertools import product
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_libp2p.connection import Connection
from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.identify import IdentifyService
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport
from twisted_libp2p.transport.memory import Link

__all__ = ["MemoryNodes"]

T = TypeVar("T")

#: How often a result may need the delay of the network: many more round trips than
#: any upgrade and any orderly close takes.
WAYS = 100


class MemoryNodes:
    """
    Nodes that reach each other in memory, and the clock that moves them.

    Nothing moves by itself: L{settle} lets everything happen that needs no time,
    L{advance} lets time pass.  In a network with a delay L{connect}, L{result} and
    L{stop} also let as much time pass as their bytes need on the way.

    Nothing is left to chance either: a lost peer that is protected is dialed again
    after the longest wait of its policy.  Give a node another C{random} to change
    that.

    @ivar clock: the reactor of all these nodes.
    @ivar network: the network that connects them.
    """

    def __init__(self, delay: float = 0.0) -> None:
        """
        @param delay: seconds that bytes are on their way, in one direction.
        """
        self.clock = Clock()
        self.network = MemoryNetwork(self.clock, delay)
        self._nodes: list[Node] = []
        self._transports: dict[Node, list[MemoryTransport]] = {}
        self._cut: dict[Link, tuple[Node, Node]] = {}

    def start(self, listen: Iterable[str] = ("/memory/0",), **options: Any) -> Node:
        """
        Start a node.

        @param listen: where; a free address, by default.
        @param options: further ones for L{Node}.
        """
        options.setdefault("random", lambda: 0.0)
        options.setdefault("transports", [MemoryTransport(self.network)])
        node = Node(self.clock, listen=listen, **options)
        self._nodes.append(node)
        self._transports[node] = [
            each
            for each in options["transports"]
            if isinstance(each, MemoryTransport) and each.network is self.network
        ]
        node.startService()
        self.settle()
        return node

    def connect(self, dialer: Node, listener: Node) -> tuple[Connection, Connection]:
        """
        Connect two nodes, and let each identify the other.

        @return: the dialer's end of the connection, and the listener's.
        """
        near = self.result(dialer.connect(listener.addresses[0]))
        # The dialer is ready first: its last message is still on its way.
        self._pass(lambda: bool(listener.connections.to(dialer.peerID)))
        far = listener.connections.to(dialer.peerID)[-1]
        assert isinstance(near, Connection) and isinstance(far, Connection)
        identified: list[object] = []
        for node, connection in ((dialer, near), (listener, far)):
            node.service(IdentifyService).identified(connection).addBoth(
                identified.append
            )
        self._pass(lambda: len(identified) == 2)
        return near, far

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

    def _pass(self, done: Callable[[], bool]) -> None:
        """
        Let everything happen that needs no time; then, in a network with a delay,
        let time pass from one timer to the next, until something is done or the
        bytes had time enough.
        """
        until = self.clock.seconds() + WAYS * self.network.delay
        self.settle()
        while not done():
            times = [call.getTime() for call in self.clock.getDelayedCalls()]
            if not times or min(times) > until:
                return
            self.clock.advance(max(0.0, min(times) - self.clock.seconds()))

    def result(self, waiting: Deferred[T] | Coroutine[Deferred[Any], Any, T]) -> T:
        """
        Let everything happen that needs no time but that of the network, and
        return the result of a Deferred or coroutine.

        @raise Exception: the failure of the Deferred.
        @raise AssertionError: it needs more time.
        """
        results: list[Any] = []
        ensureDeferred(waiting).addBoth(results.append)
        self._pass(lambda: bool(results))
        if not results:
            raise AssertionError(
                f"{waiting} has no result yet: advance() lets more time pass"
            )
        (result,) = results
        if isinstance(result, Failure):
            result.raiseException()
        return result  # type: ignore[no-any-return]

    def crash(self, node: Node) -> None:
        """
        End a node as a crash does: its connections are cut without a farewell, and its
        peers see that.  It can be started again by C{startService}.
        """
        for connection in list(node.connections):
            connection.abort(Failure(ConnectionAborted()))
        self.settle()
        self.result(node.stopService())

    def partition(self, one: Node, other: Node) -> None:
        """
        Cut the way between two nodes: until L{heal} no bytes arrive, no new
        connections, and no ends of old ones.  As in a real network, a node notices that
        only when its pings or dials get no answer in time.

        @raise ConfigurationError: a node has no transport of L{network}.
        """
        for node in (one, other):
            if not self._transports.get(node):
                raise ConfigurationError(
                    "partition takes nodes of start() that use its MemoryTransport"
                )
        for near, far in product(self._transports[one], self._transports[other]):
            link = self.network.link(near, far)
            link.cut()
            self._cut[link] = one, other

    def heal(self, *pair: Node) -> None:
        """
        Repair the way between two nodes: all that has waited arrives.

        @param pair: the two nodes; without them, every way is repaired.
        """
        for link, nodes in list(self._cut.items()):
            if not pair or set(pair) == set(nodes):
                del self._cut[link]
                link.repair()
        self.settle()

    def stop(self) -> None:
        """
        Stop all nodes, after all partitions are healed.

        @raise AssertionError: they have left something to do for the reactor.
        """
        self.heal()
        nodes, self._nodes = self._nodes, []
        for node in nodes:
            self.result(node.stopService())
        # The last bytes, and the news of an abort, are still on their way.
        if self.network.delay:
            self.advance(2 * self.network.delay)
        left = self.clock.getDelayedCalls()
        if left:
            raise AssertionError(f"the nodes have stopped, but left {left}")
