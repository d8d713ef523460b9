# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tunnel.opening}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.testing import HostDouble
from twisted_libp2p.tunnel.opening import DIRECT_TIME, PeerEndpoint

SSH = "/ssh/1.0.0"


class WaitingHost(HostDouble):
    """
    A node whose direct connections come when the test says so.

    @ivar waits: the waits for direct connections, and their seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[tuple[Deferred[IConnection | None], float]] = []

    def whenDirect(self, peer: PeerID, seconds: float) -> Deferred[IConnection | None]:
        """
        Record the wait.
        """
        waiting: Deferred[IConnection | None] = Deferred()
        self.waits.append((waiting, seconds))
        return waiting


class PeerEndpointTests(SynchronousTestCase):
    """
    A peer that is connected through a relay.
    """

    def setUp(self) -> None:
        """
        Connect it.
        """
        self.host = WaitingHost()
        self.peer = Identity.generate()
        self.relayed = self.host.meet(self.peer, serves=[SSH])
        self.relayed.limited = True
        self.endpoint = PeerEndpoint(self.host, self.peer.peerID, SSH)

    def open(self) -> Deferred[Any]:
        """
        Open a stream.
        """
        return self.endpoint.connect(Factory.forProtocol(Protocol))

    def test_direct(self) -> None:
        """
        The stream waits, and uses the direct connection.
        """
        opening = self.open()
        self.assertNoResult(opening)
        ((waiting, seconds),) = self.host.waits
        self.assertEqual(seconds, DIRECT_TIME)
        direct = self.host.meet(self.peer, serves=[SSH])
        waiting.callback(direct)
        self.successResultOf(opening)
        self.assertEqual((len(direct.opened), len(self.relayed.opened)), (1, 0))

    def test_unlimited(self) -> None:
        """
        So it does if the relay has no limits: it is not the peer's own line.
        """
        relay = f"/ip4/45.45.0.1/tcp/1/p2p/{self.peer.peerID}/p2p-circuit"
        other = Identity.generate()
        relayed = self.host.meet(other, relay, serves=[SSH])
        self.assertFalse(relayed.limited)
        endpoint = PeerEndpoint(self.host, other.peerID, SSH)
        opening = endpoint.connect(Factory.forProtocol(Protocol))
        self.assertNoResult(opening)
        ((waiting, _),) = self.host.waits
        waiting.callback(None)
        self.successResultOf(opening)
        self.assertEqual(len(relayed.opened), 1)

    def test_alone(self) -> None:
        """
        Without a direct connection the relayed one is used, by later streams at once.
        """
        opening = self.open()
        ((waiting, _),) = self.host.waits
        waiting.callback(None)
        self.successResultOf(opening)
        self.successResultOf(self.open())
        self.assertEqual((len(self.host.waits), len(self.relayed.opened)), (1, 2))
