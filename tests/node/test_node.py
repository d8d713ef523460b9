# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the node: what an application holds.
"""

from __future__ import annotations

import gc
from typing import Any

from twisted.application.service import (
    Application,
    IService,
    IServiceCollection,
    Service,
)
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.connmanager import ConnectionPolicy
from twisted_libp2p.errors import (
    ConfigurationError,
    InvalidMultiaddr,
    NodeStopping,
    UnsupportedAddress,
    UnsupportedProtocol,
)
from twisted_libp2p.events import (
    ClosedConn,
    ClosedStream,
    Event,
    Listen,
    ListenClose,
    OpenedConn,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, Source
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.node.life import LIFE, Life
from twisted_libp2p.node.rejoin import REJOINED, REJOINED_ADDRESSES
from twisted_libp2p.peerstore import MemoryPeerStore
from twisted_libp2p.protocols.echo import PROTOCOL_ID, Echo
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryNetwork, MemoryTransport
from twisted_libp2p.transport.memory import MemoryAddress, _Port


class Client(Protocol):
    """
    Sends a word and notes what comes.
    """

    transport: Any

    def connectionMade(self) -> None:
        self.received = b""
        self.lost: list[Failure] = []
        self.transport.write(b"word")

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(reason)


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


class CountingFactory(Factory):
    """
    Counts its starts and stops.
    """

    noisy = False
    protocol = Echo
    started = stopped = 0

    def startFactory(self) -> None:
        self.started += 1

    def stopFactory(self) -> None:
        self.stopped += 1


class NodeTestCase(SynchronousTestCase):
    """
    Nodes in memory.
    """

    def setUp(self) -> None:
        """
        Have a network.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)


class EndpointTests(NodeTestCase):
    """
    A node gives endpoints in both directions.
    """

    def test_roundTrip(self) -> None:
        """
        A factory is served by one node's listener and reached by another's
        connector.
        """
        server, client = self.nodes.start(), self.nodes.start()
        factory = CountingFactory()
        port = self.nodes.result(server.listener(PROTOCOL_ID).listen(factory))
        connector = client.connector(server.addresses[0], PROTOCOL_ID)
        quiet = Factory.forProtocol(Client)
        quiet.noisy = False
        protocol: Any = self.nodes.result(connector.connect(quiet))
        self.assertEqual(protocol.received, b"word")
        host: Any = port.getHost()
        self.assertEqual(str(host), str(server.addresses[0]))
        self.assertEqual(host.protocolID, PROTOCOL_ID)
        self.assertEqual((factory.started, factory.stopped), (1, 0))

    def test_stopListening(self) -> None:
        """
        A protocol that is served no more refuses new streams; those that are
        open go on.
        """
        server, client = self.nodes.start(), self.nodes.start()
        factory = CountingFactory()
        port = self.nodes.result(server.listener(PROTOCOL_ID).listen(factory))
        quiet = Factory.forProtocol(Client)
        quiet.noisy = False
        connector = client.connector(server.addresses[0], PROTOCOL_ID)
        protocol: Any = self.nodes.result(connector.connect(quiet))
        port.stopListening()
        port.stopListening()
        self.assertEqual((factory.started, factory.stopped), (1, 1))
        refused = connector.connect(quiet)
        self.nodes.settle()
        self.failureResultOf(refused, UnsupportedProtocol)
        protocol.transport.write(b"more")
        self.nodes.settle()
        self.assertEqual(protocol.received, b"wordmore")

    def test_taken(self) -> None:
        """
        A protocol is served once.
        """
        node = self.nodes.start()
        self.nodes.result(node.listener("/a").listen(CountingFactory()))
        self.failureResultOf(
            node.listener("/a").listen(CountingFactory()), ConfigurationError
        )

    def test_anonymous(self) -> None:
        """
        A node that listens nowhere has a host address without a place.
        """
        node = self.nodes.start(listen=())
        port = self.nodes.result(node.listener("/a").listen(CountingFactory()))
        self.assertEqual(str(port.getHost()), f"/p2p/{node.peerID}")


