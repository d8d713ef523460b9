# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of a node on a host whose interfaces come and go.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import AddressesChanged, Identified, Listen, ListenClose
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IMovingPort,
    ITransport,
)
from twisted_libp2p.node import Node
from twisted_libp2p.node.listeners import INTERFACE_INTERVAL
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryTransport


@implementer(IMovingPort)
class Port:
    """
    A listening port, which may move.
    """

    open = True
    moved: Any = None

    def watch(self, changed: Any) -> None:
        """
        Keep the function.
        """
        self.moved = changed

    def startListening(self) -> None:
        """
        Do nothing.
        """

    def getHost(self) -> Any:
        """
        Return nothing.
        """

    def stopListening(self) -> None:
        """
        Close; it is an error to do so twice.
        """
        if not self.open:
            raise AssertionError("closed twice")
        self.open = False


@implementer(ITransport)
class Interfaces:
    """
    A transport that listens on wildcards.

    @ivar hosts: the addresses of the interfaces; or an error.
    """

    name = "interfaces"
    byteStream = True

    def __init__(self) -> None:
        self.hosts: list[str] | Exception = ["192.168.1.2"]
        self.ports: list[Port] = []
        self.looks = 0

    def canDial(self, address: Multiaddr) -> bool:
        """
        Dial nothing.
        """
        return False

    def canListen(self, address: Multiaddr) -> bool:
        """
        Listen on IP.
        """
        return address.host is not None

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> Any:
        """
        There is none.
        """
        raise NotImplementedError

    def serverEndpoint(self, address: Multiaddr) -> Any:
        """
        Give an endpoint whose port does nothing.
        """
        transport = self

        class Endpoint:
            def listen(self, factory: Any) -> Deferred[Any]:
                transport.ports.append(Port())
                return succeed(transport.ports[-1])

        return Endpoint()

    def listeningOn(self, address: Multiaddr, port: Any) -> list[Multiaddr]:
        """
        Give the addresses of the interfaces.
        """
        self.looks += 1
        if isinstance(self.hosts, Exception):
            raise self.hosts
        return [Multiaddr(f"/ip4/{host}/tcp/1") for host in self.hosts]

    def toMultiaddr(self, address: Any) -> Multiaddr | None:
        """
        Give nothing.
        """
        return None


