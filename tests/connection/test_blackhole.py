# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connection.blackhole}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.blackhole import LEAST, PROBE, WINDOW, BlackHoles

QUIC4 = Multiaddr("/ip4/8.8.8.8/udp/1/quic-v1")
QUIC6 = Multiaddr("/ip6/2001:4860::8/udp/1/quic-v1")
TCP4 = Multiaddr("/ip4/8.8.8.8/tcp/1")
TCP6 = Multiaddr("/ip6/2001:4860::8/tcp/1")
LAN = Multiaddr("/ip4/192.168.1.2/udp/1/quic-v1")


class BlackHoleTests(SynchronousTestCase):
    """
    Dials that lead nowhere are counted.
    """

    def setUp(self) -> None:
        """
        Begin with nothing.
        """
        self.holes = BlackHoles()

    def fail(self, address: Multiaddr, count: int) -> None:  # type: ignore[override]
        """
        Count failures.
        """
        for _ in range(count):
            self.holes.ended(address, False)

    def test_udp(self) -> None:
        """
        If nearly all dials of UDP fail, they are useless; others are not.
        """
        self.fail(QUIC4, WINDOW - 1)
        self.assertFalse(self.holes.useless(QUIC4))
        self.fail(QUIC4, 1)
        self.assertTrue(self.holes.useless(QUIC4))
        self.assertTrue(self.holes.useless(QUIC6))
        for each in (TCP4, TCP6, LAN):
            self.assertFalse(self.holes.useless(each))

    def test_ipv6(self) -> None:
        """
        The same holds for IPv6.
        """
        self.fail(TCP6, WINDOW)
        self.assertTrue(self.holes.useless(TCP6))
        self.assertTrue(self.holes.useless(QUIC6))
        self.assertFalse(self.holes.useless(QUIC4))

    def test_least(self) -> None:
        """
        A few successes are enough.
        """
        for _ in range(LEAST):
            self.holes.ended(QUIC4, True)
        self.fail(QUIC4, WINDOW - LEAST)
        self.assertFalse(self.holes.useless(QUIC4))
        self.fail(QUIC4, 1)
        self.assertTrue(self.holes.useless(QUIC4))

    def test_private(self) -> None:
        """
        Addresses that are not public say nothing, and those of relays neither.
        """
        self.fail(LAN, WINDOW)
        relayed = Multiaddr(f"{QUIC4}/p2p-circuit")
        self.fail(relayed, WINDOW)
        self.assertFalse(self.holes.useless(QUIC4))

    def test_probe(self) -> None:
        """
        One dial in a hundred finds out whether the hole has gone.
        """
        self.fail(QUIC4, WINDOW)
        answers = [self.holes.useless(QUIC4) for _ in range(PROBE)]
        self.assertEqual(answers.count(False), 1)
        self.holes.ended(QUIC4, True)
        self.assertFalse(self.holes.useless(QUIC4))
