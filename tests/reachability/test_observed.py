# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the addresses from which peers see us.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.reachability.observed import (
    MAX_OF_NETWORK,
    MAX_OUTER,
    MAX_REPORTS,
    Mapping,
    Observations,
    Outer,
)

INNER = Multiaddr("/ip4/10.0.0.2/tcp/4001")


def outer(port: int) -> Multiaddr:
    """
    Return an outer end.
    """
    return Multiaddr(f"/ip4/45.46.1.1/tcp/{port}")


class ObservationsTests(SynchronousTestCase):
    """
    Tests for L{Observations}.
    """

    def setUp(self) -> None:
        """
        Have no reports.
        """
        self.observed = Observations()
        self.count = 0

    def see(self, port: int, network: int, outbound: bool = True) -> int:
        """
        Take the report of a new connection.

        @return: the connection.
        """
        self.count += 1
        self.observed.add(self.count, INNER, outer(port), network, outbound)
        return self.count

    def test_networks(self) -> None:
        """
        An outer end counts once for each network, however many connections come from
        there; the one that most networks report comes first.
        """
        for _ in range(100):
            self.see(666, 1)
        self.see(4001, 2)
        self.see(4001, 3)
        self.assertEqual(
            self.observed.outer(INNER), [Outer(outer(4001), 2), Outer(outer(666), 1)]
        )

    def test_maximum(self) -> None:
        """
        No more than three outer ends of an end are used.
        """
        for port in range(1000, 1100):
            self.see(port, port)
        self.see(4001, 1)
        self.see(4001, 2)
        found = self.observed.outer(INNER)
        self.assertEqual(len(found), MAX_OUTER)
        self.assertEqual(found[0], Outer(outer(4001), 2))

    def test_enough(self) -> None:
        """
        A bounded number of reports is kept, and few of one network.
        """
        for _ in range(100):
            self.see(1, 1)
        self.assertEqual(len(self.observed), MAX_OF_NETWORK)
        for each in range(1000):
            self.see(1, each)
        self.assertEqual(len(self.observed), MAX_REPORTS)
        self.assertFalse(self.observed.add("a", INNER, outer(1), "a", True))
        self.observed.remove(1)
        self.assertTrue(self.observed.add("a", INNER, outer(1), "a", True))

    def test_replaced(self) -> None:
        """
        A connection has one report, the last one.
        """
        for connection, port, network in (("a", 1, 1), ("a", 2, 1), ("b", 2, 2)):
            self.observed.add(connection, INNER, outer(port), network, True)
        self.assertEqual(self.observed.outer(INNER), [Outer(outer(2), 2)])

    def test_removed(self) -> None:
        """
        With the last connection nothing is left.
        """
        one, two = self.see(4001, 1), self.see(4001, 1)
        self.assertTrue(self.observed.remove(one))
        self.assertFalse(self.observed.remove(one))
        self.assertEqual(self.observed.outer(INNER), [Outer(outer(4001), 1)])
        self.observed.remove(two)
        self.assertEqual(list(self.observed), [])
        self.assertEqual(self.observed.outer(INNER), [])

    @drawn(50, st.data())
    def test_empty(self, data: st.DataObject) -> None:
        """
        Whatever has come and gone, nothing of it stays.
        """
        observed = Observations()
        numbers = st.integers(1, 5)
        for _ in range(data.draw(st.integers(1, 30))):
            connection = data.draw(numbers)
            if data.draw(st.booleans()):
                observed.remove(connection)
            else:
                local = Multiaddr(f"/ip4/10.0.0.2/tcp/{data.draw(numbers)}")
                end, network = outer(data.draw(numbers)), data.draw(numbers)
                observed.add(connection, local, end, network, True)
        for connection in range(1, 6):
            observed.remove(connection)
        self.assertEqual(observed._reports, {})
        self.assertEqual((observed._counts, observed._networks), ({}, {}))

    def test_mapping(self) -> None:
        """
        With one outer end for most networks the mapping is independent; with one for
        each it is not.  A liar alone changes nothing.
        """
        for ports, expected in (
            ((), Mapping.UNKNOWN),
            ((4001, 4001), Mapping.UNKNOWN),
            ((4001, 4001, 4001), Mapping.INDEPENDENT),
            ((4001, 4001, 666), Mapping.INDEPENDENT),
            ((1, 2, 3), Mapping.DEPENDENT),
            ((1, 1, 2, 3, 4), Mapping.DEPENDENT),
        ):
            self.setUp()
            for network, port in enumerate(ports):
                self.see(port, network)
            self.assertIs(self.observed.mapping(), expected, ports)

    def test_inbound(self) -> None:
        """
        A peer that has dialed us says nothing about the ports that a router chooses;
        and several connections of one network are one.
        """
        for each in range(5):
            self.see(each + 1, each, outbound=False)
        self.assertIs(self.observed.mapping(), Mapping.UNKNOWN)
        for each in range(5):
            self.see(each + 1, 1)
        self.assertIs(self.observed.mapping(), Mapping.UNKNOWN)
