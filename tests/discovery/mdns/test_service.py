# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.mdns.service} and the modules of its sockets.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from twisted.logger import LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.discovery.mdns.lan import Lan, Machine
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.events import PeerDiscovered, PeerExpired
from twisted_libp2p.discovery.mdns.packet import (
    SERVICE,
    Advertisement,
    answer,
    parse,
    question,
)
from twisted_libp2p.discovery.mdns.service import FIND_TIME, MdnsService
from twisted_libp2p.discovery.mdns.sightings import MAX_PEERS
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import AddressSource, IHostService, IPeerRouting
from twisted_libp2p.testing import HostDouble

LO = ("lo", "lo:", ["127.0.0.1/8"])


def ethernet(number: int, segment: str = "lan") -> tuple[str, str, list[str]]:
    """
    Return an interface with addresses of both versions of IP.
    """
    return ("eth0", segment, [f"10.0.0.{number}/24", f"fd00::{number}/64"])


class MdnsTestCase(SynchronousTestCase):
    """
    Machines on a network.
    """

    def setUp(self) -> None:
        self.lan = Lan()
        self.services: list[MdnsService] = []
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """
        Stop all nodes, which leaves nothing.
        """
        for each in self.services:
            if each.running:
                self.successResultOf(each.stopService())
        self.lan.clock.advance(0)
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])
        self.assertEqual([each for one in self.lan.machines for each in one.ports], [])

    def node(
        self, machine: Machine, *addresses: str, **options: Any
    ) -> tuple[HostDouble, MdnsService, list[Any]]:
        """
        Start a node; its events are collected.
        """
        host, service = machine.node(*addresses, **options)
        self.services.append(service)
        events: list[Any] = []
        for kind in (PeerDiscovered, PeerExpired):
            host.events.subscribe(kind, events.append)
        return host, service, events

    def pair(self) -> tuple[Any, Any]:
        """
        Start two nodes that have found each other.
        """
        near = self.node(self.lan.machine(ethernet(1)), "/ip4/10.0.0.1/tcp/1")
        far = self.node(self.lan.machine(ethernet(2)), "/ip4/10.0.0.2/tcp/2")
        self.lan.advance(2)
        return near, far


