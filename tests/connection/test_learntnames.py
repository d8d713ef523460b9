# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of names in addresses that peers have stated.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from tests.address.spellings import farIPv4, literals, names, nearIPv4
from tests.connection.resolving import (
    PEER,
    ResolvingTestCase,
)
from tests.examples import drawn
from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.candidates import MAX_NAMES
from twisted_libp2p.connection.naming import MAX_PEER_NAMES
from twisted_libp2p.errors import (
    AddressRefused,
    NoAddresses,
    UnsupportedAddress,
)
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AddressSource
from twisted_libp2p.transport.names import MAX_STRANGERS


class ToldTests(ResolvingTestCase):
    """
    What peers tell does not lead into our own networks.
    """

    def test_names(self) -> None:
        """
        A name that leads to an address within is not followed there, and to the
        others it is; the reason says where it leads.
        """
        self.zone.hosts["evil.test"] = ["127.0.0.1", "10.0.0.1", "8.8.8.8", "::1"]
        self.told("/dns/evil.test/tcp/22")
        causes = self.causes(self.node.connect(PEER))
        self.assertEqual(self.transport.dialed, ["/ip4/8.8.8.8/tcp/22"])
        error = causes["/ip4/127.0.0.1/tcp/22"]
        self.assertIsInstance(error, AddressRefused)
        self.assertIn("127.0.0.1", str(error))
        self.assertNotIn("\n", str(error))

    def test_rebinding(self) -> None:
        """
        A name is resolved once: the address that was judged is dialed, whatever a
        second answer would be.
        """
        self.zone.answers["evil.test"] = [["8.8.8.8"], ["127.0.0.1"]]
        self.told("/dns4/evil.test/tcp/22")
        self.causes(self.node.connect(PEER))
        self.assertEqual(self.transport.dialed, ["/ip4/8.8.8.8/tcp/22"])
        self.causes(self.node.connect(PEER))
        self.assertEqual(self.transport.dialed, ["/ip4/8.8.8.8/tcp/22"])

    def test_spelled(self) -> None:
        """
        A name that is an address is refused without asking anybody.
        """
        for name in ("localhost", "127.1", "2130706433", "0x7f000001", "LOCALHOST."):
            self.told(f"/dns4/{name}/tcp/22")
            causes = self.causes(self.node.connect(PEER))
            self.assertIsInstance(causes[f"/dns4/{name}/tcp/22"], AddressRefused)
        self.assertEqual((self.zone.asked, self.transport.dialed), ([], []))

    def test_dnsaddr(self) -> None:
        """
        What stands behind the C{/dnsaddr} of a peer is no more trusted than it is,
        however many names there are between.
        """
        self.records["a"] = [f"dnsaddr=/dnsaddr/b/p2p/{PEER}"]
        self.records["b"] = [
            f"dnsaddr=/ip4/127.0.0.1/tcp/1/p2p/{PEER}",
            f"dnsaddr=/dns4/c/tcp/1/p2p/{PEER}",
            f"dnsaddr=/ip4/8.8.8.8/tcp/1/p2p/{PEER}",
        ]
        self.zone.hosts["c"] = ["10.0.0.1"]
        self.told("/dnsaddr/a")
        self.causes(self.node.connect(PEER))
        self.assertEqual(self.transport.dialed, ["/ip4/8.8.8.8/tcp/1"])
        # The same, from our own user.
        self.causes(self.node.connect(f"/dnsaddr/a/p2p/{PEER}"))
        self.assertEqual(
            set(self.transport.dialed[1:]),
            {"/ip4/8.8.8.8/tcp/1", "/ip4/127.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/1"},
        )

    def test_inside(self) -> None:
        """
        A peer inside of our networks may give names that lead there, but not to
        this host unless it is on it; and no longer after it is heard from outside.
        """
        self.zone.hosts["a"] = ["127.0.0.1", "10.0.0.1", "8.8.8.8"]
        for remote, expected in (
            ("/ip4/8.8.8.8/tcp/5", {"8.8.8.8"}),
            ("/ip4/10.0.0.9/tcp/5", {"8.8.8.8", "10.0.0.1"}),
            ("/ip4/127.0.0.1/tcp/5", {"8.8.8.8", "10.0.0.1", "127.0.0.1"}),
            ("/ip4/8.8.8.8/tcp/5", {"8.8.8.8"}),
        ):
            self.transport.dialed.clear()
            self.told("/dns4/a/tcp/1", remote=remote)
            self.causes(self.node.connect(PEER))
            self.assertEqual(
                set(self.transport.dialed), {f"/ip4/{each}/tcp/1" for each in expected}
            )

    def test_joined(self) -> None:
        """
        An address that was refused, because of who had named it, is dialed if our
        own user names it while the dial goes on; and a name is resolved again.
        """
        self.zone.hosts["a"] = ["127.0.0.1"]
        self.told("/dns4/a/tcp/1", "/dns4/silent/tcp/1")
        dial = self.node.connect(PEER)
        self.reactor.pump([0.1] * 10)
        self.assertEqual(self.transport.dialed, [])
        self.node.connect(f"/dns4/a/tcp/1/p2p/{PEER}").addErrback(lambda _: None)
        self.reactor.pump([0.1] * 10)
        self.assertEqual(self.transport.dialed, ["/ip4/127.0.0.1/tcp/1"])
        dial.addErrback(lambda _: None).cancel()
        self.reactor.pump([1.0] * 20)

    def test_services(self) -> None:
        """
        A service that dials for a peer says where the addresses come from.
        """
        addresses = [Multiaddr("/ip4/10.0.0.1/tcp/1"), Multiaddr("/ip4/8.8.8.8/tcp/1")]
        dialer = self.node._dialer
        causes = self.causes(dialer.dial(PEER, addresses, origin=Origin.PUBLIC))
        self.assertIsInstance(causes["/ip4/10.0.0.1/tcp/1"], AddressRefused)
        self.assertEqual(self.transport.dialed, ["/ip4/8.8.8.8/tcp/1"])

    def test_ours(self) -> None:
        """
        A peer elsewhere does not lead us to this host by its public address either:
        other services listen there.
        """
        own = [Multiaddr("/ip4/8.8.8.8/tcp/4001")]
        self.node.ownAddresses.replace(AddressSource.ANNOUNCED, own)
        self.zone.hosts["a"] = ["8.8.8.8", "8.8.4.4"]
        self.told("/dns4/a/tcp/22")
        causes = self.causes(self.node.connect(PEER))
        self.assertIsInstance(causes["/ip4/8.8.8.8/tcp/22"], AddressRefused)
        self.assertEqual(self.transport.dialed, ["/ip4/8.8.4.4/tcp/22"])
        self.causes(self.node.connect(f"/dns4/a/tcp/22/p2p/{PEER}"))
        self.assertIn("/ip4/8.8.8.8/tcp/22", self.transport.dialed)

    def test_unblamed(self) -> None:
        """
        An address that is not dialed has not failed.
        """
        self.told("/dns4/localhost/tcp/1")
        self.causes(self.node.connect(PEER))
        info = self.node.peerstore.info(PEER)
        assert info is not None
        self.assertIsNone(info.addresses[0].failed)

    def test_few(self) -> None:
        """
        Where few addresses of a peer are tried, names do not lead to more, until
        a caller wants all of them.
        """
        hosts = [f"8.8.8.{n}" for n in range(30)]
        self.zone.hosts["a.test"] = self.zone.hosts["b.test"] = hosts
        self.records["c.test"] = [
            f"dnsaddr=/ip4/{each}/tcp/2/p2p/{PEER}" for each in hosts
        ]
        for texts in (
            ["/dns4/a.test/tcp/1", "/dns/b.test/tcp/3"],
            ["/dnsaddr/c.test", "/ip4/8.8.4.4/tcp/9"],
        ):
            self.transport.dialed.clear()
            self.told(*texts)
            self.node._dialer.dial(PEER, few=4).addErrback(lambda reason: None)
            self.reactor.pump([0.3] * 60)
            self.assertEqual(len(self.transport.dialed), 4, self.transport.dialed)

    def test_fewWidened(self) -> None:
        """
        A caller that wants a peer of which few addresses are tried has all those
        tried to which its names lead.
        """
        self.zone.hosts["a.test"] = [f"8.8.8.{n}" for n in range(30)]
        self.told("/dns4/a.test/tcp/1")
        self.transport.silent = True
        few = self.node._dialer.dial(PEER, few=4)
        few.addErrback(lambda reason: None)
        self.reactor.pump([0.3] * 10)
        self.assertEqual(len(self.transport.dialed), 4)
        self.transport.silent = False
        self.node.connect(PEER).addErrback(lambda reason: None)
        self.reactor.pump([0.3] * 200)
        self.assertEqual(len(set(self.transport.dialed)), 30)

    def test_undialable(self) -> None:
        """
        Names at which no transport of the node dials take no place of others.
        """
        quic = [f"/dns4/{n}.test/udp/1/quic-v1" for n in range(2 * MAX_NAMES)]
        self.zone.hosts["good.test"] = ["8.8.8.8"]
        self.told(*quic, "/dns4/good.test/tcp/22")
        causes = self.causes(self.node.connect(PEER))
        self.assertEqual(self.zone.asked, ["good.test"])
        self.assertIn("/ip4/8.8.8.8/tcp/22", self.transport.dialed)
        for each in quic:
            self.assertIsInstance(causes[each], UnsupportedAddress)

    def test_bounded(self) -> None:
        """
        Few names of a peer are resolved in one dial, and few at once in all dials.
        """
        self.told(*(f"/dns4/{n}.test/tcp/1" for n in range(3 * MAX_NAMES)))
        for n in range(3 * MAX_NAMES):
            self.zone.hosts[f"{n}.test"] = []
        causes = self.causes(self.node.connect(PEER))
        self.assertEqual(len(self.zone.asked), MAX_NAMES)
        refused = [each for each in causes.values() if isinstance(each, NoAddresses)]
        self.assertEqual(len(refused), 2 * MAX_NAMES)
        self.zone.hosts.clear()
        self.zone.asked.clear()
        dials = []
        for _ in range(5):
            peer = Identity.generate().peerID
            self.node.peerstore.addAddresses(peer, [Multiaddr("/dns4/slow/tcp/1")])
            dials.append(self.node.connect(peer))
        self.assertEqual(len(self.zone.asked), MAX_STRANGERS)
        for dial in dials:
            dial.addErrback(lambda _: None).cancel()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_dnsaddrBounded(self) -> None:
        """
        Few C{/dnsaddr} of peers are resolved at once, in all dials; ours wait for
        none of them.
        """
        asked: list[str] = []

        def silent(name: str, timeout: Any) -> Deferred[Any]:
            asked.append(name)
            return Deferred()

        self.patch(self, "lookupText", silent)
        dials = []
        for n in range(3 * MAX_PEER_NAMES):
            peer = Identity.generate().peerID
            self.node.peerstore.addAddresses(peer, [Multiaddr(f"/dnsaddr/{n}")])
            dials.append(self.node.connect(peer))
        self.assertEqual(len(asked), MAX_PEER_NAMES)
        dials.append(self.node.connect("/dnsaddr/own"))
        self.assertEqual(asked[-1], "_dnsaddr.own")
        for dial in dials:
            dial.addErrback(lambda _: None).cancel()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    @drawn(60, st.data())
    def test_anySpelling(self, data: st.DataObject) -> None:
        """
        However an address within is written or resolved, what a peer tells from
        outside leads to no connect there; and a public one is connected to as it
        was resolved.
        """
        self.make()
        near, far = data.draw(nearIPv4), data.draw(farIPv4)
        inside = data.draw(literals(near))
        resolved = str(next(each for each in inside if each.name != "ip6zone").value)
        self.zone.hosts["evil.test"] = [resolved, str(far)]
        spelled = data.draw(names(near))
        self.zone.hosts[spelled] = [str(near)]
        self.records["evil"] = [f"dnsaddr={inside}/tcp/1/p2p/{PEER}"]
        self.told("/dns/evil.test/tcp/1", f"/dns4/{spelled}/tcp/1", "/dnsaddr/evil")
        dialer = self.node._dialer
        direct = inside.encapsulate(Multiaddr("/tcp/1"))
        self.causes(dialer.dial(PEER, [direct], origin=Origin.PUBLIC))
        self.assertEqual(set(self.transport.dialed), {f"/ip4/{far}/tcp/1"})
