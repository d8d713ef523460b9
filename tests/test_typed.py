# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the classes that programs name in annotations: they match the interfaces.
"""

from __future__ import annotations

import inspect
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.interface import InterfaceClass, Method

from tests.node.memory import NodeTestCase
from twisted_libp2p import PeerAddress
from twisted_libp2p.errors import ConfigurationError, InvalidInput
from twisted_libp2p.interfaces import (
    Connection,
    IConnection,
    IPeerStore,
    IStream,
    PeerStore,
    Stream,
)
from twisted_libp2p.protocols.echo import Echo


class TypedTests(SynchronousTestCase):
    """
    The classes and the interfaces have the same members.
    """

    def compare(self, typed: type[Any], interface: InterfaceClass) -> None:
        """
        Compare the names, and the parameters of methods.
        """
        methods = {
            name: value
            for name, value in vars(typed).items()
            if inspect.isfunction(value)
        }
        names = set(methods) | set(typed.__annotations__)
        self.assertEqual(names, set(interface.names(all=True)))
        for name, value in methods.items():
            described = interface[name]
            assert isinstance(described, Method)
            own = list(inspect.signature(value).parameters)[1:]
            wanted = [*described.positional, *((described.kwargs and ["kwargs"]) or [])]
            self.assertEqual(own[: len(wanted)], wanted, name)

    def test_members(self) -> None:
        """
        No member is missing, and none is made up.
        """
        self.compare(Stream, IStream)
        self.compare(Connection, IConnection)
        self.compare(PeerStore, IPeerStore)


class PeerAddressOfTests(NodeTestCase):
    """
    Who is asking, by one call.
    """

    def test_of(self) -> None:
        """
        A transport, its address and a request give the peer.
        """
        server, client = self.nodes.start(), self.nodes.start()
        server.serve("/a", Echo)
        opened: Any = self.nodes.result(
            client.openStream(server.addresses[0], "/a", Protocol)
        )

        class Request:
            def getClientAddress(self) -> Any:
                return opened.transport.getPeer()

        for end in (opened.transport, opened.transport.getPeer(), Request()):
            address = PeerAddress.of(end)
            self.assertEqual(address.peerID, server.peerID)
            self.assertEqual(address.protocolID, "/a")

    def test_other(self) -> None:
        """
        The other end of a TCP connection is an error that says so.
        """
        for end in (StringTransport(), None, "12D3KooW"):
            error = self.assertRaises(InvalidInput, PeerAddress.of, end)
            self.assertIn("not the address of a libp2p peer", str(error))

    def test_connectionBuilders(self) -> None:
        """
        A connection takes classes of protocols as a node does.
        """
        server, client = self.nodes.start(), self.nodes.start()
        server.serve("/a", Echo)
        near, _ = self.nodes.connect(client, server)
        opened: Any = self.nodes.result(near.openStream("/a", Protocol))
        self.assertEqual(opened.transport.protocolID, "/a")
        wrong: Any = Factory
        self.failureResultOf(near.openStream("/a", wrong), ConfigurationError)
