# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of where names, and the addresses that peers tell, may lead a dialer.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.internet.error import DNSLookupError

from tests.connection.resolving import (
    PEER,
    NamesOnly,
    ResolvingTestCase,
)
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connmanager.gater import ListGater
from twisted_libp2p.errors import (
    DialFailed,
    Gated,
    InvalidMultiaddr,
    UnsupportedAddress,
)
from twisted_libp2p.interfaces import Source


class LengthTests(ResolvingTestCase):
    """
    Addresses that are as long as one may be.
    """

    def test_noRoomForPeer(self) -> None:
        """
        A name with so many components that the id of the peer does not fit behind it
        fails alone: the other addresses of the peer are dialed.
        """
        long = "/dnsaddr/example.com" + "/ws" * 15
        self.told(long, "/ip4/192.0.2.1/tcp/9")
        causes = self.causes(self.node.connect(PEER))
        self.assertEqual(self.transport.dialed, ["/ip4/192.0.2.1/tcp/9"])
        self.assertIsInstance(causes[long], InvalidMultiaddr)


class OwnTests(ResolvingTestCase):
    """
    Names that our own user has given lead anywhere.
    """

    def test_anywhere(self) -> None:
        """
        Each address of the name is dialed as it was resolved, once, with the port
        and the peer; the reasons are those of these addresses.
        """
        self.zone.hosts["localhost"] = ["::1", "127.0.0.1", "::ffff:127.0.0.1"]
        causes = self.causes(self.node.connect(f"/dns/localhost/tcp/9/p2p/{PEER}"))
        self.assertEqual(
            sorted(self.transport.dialed), ["/ip4/127.0.0.1/tcp/9", "/ip6/::1/tcp/9"]
        )
        self.assertEqual(set(causes), set(self.transport.dialed))
        self.assertEqual(self.zone.asked, ["localhost"])

    def test_anybody(self) -> None:
        """
        Without a peer as well.
        """
        self.zone.hosts["a_b"] = ["10.0.0.1"]
        self.causes(self.node.connect("/dns4/a_b/tcp/9"))
        self.assertEqual(self.transport.dialed, ["/ip4/10.0.0.1/tcp/9"])

    def test_configured(self) -> None:
        """
        From the peerstore too, if it is there as configured.
        """
        self.zone.hosts["a"] = ["127.0.0.1"]
        self.node.peerstore.addAddresses(
            PEER, [Multiaddr("/dns4/a/tcp/9")], Source.CONFIGURED
        )
        self.causes(self.node.connect(PEER))
        self.assertEqual(self.transport.dialed, ["/ip4/127.0.0.1/tcp/9"])

    def test_zone(self) -> None:
        """
        An address on a link keeps the zone that the resolver gives.
        """
        self.zone.hosts["a"] = ["fe80::1%eth0"]
        self.causes(self.node.connect("/dns6/a/tcp/9"))
        self.assertEqual(self.transport.dialed, ["/ip6zone/eth0/ip6/fe80::1/tcp/9"])

    def test_unknown(self) -> None:
        """
        A name that is not known is a reason that names it.
        """
        self.zone.hosts["nobody.test"] = []
        causes = self.causes(self.node.connect("/dns4/nobody.test/tcp/9"))
        error = causes["/dns4/nobody.test/tcp/9"]
        self.assertIsInstance(error, DNSLookupError)
        self.assertIn("nobody.test", str(error))

    def test_silence(self) -> None:
        """
        A resolver that never answers is given up, and another address is dialed
        meanwhile.
        """
        dial = self.node._dialer.dial(
            PEER, [Multiaddr("/dns4/a/tcp/1"), Multiaddr("/ip4/8.8.8.8/tcp/1")]
        )
        self.reactor.pump([0.5] * 40)
        causes = dict(self.failureResultOf(dial, DialFailed).value.causes)
        self.assertIsInstance(causes["/dns4/a/tcp/1"], DNSLookupError)
        self.assertEqual(self.transport.dialed, ["/ip4/8.8.8.8/tcp/1"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancel(self) -> None:
        """
        A dial that is given up while a name is resolved leaves nothing.
        """
        dial = self.node.connect("/dns4/a/tcp/1")
        dial.cancel()
        self.failureResultOf(dial, CancelledError)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_gater(self) -> None:
        """
        The gater is asked for the name, and for each address to which it leads.
        """
        self.make(gater=ListGater(blocked=["10.0.0.0/8", "/dns4/blocked/tcp/1"]))
        self.zone.hosts["a"] = ["10.0.0.1", "::ffff:10.0.0.2", "8.8.8.8"]
        causes = self.causes(self.node.connect("/dns/a/tcp/1"))
        self.assertEqual(self.transport.dialed, ["/ip4/8.8.8.8/tcp/1"])
        self.assertIsInstance(causes["/ip4/10.0.0.1/tcp/1"], Gated)
        self.assertIsInstance(causes["/ip4/10.0.0.2/tcp/1"], Gated)
        causes = self.causes(self.node.connect("/dns4/blocked/tcp/1"))
        self.assertIsInstance(causes["/dns4/blocked/tcp/1"], Gated)
        self.assertEqual(self.zone.asked, ["a"])

    def test_gaterEmbedded(self) -> None:
        """
        A blocked network is not reached by way of a translator or a tunnel either.
        """
        self.make(gater=ListGater(blocked=["10.0.0.0/8"]))
        for host in ("64:ff9b::10.0.0.1", "2002:a00:1::1"):
            causes = self.causes(self.node.connect(f"/ip6/{host}/tcp/1"))
            self.assertEqual({type(each) for each in causes.values()}, {Gated})
        self.assertEqual(self.transport.dialed, [])

    def test_proxy(self) -> None:
        """
        A transport that takes names alone gets them; but no name of a stranger, of
        which nobody could say where it leads.
        """
        proxy = NamesOnly()
        self.make(proxy)
        self.causes(self.node.connect("/dns/a/tcp/1"))
        self.assertEqual((proxy.dialed, self.zone.asked), (["/dns/a/tcp/1"], []))
        self.told("/dns/b/tcp/1")
        causes = self.causes(self.node.connect(PEER))
        self.assertIsInstance(causes["/dns/b/tcp/1"], UnsupportedAddress)
        self.assertEqual(len(proxy.dialed), 1)
