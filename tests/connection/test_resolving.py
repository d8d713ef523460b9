# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of where names, and the addresses that peers tell, may lead a dialer.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.address.spellings import farIPv4, literals, names, nearIPv4
from tests.examples import drawn
from twisted_libp2p.address import Multiaddr, Origin
from twisted_libp2p.connection.candidates import MAX_NAMES
from twisted_libp2p.connection.naming import MAX_PEER_NAMES
from twisted_libp2p.connmanager.gater import ListGater
from twisted_libp2p.errors import (
    AddressRefused,
    DialFailed,
    Gated,
    InvalidMultiaddr,
    NoAddresses,
    UnsupportedAddress,
)
from twisted_libp2p.events import Identified
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, ITransport, Source
from twisted_libp2p.node import Node
from twisted_libp2p.transport.names import MAX_STRANGERS

PEER = Identity.generate().peerID


@implementer(IHostnameResolver)
class Zone:
    """
    A resolver with names of a test.

    @ivar hosts: for each name its addresses; a list of lists gives one after the
        other, a name that is missing is never answered.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.answers: dict[str, list[list[str]]] = {}

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        class Resolution:
            name = hostName

            def cancel(self) -> None:
                raise NotImplementedError

        self.asked.append(hostName)
        resolutionReceiver.resolutionBegan(Resolution())
        later = self.answers.get(hostName)
        found = later.pop(0) if later else self.hosts.get(hostName)
        if found is not None:
            for host in found:
                family: Any = IPv6Address if ":" in host else IPv4Address
                if addressTypes is None or family in addressTypes:
                    resolutionReceiver.addressResolved(family("TCP", host, portNumber))
            resolutionReceiver.resolutionComplete()
        return Resolution()


class Reactor(Clock):
    """
    A clock with a resolver.
    """

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = Zone()


@implementer(ITransport)
class Recording:
    """
    A transport that notes which addresses are dialed, and reaches none.

    @ivar silent: whether it waits for an answer; otherwise it is refused.
    """

    name = "recording"
    byteStream = True

    def __init__(self) -> None:
        self.dialed: list[str] = []
        self.silent = False

    def canDial(self, address: Multiaddr) -> bool:
        """
        Dial whatever has an IP address and a TCP port.
        """
        return address.host is not None and address.names[-1] == "tcp"

    def canListen(self, address: Multiaddr) -> bool:
        """
        Listen on nothing.
        """
        return False

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> Any:
        """
        Give an endpoint that is refused.
        """
        transport = self

        class Endpoint:
            def connect(self, factory: Any) -> Deferred[Any]:
                transport.dialed.append(str(address))
                return (
                    Deferred() if transport.silent else fail(ConnectionRefusedError())
                )

        return Endpoint()

    def serverEndpoint(self, address: Multiaddr) -> Any:
        """
        Not this one.
        """
        raise UnsupportedAddress(str(address))

    def listeningOn(self, address: Multiaddr, port: Any) -> list[Multiaddr]:
        """
        Nowhere.
        """
        return []

    def toMultiaddr(self, address: Any) -> Multiaddr | None:
        """
        Nothing.
        """
        return None


class NamesOnly(Recording):
    """
    A transport that takes names, as a proxy does.
    """

    def canDial(self, address: Multiaddr) -> bool:
        """
        Dial names alone.
        """
        return address.names == ("dns", "tcp")


class ResolvingTestCase(SynchronousTestCase):
    """
    A node whose dials are noted.
    """

    def setUp(self) -> None:
        """
        Have one.
        """
        self.records: dict[str, list[str]] = {}
        self.make()

    def make(self, *transports: Recording, **options: Any) -> None:
        """
        Make the node.
        """
        self.reactor = Reactor()
        self.zone = self.reactor.nameResolver
        self.transport = Recording()
        resolver: Any = self
        self.node = Node(
            self.reactor,
            transports=list(transports) or [self.transport],
            resolver=resolver,
            **options,
        )

    def lookupText(self, name: str, timeout: Any) -> Deferred[Any]:
        """
        Resolve C{/dnsaddr}, as an C{IResolver}.
        """
        answers = [
            dns.RRHeader(name, dns.TXT, payload=dns.Record_TXT(each.encode()))
            for each in self.records.get(name.removeprefix("_dnsaddr."), ())
        ]
        return succeed((answers, [], []))

    def told(self, *texts: str, remote: str | None = None) -> None:
        """
        A peer has told its addresses: publish what identify does.
        """
        addresses = tuple(map(Multiaddr, texts))

        told: Any = SimpleNamespace(
            remotePeer=PEER,
            remoteAddress=None if remote is None else Multiaddr(remote),
        )
        self.node.peerstore.setAddresses(PEER, addresses, Source.IDENTIFY)
        self.node.events.publish(
            Identified(
                time=0.0,
                connection=told,
                peer=PEER,
                agent="",
                protocolVersion="",
                protocols=(),
                listenAddresses=addresses,
                observedAddress=None,
                record=None,
                push=False,
            )
        )

    def causes(self, dial: Deferred[Any]) -> dict[str, BaseException]:
        """
        Let a dial fail, and give the reasons.
        """
        self.reactor.pump([0.3] * 30)
        return dict(self.failureResultOf(dial, DialFailed).value.causes)


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
        own = [Multiaddr(f"/ip4/8.8.8.8/tcp/4001/p2p/{self.node.peerID}")]
        self.patch(self.node._dialer, "_own", lambda: own)
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
