# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.portmap.service}, on gateways in memory that speak PCP and
NAT-PMP.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.portmap.gateways import GATEWAY, GatewayReactor, MemoryGateway
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DoubleNAT, MappingRefused, NoGateway
from twisted_libp2p.events import Event, Listen, ListenClose
from twisted_libp2p.interfaces import AddressSource
from twisted_libp2p.portmap.datagrams import FIRST_WAIT, TRIES
from twisted_libp2p.portmap.events import (
    PortMapped,
    PortMappingFailed,
    PortMappingLost,
)
from twisted_libp2p.portmap.lease import Gateway, IPProtocol, Port
from twisted_libp2p.portmap.mapping import MIN_RETRY
from twisted_libp2p.portmap.service import LOOK_INTERVAL, PortMapping
from twisted_libp2p.testing import HostDouble

TCP = Port(IPProtocol.TCP, 4001)
UDP = Port(IPProtocol.UDP, 4001)
BOUND = ("/ip4/10.1.0.2/tcp/4001", "/ip4/10.1.0.2/udp/4001/quic-v1")


class ServiceTestCase(SynchronousTestCase):
    """
    A node whose gateway is in memory.

    @ivar found: the gateway that the node finds, or the error.
    @ivar events: the events of port mapping.
    """

    def begin(self, *ways: str) -> MemoryGateway:
        """
        Start a node.

        @param ways: the protocols of its gateway.
        """
        self.reactor = GatewayReactor(*ways)
        self.host = HostDouble(self.reactor, addresses=map(Multiaddr, BOUND))
        self.found: Gateway | OSError | None = GATEWAY
        self.events: list[Any] = []
        for each in (PortMapped, PortMappingFailed, PortMappingLost):
            self.host.events.subscribe(each, self.events.append)
        self.service = PortMapping(self.find, random=lambda: 1.0)
        self.service.attach(self.host)
        self.service.startService()
        self.wait(0)
        assert self.reactor.gateway is not None
        return self.reactor.gateway

    def find(self) -> Gateway | None:
        """
        Find the gateway.
        """
        if isinstance(self.found, OSError):
            raise self.found
        return self.found

    def wait(self, seconds: float) -> None:
        """
        Let time pass, in steps in which an answer arrives.
        """
        for _ in range(8):
            self.reactor.advance(0)
        whole, rest = divmod(seconds, 0.25)
        for each in [0.25] * int(whole) + [rest]:
            self.reactor.advance(each)
            for _ in range(8):
                self.reactor.advance(0)

    def end(self) -> None:
        """
        Stop the node: it leaves nothing.
        """
        stopping = self.service.stopService()
        self.wait(0)
        if stopping is not None:
            self.successResultOf(stopping)
        self.assertEqual(self.reactor.sockets, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.mapped(), [])

    def mapped(self) -> list[str]:
        """
        Return the mapped addresses of the node.
        """
        return [
            str(each.address)
            for each in self.host.ownAddresses.all()
            if each.source is AddressSource.MAPPED
        ]

    def listen(self, *addresses: str) -> None:
        """
        Change the listeners of the node.
        """
        self.host.ownAddresses.update(AddressSource.BOUND, map(Multiaddr, addresses))
        self.publish(Listen)

    def publish(self, kind: type[Listen] | type[ListenClose]) -> None:
        """
        Publish that a listener has changed.
        """
        self.host.events.publish(kind(time=0.0, address=Multiaddr(BOUND[0])))

    def kinds(self) -> list[type[Event]]:
        """
        Return the types of the events.
        """
        return [type(each) for each in self.events]


