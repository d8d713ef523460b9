# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.halfopen}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.quic.halfopen import (
    MAX_HALF_OPEN,
    MAX_OF_NETWORK,
    RETRY_MARK,
    Answer,
    HalfOpen,
    networkOf,
)


class HalfOpenTests(SynchronousTestCase):
    """
    Handshakes under way are counted.
    """

    def test_networks(self) -> None:
        """
        A /24 is a network, and so is a /56.
        """
        self.assertEqual(networkOf("192.0.2.1"), networkOf("192.0.2.254"))
        self.assertNotEqual(networkOf("192.0.2.1"), networkOf("192.0.3.1"))
        self.assertEqual(networkOf("2001:db8::1"), networkOf("2001:db8:0:ff::1"))
        self.assertNotEqual(networkOf("2001:db8::1"), networkOf("2001:db8:0:100::1"))
        self.assertEqual(networkOf("fe80::1%eth0"), networkOf("fe80::2"))

    def test_marks(self) -> None:
        """
        Above the first mark peers are retried, above the last they are refused.
        """
        halfOpen = HalfOpen()
        for number in range(RETRY_MARK):
            host = f"10.0.{number}.1"
            self.assertIs(halfOpen.answer(host, False, True), Answer.ACCEPT)
            halfOpen.began(host)
        self.assertIs(halfOpen.answer("10.1.0.1", False, True), Answer.RETRY)
        self.assertIs(halfOpen.answer("10.1.0.1", False, False), Answer.IGNORE)
        for number in range(RETRY_MARK, MAX_HALF_OPEN):
            host = f"10.{number // 256}.{number % 256}.1"
            self.assertIs(halfOpen.answer(host, True, False), Answer.ACCEPT)
            halfOpen.began(host)
        self.assertIs(halfOpen.answer("10.9.0.1", True, False), Answer.REFUSE)
        halfOpen.ended("10.0.0.1")
        self.assertIs(halfOpen.answer("10.9.0.1", True, False), Answer.ACCEPT)

    def test_network(self) -> None:
        """
        One network cannot use up all of them.
        """
        halfOpen = HalfOpen()
        for number in range(MAX_OF_NETWORK):
            halfOpen.began(f"192.0.2.{number}")
        self.assertIs(halfOpen.answer("192.0.2.200", True, False), Answer.REFUSE)
        self.assertIs(halfOpen.answer("192.0.3.1", True, False), Answer.ACCEPT)
        for number in range(MAX_OF_NETWORK):
            halfOpen.ended(f"192.0.2.{number}")
        self.assertEqual((halfOpen.total, halfOpen._networks), (0, {}))
