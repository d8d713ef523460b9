# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.holepunch.record}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.holepunch.record import ANSWERING, ASKING, PunchRecord

TCP = Multiaddr("/ip4/192.0.2.1/tcp/1")
QUIC = Multiaddr("/ip4/192.0.2.1/udp/1/quic-v1")
QUIC6 = Multiaddr("/ip6/2001:db8::1/udp/1/quic-v1")


class RecordTests(SynchronousTestCase):
    """
    The record of attempts.
    """

    def setUp(self) -> None:
        """
        Begin without attempts.
        """
        self.record = PunchRecord()

    def test_success(self) -> None:
        """
        The address of the direct connection has succeeded; others were not needed, or
        there was no address of the peer for them.
        """
        self.record.ended(ASKING, 2, [TCP, QUIC, QUIC6], [TCP, QUIC], QUIC)
        self.assertEqual(self.record.outcomes, {("initiator", 2, "success"): 1})
        self.assertEqual(
            self.record.addresses,
            {
                ("initiator", 2, "ip4", "tcp", "cancelled"): 1,
                ("initiator", 2, "ip4", "quic-v1", "success"): 1,
                ("initiator", 2, "ip6", "quic-v1", "no_suitable_address"): 1,
            },
        )

    def test_failure(self) -> None:
        """
        An attempt fails, or has no pair of addresses.
        """
        self.record.ended(ANSWERING, 1, [TCP], [TCP], None)
        self.record.ended(ANSWERING, 1, [TCP], [QUIC], None)
        self.assertEqual(
            self.record.outcomes,
            {
                ("receiver", 1, "failed"): 1,
                ("receiver", 1, "no_suitable_address"): 1,
            },
        )

    def test_dials(self) -> None:
        """
        Dials of public addresses are counted by their outcome.
        """
        for success in (True, False, False):
            self.record.dialed(success)
        self.assertEqual(self.record.dials, {"success": 1, "failed": 2})