class MappingTests(ServiceTestCase):
    """
    Ports are mapped, renewed and deleted.
    """

    ADDRESSES = ("/ip4/45.45.0.1/tcp/4001", "/ip4/45.45.0.1/udp/4001/quic-v1")

    def check(self, *ways: str, way: str) -> None:
        """
        Check that both ports are mapped by one way, and that nothing is left.
        """
        gateway = self.begin(*ways)
        self.assertEqual(self.mapped(), list(self.ADDRESSES))
        self.assertEqual(self.kinds(), [PortMapped, PortMapped])
        self.assertEqual([each.way for each in self.events], [way, way])
        self.assertEqual(gateway.mappings, {(6, 4001): 4001, (17, 4001): 4001})
        self.assertIsNone(self.service.problem)
        self.end()
        self.assertEqual(gateway.mappings, {})
        self.assertEqual(self.kinds()[2:], [PortMappingLost, PortMappingLost])

    def test_PCP(self) -> None:
        """
        By PCP, where the gateway has it.
        """
        self.check("PCP", "NAT-PMP", way="PCP")

    def test_NATPMP(self) -> None:
        """
        By NAT-PMP otherwise.
        """
        self.check("NAT-PMP", way="NAT-PMP")

    def test_announced(self) -> None:
        """
        Peers are given the mapped addresses.
        """
        self.begin("PCP")
        for each in self.ADDRESSES:
            self.assertIn(Multiaddr(each), self.host.ownAddresses.dialable())
        self.assertEqual(self.service.mapped[TCP], (Multiaddr(self.ADDRESSES[0]),))
        self.end()

    def test_otherPort(self) -> None:
        """
        The port that the gateway has granted is announced, not the one that was asked.
        """
        for way in ("PCP", "NAT-PMP"):
            self.reactor = GatewayReactor(way)
            gateway = self.begin(way)
            self.end()
            gateway.mappings[6, 9] = gateway.mappings[17, 9] = 4001
            self.service.startService()
            self.wait(0)
            self.assertIn("/ip4/45.45.0.1/tcp/4002", self.mapped())
            self.end()

    def test_renewed(self) -> None:
        """
        Mappings are renewed after half of their time, and stay.
        """
        gateway = self.begin("PCP")
        del gateway.requests[:]
        self.wait(1799)
        looks = len(gateway.requests)
        self.assertLess(looks, 1800 / LOOK_INTERVAL + 1)
        self.wait(2)
        self.assertEqual(len(gateway.requests) - looks, 3)
        self.wait(3600)
        self.assertEqual(self.kinds(), [PortMapped, PortMapped])
        self.assertEqual(self.mapped(), list(self.ADDRESSES))
        self.end()

    def test_expired(self) -> None:
        """
        A mapping that cannot be renewed is announced until it expires.
        """
        self.begin("PCP").lifetime = 100
        self.service.stopService()
        self.wait(0)
        self.service.startService()
        self.wait(0)
        self.reactor.gateway = None
        self.wait(98)
        self.assertEqual(len(self.mapped()), 2)
        self.wait(4)
        self.assertEqual(self.mapped(), [])
        self.end()

    def test_listeners(self) -> None:
        """
        A new listener gets a mapping, and a closed one loses it.
        """
        gateway = self.begin("PCP")
        self.listen("/ip4/10.1.0.2/tcp/4001", "/ip4/10.1.0.2/tcp/4003/ws")
        self.wait(0)
        self.assertEqual(
            self.mapped(), [self.ADDRESSES[0], "/ip4/45.45.0.1/tcp/4003/ws"]
        )
        self.assertNotIn((17, 4001), gateway.mappings)
        # Two listeners may share a port.
        self.listen("/ip4/10.1.0.2/tcp/4001", "/ip4/10.1.0.2/tcp/4001/ws")
        self.wait(0)
        self.assertEqual(self.mapped(), [self.ADDRESSES[0], self.ADDRESSES[0] + "/ws"])
        self.end()

    def test_elsewhere(self) -> None:
        """
        Listeners outside the network of the gateway get no mapping.
        """
        gateway = self.begin("PCP")
        self.listen("/ip4/127.0.0.1/tcp/4001", "/ip4/10.9.0.1/tcp/4001")
        self.wait(0)
        self.assertEqual((self.mapped(), gateway.mappings), ([], {}))
        self.end()