class ServiceTests(NodeTestCase):
    """
    A node is a service.
    """

    def test_service(self) -> None:
        """
        It is started and stopped below an application.
        """
        node = Node(self.nodes.clock, transports=[])
        verifyObject(IService, node)
        application = Application("test")
        node.setServiceParent(IServiceCollection(application))
        IService(application).startService()
        self.assertTrue(node.running)
        self.assertEqual(self.nodes.result(node.whenListening()), [])
        self.successResultOf(IService(application).stopService())
        self.assertFalse(node.running)

    def test_order(self) -> None:
        """
        Stopping ends the listeners first, then the streams and connections,
        and leaves nothing for the reactor to do.
        """
        server, client = self.nodes.start(), self.nodes.start()
        server.registry.register(PROTOCOL_ID, CountingFactory())
        quiet = Factory.forProtocol(Client)
        quiet.noisy = False
        protocol: Any = self.nodes.result(
            client.connector(server.addresses[0], PROTOCOL_ID).connect(quiet)
        )
        heard: list[Event] = []
        server.events.subscribe(Event, heard.append)
        self.nodes.result(server.stopService())
        kinds = [type(event) for event in heard]
        self.assertEqual((kinds[0], kinds[-1]), (ListenClose, ClosedConn))
        self.assertIn(ClosedStream, kinds)
        self.assertEqual(len(server.connections), 0)
        self.assertEqual(server.addresses, [])
        self.nodes.settle()
        self.assertEqual(len(protocol.lost), 1)
        self.assertEqual(len(client.connections), 0)

    def test_bound(self) -> None:
        """
        A peer that takes nothing holds the stopping up for two seconds, not
        longer.
        """
        server, client = self.nodes.start(), self.nodes.start()
        near, _ = self.nodes.connect(client, server)
        raw: Any = near._session
        bottom = raw.transport
        while hasattr(bottom, "transport"):
            bottom = bottom.transport
        bottom.pauseProducing()
        stopping = server.stopService()
        self.nodes.advance(1.9)
        self.assertNoResult(stopping)
        self.nodes.advance(0.2)
        self.successResultOf(stopping)
        self.assertEqual(len(server.connections), 0)

    def test_restart(self) -> None:
        """
        A node that was stopped can be started again, as the same peer.
        """
        node = self.nodes.start(listen=["/memory/5"])
        self.nodes.result(node.stopService())
        self.assertEqual(node.addresses, [])
        node.startService()
        node.startService()
        (address,) = self.nodes.result(node.whenListening())
        self.assertEqual(str(address), f"/memory/5/p2p/{node.peerID}")
        other = self.nodes.start()
        self.nodes.connect(other, node)

    def test_cannotListen(self) -> None:
        """
        An address that is taken fails those who wait, and says so once.
        """
        self.nodes.start(listen=["/memory/5"])
        node = self.nodes.start(listen=["/memory/5"])
        self.failureResultOf(node.whenListening(), CannotListenError)
        self.assertEqual(node.addresses, [])

    def test_notStarted(self) -> None:
        """
        A node that was never started does not listen.
        """
        node = Node(self.nodes.clock, transports=[])
        self.failureResultOf(node.whenListening(), ConfigurationError)


class OptionTests(NodeTestCase):
    """
    Options that make no sense are refused in one line, at once.
    """

    def test_refused(self) -> None:
        """
        The error names what is wrong and what would be right.
        """
        other = Identity.generate().peerID
        for options, error, word in (
            ({"security": ["telepathy"]}, ConfigurationError, "noise"),
            ({"muxers": ["funnel"]}, ConfigurationError, "yamux"),
            ({"listen": ["nowhere"]}, InvalidMultiaddr, "nowhere"),
            ({"listen": ["/memory/x"]}, InvalidMultiaddr, "memory"),
            ({"listen": ["/ip4/1.2.3.4/udp/1"]}, UnsupportedAddress, "/udp/1"),
            ({"listen": [f"/memory/1/p2p/{other}"]}, ConfigurationError, str(other)),
        ):
            raised = self.assertRaises(error, self.nodes.start, **options)
            self.assertIn(word, str(raised))
            self.assertNotIn("\n", str(raised))

    def test_ownPeerID(self) -> None:
        """
        Our own peer id at the end of an address to listen on does not hurt.
        """
        identity = Identity.generate()
        node = self.nodes.start(
            listen=[f"/memory/9/p2p/{identity.peerID}"], identity=identity
        )
        self.assertEqual(
            [str(each) for each in node.addresses],
            [f"/memory/9/p2p/{identity.peerID}"],
        )


