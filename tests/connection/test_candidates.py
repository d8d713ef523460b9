# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the addresses of one dial.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.candidates import (
    MAX_ADDRESSES,
    MAX_NAMES,
    Candidates,
)
from twisted_libp2p.errors import AddressRefused, NoAddresses
from twisted_libp2p.identity import Identity

A = Multiaddr("/ip4/192.0.2.1/tcp/1")
NAME = Multiaddr("/dns4/a.example/tcp/1")


def _many(count: int) -> list[Multiaddr]:
    return [Multiaddr(f"/ip4/192.0.2.1/tcp/{port}") for port in range(1, count + 1)]


class CandidatesTests(SynchronousTestCase):
    """
    What becomes of addresses.
    """

    def setUp(self) -> None:
        """
        Begin with no addresses.
        """
        self.peer = Identity.generate().peerID
        self.candidates = Candidates(self.peer)
        self.unknown = ValueError("unknown")

    def test_normal(self) -> None:
        """
        The peer of the dial is left out; that of an address which says so itself is
        kept.
        """
        full = A.withPeer(self.peer)
        self.assertEqual(self.candidates.normal(full), A)
        anybody = Candidates(None)
        self.assertEqual(anybody.normal(full), full)
        self.assertEqual(anybody.way(full), (self.peer, A))
        self.assertEqual(self.candidates.way(A), (self.peer, A))

    def test_outcome(self) -> None:
        """
        An address has the cause of its failure, or that of all others.
        """
        self.assertTrue(self.candidates.empty)
        self.candidates.use(A, Origin.OWN, False)
        self.assertFalse(self.candidates.empty)
        self.assertEqual(self.candidates.causes(self.unknown), [(str(A), self.unknown)])
        error = ValueError("refused")
        self.candidates.failed(A, error)
        self.assertEqual(self.candidates.causes(self.unknown), [(str(A), error)])

    def test_isNew(self) -> None:
        """
        An address is tried once; again if the first peer that named it must not lead
        us there, and another may.
        """
        candidates = self.candidates
        self.assertTrue(candidates.isNew(A, Origin.PUBLIC))
        candidates.use(A, Origin.PUBLIC, False)
        self.assertFalse(candidates.isNew(A, Origin.OWN))
        candidates.failed(A, AddressRefused("private"))
        self.assertTrue(candidates.isNew(A, Origin.OWN))
        self.assertFalse(candidates.isNew(A, Origin.PUBLIC))

    def test_full(self) -> None:
        """
        There is a maximum of usable addresses, and another one of those that are not.
        """
        for each in _many(MAX_ADDRESSES):
            self.assertFalse(self.candidates.full)
            self.candidates.use(each, Origin.OWN, False)
        self.assertTrue(self.candidates.full)
        other = Candidates(self.peer)
        for each in _many(MAX_ADDRESSES + 9):
            other.refuse(each, Origin.OWN, self.unknown)
        self.assertEqual(len(other.causes(self.unknown)), MAX_ADDRESSES)
        self.assertFalse(other.full)

    def test_few(self) -> None:
        """
        A dial of few addresses uses no more; a name takes no place, but each address to
        which it leads does.
        """
        candidates = Candidates(self.peer, 2)
        self.assertTrue(candidates.use(NAME, Origin.OWN, True))
        first, second, third = _many(3)
        self.assertTrue(candidates.use(first, Origin.OWN, False))
        self.assertTrue(candidates.use(second, Origin.OWN, False))
        self.assertFalse(candidates.use(third, Origin.OWN, False))
        candidates.admitAll()
        self.assertTrue(candidates.use(third, Origin.OWN, False))
        self.assertTrue(candidates.isNew(NAME, Origin.OWN))

    def test_names(self) -> None:
        """
        The outcome of a resolved name is that of its addresses; their number is
        bounded.
        """
        self.candidates.use(NAME, Origin.OWN, True)
        self.candidates.resolved(NAME, [A])
        self.candidates.use(A, Origin.OWN, False)
        self.assertEqual(self.candidates.name(A), NAME)
        self.assertIsNone(self.candidates.name(NAME))
        self.assertEqual(self.candidates.causes(self.unknown), [(str(A), self.unknown)])
        for _ in range(MAX_NAMES):
            self.candidates.countName()
        self.assertRaises(NoAddresses, self.candidates.countName)