class FindingTests(MdnsTestCase):
    """
    Nodes find each other.
    """

    def test_contracts(self) -> None:
        """
        It is a service, and a routing.
        """
        verifyObject(IHostService, MdnsService())
        verifyObject(IPeerRouting, MdnsService())

    def test_found(self) -> None:
        """
        Two nodes of one link find each other; the addresses are stored.
        """
        (near, _, events), (far, service, _) = self.pair()
        (found,) = events
        self.assertEqual((found.peer, found.source), (far.peerID, "mdns"))
        self.assertEqual(found.addresses, (Multiaddr("/ip4/10.0.0.2/tcp/2"),))
        self.assertEqual(near.peerstore.addresses(far.peerID), list(found.addresses))
        self.assertEqual(service.peers, [near.peerID])
        (link,) = service.links
        self.assertEqual(link.link.name, "eth0")
        self.assertGreater(link.questions, 0)
        self.assertGreater(link.answers, 0)
        self.assertGreater(link.heard, 0)
        self.assertIsNotNone(link.lastHeard)

    def test_expired(self) -> None:
        """
        A peer that is gone without a goodbye expires, and its addresses with it.
        """
        (near, _, events), (far, _, _) = self.pair()
        self.lan.advance(300)
        self.assertEqual(len(events), 1)
        self.lan.machines[1].interfaces.clear()
        self.lan.advance(200)
        self.assertIsInstance(events[1], PeerExpired)
        self.assertEqual(events[1].peer, far.peerID)
        self.assertEqual(near.peerstore.addresses(far.peerID), [])

    def test_goodbye(self) -> None:
        """
        A node that stops says goodbye, also after its listeners have closed.
        """
        (_, _, events), (far, service, _) = self.pair()
        far.ownAddresses.replace(AddressSource.BOUND, [])
        self.successResultOf(service.stopService())
        self.lan.advance(0.05)
        self.assertEqual([type(each) for each in events], [PeerDiscovered, PeerExpired])

    def test_noAddress(self) -> None:
        """
        A node without an address finds others, and is not found; as soon as it has
        one, it is; and when it has none again, it says goodbye.
        """
        machine = self.lan.machine(ethernet(1))
        near, _, events = self.node(machine)
        far, _, others = self.node(self.lan.machine(ethernet(2)), "/ip4/10.0.0.2/tcp/2")
        self.lan.advance(2)
        self.assertEqual([each.peer for each in events], [far.peerID])
        self.assertEqual(others, [])
        address = Multiaddr("/ip4/10.0.0.1/tcp/1")
        near.ownAddresses.replace(AddressSource.BOUND, [address])
        self.lan.advance(0.2)
        self.assertEqual([each.peer for each in others], [near.peerID])
        near.ownAddresses.replace(AddressSource.BOUND, [])
        self.lan.advance(2)
        self.assertIsInstance(others[1], PeerExpired)

    def test_changed(self) -> None:
        """
        A new address of a peer is announced.
        """
        (_, _, events), (far, _, _) = self.pair()
        addresses = [Multiaddr(f"/ip4/10.0.0.2/tcp/{port}") for port in (2, 3)]
        far.ownAddresses.replace(AddressSource.BOUND, addresses)
        self.lan.advance(2)
        self.assertEqual(events[-1].addresses, tuple(addresses))

    def test_links(self) -> None:
        """
        On each link the addresses of that link are named, those of loopback on this
        machine only.
        """
        gateway = self.lan.machine(
            LO,
            ("eth0", "one", ["10.0.0.1/24"]),
            ("eth1", "two", ["10.1.0.1/24"]),
        )
        addresses = [f"/ip4/{ip}/tcp/1" for ip in ("127.0.0.1", "10.0.0.1", "10.1.0.1")]
        _, _, events = self.node(gateway, *addresses)
        here, _, seen = self.node(gateway, "/ip4/127.0.0.1/tcp/2")
        one = self.lan.machine(LO, ("eth0", "one", ["10.0.0.2/24"]))
        two = self.lan.machine(LO, ("eth0", "two", ["10.1.0.2/24"]))
        _, _, left = self.node(one)
        _, _, right = self.node(two)
        self.lan.advance(3)
        self.assertEqual(left[-1].addresses, (Multiaddr(addresses[1]),))
        self.assertEqual(right[-1].addresses, (Multiaddr(addresses[2]),))
        self.assertEqual(
            set(seen[-1].addresses), {Multiaddr(each) for each in addresses}
        )
        self.assertEqual([each.peer for each in events], [here.peerID])

    def test_ipv6(self) -> None:
        """
        A link with IPv6 alone is served.
        """
        one = self.lan.machine(("eth0", "lan", ["fd00::1/64"]))
        two = self.lan.machine(("eth0", "lan", ["fd00::2/64"]))
        near, _, _ = self.node(one, "/ip6/fd00::1/tcp/1")
        _, _, events = self.node(two)
        self.lan.advance(2)
        self.assertEqual([each.peer for each in events], [near.peerID])

    def test_chosen(self) -> None:
        """
        Only the chosen interfaces are used.
        """
        machine = self.lan.machine(LO, ethernet(1))
        _, service, _ = self.node(machine, interfaces=["eth0"])
        self.lan.advance(1)
        self.assertEqual([each.link.name for each in service.links], ["eth0"])
        self.assertEqual({each for each, *_ in self.lan.sent}, {"lan"})

    def test_private(self) -> None:
        """
        The peers of a private network find each other only.
        """
        one, two, three = (self.lan.machine(ethernet(each)) for each in (1, 2, 3))
        near, _, events = self.node(one, "/ip4/10.0.0.1/tcp/1", fingerprint="ab")
        far, _, others = self.node(two, "/ip4/10.0.0.2/tcp/1", fingerprint="ab")
        _, _, public = self.node(three, "/ip4/10.0.0.3/tcp/1")
        self.lan.advance(2)
        self.assertEqual([each.peer for each in events], [far.peerID])
        self.assertEqual([each.peer for each in others], [near.peerID])
        self.assertEqual(public, [])

    def test_moved(self) -> None:
        """
        An interface that appears later is used, and one that is gone is left.
        """
        machine = self.lan.machine(LO)
        near, service, _ = self.node(machine, "/ip4/10.0.0.1/tcp/1")
        _, _, events = self.node(self.lan.machine(ethernet(2)))
        self.lan.advance(100)
        self.assertEqual(events, [])
        machine.interfaces["eth0"] = ethernet(1)[1:]
        self.lan.advance(60)
        self.assertEqual([each.peer for each in events], [near.peerID])
        del machine.interfaces["eth0"]
        self.lan.advance(60)
        self.assertEqual([each.link.name for each in service.links], ["lo"])

    def test_restart(self) -> None:
        """
        A service that is started again finds, and is found, again.
        """
        (_, _, events), (_, service, _) = self.pair()
        self.successResultOf(service.stopService())
        self.lan.advance(1)
        service.startService()
        self.lan.advance(2)
        self.assertEqual(
            [type(each) for each in events],
            [PeerDiscovered, PeerExpired, PeerDiscovered],
        )


