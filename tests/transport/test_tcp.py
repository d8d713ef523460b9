# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the TCP transport.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import ifaddr
from twisted.internet import reactor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.error import (
    CannotListenError,
    ConnectError,
    DNSLookupError,
    TimeoutError,
)
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.interfaces import ITransport
from twisted_libp2p.node import Node
from twisted_libp2p.transport import TCPTransport, ipclient, tcp


@implementer(IHostnameResolver)
class Resolver:
    """
    Knows one name, by an address of each family.
    """

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        resolutionReceiver.resolutionBegan(None)
        if hostName == "example.test":
            for address in (
                IPv6Address("TCP", "2001:db8::1", portNumber),
                IPv4Address("TCP", "192.0.2.1", portNumber),
            ):
                if addressTypes is None or type(address) in addressTypes:
                    resolutionReceiver.addressResolved(address)
        resolutionReceiver.resolutionComplete()
        return resolutionReceiver


def quiet() -> Factory[Protocol]:
    """
    Make a factory that does not log.
    """
    factory = Factory.forProtocol(Protocol)
    factory.noisy = False
    return factory


class AddressTests(SynchronousTestCase):
    """
    From multiaddrs to endpoints and back, without a socket.
    """

    def setUp(self) -> None:
        """
        Have a reactor that only notes what it is asked for.
        """
        self.reactor = MemoryReactorClock()
        self.reactor.installNameResolver(Resolver())
        self.transport = TCPTransport(self.reactor)

    def test_interface(self) -> None:
        """
        It is a transport.
        """
        verifyObject(ITransport, self.transport)

    def test_can(self) -> None:
        """
        It dials hosts and listens on addresses, with a port and no more.
        """
        for text, dial, listen in (
            ("/ip4/127.0.0.1/tcp/1", True, True),
            ("/ip6/::1/tcp/1", True, True),
            ("/dns/example.test/tcp/1", True, False),
            ("/dns4/example.test/tcp/1", True, False),
            ("/dns6/example.test/tcp/1", True, False),
            ("/dnsaddr/example.test/tcp/1", False, False),
            ("/ip4/127.0.0.1/udp/1", False, False),
            ("/ip4/127.0.0.1/tcp/1/ws", False, False),
            ("/ip4/127.0.0.1", False, False),
            ("/memory/1", False, False),
        ):
            address = Multiaddr(text)
            self.assertEqual(self.transport.canDial(address), dial, text)
            self.assertEqual(self.transport.canListen(address), listen, text)

    def test_literal(self) -> None:
        """
        An IP address is connected to as it is, for five seconds.
        """
        for text, host in (
            ("/ip4/192.0.2.7/tcp/9", "192.0.2.7"),
            ("/ip6/::1/tcp/9", "::1"),
            ("/ip6/::ffff:192.0.2.7/tcp/9", "192.0.2.7"),
        ):
            connecting = self.transport.clientEndpoint(Multiaddr(text)).connect(quiet())
            self.assertEqual(self.reactor.tcpClients[-1][:2], (host, 9))
            self.reactor.pump([4.9, 0.0, 0.0])
            self.assertNoResult(connecting)
            self.reactor.pump([0.1, 0.0])
            self.failureResultOf(connecting, TimeoutError)
            self.assertTrue(self.reactor.connectors[-1].stoppedConnecting)

    def test_families(self) -> None:
        """
        A host name is resolved by the reactor: to both families, or to the
        one that the address names.
        """
        for name, hosts in (
            ("dns", {"2001:db8::1", "192.0.2.1"}),
            ("dns4", {"192.0.2.1"}),
            ("dns6", {"2001:db8::1"}),
        ):
            self.reactor.tcpClients.clear()
            address = Multiaddr(f"/{name}/example.test/tcp/9")
            connecting = self.transport.clientEndpoint(address).connect(quiet())
            self.reactor.advance(1)
            self.assertEqual({client[0] for client in self.reactor.tcpClients}, hosts)
            connecting.addErrback(lambda reason: None)
            connecting.cancel()

    def test_underscore(self) -> None:
        """
        A name with an underscore reaches the resolver.
        """
        resolver: Any = self.reactor.nameResolver
        asked: list[str] = []
        inner = resolver.resolveHostName

        def ask(receiver: Any, hostName: str, *args: Any) -> Any:
            asked.append(hostName)
            return inner(receiver, "example.test", *args)

        self.patch(resolver, "resolveHostName", ask)
        address = Multiaddr("/dns4/my_host.test/tcp/9")
        self.transport.clientEndpoint(address).connect(quiet())
        self.assertEqual(asked, ["my_host.test"])
        self.assertEqual(self.reactor.tcpClients[-1][:2], ("192.0.2.1", 9))

    def test_zone(self) -> None:
        """
        An address with a zone is connected to by that link.
        """
        address = Multiaddr("/ip6zone/eth0/ip6/fe80::1/tcp/9")
        self.assertTrue(self.transport.canDial(address))
        self.transport.clientEndpoint(address).connect(quiet())
        self.assertEqual(self.reactor.tcpClients[-1][:2], ("fe80::1%eth0", 9))

    def test_unknownName(self) -> None:
        """
        A name that nobody knows is an error that says so.
        """
        address = Multiaddr("/dns4/nobody.test/tcp/9")
        connecting = self.transport.clientEndpoint(address).connect(quiet())
        self.reactor.advance(1)
        self.failureResultOf(connecting, DNSLookupError)

    def test_unsupported(self) -> None:
        """
        Other addresses are refused by name.
        """
        for text in ("/ip4/127.0.0.1/udp/1", "/memory/1", "/dns/a.test"):
            address = Multiaddr(text)
            for endpoint in (
                self.transport.clientEndpoint,
                self.transport.serverEndpoint,
            ):
                self.assertRaises(UnsupportedAddress, endpoint, address)

    def test_toMultiaddr(self) -> None:
        """
        Twisted's addresses have multiaddrs, with the zone where there is one.
        """
        for address, text in (
            (IPv4Address("TCP", "192.0.2.1", 9), "/ip4/192.0.2.1/tcp/9"),
            (IPv6Address("TCP", "2001:db8::1", 9), "/ip6/2001:db8::1/tcp/9"),
            (IPv6Address("TCP", "fe80::1%eth0", 9), "/ip6zone/eth0/ip6/fe80::1/tcp/9"),
            (IPv6Address("TCP", "::ffff:192.0.2.1", 9), "/ip4/192.0.2.1/tcp/9"),
        ):
            self.assertEqual(str(self.transport.toMultiaddr(address)), text)
        self.assertIsNone(self.transport.toMultiaddr(UNIXAddress(b"/x")))


