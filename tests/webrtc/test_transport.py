# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of transports, over WebRTC-direct on real sockets.
"""

from __future__ import annotations

from typing import Any
from unittest import skipUnless

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.trial.unittest import TestCase

from tests.quic.test_transport import unusedPort
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DialFailed
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AnyTransport
from twisted_libp2p.node import Node
from twisted_libp2p.testing.transport import TransportConformance
from twisted_libp2p.webrtc.native import installed
from twisted_libp2p.webrtc.transport import RtcTransport
from twisted_libp2p.wire import multibase


@skipUnless(installed(), "twisted-libp2p-native is not installed")
class RtcTests(TransportConformance, TestCase):
    """
    WebRTC-direct over IPv4.
    """

    reactor = reactor
    listenAddress = "/ip4/127.0.0.1/udp/0/webrtc-direct"
    wildcardAddress = "/ip4/0.0.0.0/udp/0/webrtc-direct"
    localAddress = "/ip4/127.0.0.3/udp/0/webrtc-direct"
    foreignAddress = "/ip4/192.0.2.1/tcp/1"
    foreignHost = IPv4Address("TCP", "192.0.2.1", 1)

    def makeTransport(self, identity: Identity | None = None) -> AnyTransport:
        """
        Make a transport of an identity.
        """
        return RtcTransport(reactor, identity or Identity.generate())

    def node(self, **options: Any) -> Node:
        """
        Start a node whose transport has its identity.
        """
        identity = options.setdefault("identity", Identity.generate())
        options.setdefault("transports", [self.makeTransport(identity)])
        return super().node(**options)

    def deadAddress(self) -> Multiaddr:
        """
        Return an address where nobody listens.
        """
        name = multibase.encode("u", b"\x12\x20" + bytes(32))
        port = unusedPort()
        return Multiaddr(f"/ip4/127.0.0.1/udp/{port}/webrtc-direct/certhash/{name}")

    async def test_addresses(self) -> None:
        """
        Both sides agree on the addresses of a connection, which have no hash of a
        certificate.
        """
        _, listener, near, far = await self.connected()
        (address,) = self.addresses(listener)
        named = str(near.remoteAddress)
        self.assertEqual(named, str(address).partition("/certhash/")[0])
        self.assertEqual(far.localAddress, near.remoteAddress)

    async def test_otherCertificate(self) -> None:
        """
        A listener whose certificate is not the one of the address is refused.
        """
        listener = self.node(listen=[self.listenAddress])
        await listener.whenListening()
        other = self.node(listen=[self.listenAddress])
        await other.whenListening()
        (right,), (wrong,) = listener.addresses, other.addresses
        named = str(right).partition("/certhash/")[0]
        hash = str(wrong).partition("/certhash/")[2].partition("/")[0]
        dialer = self.node()
        address = Multiaddr(f"{named}/certhash/{hash}/p2p/{listener.peerID}")
        with self.assertRaisesRegex(DialFailed, "not the one that the address names"):
            await dialer.connect(address)
