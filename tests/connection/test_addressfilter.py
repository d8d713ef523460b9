# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the one filter of addresses that peers name.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.address.spellings import farIPv4, literals, nearIPv4
from tests.examples import drawn
from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection import addressfilter
from twisted_libp2p.connection.addressfilter import HOST_BURST, AddressFilter
from twisted_libp2p.errors import AddressRefused
from twisted_libp2p.events import EventBus
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AddressSource, Confidence, IAddressFilter
from twisted_libp2p.node.addresses import OwnAddresses

US = Identity.generate().peerID
PEER = Identity.generate().peerID
OTHER = Identity.generate().peerID

BOUND = Multiaddr("/ip4/192.168.1.5/tcp/4001")
ANNOUNCED = Multiaddr("/ip4/9.9.9.9/tcp/4001")
PUBLIC = Multiaddr("/ip4/8.8.8.8/tcp/4001")


class FilterTestCase(SynchronousTestCase):
    """
    A node with an address in a private network, and one in the internet.
    """

    def setUp(self) -> None:
        """
        Make the filter.
        """
        self.clock = Clock()
        self.own = OwnAddresses(US, self.clock, EventBus(), [ANNOUNCED])
        self.own.replace(AddressSource.BOUND, [BOUND])
        self.filter = AddressFilter(self.own, self.clock.seconds)


class SelectTests(FilterTestCase):
    """
    Which of the named addresses are usable.
    """

    def test_provides(self) -> None:
        """
        It is what services expect.
        """
        verifyObject(IAddressFilter, self.filter)

    def test_relayOurs(self) -> None:
        """
        The address of a peer that is reached through this node is kept, since others
        ask for it; it is not dialed.  Other relays at our address do not exist.
        """
        through = Multiaddr(f"{ANNOUNCED}/p2p/{US}/p2p-circuit")
        self.assertEqual(
            self.filter.select(
                Origin.PUBLIC, [through.withPeer(PEER), through.withPeer(US)], PEER
            ),
            [through],
        )
        other = Multiaddr(f"{ANNOUNCED}/p2p/{OTHER}/p2p-circuit")
        near = Multiaddr(f"{BOUND}/p2p/{US}/p2p-circuit")
        self.assertEqual(self.filter.select(Origin.PUBLIC, [other, near]), [])
        with self.assertRaises(AddressRefused):
            self.filter.dialing(Origin.PUBLIC, through)

    def test_origin(self) -> None:
        """
        A peer with an address on which we listen is on this host; one with our public
        address need not be, as routers may give it to several.
        """
        for remote, expected in (
            (BOUND, Origin.HOST),
            (Multiaddr("/ip4/192.168.1.5/tcp/50000"), Origin.HOST),
            (Multiaddr("/ip4/192.168.1.6/tcp/50000"), Origin.NETWORK),
            (BOUND.withPeer(PEER).encapsulate("/p2p-circuit"), Origin.PUBLIC),
            (ANNOUNCED, Origin.PUBLIC),
            (Multiaddr("/ip4/127.0.0.1/tcp/1"), Origin.HOST),
            (None, Origin.PUBLIC),
        ):
            self.assertIs(self.filter.origin(remote), expected, remote)

    def test_select(self) -> None:
        """
        Addresses in our networks, ours and such with port 0 are left out, and counted;
        so are those of other peers; others come once.
        """
        mapped = Multiaddr("/ip6/::ffff:8.8.8.8/tcp/4001")
        named = [
            PUBLIC,
            PUBLIC.withPeer(PEER),
            mapped,
            PUBLIC.withPeer(OTHER),
            Multiaddr("/ip4/10.0.0.1/tcp/4001"),
            Multiaddr("/ip4/127.0.0.1/tcp/4001"),
            Multiaddr("/ip4/8.8.4.4/tcp/0"),
            Multiaddr("/ip4/9.9.9.9/tcp/22"),
            Multiaddr("/dns4/example.org/tcp/443/tls/ws"),
        ]
        self.assertEqual(
            self.filter.select(Origin.PUBLIC, named, PEER), [PUBLIC, named[-1]]
        )
        self.assertEqual(self.filter.refused, {"place": 3, "own": 1})

    def test_anyPeer(self) -> None:
        """
        Without an expected peer the ids at the ends stay.
        """
        named = [PUBLIC.withPeer(PEER), PUBLIC.withPeer(OTHER)]
        self.assertEqual(self.filter.select(Origin.PUBLIC, named), named)

    def test_maximum(self) -> None:
        """
        No more than a number of addresses is looked at.
        """
        named = [Multiaddr(f"/ip4/8.8.8.8/tcp/{port}") for port in range(1, 300)]
        self.assertEqual(self.filter.select(Origin.PUBLIC, named), named[:100])
        self.assertEqual(self.filter.select(Origin.PUBLIC, named, maximum=3), named[:3])

    def test_own(self) -> None:
        """
        Peers on this host may name its addresses; others may not name any service of
        it.  Addresses that only peers have seen do not count: a peer could make us
        refuse the addresses of others.
        """
        self.assertEqual(self.filter.select(Origin.HOST, [BOUND]), [BOUND])
        self.assertEqual(self.filter.select(Origin.NETWORK, [BOUND]), [])
        self.own.replace(AddressSource.OBSERVED, [PUBLIC])
        self.assertEqual(self.filter.select(Origin.PUBLIC, [PUBLIC]), [PUBLIC])
        self.own.judge(PUBLIC, Confidence.CONFIRMED)
        self.assertEqual(self.filter.select(Origin.PUBLIC, [PUBLIC]), [])

    def test_unreachable(self) -> None:
        """
        An address of ours at which nobody reaches us is ours all the same.
        """
        self.own.judge(ANNOUNCED, Confidence.UNREACHABLE)
        self.assertEqual(self.filter.select(Origin.PUBLIC, [ANNOUNCED]), [])

    def test_relay(self) -> None:
        """
        The host of a relay is not this host, although we can be dialed there: other
        peers are at the same relay.
        """
        circuit = PUBLIC.withPeer(OTHER).encapsulate("/p2p-circuit")
        self.own.replace(AddressSource.RELAYED, [circuit])
        named = [PUBLIC, circuit.withPeer(PEER)]
        self.assertEqual(
            self.filter.select(Origin.PUBLIC, named, PEER), [PUBLIC, circuit]
        )

    @drawn(100, st.data())
    def test_generated(self, data: st.DataObject) -> None:
        """
        However an address within is written, no public peer can name it; and an address
        outside can be named, unless its port is 0.
        """
        near = data.draw(literals(data.draw(nearIPv4)))
        far = data.draw(farIPv4)
        port = data.draw(st.integers(0, 65535))
        rest = data.draw(
            st.sampled_from((f"/tcp/{port}", f"/udp/{port}/quic-v1", f"/tcp/{port}/ws"))
        )
        inside = near.encapsulate(rest)
        outside = Multiaddr(f"/ip4/{far}{rest}")
        expected = [outside] if port else []
        found = self.filter.select(Origin.PUBLIC, [inside, outside])
        self.assertEqual(found, expected)
        self.assertRaises(AddressRefused, self.filter.check, Origin.PUBLIC, inside)


