# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the life of a node: what it does while it stops, and after that.
"""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.node.memory import NodeTestCase
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import (
    ConfigurationError,
    NodeStopping,
)
from twisted_libp2p.events import (
    ClosedConn,
    Event,
    Listen,
    ListenClose,
)
from twisted_libp2p.interfaces import Source
from twisted_libp2p.node import Node
from twisted_libp2p.node.life import LIFE, Life
from twisted_libp2p.protocols.echo import PROTOCOL_ID
from twisted_libp2p.transport import MemoryTransport


class Greeting(Protocol):
    """
    Begins an upgrade, and goes no further.
    """

    transport: Any

    def __init__(self) -> None:
        self.answered: Deferred[None] = Deferred()
        self.lost: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(b"\x13/multistream/1.0.0\n\x07/noise\n")

    def dataReceived(self, data: bytes) -> None:
        if not self.answered.called:
            self.answered.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.callback(None)


class LifeTests(NodeTestCase):
    """
    What a node does while it stops, and after that.
    """

    def stopping(self, node: Node) -> tuple[Any, Any]:
        """
        Stop a node that has a connection, up to where its port is being closed.

        @return: the end of the stop, and what closes the port.
        """
        closing: Any = Deferred()
        [listener] = node.listeners
        stop = listener.port.stopListening

        def stopListening() -> Any:
            stop()
            return closing

        self.patch(listener.port, "stopListening", stopListening)
        return node.stopService(), closing

    def test_refuses(self) -> None:
        """
        From the beginning of its stop a node refuses all orders, and so it does when
        it has stopped, until it is started again.
        """
        node, other = self.nodes.start(), self.nodes.start()
        near, _ = self.nodes.connect(node, other)
        third = self.nodes.start()
        stop, closing = self.stopping(node)
        self.assertIs(node.life, Life.STOPPING)

        def orders() -> list[Any]:
            return [
                node.connect(other.addresses[0]),
                node.connect(third.addresses[0]),
                node.listenOn("/memory/0"),
                ensureDeferred(node.listeners.open("/memory/0", shared=True)),
                ensureDeferred(node.ping(third.addresses[0])),
                node.connector(third.addresses[0], PROTOCOL_ID).connect(Factory()),
            ]

        for each in [*orders(), near.openStream(PROTOCOL_ID, Factory())]:
            self.failureResultOf(each, NodeStopping)
        closing.callback(None)
        self.nodes.settle()
        self.successResultOf(stop)
        self.assertIs(node.life, Life.STOPPED)
        for each in orders():
            self.failureResultOf(each, NodeStopping)
        self.assertEqual((len(node.connections), node.addresses), (0, []))
        node.startService()
        self.nodes.result(node.connect(third.addresses[0]))
        self.assertIs(node.life, Life.RUNNING)

    def test_whenDirect(self) -> None:
        """
        A wait for a direct connection ends with the node, and keeps no timer.
        """
        node = self.nodes.start()
        peer = self.nodes.start().peerID
        waiting = node.whenDirect(peer, 10.0)
        given = node.whenDirect(peer, 10.0)
        given.cancel()
        self.failureResultOf(given, CancelledError)
        self.nodes.result(node.stopService())
        self.failureResultOf(waiting, NodeStopping)
        self.failureResultOf(node.whenDirect(peer, 10.0), NodeStopping)

    def test_connectOnClosedConn(self) -> None:
        """
        A subscriber that connects again when its connection closes does not keep a
        node that stops from its end.
        """
        node, other = self.nodes.start(), self.nodes.start()
        self.nodes.connect(node, other)
        address = other.addresses[0]
        failed: list[Failure] = []
        node.events.subscribe(
            ClosedConn, lambda event: node.connect(address).addErrback(failed.append)
        )
        self.nodes.result(node.stopService())
        self.nodes.settle()
        self.assertEqual(len(node.connections), 0)
        self.assertEqual(len(other.connections), 0)
        [reason] = failed
        reason.trap(NodeStopping)

    def test_listenInFlight(self) -> None:
        """
        A port that is opened while the node stops is closed again.
        """
        node = self.nodes.start()
        transport: Any = node._transports[0]
        endpoint = transport.serverEndpoint(Multiaddr("/memory/0"))
        opened: Any = Deferred()
        ports: list[Any] = []

        class Slow:
            """
            An endpoint that takes its time.
            """

            def listen(self, factory: Any) -> Any:
                """
                Wait, then listen.
                """
                return opened.addCallback(
                    lambda _: endpoint.listen(factory)
                ).addCallback(
                    lambda port: ports.append(port) or port  # type: ignore[func-returns-value]
                )

        self.patch(transport, "serverEndpoint", lambda address: Slow())
        listening = node.listenOn("/memory/0")
        self.assertNoResult(listening)
        stop = node.stopService()
        opened.callback(None)
        self.nodes.settle()
        self.successResultOf(stop)
        self.failureResultOf(listening, NodeStopping)
        self.assertEqual(node.addresses, [])
        dialer = self.nodes.start()
        address = transport.listeningOn(Multiaddr("/memory/0"), ports[0])[0]
        dialing = dialer.connect(address)
        self.nodes.settle()
        self.failureResultOf(dialing)

    def test_startWhileStopping(self) -> None:
        """
        A start that is asked for while the node stops follows the stop.
        """
        node, other = self.nodes.start(), self.nodes.start()
        self.nodes.connect(node, other)
        stop, closing = self.stopping(node)
        node.startService()
        node.startService()
        self.assertIs(node.life, Life.RESTARTING)
        listening = node.whenListening()
        self.assertNoResult(listening)
        closing.callback(None)
        self.nodes.settle()
        self.successResultOf(stop)
        self.assertEqual(len(self.successResultOf(listening)), 1)
        self.assertIs(node.life, Life.RUNNING)
        self.assertTrue(node.running and node.connections.running)
        self.nodes.result(other.connect(node.addresses[0]))

    def test_stopAgain(self) -> None:
        """
        A second stop waits for the first one, and takes back a start.
        """
        node = self.nodes.start()
        first, closing = self.stopping(node)
        node.startService()
        second = node.stopService()
        self.assertIs(node.life, Life.STOPPING)
        self.assertNoResult(second)
        second.cancel()
        self.failureResultOf(second, CancelledError)
        third = node.stopService()
        closing.callback(None)
        self.nodes.settle()
        for each in (first, third):
            self.successResultOf(each)
        self.assertIs(node.life, Life.STOPPED)
        self.assertFalse(node.running)

    def test_stopInsideListen(self) -> None:
        """
        A subscriber that stops the node as it begins to listen leaves no port.
        """
        node = Node(
            self.nodes.clock,
            listen=["/memory/0", "/memory/0"],
            transports=[MemoryTransport(self.nodes.network)],
        )
        stops: list[Any] = []
        heard: list[Event] = []
        node.events.subscribe(Listen, lambda event: stops.append(node.stopService()))
        node.events.subscribe(Event, heard.append)
        node.startService()
        self.nodes.settle()
        self.successResultOf(stops[0])
        self.assertEqual((node.addresses, node.life), ([], Life.STOPPED))
        kinds = [type(event) for event in heard]
        self.assertEqual(kinds.count(Listen), kinds.count(ListenClose))
        self.failureResultOf(node.whenListening(), ConfigurationError)

    def test_restartInsideListen(self) -> None:
        """
        The same for one that stops and starts it again: each address is listened on
        once.
        """
        node = Node(
            self.nodes.clock,
            listen=["/memory/0", "/memory/0"],
            transports=[MemoryTransport(self.nodes.network)],
        )
        self.nodes._nodes.append(node)
        subscription: Any = None

        def restart(event: Listen) -> None:
            subscription.cancel()
            node.stopService()
            node.startService()

        subscription = node.events.subscribe(Listen, restart)
        node.startService()
        self.nodes.settle()
        self.assertEqual(len(node.addresses), 2)
        self.assertEqual(len(self.nodes.result(node.whenListening())), 2)

    def test_failingPort(self) -> None:
        """
        A port that cannot be closed keeps nothing else from its end.
        """
        node, other = self.nodes.start(listen=["/memory/0"] * 2), self.nodes.start()
        self.nodes.connect(node, other)

        def fail() -> None:
            raise RuntimeError("on purpose")

        self.patch(next(iter(node.listeners)).port, "stopListening", fail)
        self.nodes.result(node.stopService())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((len(node.connections), node.addresses), (0, []))
        self.assertIs(node.life, Life.STOPPED)

    def test_protectWhileStopping(self) -> None:
        """
        A peer that is protected while the node stops is not dialed, and leaves no
        timer.
        """
        node, other = self.nodes.start(), self.nodes.start()
        stop, closing = self.stopping(node)
        node.peerstore.addAddresses(
            other.peerID, [other.addresses[0].withoutPeer()], Source.CONFIGURED
        )
        node.connections.protect(other.peerID, "test")
        closing.callback(None)
        self.nodes.settle()
        self.successResultOf(stop)
        self.assertEqual(len(other.connections), 0)

    def test_table(self) -> None:
        """
        Each state leads to the others, and each effect is there.
        """
        for (state, _), (following, effect) in LIFE.items():
            self.assertIsNot(state, following)
            self.assertIn(effect, (None, "begin", "leave", "end"))
        self.assertEqual({state for state, _ in LIFE}, {*Life})


class StopTests(TestCase):
    """
    A node that stops on a real reactor.
    """

    async def test_upgrading(self) -> None:
        """
        Attack 19: when the node has stopped, the transports that were under
        upgrade are gone; nothing of them is left to the reactor.
        """
        loop: Any = reactor
        node = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
        node.startService()
        (address,) = await node.whenListening()
        port = int(str(address).split("/")[4])
        clients = []
        for _ in range(3):
            greeting: Any = await TCP4ClientEndpoint(
                reactor, "127.0.0.1", port
            ).connect(Factory.forProtocol(Greeting))
            await greeting.answered
            clients.append(greeting)
        await node.stopService()
        # Trial's own timeout is further away.
        soon = loop.seconds() + 60
        left = [each for each in loop.getDelayedCalls() if each.getTime() < soon]
        self.assertEqual(left, [])
        for each in clients:
            await each.lost
