# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite of transports, over QUIC on real sockets.
"""

from __future__ import annotations

import socket
from typing import Any, cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase, TestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import DialFailed, UnsupportedAddress
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import AnyTransport, DialOptions
from twisted_libp2p.node import Node
from twisted_libp2p.quic import port, transport
from twisted_libp2p.quic.port import QuicPort
from twisted_libp2p.quic.transport import QuicProvider, QuicTransport
from twisted_libp2p.testing.transport import TransportConformance


def unusedPort(host: str = "127.0.0.1") -> int:
    """
    Return a UDP port of loopback on which nobody listens.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as taken:
        taken.bind((host, 0))
        port: int = taken.getsockname()[1]
        return port


def requireSix() -> None:
    """
    Skip a test on a machine without IPv6.
    """
    try:
        unusedPort("::1")
    except OSError as error:
        raise SkipTest(f"there is no IPv6 here: {error}") from None


class ProviderTests(SynchronousTestCase):
    """
    A node makes its transport as the provider says.
    """

    def test_settings(self) -> None:
        """
        The settings of a provider are those of its transport.
        """
        provider = QuicProvider("aioquic", settings={"tickets": 2})
        node = Node(Clock(), transports=[provider])
        transport = provider.provide(node)
        assert isinstance(transport, QuicTransport)
        self.assertEqual(transport._ownSettings().tickets, 2)
        self.assertEqual(provider.name, "quic")


class QuicTests(TransportConformance, TestCase):
    """
    QUIC over IPv4.
    """

    reactor = reactor
    listenAddress = "/ip4/127.0.0.1/udp/0/quic-v1"
    wildcardAddress = "/ip4/0.0.0.0/udp/0/quic-v1"
    localAddress = "/ip4/127.0.0.3/udp/0/quic-v1"
    foreignAddress = "/ip4/192.0.2.1/tcp/1"
    foreignHost = IPv4Address("TCP", "192.0.2.1", 1)
    backend = "aioquic"

    def makeTransport(self, identity: Identity | None = None) -> AnyTransport:
        """
        Make a transport of an identity.
        """
        return QuicTransport(
            reactor, identity or Identity.generate(), backend=self.backend
        )

    def node(self, **options: Any) -> Node:
        """
        Start a node whose transport has its identity.
        """
        identity = options.setdefault("identity", Identity.generate())
        options.setdefault("transports", [self.makeTransport(identity)])
        return super().node(**options)

    async def test_punch(self) -> None:
        """
        A packet without meaning is sent, and a dial made, from the port on which the
        node listens, or not at all.
        """
        made = []
        for listen in ([self.listenAddress], [self.listenAddress], []):
            identity = Identity.generate()
            transport = self.makeTransport(identity)
            assert isinstance(transport, QuicTransport)
            node = self.node(identity=identity, transports=[transport], listen=listen)
            await node.whenListening()
            made.append((node, transport))
        (near, transport), (far, other), (silent, deaf) = made
        ours, theirs = (each.addresses[0].withoutPeer() for each in (near, far))
        options = DialOptions(fromListener=True, fresh=True)
        sources: list[Multiaddr] = []
        seen: Deferred[None] = Deferred()

        def sighted(source: Multiaddr) -> None:
            sources.append(source)
            seen.callback(None)

        stop = other.awaitPunches(ours, sighted)
        transport.sendPunch(theirs)
        await seen
        stop()
        self.assertEqual(sources, [ours])
        connection = await near.connect(far.addresses[0], options)
        self.assertEqual(connection.localAddress, ours)
        self.assertRaises(UnsupportedAddress, deaf.sendPunch, theirs)
        self.assertRaises(UnsupportedAddress, deaf.awaitPunches, theirs, sighted)
        error = await self.assertFailure(
            silent.connect(far.addresses[0], options), DialFailed
        )
        self.assertIn("no port to dial", str(error))

    def deadAddress(self) -> Multiaddr:
        """
        Return an address whose port is free.
        """
        return Multiaddr(f"/ip4/127.0.0.1/udp/{unusedPort()}/quic-v1")

    async def test_refusalLogged(self) -> None:
        """
        A listener logs a failed handshake in one line, with the address of the dialer.
        """
        lines: list[LogEvent] = []
        logged: Deferred[None] = Deferred()

        def observe(event: LogEvent) -> None:
            if "refused: {reason}" in event.get("log_format", ""):
                lines.append(event)
                logged.callback(None)

        observer = cast(ILogObserver, observe)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        server = await self.listening()
        other = Identity.generate().peerID
        wrong = server.addresses[0].withoutPeer().withPeer(other)
        with self.assertRaises(DialFailed):
            await self.node().connect(wrong)
        await logged
        (line,) = lines
        place = self.listenAddress.partition("/udp/")[0]
        self.assertRegex(str(line["address"]), rf"^{place}/udp/\d+/quic-v1$")
        self.assertRegex(line["reason"], r"^/quic-v1: TLS alert \d+, [a-z ]+: ")

    async def test_backends(self) -> None:
        """
        A node names the backend that it uses.
        """
        self.assertEqual(Node(reactor, transports=["tcp"]).backends, {})
        named = (await self.listening()).backends
        self.assertEqual(list(named), ["quic"])
        self.assertRegex(named["quic"], rf"^{self.backend} \d+\.\d+\.\d+$")

    async def test_kernelWithoutGSO(self) -> None:
        """
        A kernel that refuses to send datagrams together gets each by itself.
        """
        await self._without("_UDP_SEGMENT")

    async def test_kernelWithoutGRO(self) -> None:
        """
        So does one that does not receive them together.
        """
        await self._without("_UDP_GRO")

    async def _without(self, option: str) -> None:
        """
        Send in both directions where the kernel does not know an option.
        """
        ports = []

        class Kept(QuicPort):
            """
            A port that the test knows.
            """

            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments)
                ports.append(self)

        self.patch(port, option, 9999)
        self.patch(transport, "QuicPort", Kept)
        await self.test_echo()
        self.assertEqual([each.offload for each in ports], [False, False])


