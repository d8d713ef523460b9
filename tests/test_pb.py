# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pb}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.error import ConnectionClosed
from twisted.internet.protocol import Protocol
from twisted.spread.pb import PBServerFactory, Referenceable, RemoteReference, Root

from tests.protocols.connected import ConnectedTestCase
from twisted_libp2p.errors import InvalidInput, UnsupportedProtocol
from twisted_libp2p.identity import PeerID
from twisted_libp2p.pb import TIMEOUT, PeerRoot, PeerRootFactory, openRoot

PROTOCOL = "/bank/1.0.0"


class Teller(PeerRoot):
    """
    Counts what the caller has put in.
    """

    total = 0

    def remote_name(self) -> str:
        """
        Return the id of the caller.
        """
        return str(self.peer)

    def remote_put(self, amount: int, watcher: RemoteReference) -> int:
        """
        Count, and call the caller back.
        """
        self.total += amount
        watcher.callRemote("changed", self.total)
        return self.total


class Watcher(Referenceable):
    """
    Keeps the totals that it was called with.
    """

    def __init__(self) -> None:
        self.seen: list[int] = []

    def remote_changed(self, total: int) -> None:
        """
        Keep a total.
        """
        self.seen.append(total)


class Silent(Protocol):
    """
    A server that says nothing.
    """


class PeerRootTests(ConnectedTestCase):
    """
    A root object for each peer, and the client's way to it.
    """

    def root(self) -> RemoteReference:
        """
        Return the root object of the server.
        """
        root: RemoteReference = self.nodes.result(
            openRoot(self.client, self.server.peerID, PROTOCOL)
        )
        return root

    def test_calls(self) -> None:
        """
        The methods know the caller, and call it back.
        """
        self.server.serve(PROTOCOL, PeerRootFactory(Teller))
        root, watcher = self.root(), Watcher()
        name = self.nodes.result(root.callRemote("name"))
        self.assertEqual(name, str(self.client.peerID))
        self.assertEqual(self.nodes.result(root.callRemote("put", 3, watcher)), 3)
        self.assertEqual(self.nodes.result(root.callRemote("put", 4, watcher)), 7)
        self.nodes.settle()
        self.assertEqual(watcher.seen, [3, 7])

    def test_streams(self) -> None:
        """
        Each stream has a root object of its own, which a function may build.
        """
        made: list[PeerID] = []

        def build(peer: PeerID) -> Root:
            made.append(peer)
            return Teller(peer)

        self.server.serve(PROTOCOL, PeerRootFactory(build))
        first, second = self.root(), self.root()
        self.assertEqual(made, [self.client.peerID] * 2)
        self.nodes.result(first.callRemote("put", 3, Watcher()))
        total = self.nodes.result(second.callRemote("put", 1, Watcher()))
        self.assertEqual(total, 1)

    def test_usualServer(self) -> None:
        """
        The client calls any server of Perspective Broker.
        """

        class Hello(Root):
            def remote_hello(self) -> str:
                return "hello"

        self.server.serve(PROTOCOL, PBServerFactory(Hello()))
        answer = self.nodes.result(self.root().callRemote("hello"))
        self.assertEqual(answer, "hello")

    def test_refused(self) -> None:
        """
        A protocol that the peer does not serve is the error of the stream.
        """
        self.assertRaises(UnsupportedProtocol, self.root)

    def test_closed(self) -> None:
        """
        A server that closes the stream at once leaves nobody waiting.
        """

        class Closing(Protocol):
            transport: Any

            def connectionMade(self) -> None:
                self.transport.loseConnection()

        self.server.serve(PROTOCOL, Closing)
        self.assertRaises(ConnectionClosed, self.root)

    def test_silent(self) -> None:
        """
        A server that says nothing is given up, and its stream is reset.
        """
        self.server.serve(PROTOCOL, Silent)
        opening = Deferred.fromCoroutine(
            openRoot(self.client, self.server.peerID, PROTOCOL)
        )
        self.nodes.settle()
        self.assertNoResult(opening)
        self.nodes.advance(TIMEOUT)
        self.failureResultOf(opening, TimeoutError)
        self.assertEqual([each.protocolID for each in self.connection.streams], [])

    def test_cancelled(self) -> None:
        """
        A caller that gives up resets the stream.
        """
        self.server.serve(PROTOCOL, Silent)
        opening = Deferred.fromCoroutine(
            openRoot(self.client, self.server.peerID, PROTOCOL)
        )
        self.nodes.settle()
        opening.cancel()
        self.nodes.settle()
        self.failureResultOf(opening, CancelledError)
        self.assertEqual([each.protocolID for each in self.connection.streams], [])

    def test_otherTransport(self) -> None:
        """
        A factory that is reached without libp2p says so, since nobody is known there.
        """
        error = self.assertRaises(
            InvalidInput,
            PeerRootFactory(Teller).buildProtocol,
            IPv4Address("TCP", "192.0.2.1", 1),
        )
        self.assertIn("not the address of a libp2p peer", str(error))