class QuestionTests(NodeTestCase):
    """
    A node asks its peers.
    """

    def test_ping(self) -> None:
        """
        A ping measures the round trip, and leaves no stream behind.
        """
        server, client = self.nodes.start(), self.nodes.start()
        seconds = self.nodes.result(
            Deferred.fromCoroutine(client.ping(server.addresses[0]))
        )
        self.assertGreater(seconds, 0.0)
        self.nodes.settle()
        self.assertEqual(len(client.connections.to(server.peerID)[0].streams), 0)

    def test_pings(self) -> None:
        """
        Many pings at once do not need more streams than a peer takes.
        """
        server, client = self.nodes.start(), self.nodes.start()
        pings = [
            Deferred.fromCoroutine(client.ping(server.addresses[0])) for _ in range(10)
        ]
        self.nodes.settle()
        for each in pings:
            self.successResultOf(each)

    def test_pingGivenUp(self) -> None:
        """
        A ping that is given up while it waits for its turn never begins.
        """
        server, client = self.nodes.start(), self.nodes.start()
        self.nodes.connect(client, server)
        pings = [Deferred.fromCoroutine(client.ping(server.peerID)) for _ in range(3)]
        for each in pings[1:]:
            each.cancel()
            self.failureResultOf(each, CancelledError)
        self.nodes.result(pings[0])
        del pings
        gc.collect()
        self.assertEqual(self.flushWarnings(), [])
        self.nodes.result(Deferred.fromCoroutine(client.ping(server.peerID)))

    def test_identify(self) -> None:
        """
        A peer says what it is, where it listens and what it speaks.
        """
        server = self.nodes.start(agent="tester/1", protocolVersion="test/1")
        client = self.nodes.start()
        server.registry.register(PROTOCOL_ID, CountingFactory())
        told = self.nodes.result(
            Deferred.fromCoroutine(client.identify(server.addresses[0]))
        )
        self.assertEqual((told.agent, told.protocolVersion), ("tester/1", "test/1"))
        self.assertIn(PROTOCOL_ID, told.protocols)
        self.assertEqual(told.listenAddresses, (server.addresses[0].withoutPeer(),))

    def test_learnt(self) -> None:
        """
        SD-22: the peerstore learns from the events what a peer is: its key,
        its protocols, its signed record.
        """
        server, client = self.nodes.start(), self.nodes.start()
        self.nodes.connect(client, server)
        store, peer = client.peerstore, server.peerID
        record = store.record(peer)
        assert record is not None
        self.assertEqual(PeerRecord.open(record).peerID, peer)
        self.assertEqual(store.certifiedAddresses(peer), store.addresses(peer))
        self.assertEqual(store.publicKey(peer), server.identity.publicKey)
        self.assertIn("/ipfs/ping/1.0.0", store.protocols(peer))

    def test_reconnect(self) -> None:
        """
        SD-23: where a peer listens is learnt from itself, even by the side
        that was dialed.
        """
        server, client = self.nodes.start(), self.nodes.start()
        near, far = self.nodes.connect(client, server)
        self.nodes.result(near.close())
        self.nodes.settle()
        self.assertTrue(far.reason is not None and far.reason.check(ConnectionDone))
        back = self.nodes.result(server.connect(client.peerID))
        self.assertEqual(back.remotePeer, client.peerID)


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
            self.assertIn(effect, (None, "begin", "end"))
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


class KeptStore(MemoryPeerStore, Service):
    """
    A peerstore that a node takes for one that outlives it.
    """


class CountingTransport(MemoryTransport):
    """
    A transport that notes what is dialed.
    """

    def __init__(self, network: MemoryNetwork) -> None:
        super().__init__(network)
        self.dialed: list[str] = []

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> Any:
        """
        Note the address.
        """
        self.dialed.append(str(address))
        return super().clientEndpoint(address, options)


