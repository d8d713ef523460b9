# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the verdicts on addresses.
"""

from __future__ import annotations

from itertools import permutations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.interfaces import Reachability, Verdict
from twisted_libp2p.reachability.tracker import (
    LIFETIME,
    MAX_ENDS,
    MAX_VOTES,
    REFRESH,
    RETRY,
    Evidence,
    Tracker,
    Vote,
)

END = Multiaddr("/ip4/45.46.1.1/tcp/4001")
OTHER = Multiaddr("/ip4/45.46.1.1/udp/4001")
SOCKET = Multiaddr("/ip4/45.46.1.1/tcp/4001/ws")


class TrackerTests(SynchronousTestCase):
    """
    Tests for L{Tracker}.
    """

    def setUp(self) -> None:
        """
        Track an address, where there are servers in five networks.
        """
        self.tracker = Tracker()
        self.tracker.networks = 5
        self.tracker.track([END])

    def vote(
        self,
        network: int,
        reached: bool,
        time: float = 0.0,
        evidence: Evidence = Evidence.AUTONAT_2,
    ) -> bool:
        """
        Let a network vote.
        """
        return self.tracker.vote(END, network, Vote(reached, time, "peer", evidence))

    @property
    def verdict(self) -> Verdict:
        """
        The verdict.
        """
        return self.tracker.verdict(END)

    def test_majority(self) -> None:
        """
        Two votes decide, if there are servers in two networks.
        """
        for reached, expected in (
            (True, Verdict.REACHABLE),
            (False, Verdict.UNREACHABLE),
        ):
            self.setUp()
            self.assertFalse(self.vote(1, reached))
            self.assertIs(self.verdict, Verdict.UNKNOWN)
            self.assertTrue(self.vote(2, reached))
            self.assertIs(self.verdict, expected)

    def test_oneServer(self) -> None:
        """
        A single server has to be believed.
        """
        self.tracker.networks = 1
        self.assertTrue(self.vote(1, True))
        self.assertIs(self.verdict, Verdict.REACHABLE)

    def test_oneNetwork(self) -> None:
        """
        A crowd in one network has one vote.
        """
        for _ in range(100):
            self.vote(1, False)
        self.assertIs(self.verdict, Verdict.UNKNOWN)

    def test_inbound(self) -> None:
        """
        A peer that says where it has dialed us might lie: one alone is not believed.
        """
        self.tracker.networks = 0
        self.vote(1, True, evidence=Evidence.INBOUND)
        self.assertIs(self.verdict, Verdict.UNKNOWN)
        self.vote(2, True, evidence=Evidence.INBOUND)
        self.assertIs(self.verdict, Verdict.REACHABLE)

    def test_liars(self) -> None:
        """
        Two liars of five do not prevail, whatever the order of the votes.
        """
        for liars in permutations(range(5), 2):
            for truth, expected in (
                (True, Verdict.REACHABLE),
                (False, Verdict.UNREACHABLE),
            ):
                self.setUp()
                for network in range(5):
                    self.vote(network, truth is not (network in liars))
                self.assertIs(self.verdict, expected, liars)

    def test_tie(self) -> None:
        """
        Without a majority the verdict stays.
        """
        self.vote(1, True)
        self.vote(2, True)
        self.vote(3, False)
        self.assertFalse(self.vote(4, False))
        self.assertIs(self.verdict, Verdict.REACHABLE)

    def test_changed(self) -> None:
        """
        A network that changes its mind has one vote still.
        """
        for reached, expected in (
            (True, Verdict.REACHABLE),
            (False, Verdict.UNREACHABLE),
        ):
            for network in range(3):
                self.vote(network, reached)
            self.assertIs(self.verdict, expected)
        self.assertEqual(len(self.tracker.ends[END].votes), 3)

    def test_bounded(self) -> None:
        """
        The last votes count, of five networks.
        """
        for network in range(100):
            self.vote(network, True)
        self.assertEqual(list(self.tracker.ends[END].votes), [95, 96, 97, 98, 99])
        self.assertEqual(MAX_VOTES, 5)

    def test_wanted(self) -> None:
        """
        Three votes are wanted, five after a contradiction, and new ones when they are
        old.
        """
        self.assertEqual(self.tracker.wanted(END, 0.0), set())
        self.vote(1, True)
        self.vote(2, True)
        self.assertEqual(self.tracker.wanted(END, 1.0), {1, 2})
        self.vote(3, True)
        self.assertIsNone(self.tracker.wanted(END, 1.0))
        self.vote(3, False)
        self.assertEqual(self.tracker.wanted(END, 1.0), {1, 2, 3})
        self.vote(3, True, 10.0)
        self.assertEqual(self.tracker.nextDue(10.0), REFRESH - 10.0)
        self.assertEqual(self.tracker.wanted(END, REFRESH), {3})

    def test_retry(self) -> None:
        """
        An address that is not reached is tried again sooner: a port may be forwarded.
        """
        for network in range(3):
            self.vote(network, False)
        self.assertIsNone(self.tracker.wanted(END, RETRY - 1))
        self.assertEqual(self.tracker.wanted(END, RETRY), set())

    def test_expire(self) -> None:
        """
        Old votes are dropped; the verdict stays.
        """
        self.assertIsNone(self.tracker.nextDue(0.0))
        self.vote(1, True)
        self.vote(2, True)
        self.tracker.expire(LIFETIME)
        self.assertEqual(self.tracker.ends[END].votes, {})
        self.assertIs(self.verdict, Verdict.REACHABLE)

    def test_doubt(self) -> None:
        """
        After a change of the network the verdict stays, stale, until there are votes.
        """
        self.vote(1, True)
        self.vote(2, True)
        self.tracker.doubt()
        end = self.tracker.ends[END]
        self.assertTrue(end.stale)
        self.assertIs(self.verdict, Verdict.REACHABLE)
        self.assertEqual(self.tracker.wanted(END, 0.0), set())
        self.vote(1, False, 5.0)
        self.vote(2, False, 6.0)
        self.assertIs(self.verdict, Verdict.UNREACHABLE)
        self.assertEqual((end.stale, end.since), (False, 6.0))

    def test_shared(self) -> None:
        """
        Addresses of one socket share the verdict; the simplest one is probed.
        """
        self.assertFalse(self.tracker.track([SOCKET, END]))
        self.assertEqual(self.tracker.ends[END].addresses, (END, SOCKET))
        self.vote(1, True)
        self.vote(2, True)
        self.assertIs(self.tracker.verdict(SOCKET), Verdict.REACHABLE)
        self.assertIs(self.tracker.verdict(OTHER), Verdict.UNKNOWN)

    def test_track(self) -> None:
        """
        Verdicts go with the address; votes on unknown addresses are ignored; there is a
        bound.
        """
        self.vote(1, True)
        self.vote(2, True)
        self.assertTrue(self.tracker.track([OTHER]))
        self.assertIs(self.verdict, Verdict.UNKNOWN)
        self.assertFalse(self.vote(3, True))
        many = [Multiaddr(f"/ip4/45.46.1.1/tcp/{each}") for each in range(1, 200)]
        self.tracker.track([*many, Multiaddr("/dns4/example.org/tcp/1")])
        self.assertEqual(len(self.tracker.ends), MAX_ENDS)

    def test_reachability(self) -> None:
        """
        One reachable address makes a node public; if all are unreachable, or the router
        is symmetric, it is private.
        """
        state = self.tracker.reachability
        self.tracker.track([END, OTHER])
        self.assertIs(state(False), Reachability.UNKNOWN)
        self.assertIs(state(True), Reachability.PRIVATE)
        for network in (1, 2):
            self.vote(network, False)
        self.assertIs(state(False), Reachability.UNKNOWN)
        for network in (1, 2):
            vote = Vote(False, 0.0, "peer", Evidence.AUTONAT_2)
            self.tracker.vote(OTHER, network, vote)
        self.assertIs(state(False), Reachability.PRIVATE)
        for network in (1, 2):
            self.vote(network, True)
        self.assertIs(state(True), Reachability.PUBLIC)
        self.tracker.track([])
        self.assertIs(state(False), Reachability.UNKNOWN)