class SocketTests(TestCase):
    """
    Real sockets on loopback.
    """

    async def _roundTrip(self, text: str) -> None:
        transport = TCPTransport(reactor)
        accepted: Deferred[Any] = Deferred()

        class Server(Protocol):
            def connectionMade(self) -> None:
                accepted.callback(self.transport)

        factory = Factory.forProtocol(Server)
        factory.noisy = False
        address = Multiaddr(text)
        port = await transport.serverEndpoint(address).listen(factory)
        try:
            (listening,) = transport.listeningOn(address, port)
            self.assertNotEqual(listening.value("tcp"), "0")
            client: Any = await transport.clientEndpoint(listening).connect(quiet())
            server = await accepted
            for end in (client.transport, server):
                self.assertTrue(end.getTcpNoDelay())
                self.assertTrue(end.getTcpKeepAlive())
            peer = client.transport.getPeer()
            self.assertEqual(transport.toMultiaddr(peer), listening)
            client.transport.abortConnection()
            server.abortConnection()
        finally:
            await maybeDeferred(port.stopListening)

    async def test_overdue(self) -> None:
        """
        A connection that is there is not given up, although the timer is overdue when
        the reactor comes to look, as after a stop of the process; neither by its IP
        address nor by a name.
        """
        for module in (ipclient, tcp):
            self.patch(module, "CONNECT_TIMEOUT", 0.0)
        self.patch(tcp, "ATTEMPT_DELAY", 0.0)
        await self._roundTrip("/ip4/127.0.0.1/tcp/0")
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            number = listening.getsockname()[1]
            address = Multiaddr(f"/dns4/localhost/tcp/{number}")
            endpoint = TCPTransport(reactor).clientEndpoint(address)
            client: Any = await endpoint.connect(quiet())
            client.transport.abortConnection()

    async def test_ip4(self) -> None:
        """
        Port 0 is told as the port that the system chose; both ends send
        without delay.
        """
        await self._roundTrip("/ip4/127.0.0.1/tcp/0")

    async def test_ip6(self) -> None:
        """
        The same over IPv6.
        """
        try:
            socket.socket(socket.AF_INET6).bind(("::1", 0))
        except OSError:
            self.skipTest("this machine has no IPv6")
        await self._roundTrip("/ip6/::1/tcp/0")

    async def test_bothWildcards(self) -> None:
        """
        The wildcards of both families share a port, whichever is first, and the
        one of IPv6 takes no IPv4 connection.
        """
        if not socket.has_ipv6:
            self.skipTest("this machine has no IPv6")
        transport = TCPTransport(reactor)
        for first, second in (("/ip4/0.0.0.0", "/ip6/::"), ("/ip6/::", "/ip4/0.0.0.0")):
            ports: list[Any] = []
            try:
                number = 0
                for wildcard in (first, second):
                    address = Multiaddr(f"{wildcard}/tcp/{number}")
                    endpoint = transport.serverEndpoint(address)
                    ports.append(await endpoint.listen(quiet()))
                    number = ports[0].getHost().port
            finally:
                for port in ports:
                    await maybeDeferred(port.stopListening)
        port = await transport.serverEndpoint(Multiaddr("/ip6/::/tcp/0")).listen(
            quiet()
        )
        try:
            number = port.getHost().port  # type: ignore[attr-defined]
            client = transport.clientEndpoint(Multiaddr(f"/ip4/127.0.0.1/tcp/{number}"))
            with self.assertRaises(ConnectError):
                await client.connect(quiet())
        finally:
            await maybeDeferred(port.stopListening)

    async def test_takenIP6(self) -> None:
        """
        An IPv6 port that is taken, and an address of another host, are errors that
        name the address.
        """
        transport = TCPTransport(reactor)
        port: Any = await transport.serverEndpoint(Multiaddr("/ip6/::1/tcp/0")).listen(
            quiet()
        )
        try:
            taken = f"/ip6/::1/tcp/{port.getHost().port}"
            for text in (taken, "/ip6/2001:db8::1/tcp/0"):
                with self.assertRaises(CannotListenError) as caught:
                    await transport.serverEndpoint(Multiaddr(text)).listen(quiet())
                self.assertIn(caught.exception.interface, text)
        finally:
            await maybeDeferred(port.stopListening)

    async def test_mappedListener(self) -> None:
        """
        To listen on a mapped address is to listen on the IPv4 address.
        """
        transport = TCPTransport(reactor)
        address = Multiaddr("/ip6/::ffff:127.0.0.1/tcp/0")
        port = await transport.serverEndpoint(address).listen(quiet())
        try:
            (listening,) = transport.listeningOn(address, port)
            self.assertEqual(listening.names, ("ip4", "tcp"))
        finally:
            await maybeDeferred(port.stopListening)

    async def test_optionsFail(self) -> None:
        """
        A port whose options cannot be set is closed.
        """
        transport = TCPTransport(reactor)

        class Refusing:
            def setsockopt(self, *args: int) -> None:
                raise OSError(22, "Invalid argument")

        closed: list[bool] = []

        class Port:
            socket = Refusing()

            def stopListening(self) -> None:
                closed.append(True)

        class Endpoint:
            def listen(self, factory: Any) -> Deferred[Any]:
                return succeed(Port())

        server: Any = transport.serverEndpoint(Multiaddr("/ip4/127.0.0.1/tcp/0"))
        server._endpoint = Endpoint()
        with self.assertRaises(OSError):
            await server.listen(quiet())
        self.assertEqual(closed, [True])

    async def test_wildcard(self) -> None:
        """
        A wildcard is told as the addresses of the interfaces, loopback among
        them.
        """
        transport = TCPTransport(reactor)
        address = Multiaddr("/ip4/0.0.0.0/tcp/0")
        port = await transport.serverEndpoint(address).listen(quiet())
        try:
            listening = transport.listeningOn(address, port)
            host = port.getHost()
            assert isinstance(host, IPv4Address)
            number = host.port
            self.assertIn(Multiaddr(f"/ip4/127.0.0.1/tcp/{number}"), listening)
            self.assertNotIn(Multiaddr(f"/ip4/0.0.0.0/tcp/{number}"), listening)
        finally:
            await maybeDeferred(port.stopListening)

    async def test_blindWildcard(self) -> None:
        """
        A node starts on a wildcard where the interfaces cannot be listed, and its
        port accepts connections.
        """

        def denied() -> list[Any]:
            raise PermissionError(13, "Permission denied")

        self.patch(ifaddr, "get_adapters", denied)
        node = Node(reactor, listen=["/ip4/0.0.0.0/tcp/0"])
        node.startService()
        try:
            self.assertEqual(await node.whenListening(), [])
            port: Any = next(iter(node.listeners)).port
            address = Multiaddr(f"/ip4/127.0.0.1/tcp/{port.getHost().port}")
            client: Any = (
                await TCPTransport(reactor).clientEndpoint(address).connect(quiet())
            )
            client.transport.abortConnection()
        finally:
            await node.stopService()

    async def test_refused(self) -> None:
        """
        A closed port is an error of connecting.
        """
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            number = unused.getsockname()[1]
        transport = TCPTransport(reactor)
        endpoint = transport.clientEndpoint(Multiaddr(f"/ip4/127.0.0.1/tcp/{number}"))
        with self.assertRaises(ConnectError):
            await endpoint.connect(quiet())
