# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of leaving alone what has failed.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.traced import traced
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.backoff import AddressBackoff
from twisted_libp2p.identity import Identity

ADDRESS = Multiaddr("/memory/1")


class AddressBackoffTests(SynchronousTestCase):
    """
    Each address of each peer has its own back-off.
    """

    def setUp(self) -> None:
        """
        Know of no failure.
        """
        self.clock = Clock()
        self.backoff = AddressBackoff(self.clock.seconds)

    def test_numbers(self) -> None:
        """
        The waits are go-libp2p's: 5 seconds, and one for the square of the
        failures before, up to 5 minutes.
        """
        waits = []
        for _ in range(20):
            self.backoff.failed(None, ADDRESS)
            waits.append(self.backoff.remaining(None, ADDRESS))
            self.clock.advance(waits[-1])
            self.assertEqual(self.backoff.remaining(None, ADDRESS), 0)
        self.assertEqual(waits[:5], [5, 6, 9, 14, 21])
        self.assertEqual(waits[-1], 300)

    def test_success(self) -> None:
        """
        A success clears it all.
        """
        self.backoff.failed(None, ADDRESS)
        self.backoff.failed(None, ADDRESS)
        self.backoff.succeeded(None, ADDRESS)
        self.assertEqual(self.backoff.remaining(None, ADDRESS), 0)
        self.backoff.failed(None, ADDRESS)
        self.assertEqual(self.backoff.remaining(None, ADDRESS), 5)

    def test_apart(self) -> None:
        """
        Neither other addresses nor other peers have to wait.
        """
        one, other = Identity.generate().peerID, Identity.generate().peerID
        self.backoff.failed(one, ADDRESS)
        self.assertEqual(self.backoff.remaining(one, ADDRESS), 5)
        self.assertEqual(self.backoff.remaining(other, ADDRESS), 0)
        self.assertEqual(self.backoff.remaining(None, ADDRESS), 0)
        self.assertEqual(self.backoff.remaining(one, Multiaddr("/memory/2")), 0)

    def test_longAgo(self) -> None:
        """
        Failures of long ago do not count.
        """
        for _ in range(4):
            self.backoff.failed(None, ADDRESS)
        self.clock.advance(14 + 301)
        self.backoff.failed(None, ADDRESS)
        self.assertEqual(self.backoff.remaining(None, ADDRESS), 5)

    def test_bounded(self) -> None:
        """
        The oldest failures are forgotten where there are too many.
        """
        backoff = AddressBackoff(self.clock.seconds, remembered=3)
        addresses = [Multiaddr(f"/memory/{number}") for number in range(5)]
        for address in addresses:
            backoff.failed(None, address)
        self.assertEqual(
            [backoff.remaining(None, address) for address in addresses],
            [0, 0, 5, 5, 5],
        )

    def test_memory(self) -> None:
        """
        Long addresses take no more memory than short ones.
        """
        backoff = AddressBackoff(self.clock.seconds)
        addresses = [Multiaddr(f"/dns/{n}{'a' * 1000}/tcp/1") for n in range(500)]
        self.clock.advance(1.0)
        with traced() as held:
            while addresses:
                copy = bytes(bytearray(addresses.pop().toBytes()))
                backoff.failed(None, Multiaddr.fromBytes(copy))
            self.assertLess(held(), 500 * 400)

    def test_clockSetBack(self) -> None:
        """
        A clock that is set back by hours keeps nobody waiting for these.
        """
        times = [10_000.0]
        backoff = AddressBackoff(lambda: times[0])
        backoff.failed(None, ADDRESS)
        times[0] = 0.0
        self.assertEqual(backoff.remaining(None, ADDRESS), 0)