class RejoinChoiceTests(SynchronousTestCase):
    """
    Which peers a node comes back to, and at how many addresses.
    """

    def setUp(self) -> None:
        """
        Have a node that has not started, and its peerstore.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        # A time of 0 would stand for never.
        self.nodes.clock.advance(1e6)
        self.store = KeptStore(self.nodes.clock)
        self.transport = CountingTransport(self.nodes.network)

    def node(self, **options: Any) -> Node:
        """
        Make the node.
        """
        node = Node(
            self.nodes.clock,
            transports=[self.transport],
            peerstore=self.store,
            **options,
        )
        self.nodes._nodes.append(node)
        return node

    def strangers(self, count: int) -> None:
        """
        Have strangers come, say that they listen in many places, and go.
        """
        for number in range(count):
            peer = Identity.generate().peerID
            self.store.connected(peer)
            addresses = [
                Multiaddr(f"/memory/{1000 + 100 * number + each}") for each in range(50)
            ]
            self.store.addAddresses(peer, addresses, Source.IDENTIFY)
            self.store.disconnected(peer)

    def test_strangers(self) -> None:
        """
        A peer that was dialed once comes before any number of strangers, and of
        each peer only a few addresses are dialed.
        """
        friend = self.nodes.start()
        (address,) = friend.addresses
        self.store.connected(friend.peerID, address.withoutPeer())
        self.store.disconnected(friend.peerID)
        self.strangers(40)
        node = self.node()
        node.startService()
        self.nodes.advance(60)
        self.assertEqual(len(node.connections.to(friend.peerID)), 1)
        dialed = self.transport.dialed
        self.assertEqual(dialed[0], str(address.withoutPeer()))
        self.assertEqual(len(dialed), 1 + (REJOINED - 1) * REJOINED_ADDRESSES)

    def test_undialable(self) -> None:
        """
        Addresses that no transport dials are not among the few, and peers with no
        others are not among those that are dialed.
        """
        friend = self.nodes.start()
        quic = [Multiaddr(f"/ip4/192.0.2.1/udp/{n}/quic-v1") for n in range(1, 70)]
        for peer in (
            friend.peerID,
            *(Identity.generate().peerID for _ in range(2 * REJOINED)),
        ):
            self.store.connected(peer)
            self.nodes.advance(1)
            self.store.addAddresses(peer, quic[:30], Source.IDENTIFY)
            self.store.disconnected(peer)
        live = friend.addresses[0].withoutPeer()
        self.store.addAddresses(friend.peerID, [live], Source.IDENTIFY)
        self.nodes.advance(1)
        self.store.addAddresses(friend.peerID, quic[:30], Source.IDENTIFY)
        node = self.node()
        node.startService()
        self.nodes.advance(60)
        self.assertEqual(len(node.connections.to(friend.peerID)), 1)
        self.assertEqual(self.transport.dialed, [str(live)])

    def test_manyAddresses(self) -> None:
        """
        Of a peer that announces many addresses, those that can be dialed are kept.
        """
        client, server = self.nodes.start(), self.nodes.start()
        self.nodes.result(client.connect(server.addresses[0]))
        live = [Multiaddr("/memory/71"), Multiaddr("/memory/72")]
        quic = [Multiaddr(f"/ip4/192.0.2.1/udp/{n}/quic-v1") for n in range(1, 70)]
        client.peerstore.setAddresses(server.peerID, [*live, *quic], Source.IDENTIFY)
        known = client.peerstore.addresses(server.peerID)
        self.assertEqual(len(known), 64)
        self.assertTrue(set(live) <= set(known))

    def test_small(self) -> None:
        """
        A node that may have few connections comes back to few peers.
        """
        self.strangers(10)
        node = self.node(
            limits=Limits.scaled(connections=16),
            policy=ConnectionPolicy(lowWater=1, highWater=2),
        )
        node.startService()
        self.nodes.advance(60)
        self.assertEqual(len(self.transport.dialed), 2 * REJOINED_ADDRESSES)

    def test_joined(self) -> None:
        """
        A caller that wants a peer which is being rejoined has all its addresses
        tried.
        """
        friend = self.nodes.start()
        dead = [Multiaddr(f"/memory/{1000 + each}") for each in range(10)]
        silent = Factory.forProtocol(Protocol)
        silent.noisy = False
        for each in dead:
            number = MemoryAddress(int(each.value("memory") or 0))
            _Port(self.nodes.network, number, silent).startListening()
        live = friend.addresses[0].withoutPeer()
        self.store.connected(friend.peerID)
        self.store.addAddresses(friend.peerID, [live], Source.IDENTIFY)
        self.nodes.advance(1)
        self.store.addAddresses(friend.peerID, dead, Source.IDENTIFY)
        self.store.disconnected(friend.peerID)
        node = self.node()
        node.startService()
        self.nodes.advance(2)
        self.assertEqual(len(self.transport.dialed), REJOINED_ADDRESSES)
        dial = node.connect(friend.peerID)
        self.nodes.advance(60)
        self.assertEqual(self.successResultOf(dial).remotePeer, friend.peerID)


class RejoinTests(TestCase):
    """
    SD-22: a node comes back to whom it knew, with nobody's help.
    """

    async def test_restart(self) -> None:
        """
        A node that starts again, with nothing but its peerstore, connects to
        the peer to which it was connected before.
        """
        other = Node(reactor, listen=["/ip4/127.0.0.1/tcp/0"])
        other.startService()
        (address,) = await other.whenListening()
        path = self.mktemp()
        for first in (True, False):
            node = Node(reactor, peerstore=f"sqlite:{path}")
            opened = node.events.next(OpenedConn)
            node.startService()
            if first:
                await node.connect(address)
            self.assertEqual((await opened).peer, other.peerID)
            await node.stopService()
        await other.stopService()
