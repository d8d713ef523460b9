# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of resolving with the name servers of the system.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import CannotListenError, DNSLookupError
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection import nameservers
from twisted_libp2p.connection.dnsaddr import (
    DNSAddrResolver,
)
from twisted_libp2p.connection.nameservers import nameServers

A = "/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


class FakePort:
    """
    A UDP port that notes what is sent.
    """

    def __init__(self, protocol: Any, unreachable: Collection[str] = ()) -> None:
        self.protocol = protocol
        self.unreachable = unreachable
        self.sent: list[tuple[bytes, Any]] = []
        self.open = True

    def write(self, data: bytes, address: Any) -> None:
        """
        Note a datagram.
        """
        if address[0] in self.unreachable:
            raise OSError(101, "Network is unreachable")
        self.sent.append((data, address))

    def stopListening(self) -> None:
        """
        Close; it is an error to do so twice.
        """
        if not self.open:
            raise AssertionError("closed twice")
        self.open = False


class FakeConnector:
    """
    A TCP connection that a test makes by hand.
    """

    def __init__(self, factory: Any) -> None:
        self.factory = factory
        self.open = True

    def disconnect(self) -> None:
        """
        Close.
        """
        self.open = False


class FakeReactor(Clock):
    """
    A clock with UDP and TCP.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ports: list[FakePort] = []
        self.unreachable: set[str] = set()
        self.unbound: dict[str, int] = {}
        self.connectors: list[FakeConnector] = []

    def listenUDP(self, port: int, protocol: Any, **options: Any) -> FakePort:
        """
        Give a port, unless its interface refuses one more time.
        """
        interface = options.get("interface", "")
        if self.unbound.get(interface, 0):
            self.unbound[interface] -= 1
            raise CannotListenError(interface, port, OSError(99, "not available"))
        self.ports.append(FakePort(protocol, self.unreachable))
        protocol.makeConnection(self.ports[-1])
        return self.ports[-1]

    def connectTCP(self, host: str, port: int, factory: Any, **options: Any) -> Any:
        """
        Begin to connect.
        """
        self.connectors.append(FakeConnector(factory))
        return self.connectors[-1]


class SystemTests(SynchronousTestCase):
    """
    Asking the name servers of the system.
    """

    def setUp(self) -> None:
        """
        Begin to resolve a name.
        """
        self.reactor = FakeReactor()
        self.resolving = DNSAddrResolver(self.reactor).resolve(Multiaddr("/dnsaddr/a"))

    def assertClean(self) -> None:
        """
        Assert that nothing is left.
        """
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertFalse(any(port.open for port in self.reactor.ports))
        self.assertFalse(any(each.open for each in self.reactor.connectors))

    def answer(self, truncated: bool) -> tuple[FakePort, Any, dns.Message]:
        """
        Make an answer to the question that was sent.
        """
        (port,) = self.reactor.ports
        ((data, address),) = port.sent
        question = dns.Message()
        question.fromStr(data)
        self.assertEqual(question.queries[0].name.name, b"_dnsaddr.a")
        self.assertEqual(question.queries[0].type, dns.TXT)
        answer = dns.Message(id=question.id, answer=1, trunc=truncated)
        answer.queries = question.queries
        if not truncated:
            answer.answers = [
                dns.RRHeader(
                    "_dnsaddr.a", dns.TXT, payload=dns.Record_TXT(b"dnsaddr=/memory/1")
                )
            ]
        return port, address, answer

    def test_answer(self) -> None:
        """
        An answer is taken, and nothing is left.
        """
        port, address, answer = self.answer(truncated=False)
        port.protocol.datagramReceived(answer.toStr(), address)
        self.assertEqual(self.successResultOf(self.resolving), [Multiaddr("/memory/1")])
        self.assertClean()

    def test_truncated(self) -> None:
        """
        One that was too long is asked for again over TCP.
        """
        port, address, answer = self.answer(truncated=True)
        port.protocol.datagramReceived(answer.toStr(), address)
        (connector,) = self.reactor.connectors
        protocol = connector.factory.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        question = dns.Message()
        question.fromStr(transport.value()[2:])
        answer = self.answer(truncated=False)[2]
        answer.id = question.id
        protocol.stringReceived(answer.toStr())
        self.assertEqual(self.successResultOf(self.resolving), [Multiaddr("/memory/1")])
        self.assertClean()

    def test_silence(self) -> None:
        """
        Servers that do not answer are given up.
        """
        self.reactor.pump([0.5] * 80)
        reason = self.failureResultOf(self.resolving, DNSLookupError)
        self.assertIn("no name server", str(reason.value))
        self.assertClean()

    def test_cancel(self) -> None:
        """
        To give it up leaves nothing.
        """
        self.resolving.cancel()
        self.failureResultOf(self.resolving, CancelledError)
        self.assertClean()


class NameServersTests(SynchronousTestCase):
    """
    Reading the name servers of the system.
    """

    def test_badLines(self) -> None:
        """
        A line that is cut off, names no address, or is not text is skipped, and
        the name servers of the other lines are used.
        """
        for bad in (
            b"nameserver",
            b"nameserver   ",
            b"nameserver # none yet",
            b"nameserver 300.1.1.1",
            b"nameserver 127.1",
            b"nameserver dns.example",
            b"nameserver \xff\xfe",
            b"nameservers 192.0.2.9",
            b"; nameserver 192.0.2.9",
            b"#nameserver 192.0.2.9",
            b"search",
            b"options",
            b"\x00",
            b"",
        ):
            text = b"nameserver 192.0.2.1\n" + bad + b"\n\tnameserver\t2001:db8::1 # b"
            self.assertEqual(
                nameServers(text), [("192.0.2.1", 53), ("2001:db8::1", 53)], bad
            )
            self.assertEqual(nameServers(bad), [("127.0.0.1", 53)], bad)

    def test_zone(self) -> None:
        """
        A name server on the link keeps its zone; one that is named twice is asked
        once.
        """
        text = b"nameserver fe80::1%eth0\r\nnameserver fe80::1%eth0\r\n"
        self.assertEqual(nameServers(text), [("fe80::1%eth0", 53)])

    def resolving(self, reactor: FakeReactor, path: str) -> Deferred[list[Multiaddr]]:
        """
        Begin to resolve a name with the name servers in a file.
        """
        self.patch(nameservers, "RESOLV_CONF", path)
        return DNSAddrResolver(reactor).resolve(Multiaddr("/dnsaddr/a"))

    def asked(self, reactor: FakeReactor) -> list[str]:
        """
        The name servers that were sent a question, in order.
        """
        return [address[0] for port in reactor.ports for _, address in port.sent]

    def test_file(self) -> None:
        """
        A resolution asks the servers of the good lines.
        """
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"nameserver\nnameserver x\nnameserver 192.0.2.1\n")
        reactor = FakeReactor()
        self.resolving(reactor, path).addErrback(lambda _: None).cancel()
        self.assertEqual(self.asked(reactor), ["192.0.2.1"])

    def test_noFile(self) -> None:
        """
        Without a file, or with one that cannot be read, this host is asked.
        """
        for path in (self.mktemp(), "/"):
            reactor = FakeReactor()
            self.resolving(reactor, path).addErrback(lambda _: None).cancel()
            self.assertEqual(self.asked(reactor), ["127.0.0.1"])

    def test_unreachable(self) -> None:
        """
        A name server to which nothing can be sent, for there is no route, leaves
        its turn to the next one, and no port open.
        """
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"nameserver 2001:db8::1\nnameserver 192.0.2.1\n")
        reactor = FakeReactor()
        reactor.unreachable.add("2001:db8::1")
        resolving = self.resolving(reactor, path)
        self.assertNoResult(resolving)
        self.assertEqual(self.asked(reactor), ["192.0.2.1"])
        resolving.cancel()
        self.failureResultOf(resolving, CancelledError)
        self.assertFalse(any(port.open for port in reactor.ports))
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_noFamily(self) -> None:
        """
        A name server of IPv6 on a host without IPv6, where no port can be opened,
        leaves its turn to the next one; a port that is taken does not.
        """
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"nameserver 2001:db8::1\nnameserver 192.0.2.1\n")
        for refusals, asked in ((10**6, "192.0.2.1"), (2, "2001:db8::1")):
            reactor = FakeReactor()
            reactor.unbound["::"] = refusals
            resolving = self.resolving(reactor, path)
            self.assertNoResult(resolving)
            self.assertEqual(self.asked(reactor), [asked])
            resolving.cancel()
            self.failureResultOf(resolving, CancelledError)
            self.assertFalse(any(port.open for port in reactor.ports))
        reactor = FakeReactor()
        reactor.unbound = {"::": 10**6, "": 10**6}
        self.failureResultOf(self.resolving(reactor, path), DNSLookupError)
        self.assertEqual(reactor.getDelayedCalls(), [])

    def test_allUnreachable(self) -> None:
        """
        If no name server can be reached, the resolution says so.
        """
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(b"nameserver 2001:db8::1\n")
        reactor = FakeReactor()
        reactor.unreachable.add("2001:db8::1")
        reason = self.failureResultOf(self.resolving(reactor, path), DNSLookupError)
        self.assertIn("no name server", str(reason.value))
        self.assertFalse(any(port.open for port in reactor.ports))
