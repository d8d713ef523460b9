# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the verdicts in words.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import (
    AddressSource,
    Confidence,
    Reachability,
    Verdict,
)
from twisted_libp2p.reachability.observed import Mapping
from twisted_libp2p.reachability.report import AddressReport, Report
from twisted_libp2p.reachability.tracker import Evidence, Vote

OUTER = Multiaddr("/ip4/45.46.1.1/tcp/4001")


class ReportTests(SynchronousTestCase):
    """
    Tests for L{Report}.
    """

    def test_address(self) -> None:
        """
        Each address with its origin, its verdict, the votes, and the last question
        without a result.
        """
        report = AddressReport(
            OUTER,
            AddressSource.OBSERVED,
            Confidence.UNREACHABLE,
            Verdict.UNREACHABLE,
            90.0,
            True,
            1,
            (Vote(False, 90.0, "a", Evidence.AUTONAT_2),),
            "b: too many requests",
        )
        self.assertEqual(
            list(report.lines(100.0)),
            [
                f"unreachable before the network changed {OUTER}  (seen by peers, seen"
                " from 1 network, not given to peers)",
                "             not reached by a, AutoNAT v2, 10 s ago",
                "             last question without a result: b: too many requests",
            ],
        )

    def test_node(self) -> None:
        """
        The node in a few lines, for each verdict; a node without addresses does not
        listen.
        """
        for reachability in Reachability:
            for mapping in Mapping:
                report = Report(reachability, mapping, 2, 1, False, ())
                first, second, third, fourth = report.lines(0.0)
                self.assertTrue(first.startswith(f"{reachability.value}: "))
                self.assertTrue(second.startswith("2 connected peers in 1 network "))
                self.assertIn("router", third)
                self.assertIn("does not listen", fourth)
