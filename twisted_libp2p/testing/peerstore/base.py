# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The base of all tests of peerstores.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import TYPE_CHECKING

from twisted.internet.task import Clock

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import IPeerStore
from twisted_libp2p.peerstore import Limits

if TYPE_CHECKING:
    from twisted.trial.unittest import TestCase as _TestCase
else:
    _TestCase = object

__all__ = ["DAY", "HOUR", "MINUTE", "NOW", "PeerStoreCase", "tcp"]

MINUTE = 60.0
HOUR = 3600.0
DAY = 86_400.0

#: The time at the beginning of each test.
NOW = 1_750_000_000.0


def tcp(port: int) -> Multiaddr:
    """
    Make an address.
    """
    return Multiaddr(f"/ip4/192.0.2.1/tcp/{port}")


class PeerStoreCase(_TestCase):
    """
    A test case of a peerstore.

    @ivar clock: the source of the time, which L{open} passes on.
    @cvar identity: the identity of a peer that signs records.
    """

    identity = Identity.generate()
    _numbers = count()

    async def open(self, limits: Limits) -> IPeerStore:
        """
        Make a peerstore that is ready for use, on a database, if it needs one, that
        belongs to this test.  Stop it at the end of the test.
        """
        raise NotImplementedError

    async def reopen(self, store: IPeerStore) -> IPeerStore:
        """
        Stop a peerstore, and return another one that has loaded its facts; by default
        return the same store, for one that stores nothing.
        """
        return store

    def setUp(self) -> None:
        """
        Make the clock.
        """
        super().setUp()
        self.clock = Clock()
        self.clock.advance(NOW)

    def peer(self) -> PeerID:
        """
        Invent a peer.
        """
        return PeerID.fromBytes(b"\x12\x20" + next(self._numbers).to_bytes(32, "big"))

    def sign(
        self, sequence: int, *ports: int, identity: Identity | None = None
    ) -> bytes:
        """
        Sign a record.
        """
        identity = identity or self.identity
        addresses = tuple(map(tcp, ports))
        return PeerRecord(identity.peerID, sequence, addresses).seal(identity)

    def assertAddresses(
        self, store: IPeerStore, peer: PeerID, ports: Iterable[int]
    ) -> None:
        """
        Check the addresses of a peer and their order.
        """
        self.assertEqual(store.addresses(peer), [tcp(port) for port in ports])
