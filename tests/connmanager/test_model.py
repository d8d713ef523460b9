# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Dialer and connection manager against a model: a few nodes in memory that dial
each other, and lose each other, in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explore
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.dial import DIAL_LIMIT
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.events import ClosedConn, OpenedConn
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.ping import PingService
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryNetwork
from twisted_libp2p.transport.memory import MemoryAddress, MemoryEnd

#: How many nodes there are.  The first one has room for few connections.
COUNT = 4
CAP = 4
PEER_CAP = 2

#: Seconds that bytes are on their way.
DELAY = 0.02

#: Where somebody listens who says nothing, and where nobody does.
SILENT, DEAD = 900, 901

#: The same identities every time: examples are to be repeated.
IDENTITIES = [Identity.generate() for _ in range(COUNT)]

NODES = st.integers(0, COUNT - 1)


class Wire(MemoryNetwork):
    """
    A network that knows all transports that it has ever made.

    @ivar ends: both ends of each.
    """

    def __init__(self, clock: Any, delay: float) -> None:
        super().__init__(clock, delay)
        self.ends: list[MemoryEnd] = []

    def join(self, client: IProtocol, server: IProtocol, *facts: Any) -> None:
        """
        Connect two protocols, and remember it.
        """
        super().join(client, server, *facts)
        for protocol in (client, server):
            end: Any = protocol.transport  # type: ignore[attr-defined]
            self.ends.append(end)

    @property
    def open(self) -> list[MemoryEnd]:
        """
        The transports that are still connected.
        """
        return [end for end in self.ends if not end.disconnected]


class Silent(Factory):
    """
    Accepts, and says nothing.
    """

    noisy = False
    protocol = Protocol


