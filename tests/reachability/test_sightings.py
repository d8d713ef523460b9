# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.reachability.sightings}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.identity import Identity
from twisted_libp2p.reachability.sightings import Sightings, isPrivate, isPublic

INNER = Multiaddr("/ip4/10.0.0.2/tcp/4001")
OUTER = Multiaddr("/ip4/45.46.1.1/tcp/30000")


class SightingsTests(SynchronousTestCase):
    """
    The reports of peers about the ends on which we listen.
    """

    def setUp(self) -> None:
        """
        Listen with and without WebSocket on one port.
        """
        self.sightings = Sightings()
        self.sightings.bound = frozenset([INNER, INNER.encapsulate("/ws")])

    def test_ends(self) -> None:
        """
        The ends of a connection count if ours is one on which we listen.
        """
        layered = OUTER.encapsulate("/ws")
        self.assertEqual(self.sightings.ends(INNER, OUTER), (INNER, OUTER))
        self.assertEqual(self.sightings.ends(INNER, layered), (INNER, OUTER))
        for local, observed in (
            (None, OUTER),
            (Multiaddr("/ip4/10.0.0.2/tcp/50000"), OUTER),
            (INNER, Multiaddr("/ip4/45.46.1.1/udp/30000")),
            (INNER, Multiaddr("/memory/1")),
        ):
            self.assertIsNone(self.sightings.ends(local, observed), (local, observed))
        self.sightings.bound = None
        self.assertIsNone(self.sightings.ends(INNER, OUTER))

    def test_addresses(self) -> None:
        """
        Each listener on the port is seen at the outer ends, the public ones first.
        """
        private = Multiaddr("/ip4/10.9.0.1/tcp/4001")
        self.sightings.private.add("b", INNER, private, "network", True)
        self.sightings.public.add("a", INNER, OUTER, "network", True)
        self.assertEqual(
            list(self.sightings.addresses()),
            [
                OUTER,
                private,
                OUTER.encapsulate("/ws"),
                private.encapsulate("/ws"),
            ],
        )
        self.assertEqual(self.sightings.networks(), {OUTER: 1})

    def test_places(self) -> None:
        """
        An address is public, private, or neither.
        """
        relayed = f"/ip4/45.45.1.1/tcp/1/p2p/{Identity.generate().peerID}/p2p-circuit"
        for text, public, private in (
            ("/ip4/45.45.1.1/tcp/1", True, False),
            ("/ip4/10.0.0.2/tcp/1", False, True),
            ("/ip6/64:ff9b::909:909/tcp/1", False, False),
            ("/ip4/127.0.0.1/tcp/1", False, False),
            (relayed, False, False),
            ("/memory/1", False, False),
        ):
            address = Multiaddr(text)
            self.assertEqual(
                (isPublic(address), isPrivate(address)), (public, private), text
            )
        self.assertFalse(isPublic(None) or isPrivate(None))