class DialingTests(FilterTestCase):
    """
    How often peers make us dial.
    """

    def test_rate(self) -> None:
        """
        One public host is dialed 64 times at once and once a second after that, at
        any port; other hosts have their own allowance.
        """
        for port in range(1, HOST_BURST + 1):
            self.filter.dialing(Origin.PUBLIC, Multiaddr(f"/ip4/8.8.8.8/tcp/{port}"))
        with self.assertRaises(AddressRefused) as caught:
            self.filter.dialing(Origin.PUBLIC, PUBLIC)
        self.assertIn("too often", str(caught.exception))
        self.assertEqual(self.filter.refused["rate"], 1)
        self.filter.dialing(Origin.PUBLIC, Multiaddr("/ip4/8.8.4.4/tcp/1"))
        self.filter.dialing(Origin.OWN, PUBLIC)
        self.clock.advance(1)
        self.filter.dialing(Origin.PUBLIC, PUBLIC)
        self.assertRaises(AddressRefused, self.filter.dialing, Origin.HOST, PUBLIC)

    def test_network(self) -> None:
        """
        The addresses of one /64 are one host.
        """
        for each in range(HOST_BURST):
            self.filter.dialing(
                Origin.PUBLIC, Multiaddr(f"/ip6/2606:4700::{each:x}/tcp/1")
            )
        more = Multiaddr("/ip6/2606:4700::1:1/tcp/1")
        self.assertRaises(AddressRefused, self.filter.dialing, Origin.PUBLIC, more)

    def test_uncounted(self) -> None:
        """
        The dials of this host, of its networks, of names and of circuits are not
        counted: of names and circuits the dials are that follow.
        """
        for text in (
            "/ip4/127.0.0.1/tcp/1",
            "/ip4/192.168.1.7/tcp/1",
            "/dns4/example.org/tcp/1",
            f"/ip4/8.8.8.8/tcp/1/p2p/{PEER}/p2p-circuit",
        ):
            for _ in range(2 * HOST_BURST):
                self.filter.dialing(Origin.HOST, Multiaddr(text))

    def test_memory(self) -> None:
        """
        The number of counted hosts is bounded.
        """
        self.patch(addressfilter, "MAX_HOSTS", 4)
        for each in range(1, 100):
            self.filter.dialing(Origin.PUBLIC, Multiaddr(f"/ip4/8.8.8.{each}/tcp/1"))
        self.assertLessEqual(len(self.filter._hosts), 4)

    def test_refused(self) -> None:
        """
        A dial is judged as well.
        """
        for text in ("/ip4/10.0.0.1/tcp/1", "/ip4/9.9.9.9/tcp/1", "/ip4/8.8.8.8/tcp/0"):
            address = Multiaddr(text)
            self.assertRaises(
                AddressRefused, self.filter.dialing, Origin.PUBLIC, address
            )
