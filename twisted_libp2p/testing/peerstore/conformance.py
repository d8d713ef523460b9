# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite that every peerstore must pass.
"""

from __future__ import annotations

from zope.interface.verify import verifyObject

from twisted_libp2p.interfaces import IPeerStore
from twisted_libp2p.peerstore import Limits
from twisted_libp2p.testing.peerstore.addresses import AddressBookTests
from twisted_libp2p.testing.peerstore.bounds import BoundTests
from twisted_libp2p.testing.peerstore.facts import FactTests
from twisted_libp2p.testing.peerstore.metadata import MetadataBookTests
from twisted_libp2p.testing.peerstore.peers import PeerTests
from twisted_libp2p.testing.peerstore.records import RecordTests

__all__ = ["PeerStoreConformance"]


class PeerStoreConformance(
    AddressBookTests, RecordTests, FactTests, MetadataBookTests, BoundTests, PeerTests
):
    """
    All tests, to be mixed into a C{TestCase}.
    """

    async def test_interface(self) -> None:
        """
        It provides the interface.
        """
        self.assertTrue(verifyObject(IPeerStore, await self.open(Limits())))
