# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.portmap.upnp} and L{twisted_libp2p.portmap.fetching}, on
devices that speak HTTP over loopback.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from tests.portmap.test_documents import description
from twisted_libp2p.errors import DoubleNAT, MappingRefused, NoGateway
from twisted_libp2p.portmap import fetching
from twisted_libp2p.portmap.lease import Gateway, IPProtocol, Lease, Port
from twisted_libp2p.portmap.soap import fields
from twisted_libp2p.portmap.upnp import FIRST_PORT, UPnP

HERE = IPv4Address("127.0.0.1")
TCP = Port(IPProtocol.TCP, 4001)
SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"


class Request(Protocol):
    """
    One request to a device.
    """

    transport: Any

    def __init__(self, device: Device) -> None:
        self.device = device
        self.data = b""

    def dataReceived(self, data: bytes) -> None:
        """
        Answer a complete request.
        """
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        if not found:
            return
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length" and len(body) < int(value):
                return
        path = head.split(b" ", 2)[1].decode()
        answer = self.device.answer(path, body)
        if answer is not None:
            self.transport.write(answer)
            if not self.device.unfinished:
                self.transport.loseConnection()

    def connectionLost(self, reason: object = None) -> None:
        """
        Report the end of a request that was not answered to its end.
        """
        if self.device.unfinished and not self.device.left.called:
            self.device.left.callback(None)


def http(body: bytes, code: int = 200) -> bytes:
    """
    Return an answer of HTTP.
    """
    return f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Device:
    """
    An Internet Gateway Device, on a port of loopback.

    @ivar address: its public address.
    @ivar mappings: our ports by protocol and public port.
    @ivar leases: the lifetimes that were asked for.
    @ivar taken: public ports that lead to others.
    @ivar permanent: whether it refuses to forget a mapping by itself.
    @ivar answers: answers to certain paths in place of the right ones.
    @ivar unfinished: whether it leaves its connections open after an answer.
    @ivar left: fires when such a connection has ended.
    """

    def __init__(self) -> None:
        self.address = "45.45.0.1"
        self.control = "/control"
        self.mappings: dict[tuple[str, int], int] = {}
        self.leases: list[int] = []
        self.taken: set[int] = set()
        self.permanent = False
        self.answers: dict[str, bytes | None] = {}
        self.unfinished = False
        self.left: Deferred[None] = Deferred()
        factory: Any = Factory.forProtocol(lambda: Request(self))
        factory.noisy = False
        listen: Any = reactor
        self.port: Any = listen.listenTCP(0, factory, interface="127.0.0.1")
        self.url = f"http://127.0.0.1:{self.port.getHost().port}/root.xml"

    def answer(self, path: str, body: bytes) -> bytes | None:
        """
        Answer a request.

        @return: None if it does not.
        """
        if path in self.answers:
            return self.answers[path]
        if path == "/root.xml":
            return http(description((SERVICE, self.control)))
        values = fields(body)
        for action in (
            "GetExternalIPAddress",
            "AddPortMapping",
            "DeletePortMapping",
            "GetSpecificPortMappingEntry",
        ):
            if f"u:{action} ".encode() in body:
                return self._do(action, values)
        return http(b"", 404)

    def _do(self, action: str, values: dict[str, str]) -> bytes:
        if action == "GetExternalIPAddress":
            return self._values(NewExternalIPAddress=self.address)
        key = values["NewProtocol"], int(values["NewExternalPort"])
        if action == "AddPortMapping":
            lease = int(values["NewLeaseDuration"])
            self.leases.append(lease)
            if key[1] in self.taken:
                return self._error(718)
            if self.permanent and lease:
                return self._error(725)
            self.mappings[key] = int(values["NewInternalPort"])
            return self._values()
        if key not in self.mappings:
            return self._error(714)
        if action == "DeletePortMapping":
            del self.mappings[key]
            return self._values()
        return self._values(
            NewInternalClient="127.0.0.1", NewInternalPort=self.mappings[key]
        )

    def _values(self, **values: object) -> bytes:
        inner = "".join(f"<{name}>{each}</{name}>" for name, each in values.items())
        return http(f"<s:Envelope><s:Body>{inner}</s:Body></s:Envelope>".encode())

    def _error(self, code: int) -> bytes:
        inner = f"<errorCode>{code}</errorCode>"
        return http(f"<s:Envelope><s:Body>{inner}</s:Body></s:Envelope>".encode(), 500)