class InterfacesTests(SynchronousTestCase):
    """
    A node listens on a wildcard.
    """

    def setUp(self) -> None:
        """
        Have a transport, and note what is logged.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        self.transport = Interfaces()
        self.lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            self.lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def start(self, *listen: str) -> Node:
        """
        Start the node, which listens in memory too.
        """
        node = Node(
            self.nodes.clock,
            listen=["/memory/0", *(listen or ("/ip4/0.0.0.0/tcp/1",))],
            transports=[MemoryTransport(self.nodes.network), self.transport],
        )
        node.startService()
        self.addCleanup(self.stop, node)
        self.nodes.settle()
        return node

    def stop(self, node: Node) -> None:
        """
        Stop the node, and see that nothing is left.
        """
        if node.running:
            self.nodes.result(node.stopService())
        self.assertFalse(any(port.open for port in self.transport.ports))

    def hosts(self, node: Node) -> list[str | None]:
        """
        Give the hosts at which the node says it listens.
        """
        return [each.value("ip4") for each in node.addresses if each.host is not None]

    def look(self) -> None:
        """
        Let time pass until the node looks again.
        """
        self.nodes.advance(INTERFACE_INTERVAL)

    def test_changes(self) -> None:
        """
        An address that comes is announced, and one that goes is withdrawn: by
        events, in the log, and to the peers that are connected.
        """
        node = self.start()
        peer = self.nodes.start()
        self.nodes.connect(peer, node)
        self.nodes.advance(2)
        told: list[Any] = []
        peer.events.subscribe(Identified, told.append)
        events: list[Any] = []
        for kind in (Listen, ListenClose, AddressesChanged):
            node.events.subscribe(kind, events.append)
        self.transport.hosts = ["10.0.0.7"]
        self.look()
        self.assertEqual(self.hosts(node), ["10.0.0.7"])
        self.assertEqual(
            [type(each) for each in events], [ListenClose, Listen, AddressesChanged]
        )
        gone, come, _ = events
        self.assertEqual(str(gone.address), f"/ip4/192.168.1.2/tcp/1/p2p/{node.peerID}")
        self.assertEqual(str(come.address), f"/ip4/10.0.0.7/tcp/1/p2p/{node.peerID}")
        self.assertIn(f"listening on {come.address}", self.lines)
        self.nodes.advance(2)
        (event,) = told
        self.assertTrue(event.push)
        self.assertIn(Multiaddr("/ip4/10.0.0.7/tcp/1"), event.listenAddresses)
        self.assertNotIn(Multiaddr("/ip4/192.168.1.2/tcp/1"), event.listenAddresses)

    def test_moved(self) -> None:
        """
        A port that says that its addresses have changed is asked for them at once.
        """
        node = self.start("/ip4/192.168.1.2/tcp/1")
        events: list[Any] = []
        for kind in (Listen, ListenClose, AddressesChanged):
            node.events.subscribe(kind, events.append)
        self.transport.hosts = ["10.0.0.7", "10.0.0.8"]
        (port,) = self.transport.ports
        port.moved()
        self.assertEqual(self.hosts(node), ["10.0.0.7", "10.0.0.8"])
        self.assertEqual(
            [type(each) for each in events],
            [ListenClose, Listen, Listen, AddressesChanged],
        )
        self.nodes.result(node.stopListeningOn("/ip4/192.168.1.2/tcp/1"))
        events.clear()
        self.transport.hosts = []
        port.moved()
        self.assertEqual(events, [])

    def test_same(self) -> None:
        """
        Where nothing changes nothing is said, whatever the order.
        """
        self.transport.hosts = ["10.0.0.1", "10.0.0.2"]
        node = self.start()
        events: list[Any] = []
        for kind in (Listen, ListenClose, AddressesChanged):
            node.events.subscribe(kind, events.append)
        self.look()
        self.transport.hosts = ["10.0.0.2", "10.0.0.1"]
        self.look()
        self.assertEqual(events, [])
        self.assertEqual(self.transport.looks, 3)

    def test_notListed(self) -> None:
        """
        Where the interfaces cannot be listed the node starts without addresses,
        says so once, and has them as soon as they can be.
        """
        self.transport.hosts = OSError(13, "Permission denied")
        node = self.start()
        self.assertEqual(len(self.nodes.result(node.whenListening())), 1)
        self.look()
        (line,) = [each for each in self.lines if "Permission denied" in each]
        self.assertIn("/ip4/0.0.0.0/tcp/1", line)
        self.transport.hosts = ["10.0.0.7"]
        self.look()
        self.assertEqual(self.hosts(node), ["10.0.0.7"])

    def test_notListedLater(self) -> None:
        """
        If they can no longer be listed, the last known addresses stay.
        """
        node = self.start()
        self.transport.hosts = OSError(24, "Too many open files")
        self.look()
        self.assertEqual(self.hosts(node), ["192.168.1.2"])
        self.transport.hosts = ValueError("a fault of the transport")
        self.look()
        self.assertEqual(self.hosts(node), ["192.168.1.2"])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.transport.hosts = ["10.0.0.7"]
        self.look()
        self.assertEqual(self.hosts(node), ["10.0.0.7"])

    def test_failed(self) -> None:
        """
        A start that fails closes its socket.
        """
        self.transport.hosts = ValueError("a fault of the transport")
        node = self.start()
        self.failureResultOf(node.whenListening(), ValueError)
        (port,) = self.transport.ports
        self.assertFalse(port.open)
        self.flushLoggedErrors(ValueError)

    def test_noWildcard(self) -> None:
        """
        Without a wildcard there is no reason to look, and no timer.
        """
        self.start("/ip4/192.168.1.2/tcp/1")
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])

    def test_stop(self) -> None:
        """
        The timer ends with the node; and with the last listener on a wildcard.
        """
        node = self.start()
        self.nodes.result(node.stopListeningOn("/ip4/0.0.0.0/tcp/1"))
        self.look()
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])
        self.nodes.result(node.listenOn("/ip4/0.0.0.0/tcp/1"))
        self.nodes.result(node.stopService())
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])
        node.startService()
        self.transport.hosts = ["10.0.0.7"]
        self.look()
        self.assertEqual(self.hosts(node), ["10.0.0.7"])

    def test_closedMeanwhile(self) -> None:
        """
        An application that stops the node when it hears of a change is heard.
        """
        node = self.start("/ip4/0.0.0.0/tcp/1", "/ip4/0.0.0.0/tcp/2")
        stopping: list[Any] = []

        def stop(event: ListenClose) -> None:
            if not stopping:
                stopping.append(node.stopService())

        node.events.subscribe(ListenClose, stop)
        self.transport.hosts = ["10.0.0.7"]
        self.look()
        self.successResultOf(stopping[0])
        self.assertEqual(self.nodes.clock.getDelayedCalls(), [])