class RoutingTests(MdnsTestCase):
    """
    A node looks for a certain peer.
    """

    def test_seen(self) -> None:
        """
        A peer that was seen is found at once.
        """
        (_, service, _), (far, _, _) = self.pair()
        self.assertEqual(
            self.successResultOf(service.findPeer(far.peerID)),
            [Multiaddr("/ip4/10.0.0.2/tcp/2")],
        )

    def test_asked(self) -> None:
        """
        Another peer is asked for; a peer that answers is found, any other is not, after
        three seconds.
        """
        _, service, _ = self.node(self.lan.machine(ethernet(1)))
        self.lan.advance(60)
        machine = self.lan.machine(ethernet(2))
        # It neither asks nor answers unasked in time.
        machine.broken.add("eth0")
        far, _, _ = self.node(machine, "/ip4/10.0.0.2/tcp/2")
        self.lan.advance(2)
        machine.broken.clear()
        missing = service.findPeer(Identity.generate().peerID)
        found = service.findPeer(far.peerID)
        self.lan.advance(0.2)
        self.assertEqual(
            self.successResultOf(found), [Multiaddr("/ip4/10.0.0.2/tcp/2")]
        )
        self.assertNoResult(missing)
        self.lan.advance(FIND_TIME)
        self.assertEqual(self.successResultOf(missing), [])

    def test_rate(self) -> None:
        """
        Many peers are asked for with one question.
        """
        _, service, _ = self.node(self.lan.machine(ethernet(1)))
        self.lan.advance(60)
        before = len(self.lan.sent)
        finding = [service.findPeer(Identity.generate().peerID) for _ in range(50)]
        self.lan.advance(0.5)
        # By IPv4 and by IPv6.
        self.assertEqual(len(self.lan.sent) - before, 2)
        self.lan.advance(FIND_TIME)
        for each in finding:
            self.assertEqual(self.successResultOf(each), [])


class SocketTests(MdnsTestCase):
    """
    Sockets that cannot be used.
    """

    def logged(self) -> list[str]:
        """
        Return the warnings.
        """
        return [
            formatEvent(each)
            for each in self.events
            if each["log_level"] is LogLevel.warn
        ]

    def setUp(self) -> None:
        super().setUp()
        self.events: list[Any] = []
        observer: Any = self.events.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def test_taken(self) -> None:
        """
        A port that another program does not share stops nothing, is logged once, and
        is tried again.
        """
        machine = self.lan.machine(ethernet(1))
        machine.refuses = {"", "::"}
        _, _, events = self.node(machine)
        far, _, _ = self.node(self.lan.machine(ethernet(2)), "/ip4/10.0.0.2/tcp/2")
        self.lan.advance(100)
        self.assertEqual(len(self.logged()), 2)
        self.assertIn("no mDNS by IPv4: ", self.logged()[0])
        self.assertEqual(events, [])
        machine.refuses.clear()
        self.lan.advance(60)
        self.assertEqual([each.peer for each in events], [far.peerID])

    def test_failing(self) -> None:
        """
        A link on which nothing can be sent is logged once for each version of IP.
        """
        machine = self.lan.machine(ethernet(1))
        machine.broken.add("eth0")
        self.node(machine)
        self.lan.advance(100)
        self.assertEqual(
            self.logged(),
            [
                f"no mDNS by {family} on eth0: [Errno 101] Network is unreachable"
                for family in ("IPv4", "IPv6")
            ],
        )

    def test_chosenMissing(self) -> None:
        """
        If there is no such interface, that is logged, once; it may come later.
        """
        machine = self.lan.machine(LO)
        _, service, _ = self.node(machine, interfaces=["eth0"])
        self.lan.advance(100)
        self.assertEqual(self.logged(), ["no mDNS: there is no network interface eth0"])
        self.assertEqual(service.links, [])

    def test_unlisted(self) -> None:
        """
        If the interfaces cannot be listed, that is logged.
        """
        machine = self.lan.machine(ethernet(1))

        def failing() -> Any:
            raise OSError("not permitted")

        machine.adapters = failing  # type: ignore[method-assign]
        self.node(machine)
        self.lan.advance(100)
        (logged,) = self.logged()
        self.assertIn("not permitted", logged)


