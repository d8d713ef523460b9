# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connection.dialrecord}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError, TimeoutError
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.dialrecord import BOUNDS, DialRecord, Distribution
from twisted_libp2p.errors import NoAddresses, UpgradeTimeout

TCP = Multiaddr("/ip4/192.0.2.1/tcp/1")


class RecordTests(SynchronousTestCase):
    """
    The record of dials.
    """

    def test_faults(self) -> None:
        """
        Causes have the names that go-libp2p gives them.
        """
        for error, beaten, fault in (
            (UpgradeTimeout("the dial", 1.0), False, "deadline"),
            (ConnectionRefusedError(), False, "connection refused"),
            (TimeoutError(), False, "timeout"),
            (NoAddresses("none"), False, "other"),
            (CancelledError(), True, "canceled: concurrent dial successful"),
            (CancelledError(), False, "application canceled"),
        ):
            record = DialRecord()
            record.failed("tcp", TCP, error, beaten)
            self.assertEqual(record.faults, {("tcp", fault, "ip4"): 1})

    def test_many(self) -> None:
        """
        Dials of very many addresses are counted together.
        """
        record = DialRecord()
        for attempts in (5, 6, 7):
            record.ended(False, attempts, 1.0)
        self.assertEqual(
            {key: sum(each.counts) for key, each in record.times.items()},
            {(False, 5): 1, (False, 6): 2},
        )

    def test_distribution(self) -> None:
        """
        A duration belongs to the first bound that it does not exceed.
        """
        times = Distribution()
        for seconds in (0.0, 0.001, 0.002, 2.0, 60.0):
            times.add(seconds)
        expected = [2, 1, *[0] * (len(BOUNDS) - 3), 1, 1]
        self.assertEqual(times.counts, expected)
