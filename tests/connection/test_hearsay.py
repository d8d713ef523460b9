# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of where the addresses in a peerstore come from.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection import hearsay
from twisted_libp2p.connection.hearsay import MAX_NAMES, Hearsay
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import Source
from twisted_libp2p.peerstore import MemoryPeerStore

PEER = Identity.generate().peerID
OTHER = Identity.generate().peerID

NAME = Multiaddr("/dns4/a.example/tcp/1")
PRIVATE = Multiaddr("/ip4/10.0.0.1/tcp/1")
LOOPBACK = Multiaddr("/ip4/127.0.0.1/tcp/1")
PUBLIC = Multiaddr("/ip4/8.8.8.8/tcp/1")


class HearsayTests(SynchronousTestCase):
    """
    The origin of each address.
    """

    def setUp(self) -> None:
        """
        Know nothing.
        """
        self.store = MemoryPeerStore(Clock())
        self.hearsay = Hearsay(self.store)

    def origin(self, address: Multiaddr) -> Origin:
        """
        Give the origin of an address of the peer.
        """
        ((found, origin),) = self.hearsay.origins(PEER, [address])
        self.assertEqual(found, address)
        return origin

    def test_unknown(self) -> None:
        """
        Of a name nothing is known: it leads to public addresses alone.
        """
        self.store.addAddresses(PEER, [NAME], Source.IDENTIFY)
        self.assertIs(self.origin(NAME), Origin.PUBLIC)
        for kind in ("dns", "dns6", "dnsaddr"):
            self.assertIs(self.origin(Multiaddr(f"/{kind}/a")), Origin.PUBLIC)

    def test_own(self) -> None:
        """
        What our user has configured, or dialed by name, is our own.
        """
        for source in (Source.CONFIGURED, Source.DIALED):
            store = MemoryPeerStore(Clock())
            store.addAddresses(PEER, [NAME], source)
            self.assertEqual(Hearsay(store).origins(PEER, [NAME]), [(NAME, Origin.OWN)])

    def test_told(self) -> None:
        """
        A name is as far inside as its peer was when it told the name, and no longer
        than it does.
        """
        for remote, expected in (
            (PUBLIC, Origin.PUBLIC),
            (PRIVATE, Origin.NETWORK),
            (LOOPBACK, Origin.HOST),
            (None, Origin.PUBLIC),
        ):
            self.hearsay.heard(PEER, remote, [PUBLIC, NAME.withPeer(PEER)])
            self.assertIs(self.origin(NAME), expected)
            self.assertIs(self.origin(Multiaddr("/dns4/b/tcp/1")), Origin.PUBLIC)
        self.hearsay.heard(PEER, LOOPBACK, [NAME])
        self.hearsay.heard(PEER, LOOPBACK, [PUBLIC])
        self.assertIs(self.origin(NAME), Origin.PUBLIC)

    def test_others(self) -> None:
        """
        What one peer tells is nothing of another.
        """
        self.hearsay.heard(OTHER, LOOPBACK, [NAME])
        self.assertIs(self.origin(NAME), Origin.PUBLIC)

    def test_literals(self) -> None:
        """
        IP addresses were judged when they were told; what no peer may name is our
        own user's, or refused.
        """
        anywhere = Multiaddr("/ip4/0.0.0.0/tcp/1")
        for address in (PUBLIC, PRIVATE, LOOPBACK, anywhere):
            self.assertIs(self.origin(address), Origin.HOST)
        self.store.addAddresses(PEER, [anywhere], Source.CONFIGURED)
        self.assertIs(self.origin(anywhere), Origin.OWN)

    def test_bounds(self) -> None:
        """
        So many peers, and so many names of each.
        """
        self.patch(hearsay, "MAX_REMEMBERED", 2)
        names = [Multiaddr(f"/dns4/{n}/tcp/1") for n in range(MAX_NAMES + 1)]
        self.hearsay.heard(PEER, LOOPBACK, names)
        self.assertIs(self.origin(names[-2]), Origin.HOST)
        self.assertIs(self.origin(names[-1]), Origin.PUBLIC)
        quic = [Multiaddr(f"/dns4/{n}/udp/1/quic-v1") for n in range(MAX_NAMES)]
        self.hearsay = Hearsay(self.store, lambda each: "udp" not in each.names)
        self.hearsay.heard(PEER, LOOPBACK, [*quic, names[0]])
        self.assertIs(self.origin(names[0]), Origin.HOST)
        self.hearsay = Hearsay(self.store)
        self.hearsay.heard(PEER, LOOPBACK, names)
        self.hearsay.heard(OTHER, LOOPBACK, names)
        self.hearsay.heard(Identity.generate().peerID, LOOPBACK, names)
        self.assertIs(self.origin(names[0]), Origin.PUBLIC)
