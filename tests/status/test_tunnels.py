# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.status.tunnels}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity
from twisted_libp2p.node import Node
from twisted_libp2p.protocols.forward import Traffic
from twisted_libp2p.protocols.throttle import Throttle
from twisted_libp2p.status.observer import Observer
from twisted_libp2p.tunnel.served import ServedPort
from twisted_libp2p.tunnel.tunnel import Tunnel


class TunnelTests(SynchronousTestCase):
    """
    The tunnels of a node.
    """

    def test_lines(self) -> None:
        """
        Each tunnel is a line, with its counts, its limit and its latest error; a node
        without one has none.
        """
        reactor: Any = MemoryReactorClock()
        node = Node(reactor)
        observer = Observer(node)
        self.assertEqual(observer.snapshot()["tunnels"], [])
        endpoint: Any = None
        served = ServedPort("/a", endpoint, "tcp:localhost:80")
        node.add(served)
        listed = ServedPort("/b", endpoint, "tcp:localhost:22", allow=lambda _: True)
        node.add(listed)
        peer = Identity.generate().peerID
        limit = Throttle(reactor, 5000)
        node.add(Tunnel(reactor, "tcp:1", peer, "/c", traffic=Traffic(limit)))
        listed.traffic.received, listed.traffic.error = 7, "no \x1b[2J"
        self.assertEqual(
            observer.snapshot()["tunnels"],
            [
                "/a is tcp:localhost:80, for every peer: 0 open of 0, 0 bytes in,"
                " 0 out",
                "/b is tcp:localhost:22, for listed peers: 0 open of 0, 7 bytes in,"
                " 0 out; no \ufffd[2J",
                f"tcp:1 is /c of {peer}, away: 0 open of 0, 0 bytes in, 0 out,"
                " up to 5000 a second",
            ],
        )
