# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tools of the suite of transports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IAddress

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import AnyTransport, IConnection
from twisted_libp2p.limits import Limits
from twisted_libp2p.node import Node
from twisted_libp2p.testing.transport.application import Application, Applications

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase
else:
    TestCase = object

__all__ = ["TransportBase"]

#: The protocol that the nodes of the suite serve.
PROTOCOL_ID = "/conformance/1.0.0"


class TransportBase(TestCase):
    """
    The tools of the suite: nodes over the transport that is tested.

    @cvar listenAddress: an address to listen on, whose port, or the like, the transport
        chooses.
    @cvar otherAddress: an address to listen on beside it, if the transport chooses
        nothing; otherwise None.
    @cvar wildcardAddress: an address that stands for all interfaces; None if the
        transport has no such address.
    @cvar localAddress: an address to dial from; None if the transport has no such
        address.
    @cvar foreignAddress: an address that the transport does not dial.
    @cvar foreignHost: an address of Twisted that is none of the transport.
    """

    listenAddress: str
    otherAddress: str | None = None
    wildcardAddress: str | None = None
    localAddress: str | None = None
    foreignAddress = "/ip4/192.0.2.1/udp/1"
    foreignHost: IAddress = UNIXAddress(b"/elsewhere")

    reactor: Any

    def makeTransport(self) -> AnyTransport:
        """
        Make a transport.  Those that one test makes reach each other.
        """
        raise NotImplementedError

    def deadAddress(self) -> Multiaddr:
        """
        Return an address that the transport dials, and where nobody listens.
        """
        raise NotImplementedError

    # Tools

    def node(self, **options: Any) -> Node:
        """
        Start a node, which is stopped after the test.
        """
        options.setdefault("transports", [self.makeTransport()])
        options.setdefault("limits", Limits.none())
        node = Node(self.reactor, **options)
        node.startService()
        self.addCleanup(node.stopService)
        return node

    async def listening(self) -> Node:
        """
        Start a node that listens.
        """
        node = self.node(listen=[self.listenAddress])
        await node.whenListening()
        return node

    def addresses(self, node: Node) -> list[Multiaddr]:
        """
        Return the addresses of the transport at which a node is reached.  The node may
        listen with others too.
        """
        transport = self.makeTransport()
        return [
            each for each in node.addresses if transport.canDial(each.withoutPeer())
        ]

    async def connected(self) -> tuple[Node, Node, IConnection, IConnection]:
        """
        Connect two nodes.

        @return: the dialer, the listener, and their ends of the connection.
        """
        listener = await self.listening()
        dialer = self.node()
        address = self.addresses(listener)[0]
        near = await dialer.connect(address)
        await dialer.identify(address)
        (far,) = listener.connections.to(dialer.peerID)
        return dialer, listener, near, far

    async def stream(self) -> tuple[Application, Application]:
        """
        Connect two nodes, and open a stream.

        @return: the applications at both ends.
        """
        _, listener, near, _ = await self.connected()
        served = Applications()
        listener.registry.register(PROTOCOL_ID, served)
        waiting = served.next
        ours: Any = await near.openStream(PROTOCOL_ID, Applications())
        return ours, await waiting

    def assertEnded(self, node: Node) -> None:
        """
        Assert that a node has no connection, and counts none.
        """
        self.assertEqual(len(node.connections), 0)
        self.assertEqual(node.connections.limiter.system.used.connections, 0)

    def assertNothingLeft(self, node: Node) -> None:
        """
        Assert that a stopped node has nothing.
        """
        self.assertEnded(node)
        self.assertEqual(len(node._upgrader.upgrades), 0)
