# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Nodes that many peers connect to.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.connmanager.doubles import CrowdedClock, HostTransport
from twisted_libp2p.events import (
    ClosedConn,
    ConnectionTrimmed,
    LimitReached,
    OpenedConn,
)
from twisted_libp2p.interfaces import Connection, IConnection
from twisted_libp2p.limits.usage import Usage
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.transport import MemoryNetwork

__all__ = ["CrowdTestCase", "Late", "Silent", "transport"]


class Late(Noise):
    """
    Noise that names no muxer in its handshake.
    """

    def wrap(self, handshake: Any, wrappedFactory: Any) -> Any:
        """
        Leave the muxers out.
        """
        return super().wrap(replace(handshake, muxers=()), wrappedFactory)


class Silent(Protocol):
    """
    Says nothing, and notes its end.
    """

    lost = False

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note it.
        """
        self.lost = True


def transport(connection: Any) -> Any:
    """
    Give our end of what is below everything.
    """
    session: Any = connection._session
    end = session.transport
    while hasattr(end, "transport"):
        end = end.transport
    return end


class CrowdTestCase(SynchronousTestCase):
    """
    One node, and others that come from IP addresses.
    """

    def setUp(self) -> None:
        """
        Have a network, and keep what is logged.
        """
        self.nodes = MemoryNodes()
        self.nodes.clock = CrowdedClock()
        self.network = self.nodes.network = MemoryNetwork(self.nodes.clock)
        self.addCleanup(self.nodes.stop)
        self.logged: list[Any] = []
        observer = cast(ILogObserver, self.logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def serve(self, **options: Any) -> Node:
        """
        Start the node that all want.
        """
        server = self.server = self.start(listen=["/memory/0"], **options)
        self.counts: Counter[type] = Counter()
        for kind in (OpenedConn, ClosedConn, ConnectionTrimmed, LimitReached):
            server.events.subscribe(
                kind, lambda event: self.counts.update([type(event)])
            )
        server.registry.register(PROTOCOL_ID, EchoFactory())
        self.addCleanup(self.assertNothingUsed)
        return server

    def come(self, host: str | None = None, **options: Any) -> Node:
        """
        Start a node that only dials; it has an IP address, or none.
        """
        muxers = [Yamux(self.nodes.clock, keepAlive=None)]
        return self.start(host, muxers=muxers, **options)

    def start(self, host: str | None = None, **options: Any) -> Node:
        """
        Start a node.
        """
        transports = [HostTransport(self.network, host)]
        node = Node(self.nodes.clock, transports=transports, **options)
        self.nodes._nodes.append(node)
        node.startService()
        self.nodes.settle()
        return node

    def dial(self, node: Node) -> Deferred[Connection]:
        """
        Dial the server, and let happen what will.
        """
        dialed = node.connect(self.server.addresses[0])
        self.nodes.settle()
        return dialed

    def connect(self, node: Node) -> IConnection:
        """
        Dial the server, successfully as the dialer sees it.
        """
        return self.successResultOf(self.dial(node))

    def refused(self, connection: IConnection) -> Exception:
        """
        Give the reason why a connection has ended for its dialer.
        """
        self.nodes.settle()
        assert connection.reason is not None
        return cast(Exception, connection.reason.value)

    def silent(self, host: str = "127.0.0.1") -> Silent:
        """
        Open a raw transport to the server, and say nothing.
        """
        address = self.server.addresses[0].withoutPeer()
        transport = HostTransport(self.network, host)
        factory = Factory.forProtocol(Silent)
        factory.noisy = False
        connected = transport.clientEndpoint(address).connect(factory)
        return cast(Silent, self.successResultOf(connected))

    def assertNothingUsed(self) -> None:
        """
        When all have gone every counter is at zero, and the events pair up.
        """
        self.nodes.stop()
        limiter = self.server.connections.limiter
        for scope in (limiter.system, limiter.transient, *limiter.protocols.values()):
            self.assertEqual(scope.used, Usage(), scope.name)
        self.assertEqual(limiter.peers, {})
        self.assertEqual(limiter.subnets.counts, {})
        self.assertEqual(self.counts[OpenedConn], self.counts[ClosedConn])
        self.assertEqual([each for each in self.logged if each.get("log_failure")], [])