class SearchReactor:
    """
    The reactor, whose multicasts a device answers.
    """

    def __init__(self, url: str) -> None:
        self._answer = f"HTTP/1.1 200 OK\r\nLOCATION: {url}\r\n\r\n".encode()
        self._protocol: Any = None
        self.open = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def listenMulticast(
        self, port: int, protocol: Any, interface: str = ""
    ) -> SearchReactor:
        """
        Open a socket.
        """
        protocol.transport = self
        self._protocol = protocol
        self.open += 1
        return self

    def setOutgoingInterface(self, address: str) -> Deferred[int]:
        """
        Send multicasts there.
        """
        return succeed(1)

    def write(self, data: bytes, address: tuple[str, int]) -> None:
        """
        Answer a search.
        """
        reactor.callLater(
            0, self._protocol.datagramReceived, self._answer, ("127.0.0.1", 1900)
        )

    def stopListening(self) -> None:
        """
        Close.
        """
        self.open -= 1


class UPnPTestCase(TestCase):
    """
    A device, and our side.
    """

    def setUp(self) -> None:
        """
        Start a device.
        """
        self.device = Device()
        self.addCleanup(self.device.port.stopListening)
        self.reactor = SearchReactor(self.device.url)
        self.upnp = UPnP(self.reactor, Gateway(HERE, HERE), random=lambda: 0.5)

    async def fails(self, kind: type[Exception], call: Any) -> str:
        """
        Check that a call fails.

        @return: the text of the error.
        """
        try:
            await call
        except kind as error:
            return str(error)
        raise AssertionError(f"no {kind.__name__}")