class DialModel(RuleBasedStateMachine):
    """
    The nodes, what they were told to do, and what they have told.
    """

    dials = Bundle("dials")

    def __init__(self, case: SynchronousTestCase) -> None:
        super().__init__()
        self.case = case
        self.nodes = MemoryNodes()
        self.network = self.nodes.network = Wire(self.nodes.clock, DELAY)
        self.results: list[list[Any]] = []
        self.wrong: list[str] = []
        # For each node, its connections between both of their events.
        self.alive: list[list[IConnection]] = []

    @initialize()
    def start(self) -> None:
        """
        Start the nodes, and somebody who accepts and says nothing.
        """
        self.network.listen(MemoryAddress(SILENT), Silent())
        self.all = [self.node(number) for number in range(COUNT)]
        self.where = [node.addresses[0] for node in self.all]
        for node in self.all:
            for other in self.all:
                if other is not node:
                    node.peerstore.addAddresses(other.peerID, other.addresses)

    def node(self, number: int) -> Node:
        """
        Start a node that is watched.
        """
        options: dict[str, Any] = {}
        if number == 0:
            limits = Limits.scaled(connections=CAP)
            peer = limits.peer._replace(connections=PEER_CAP)
            system = limits.system._replace(inboundConnections=CAP)
            options = {
                "limits": Limits(
                    system=system,
                    transient=limits.transient._replace(connections=3),
                    peer=peer,
                    protocol=limits.protocol,
                ),
                "policy": ConnectionPolicy(
                    lowWater=1, highWater=2, grace=2.0, interval=5.0
                ),
            }
        node = self.nodes.start(
            [f"/memory/{number + 1}"], identity=IDENTITIES[number], **options
        )
        alive: list[IConnection] = []
        self.alive.append(alive)

        def opened(event: OpenedConn) -> None:
            if event.connection in alive:
                self.wrong.append(f"{event.connection} was opened twice")
            alive.append(event.connection)

        def closed(event: ClosedConn) -> None:
            if event.connection not in alive:
                self.wrong.append(f"{event.connection} was closed, but not opened")
            else:
                alive.remove(event.connection)

        node.events.subscribe(OpenedConn, opened)
        node.events.subscribe(ClosedConn, closed)
        return node

    # What may happen

    @rule(
        target=dials,
        near=NODES,
        far=NODES,
        how=st.sampled_from(["id", "id", "address", "anybody"]),
    )
    def dial(self, near: int, far: int, how: str) -> Deferred[Any]:
        """
        Dial another node, or oneself.
        """
        node = self.all[near]
        target: Any = self.where[far]
        if how == "id":
            target = self.all[far].peerID
        elif how == "anybody":
            target = target.withoutPeer()
        return self.watch(node.connect(target))

    @rule(
        target=dials,
        near=NODES,
        far=NODES,
        at=st.sampled_from([SILENT, DEAD, 1, 2, 3, 4]),
    )
    def dialElsewhere(self, near: int, far: int, at: int) -> Deferred[Any]:
        """
        Dial a node where it is not: nobody is there, or somebody else, or
        somebody who says nothing.
        """
        address = Multiaddr(f"/memory/{at}").withPeer(self.all[far].peerID)
        return self.watch(self.all[near].connect(address))

    def watch(self, dial: Deferred[Any]) -> Deferred[Any]:
        """
        Note what comes of a dial.
        """
        results: list[Any] = []
        self.results.append(results)
        dial.addBoth(results.append)
        return dial

    @rule(dial=dials)
    def cancel(self, dial: Deferred[Any]) -> None:
        """
        Give a share of a dial up, if it has not come to anything.
        """
        dial.cancel()

    @rule(
        node=NODES,
        which=st.integers(0, 5),
        action=st.sampled_from(["close", "abort", "open stream"]),
    )
    def use(self, node: int, which: int, action: str) -> None:
        """
        Do something with a connection.
        """
        some = list(self.all[node].connections)
        if not some:
            return
        connection = some[which % len(some)]
        if action == "close":
            connection.close()
        elif action == "abort":
            connection.abort(Failure(ConnectionLost()))
        elif connection.connected:
            self.watch(self.all[node].service(PingService).ping(connection))

    @rule(node=NODES)
    def trim(self, node: int) -> None:
        """
        Trim now.
        """
        self.all[node].connections.trim()

    @rule(node=NODES, peer=NODES, protect=st.booleans())
    def protect(self, node: int, peer: int, protect: bool) -> None:
        """
        Keep a peer, or keep it no more.
        """
        manager, other = self.all[node].connections, self.all[peer].peerID
        if protect:
            manager.protect(other, "model", redial=False)
        else:
            manager.unprotect(other, "model")

    @rule(which=st.integers(0, 30))
    def cut(self, which: int) -> None:
        """
        A transport breaks, wherever its connection has got to.
        """
        some = self.network.open
        if some:
            some[which % len(some)].abortConnection()

    @rule(node=NODES, listen=st.booleans())
    def listen(self, node: int, listen: bool) -> None:
        """
        Listen no more, or again.
        """
        here, number = self.all[node], f"/memory/{node + 1}"
        if listen and not here.addresses:
            self.nodes.result(here.listenOn(number))
        elif not listen and here.addresses:
            self.nodes.result(here.stopListeningOn(number))

    @rule(
        seconds=st.sampled_from(
            [0.0, DELAY / 2, DELAY, 3 * DELAY, 0.3, 3.0, 16.0, 61.0]
        )
    )
    def wait(self, seconds: float) -> None:
        """
        Time goes by.
        """
        self.nodes.advance(seconds)

    # What must be so at any time

    @invariant()
    def balanced(self) -> None:
        """
        The manager has what was opened and not closed, within its limits.
        """
        assert not self.wrong, self.wrong
        assert not (failures := self.case.flushLoggedErrors()), failures
        for alive, node in zip(self.alive, getattr(self, "all", ()), strict=True):
            manager = node.connections
            assert Counter(map(id, manager)) == Counter(map(id, alive))
            assert len(manager) == len(alive)
            for connection in alive:
                assert connection in manager.to(connection.remotePeer)
        for results in self.results:
            assert len(results) <= 1

    @invariant()
    def limited(self) -> None:
        """
        Nobody has more than is allowed; protected peers may.
        """
        if not hasattr(self, "all"):
            return
        for node in self.all:
            limiter = node.connections.limiter
            for scope in (limiter.system, limiter.transient, *limiter.peers.values()):
                assert min(scope.used) >= 0, scope
        limiter = self.all[0].connections.limiter
        transient = limiter.transient
        assert transient.used.connections <= transient.limits.connections
        for peer, scope in limiter.peers.items():
            assert scope.used.connections <= PEER_CAP, peer
        loose = [
            each
            for each in self.all[0].connections
            if each.connected
            and not self.all[0].connections.tags.protected(each.remotePeer)
        ]
        assert len(loose) <= CAP

    # The end

    def teardown(self) -> None:
        """
        In the end every dial has come to something, both ends of each
        connection know of it, and there is nothing else.
        """
        if not hasattr(self, "all"):
            return
        # Twice: what a first dial has begun, another may wait for.
        self.nodes.advance(2 * DIAL_LIMIT)
        self.balanced()
        for results in self.results:
            assert len(results) == 1, "a Deferred has not fired"
        pairs = Counter(
            (min(ends), max(ends))
            for node in self.all
            for connection in node.connections
            for ends in [(node.peerID, connection.remotePeer)]
        )
        assert all(count % 2 == 0 for count in pairs.values()), pairs
        assert len(self.network.open) == sum(len(node.connections) for node in self.all)
        for node in self.all:
            assert not node._dialer._dials
            limiter = node.connections.limiter
            assert limiter.transient.used.connections == 0
            assert limiter.system.used.connections == len(node.connections)
        self.stop()

    def stop(self) -> None:
        """
        Stop: nothing is left.
        """
        self.nodes.advance(0.0)
        stopping = [node.stopService() for node in self.all]
        self.nodes.advance(10.0)
        for each in stopping:
            self.case.successResultOf(each)
        self.balanced()
        for node, alive in zip(self.all, self.alive, strict=True):
            assert not alive
            limiter = node.connections.limiter
            assert not any(limiter.system.used), limiter.system
            assert not any(limiter.transient.used), limiter.transient
            assert not limiter.peers
        assert not self.network.open
        assert not self.nodes.clock.getDelayedCalls()


class ModelTests(SynchronousTestCase):
    """
    Whatever nodes do to each other, none leaks anything.
    """

    def test_model(self) -> None:
        """
        Any order of dials, cancels, failures, trims and losses.
        """
        build: Callable[[], DialModel] = lambda: DialModel(self)  # noqa: E731
        explore(build, 15, 30)