class HostileTests(MdnsTestCase):
    """
    Hostile neighbours.
    """

    def setUp(self) -> None:
        super().setUp()
        self.host, self.service, self.found = self.node(
            self.lan.machine(LO, ethernet(1)), "/ip4/10.0.0.1/tcp/1"
        )
        self.lan.advance(60)

    def hear(self, data: bytes, source: str = "10.0.0.66") -> None:
        """
        Let a packet arrive.
        """
        self.lan.deliver("lan", "224.0.0.251", source, data)
        self.lan.clock.advance(0)

    def name(self, peer: PeerID, *addresses: str, ttl: int = 120) -> bytes:
        """
        Make an answer.
        """
        return answer(
            Advertisement(
                SERVICE,
                b"x" * 40,
                [Multiaddr(each).withPeer(peer) for each in addresses],
                [ip_address("10.0.0.66")],
                1,
            ),
            ttl,
        )

    def test_scope(self) -> None:
        """
        A peer with no address on the link is not found.
        """
        peer = Identity.generate().peerID
        self.hear(
            self.name(
                peer,
                "/ip4/8.8.8.8/tcp/1",
                "/ip4/127.0.0.1/tcp/1",
                "/ip4/192.168.0.1/tcp/1",
                "/dns4/localhost/tcp/1",
            )
        )
        self.assertEqual(self.found, [])
        self.assertEqual(self.host.peerstore.addresses(peer), [])

    def test_far(self) -> None:
        """
        A packet from beyond the link is ignored.
        """
        peer = Identity.generate().peerID
        self.hear(self.name(peer, "/ip4/10.0.0.66/tcp/1"), "192.0.2.1")
        self.assertEqual(self.found, [])

    def test_self(self) -> None:
        """
        Our own id is never found.
        """
        self.hear(self.name(self.host.peerID, "/ip4/10.0.0.66/tcp/1"))
        self.assertEqual(self.found, [])
        self.assertEqual(self.host.peerstore.addresses(self.host.peerID), [])

    def test_lifetime(self) -> None:
        """
        No answer lasts for more than an hour.
        """
        peer = Identity.generate().peerID
        self.hear(self.name(peer, "/ip4/10.0.0.66/tcp/1", ttl=(1 << 31) - 1))
        info = self.host.peerstore.info(peer)
        assert info is not None
        (address,) = info.addresses
        self.assertLessEqual(address.expires - self.lan.clock.seconds(), 3600)

    def test_goodbye(self) -> None:
        """
        Nobody says goodbye for another one.
        """
        peer = Identity.generate().peerID
        self.hear(self.name(peer, "/ip4/10.0.0.7/tcp/1"), "10.0.0.7")
        self.hear(self.name(peer, "/ip4/10.0.0.7/tcp/1", ttl=0))
        self.assertEqual(self.service.peers, [peer])
        self.hear(self.name(peer, "/ip4/10.0.0.7/tcp/1", ttl=0), "10.0.0.7")
        self.assertEqual(self.service.peers, [])

    def test_flood(self) -> None:
        """
        A flood of names is bounded, and an honest peer is found in spite of it.
        """
        identity = Identity.generate()
        digits = identity.peerID.toBytes()
        for number in range(3000):
            fake = PeerID(digits[:-2] + number.to_bytes(2, "big"))
            self.hear(self.name(fake, "/ip4/10.0.0.66/tcp/1"))
            if number % 10 == 0:
                self.lan.clock.advance(0.1)
        self.assertLessEqual(len(self.service.peers), MAX_PEERS)
        honest = Identity.generate().peerID
        self.hear(self.name(honest, "/ip4/10.0.0.7/tcp/1"), "10.0.0.7")
        self.assertIn(honest, self.service.peers)
        self.lan.clock.advance(0.1)
        for number in range(3000, 3300):
            fake = PeerID(digits[:-2] + number.to_bytes(2, "big"))
            self.hear(self.name(fake, "/ip4/10.0.0.66/tcp/1"))
        self.assertIn(honest, self.service.peers)

    def test_questions(self) -> None:
        """
        Many questions have one answer a second.
        """
        before = len(self.lan.sent)
        for number in range(500):
            self.hear(question(SERVICE, number))
            self.lan.clock.advance(0.01)
        ours = [
            data for _, source, data in self.lan.sent[before:] if source == "10.0.0.1"
        ]
        self.assertLessEqual(len(ours), 7)
        self.assertGreaterEqual(len(ours), 4)

    def test_junk(self) -> None:
        """
        Packets that are none change nothing.
        """
        for data in (b"", b"x", bytes(9001), b"\xff" * 500):
            self.hear(data)
        self.assertEqual(self.found, [])
        self.assertTrue(self.service.running)
        self.assertTrue(parse(question(SERVICE)))