class UPnPTests(UPnPTestCase):
    """
    Devices that map ports.
    """

    async def test_mapped(self) -> None:
        """
        A port is mapped, looked at, renewed and deleted.
        """
        await self.upnp.open()
        self.assertEqual(self.reactor.open, 0)
        lease = await self.upnp.map(TCP, 4001)
        self.assertEqual(lease, Lease(IPv4Address("45.45.0.1"), 4001, 3600))
        self.assertEqual(self.device.mappings, {("TCP", 4001): 4001})
        self.assertEqual(self.device.leases, [3600])
        self.assertTrue(await self.upnp.look(TCP, lease))
        self.assertEqual(await self.upnp.map(TCP, 4001), lease)
        await self.upnp.unmap(TCP, 4001)
        self.assertEqual(self.device.mappings, {})
        self.assertFalse(await self.upnp.look(TCP, lease))

    async def test_changed(self) -> None:
        """
        Another public address, or another host at the public port, is noticed.
        """
        await self.upnp.open()
        lease = await self.upnp.map(TCP, 4001)
        self.device.mappings["TCP", 4001] = 9
        self.assertFalse(await self.upnp.look(TCP, lease))
        self.device.mappings["TCP", 4001] = 4001
        self.device.address = "45.45.0.7"
        self.assertFalse(await self.upnp.look(TCP, lease))

    async def test_taken(self) -> None:
        """
        Another public port is tried if the first leads to another host, four in all.
        """
        await self.upnp.open()
        self.device.taken = {4001}
        lease = await self.upnp.map(TCP, 4001)
        self.assertEqual(lease.port, FIRST_PORT + (65535 - FIRST_PORT) // 2)
        self.device.taken.add(lease.port)
        text = await self.fails(MappingRefused, self.upnp.map(TCP, 4001))
        self.assertIn("718", text)
        self.assertEqual(len(self.device.leases), 6)

    async def test_permanent(self) -> None:
        """
        A device that forgets no mapping by itself gets what it wants; we delete it.
        """
        await self.upnp.open()
        self.device.permanent = True
        lease = await self.upnp.map(TCP, 4001)
        self.assertEqual(lease.lifetime, 3600)
        await self.upnp.map(TCP, 4001)
        self.assertEqual(self.device.leases, [3600, 0, 0])

    async def test_double(self) -> None:
        """
        A device without a public address is a double NAT.
        """
        for address, text in (
            ("192.168.7.1", "has 192.168.7.1"),
            ("100.64.0.1", "has 100.64.0.1"),
            ("", "no public address"),
            ("0.0.0.0", "no public address"),
            ("none", "no public address"),
        ):
            self.device.address = address
            self.assertIn(text, await self.fails(DoubleNAT, self.upnp.open()))


class HostileTests(UPnPTestCase):
    """
    Devices that do not keep to the rules.
    """

    async def test_elsewhere(self) -> None:
        """
        A service at another host is not asked.
        """
        for place in ("http://127.0.0.2/", "http://example.com/x", "//127.0.0.2/"):
            self.device.control = place
            text = await self.fails(NoGateway, self.upnp.open())
            self.assertIn("is not at 127.0.0.1", text)

    async def test_description(self) -> None:
        """
        Documents that are too large, too deep, or no XML, and answers that are no
        HTTP, errors, redirects, or endless, lead to one error.
        """
        large = b"<a>" + b"x" * fetching.MAX_ANSWER + b"</a>"
        endless = b"HTTP/1.1 200 OK\r\n" + b"X-Header: y\r\n" * 8000
        chunked = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + b"1000\r\n"
            + b"x" * 4096
            + b"\r\n"
        )
        for answer in (
            http(large),
            http(b"<a>" * 100),
            http(b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
            http(b"no XML"),
            http(b"", 404),
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2/\r\n\r\n",
            b"no HTTP\r\n\r\n",
            b"",
            endless,
            chunked,
            chunked * 20,
        ):
            self.device.answers["/root.xml"] = answer
            await self.fails(NoGateway, self.upnp.open())

    async def test_answers(self) -> None:
        """
        The same of the answers of the service.
        """
        await self.upnp.open()
        for answer in (http(b"no XML"), http(b"<a/>", 500), b""):
            self.device.answers["/control"] = answer
            await self.fails(NoGateway, self.upnp.map(TCP, 4001))
        huge = b"<Body><errorCode>99999999</errorCode></Body>"
        self.device.answers["/control"] = http(huge, 500)
        text = await self.fails(MappingRefused, self.upnp.map(TCP, 4001))
        self.assertIn("500", text)

    async def test_silent(self) -> None:
        """
        A device that never answers is given up in time.
        """
        self.patch(fetching, "TIME", 0.05)
        self.device.answers["/root.xml"] = None
        await self.fails(NoGateway, self.upnp.open())

    async def test_unfinished(self) -> None:
        """
        A device that never ends a document loses its connection.
        """
        self.patch(fetching, "TIME", 0.05)
        self.device.unfinished = True
        self.device.answers["/root.xml"] = b"HTTP/1.1 200 OK\r\n\r\n<a>"
        await self.fails(NoGateway, self.upnp.open())
        await self.device.left

    async def test_cancelled(self) -> None:
        """
        A request that is cancelled leaves nothing: trial would complain.
        """
        self.device.answers["/root.xml"] = None
        opening = Deferred.fromCoroutine(self.upnp.open())
        asked: Deferred[None] = Deferred()
        answer: Callable[..., Any] = self.device.answer

        def noticed(path: str, body: bytes) -> bytes | None:
            asked.callback(None)
            return answer(path, body)  # type: ignore[no-any-return]

        self.device.answer = noticed  # type: ignore[method-assign]
        await asked
        opening.cancel()
        opening.addErrback(lambda _: None)
