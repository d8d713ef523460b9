# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of transports, over QUIC on real sockets.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.trial.unittest import TestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AnyTransport
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

    def deadAddress(self) -> Multiaddr:
        """
        Return an address whose port is free.
        """
        return Multiaddr(f"/ip4/127.0.0.1/udp/{_unusedPort()}/quic-v1")