class ChangeTests(ServiceTestCase):
    """
    Gateways change, restart and vanish.
    """

    def test_restarted(self) -> None:
        """
        A gateway that has forgotten its mappings gets them again within 20 seconds.
        """
        for way in ("PCP", "NAT-PMP"):
            gateway = self.begin(way)
            self.wait(100)
            gateway.restart()
            self.wait(LOOK_INTERVAL)
            self.assertEqual(set(gateway.mappings), {(6, 4001), (17, 4001)})
            self.assertEqual(len(self.mapped()), 2)
            self.end()

    def test_otherAddress(self) -> None:
        """
        A gateway that has another public address announces that.
        """
        for way in ("PCP", "NAT-PMP"):
            gateway = self.begin(way)
            gateway.address = IPv4Address("45.45.0.7")
            self.wait(LOOK_INTERVAL)
            self.assertEqual(
                self.mapped(),
                ["/ip4/45.45.0.7/tcp/4001", "/ip4/45.45.0.7/udp/4001/quic-v1"],
            )
            self.end()

    def test_otherGateway(self) -> None:
        """
        Another gateway is asked, and the old one no longer.
        """
        gateway = self.begin("PCP")
        self.found = Gateway(IPv4Address("10.2.0.1"), IPv4Address("10.2.0.2"))
        self.listen("/ip4/10.2.0.2/tcp/4001")
        self.wait(0)
        self.assertEqual(self.mapped(), [])
        gateway.address = IPv4Address("45.45.0.7")
        self.wait(LOOK_INTERVAL)
        self.assertEqual(self.mapped(), ["/ip4/45.45.0.7/tcp/4001"])
        self.assertEqual(self.reactor.sent[-1][1], ("10.2.0.1", 5351))
        self.end()

    def test_noGateway(self) -> None:
        """
        A host without a gateway says so, and looks again.
        """
        self.begin("PCP")
        self.found = None
        self.wait(LOOK_INTERVAL)
        self.assertEqual(self.mapped(), [])
        self.assertIsInstance(self.service.problem, NoGateway)
        self.found = OSError("no adapters")
        self.wait(LOOK_INTERVAL)
        self.assertIn("no adapters", str(self.service.problem))
        self.found = GATEWAY
        self.wait(LOOK_INTERVAL)
        self.assertEqual(len(self.mapped()), 2)
        self.assertIsNone(self.service.problem)
        self.end()

    def test_unanswered(self) -> None:
        """
        A gateway that does not answer while it is looked at keeps its mappings.
        """
        gateway = self.begin("PCP")
        self.reactor.gateway = None
        self.wait(LOOK_INTERVAL * 3)
        self.assertEqual(len(self.mapped()), 2)
        self.reactor.gateway = gateway
        self.wait(LOOK_INTERVAL)
        self.assertEqual(len(self.mapped()), 2)
        self.end()


class FailureTests(ServiceTestCase):
    """
    Gateways that map nothing.
    """

    def test_silent(self) -> None:
        """
        A gateway that never answers is asked four times by each way, then again after a
        minute; the failure is reported once.
        """
        self.begin()
        self.wait(FIRST_WAIT * (2**TRIES - 1) * 2 + 1)
        self.assertEqual(self.kinds(), [PortMappingFailed] * 2)
        self.assertIsInstance(self.events[0].reason, NoGateway)
        self.assertEqual(self.mapped(), [])
        sent = len(self.reactor.sent)
        self.wait(MIN_RETRY - 10)
        self.assertEqual(len(self.reactor.sent), sent)
        self.wait(30)
        self.assertGreater(len(self.reactor.sent), sent)
        self.assertEqual(len(self.events), 2)
        self.end()

    def test_nobodyListens(self) -> None:
        """
        A gateway at which nobody listens is given up at once by the ways in datagrams.
        """
        self.begin()
        self.reactor.sockets[0].refuse()
        self.wait(3.5)
        self.assertEqual(self.kinds(), [PortMappingFailed])
        self.end()

    def test_unreachable(self) -> None:
        """
        A network that cannot be reached is a failure like others.
        """
        self.begin()
        self.reactor.failing = OSError(101, "Network is unreachable")
        self.wait(12)
        self.assertIn("Network is unreachable", str(self.events[0].reason))
        self.end()

    def test_refused(self) -> None:
        """
        A gateway that refuses is named with its reason, and asked again.
        """
        gateway = self.begin("NAT-PMP")
        self.end()
        gateway.result = 2
        del self.events[:]
        self.service.startService()
        self.wait(8)
        self.assertEqual(self.kinds(), [PortMappingFailed] * 2)
        self.assertIsInstance(self.events[0].reason, MappingRefused)
        self.assertIn("not authorized (NAT-PMP, 2)", str(self.service.problem))
        gateway.result = 0
        self.wait(MIN_RETRY + 1)
        self.assertEqual(len(self.mapped()), 2)
        self.assertIsNone(self.service.problem)
        self.end()

    def test_double(self) -> None:
        """
        A gateway with a private address of its own is reported as a double NAT, and no
        mapping is left there.
        """
        for way in ("PCP", "NAT-PMP"):
            for address in ("192.168.7.1", "100.64.0.1", "0.0.0.0"):
                gateway = self.begin(way)
                self.end()
                gateway.address = IPv4Address(address)
                del self.events[:]
                self.service.startService()
                self.wait(8)
                self.assertEqual(self.kinds(), [PortMappingFailed] * 2)
                self.assertIsInstance(self.events[0].reason, DoubleNAT)
                self.assertIn("two layers of NAT", str(self.service.problem))
                self.assertEqual((self.mapped(), gateway.mappings), ([], {}))
                self.end()

    def test_short(self) -> None:
        """
        A lease of no use is none.
        """
        gateway = self.begin("PCP")
        self.end()
        gateway.lifetime = 3
        self.service.startService()
        self.wait(8)
        self.assertEqual(self.mapped(), [])
        self.end()

    def test_drained(self) -> None:
        """
        A node that stops soon after it has begun to drain waits for the gateway.
        """
        gateway = self.begin("PCP")
        self.service.drain()
        stopping = self.service.stopService()
        assert stopping is not None
        self.assertNoResult(stopping)
        self.end()
        self.successResultOf(stopping)
        self.assertEqual(gateway.mappings, {})

    def test_stopped(self) -> None:
        """
        A node that is stopped while it asks leaves nothing.
        """
        self.begin()
        self.end()
        self.begin()
        self.wait(1)
        self.end()


