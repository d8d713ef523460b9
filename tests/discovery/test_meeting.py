# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.meeting} and L{twisted_libp2p.discovery.seeking}.
"""

from __future__ import annotations

from zope.interface.verify import verifyObject

from tests.discovery.case import DialingHost, HostTestCase
from twisted_libp2p.discovery.events import PeerDiscovered, PeerExpired
from twisted_libp2p.discovery.meeting import (
    COURTESY,
    DIAL_TIMEOUT,
    MAX_CANDIDATES,
    DialFound,
)
from twisted_libp2p.errors import NoAddresses
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import IHostService


class DialFoundTests(HostTestCase):
    """
    Found peers are dialed.
    """

    def setUp(self) -> None:
        super().setUp()
        # Nobody is polite to a node with the smallest id.
        ordered = sorted(self.identities, key=lambda each: each.peerID.toBytes())
        self.host = DialingHost(self.clock, ordered[0])
        self.peers = ordered[1:]

    def found(self, *peers: PeerID) -> None:
        """
        Find peers.
        """
        for each in peers:
            self.host.events.publish(
                PeerDiscovered(time=0.0, peer=each, addresses=(), source="test")
            )
        self.clock.advance(0)

    def test_contract(self) -> None:
        """
        It is a service.
        """
        verifyObject(IHostService, DialFound(1))

    def test_enough(self) -> None:
        """
        Peers are dialed until there are enough connections, and again when one is lost.
        """
        self.start(DialFound(2, random=lambda: 0.0))
        self.host.meet()
        ids = [each.peerID for each in self.peers[:3]]
        self.found(*ids)
        self.assertEqual(self.host.targets, ids[:1])
        ((_, options, _),) = self.host.dials
        self.assertEqual((options.routed, options.timeout), (False, DIAL_TIMEOUT))
        connection = self.host.succeed(self.peers[0])
        self.clock.advance(100)
        self.assertEqual(self.host.targets, [])
        self.host.lose(connection)
        self.assertEqual(self.host.targets, ids[1:2])

    def test_few(self) -> None:
        """
        Only a few are dialed at once.
        """
        self.start(DialFound(100))
        self.found(*(each.peerID for each in self.peers))
        self.assertEqual(len(self.host.dials), 4)

    def test_next(self) -> None:
        """
        When a dial ends, the next peer is dialed at once, even if another one has to
        wait for its next attempt.
        """
        self.start(DialFound(100, random=lambda: 0.5))
        self.found(self.peers[0].peerID)
        self.host.fail(NoAddresses("gone"))
        self.clock.advance(0)
        self.found(*(each.peerID for each in self.peers[1:6]))
        self.assertEqual(len(self.host.dials), 4)
        self.host.fail(NoAddresses("gone"))
        self.clock.advance(0)
        self.assertEqual(len(self.host.dials), 4)

    def test_courtesy(self) -> None:
        """
        The peer with the greater id waits, so that not both dial at once.
        """
        self.host = DialingHost(self.clock, self.peers[-1])
        self.start(DialFound(2))
        self.found(self.peers[0].peerID)
        self.assertEqual(self.host.targets, [])
        self.clock.advance(COURTESY)
        self.assertEqual(self.host.targets, [self.peers[0].peerID])

    def test_met(self) -> None:
        """
        A peer that has dialed us in the meantime is not dialed.
        """
        self.start(DialFound(2))
        self.host.meet(self.peers[0])
        self.found(self.peers[0].peerID)
        self.clock.advance(100)
        self.assertEqual(self.host.targets, [])

    def test_failed(self) -> None:
        """
        A peer that cannot be reached is tried later, and forgotten after eight times.
        """
        self.start(DialFound(2, random=lambda: 0.0))
        self.found(self.peers[0].peerID)
        for _ in range(8):
            self.assertEqual(len(self.host.dials), 1)
            self.host.fail(NoAddresses("gone"))
            self.clock.pump([1.0] * 700)
        self.assertEqual(self.host.targets, [])

    def test_expired(self) -> None:
        """
        A peer that is no longer there is not dialed.
        """
        self.start(DialFound(2, random=lambda: 0.0))
        peer = self.peers[0].peerID
        self.found(peer)
        self.host.fail(NoAddresses("gone"))
        self.host.events.publish(PeerExpired(time=0.0, peer=peer, source="test"))
        self.clock.advance(100)
        self.assertEqual(self.host.targets, [])

    def test_bound(self) -> None:
        """
        The number of found peers is bounded.
        """
        self.host.meet()
        service = self.start(DialFound(1))
        digits = Identity.generate().peerID.toBytes()[:-2]
        many = [
            PeerID(digits + number.to_bytes(2, "big"))
            for number in range(MAX_CANDIDATES + 10)
        ]
        self.found(*many)
        self.assertEqual(self.host.targets, [])
        self.assertEqual(len(service._candidates), MAX_CANDIDATES)
