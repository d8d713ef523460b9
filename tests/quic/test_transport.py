# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of transports, over QUIC on real sockets.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DialFailed, UnsupportedAddress
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AnyTransport, DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.quic.transport import QuicTransport
from twisted_libp2p.testing.transport import TransportConformance


def _unusedPort() -> int:
    """
    Return a UDP port of loopback on which nobody listens.
    """
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class QuicTests(TransportConformance, TestCase):
    """
    QUIC over IPv4.
    """

    reactor = reactor
    listenAddress = "/ip4/127.0.0.1/udp/0/quic-v1"
    wildcardAddress = "/ip4/0.0.0.0/udp/0/quic-v1"
    localAddress = "/ip4/127.0.0.3/udp/0/quic-v1"
    foreignAddress = "/ip4/192.0.2.1/tcp/1"
    foreignHost = IPv4Address("TCP", "192.0.2.1", 1)
    backend = "aioquic"

    def makeTransport(self, identity: Identity | None = None) -> AnyTransport:
        """
        Make a transport of an identity.
        """
        return QuicTransport(
            reactor, identity or Identity.generate(), backend=self.backend
        )

    def node(self, **options: Any) -> Node:
        """
        Start a node whose transport has its identity.
        """
        identity = options.setdefault("identity", Identity.generate())
        options.setdefault("transports", [self.makeTransport(identity)])
        return super().node(**options)

    async def test_punch(self) -> None:
        """
        A packet without meaning is sent, and a dial made, from the port on which the
        node listens, or not at all.
        """
        made = []
        for listen in ([self.listenAddress], [self.listenAddress], []):
            identity = Identity.generate()
            transport = self.makeTransport(identity)
            assert isinstance(transport, QuicTransport)
            node = self.node(identity=identity, transports=[transport], listen=listen)
            await node.whenListening()
            made.append((node, transport))
        (near, transport), (far, other), (silent, deaf) = made
        ours, theirs = (each.addresses[0].withoutPeer() for each in (near, far))
        options = DialOptions(fromListener=True, fresh=True)
        sources: list[Multiaddr] = []
        seen: Deferred[None] = Deferred()

        def sighted(source: Multiaddr) -> None:
            sources.append(source)
            seen.callback(None)

        stop = other.awaitPunches(ours, sighted)
        transport.sendPunch(theirs)
        await seen
        stop()
        self.assertEqual(sources, [ours])
        connection = await near.connect(far.addresses[0], options)
        self.assertEqual(connection.localAddress, ours)
        self.assertRaises(UnsupportedAddress, deaf.sendPunch, theirs)
        self.assertRaises(UnsupportedAddress, deaf.awaitPunches, theirs, sighted)
        error = await self.assertFailure(
            silent.connect(far.addresses[0], options), DialFailed
        )
        self.assertIn("no port to dial", str(error))

    def deadAddress(self) -> Multiaddr:
        """
        Return an address whose port is free.
        """
        return Multiaddr(f"/ip4/127.0.0.1/udp/{_unusedPort()}/quic-v1")