class SixQuicTests(QuicTests):
    """
    QUIC over IPv6.
    """

    listenAddress = "/ip6/::1/udp/0/quic-v1"
    wildcardAddress = "/ip6/::/udp/0/quic-v1"
    localAddress = "/ip6/::1/udp/0/quic-v1"

    def setUp(self) -> None:
        """
        Look whether there is IPv6 here.
        """
        requireSix()

    def deadAddress(self) -> Multiaddr:
        """
        Return an address whose port is free.
        """
        return Multiaddr(f"/ip6/::1/udp/{unusedPort('::1')}/quic-v1")


class DualStackTests(TestCase):
    """
    One port of both families.
    """

    async def test_both(self) -> None:
        """
        A node listens on one port number of IPv4 and IPv6, and is reached, and dials,
        over each.
        """
        requireSix()
        for dialers in ("ip4/127.0.0.1", "ip6/::1"), ("ip6/::1", "ip4/127.0.0.1"):
            node = await self._listening()
            for family in dialers:
                (address,) = (
                    each
                    for each in node.addresses
                    if str(each).startswith(f"/{family}/") and "/quic-v1" in str(each)
                )
                dialer = Node(reactor, listen=[f"/{family}/udp/0/quic-v1"])
                dialer.startService()
                self.addCleanup(dialer.stopService)
                await dialer.ping(str(address))

    async def _listening(self) -> Node:
        """
        Start a node that listens on one port of both families.
        """
        while True:
            number = unusedPort()
            node = Node(
                reactor,
                listen=[
                    f"/ip4/127.0.0.1/udp/{number}/quic-v1",
                    f"/ip6/::1/udp/{number}/quic-v1",
                ],
            )
            node.startService()
            self.addCleanup(node.stopService)
            try:
                await node.whenListening()
            except CannotListenError:
                # Somebody has taken it meanwhile.
                continue
            return node