class StrangerTests(ServiceTestCase):
    """
    Others in the network answer in place of the gateway.
    """

    def answer(self) -> bytes:
        """
        Return the answer to the request of PCP that our side has sent.
        """
        request = next(data for data, _ in self.reactor.sent if data[0] == 2)
        answer = MemoryGateway(self.reactor, "PCP").receive(request)
        assert answer is not None
        return answer

    def test_source(self) -> None:
        """
        Answers of another host or port are ignored.
        """
        gateway = self.begin()
        socket = self.reactor.sockets[0]
        self.assertEqual(socket.peer, ("10.1.0.1", 5351))
        answer = self.answer()
        for source in (("10.1.0.66", 5351), ("10.1.0.1", 53)):
            socket.deliver(answer, source)
        self.wait(0)
        self.assertEqual(self.mapped(), [])
        socket.deliver(answer)
        self.wait(0)
        self.assertEqual(self.mapped(), ["/ip4/45.45.0.1/tcp/4001"])
        gateway.ways = ("PCP",)
        self.end()

    def test_nonce(self) -> None:
        """
        Answers with another nonce, for another port, and malformed ones are ignored.
        """
        self.begin()
        socket = self.reactor.sockets[0]
        answer = self.answer()
        other = bytearray(answer)
        other[24] ^= 1
        port = bytearray(answer)
        port[41] ^= 1
        for each in (bytes(other), bytes(port), answer[:-1], b"", b"\0" * 16):
            socket.deliver(each)
        self.wait(0)
        self.assertEqual(self.mapped(), [])
        self.end()

    def test_search(self) -> None:
        """
        A device elsewhere, or one that names another place, is not asked: nothing is
        connected with.
        """
        self.begin()
        _, search = self.reactor.sockets
        self.assertEqual(self.reactor.sent[1][1], ("239.255.255.250", 1900))
        for source, place in (
            ("10.1.0.66", "http://10.1.0.66/"),
            ("10.1.0.66", "http://10.1.0.1/"),
            ("10.1.0.1", "http://10.1.0.66/"),
            ("10.1.0.1", "http://169.254.169.254/"),
            ("10.1.0.1", "file:///etc/passwd"),
        ):
            answer = f"HTTP/1.1 200 OK\r\nLOCATION: {place}\r\n\r\n".encode()
            search.deliver(answer, (source, 1900))
        # The reactor of this test has no connectTCP.
        self.wait(8)
        self.assertEqual(self.kinds(), [PortMappingFailed] * 2)
        self.end()


class NodeTests(SynchronousTestCase):
    """
    The service in the order of a node.
    """

    def test_cancelled(self) -> None:
        """
        A gateway that does not answer keeps a node from stopping only until it is
        cancelled.
        """
        reactor = GatewayReactor("PCP")
        host = HostDouble(reactor, addresses=map(Multiaddr, BOUND))
        service = PortMapping(lambda: GATEWAY)
        service.attach(host)
        service.startService()
        for _ in range(8):
            reactor.advance(0)
        self.assertEqual(len(service.mapped), 2)
        reactor.gateway = None
        stopping = service.stopService()
        assert isinstance(stopping, Deferred)
        self.assertNoResult(stopping)
        stopping.cancel()
        stopping.addErrback(lambda _: None)
        self.assertEqual(reactor.sockets, [])
        self.assertEqual(reactor.getDelayedCalls(), [])
