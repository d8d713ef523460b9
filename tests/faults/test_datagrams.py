# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of QUIC over networks that lose, repeat and swap datagrams, swallow large ones, or
change addresses; in memory, and in virtual time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explained
from tests.faults.datagrams import BadLink, Transfer, Weather
from tests.quic.native import requireNative
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import PeerUnresponsive
from twisted_libp2p.identity import Identity
from twisted_libp2p.interfaces import DEFAULT_OPTIONS, DialOptions, IQuicBackend
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.quic.hub import QuicHub
from twisted_libp2p.quic.transport import QuicTransport
from twisted_libp2p.testing.nodes import MemoryNodes
from twisted_libp2p.testing.quic.network import Wire
from twisted_libp2p.testing.quic.pair import MOMENT
from twisted_libp2p.transport import MemoryTransport

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase as TestCase
else:
    TestCase = object

#: Bytes of a transfer in each direction.
SIZE = 200_000

#: Bad networks, and the kinds of accidents that each of them has at least one of.
NETWORKS: dict[str, tuple[dict[str, float], tuple[str, ...]]] = {
    "0.1 % lost": ({"loss": 0.001}, ()),
    "1 % lost": ({"loss": 0.01}, ("lost",)),
    "5 % lost": ({"loss": 0.05}, ("lost",)),
    "10 % swapped": ({"swap": 0.1}, ("swapped",)),
    "10 % repeated": ({"repeat": 0.1}, ("repeated",)),
    "all of it": (
        {"loss": 0.05, "swap": 0.1, "repeat": 0.1, "delay": 0.05},
        ("lost", "swapped", "repeated"),
    ),
}


class _Suite(TestCase):
    """
    Faults of the network, for each pair of backends.
    """

    def backends(self) -> tuple[IQuicBackend, IQuicBackend]:
        """
        Make the backends of the dialer and of the listener.
        """
        raise NotImplementedError

    def link(self, weather: Weather | None = None, **settings: Any) -> BadLink:
        """
        Connect two sessions over a network.
        """
        link = BadLink(*self.backends(), weather, **settings)
        link.until(link.connected, 30)
        return link

    def test_networks(self) -> None:
        """
        All bytes arrive unchanged through losses, repetitions and swaps.
        """
        for name, (properties, kinds) in NETWORKS.items():
            with explained(name.format):
                link = self.link(Weather(**properties))
                Transfer(link, SIZE).finish()
                for kind in kinds:
                    self.assertGreater(link.counts[kind], 0)

    def test_smallPath(self) -> None:
        """
        A path that swallows large datagrams without a word carries everything.
        """
        link = self.link(Weather(mtu=1280))
        Transfer(link, SIZE).finish()

    def test_blackHole(self) -> None:
        """
        So does one that begins to do so in the middle.
        """
        link = self.link()
        Transfer(link, SIZE).finish()
        large = link.largest
        link.weather.mtu = 1280
        Transfer(link, SIZE).finish()
        self.assertGreaterEqual(large, 1200)
        if large > 1280:
            self.assertGreater(link.counts["lost"], 0)

    def test_rebinding(self) -> None:
        """
        A NAT that gives the dialer other ports and another address, in the middle of a
        transfer, breaks nothing.
        """
        link = self.link()
        transfer = Transfer(link, 4 * SIZE)
        for number in range(1, 4):
            transfer.goOn(SIZE)
            link.weather.address = (f"198.51.100.{number}", 5000 + number)
        transfer.finish()

    def test_interruption(self) -> None:
        """
        A network that is down for some seconds breaks nothing.
        """
        link = self.link()
        transfer = Transfer(link, SIZE)
        link.weather.up = False
        link.advance(8)
        link.weather.up = True
        transfer.finish()

    def test_down(self) -> None:
        """
        A network that stays down is noticed by both sides, within the idle time.
        """
        link = self.link()
        Transfer(link, SIZE)
        link.weather.up = False
        took = link.until(lambda: bool(link.client.lost and link.server.lost), 120)
        for reason in (*link.client.lost, *link.server.lost):
            reason.trap(PeerUnresponsive)
        # That counts from the last datagram, or from the first that got no answer.
        self.assertLess(took, 65)

    def test_handshake(self) -> None:
        """
        A handshake survives the loss of each of its first datagrams.
        """
        for place in range(4):
            with explained(f"datagram {place}".format):
                link = BadLink(*self.backends())
                link.losing = {place}
                link.until(link.connected, 30)
                self.assertEqual(link.counts["lost"], 1)


class AioquicTests(_Suite, SynchronousTestCase):
    """
    Both ends over aioquic.
    """

    def backends(self) -> tuple[IQuicBackend, IQuicBackend]:
        """
        Make the backends.
        """
        backend = AioquicBackend(lambda: MOMENT)
        return backend, backend


class NativeTests(_Suite, SynchronousTestCase):
    """
    Both ends over the native backend.
    """

    def backends(self) -> tuple[IQuicBackend, IQuicBackend]:
        """
        Make the backends.
        """
        backend = requireNative().NativeBackend()
        return backend, backend


class MixedTests(_Suite, SynchronousTestCase):
    """
    The native backend dials aioquic.
    """

    def backends(self) -> tuple[IQuicBackend, IQuicBackend]:
        """
        Make the backends.
        """
        return requireNative().NativeBackend(), AioquicBackend(lambda: MOMENT)


class _UdpToNowhere(QuicTransport):
    """
    QUIC in a network that drops all UDP.
    """

    def _bind(self, host: str, number: int, hubs: list[QuicHub]) -> Any:
        hub = super()._bind(host, number, hubs)
        port, hub.port = hub.port, Wire(host, hub.port.getHost().port)
        port.stopListening()
        return hub


class _Tcp(MemoryTransport):
    """
    TCP in memory: the port is the address there.
    """

    name = "tcp"

    def canDial(self, address: Multiaddr) -> bool:
        """
        Check whether an address is one of TCP.
        """
        return address.names == ("ip4", "tcp")

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.
        """
        return super().clientEndpoint(Multiaddr(f"/memory/{address.value('tcp')}"))


class BlockedTests(SynchronousTestCase):
    """
    A network that drops UDP.
    """

    def test_blocked(self) -> None:
        """
        A peer is reached over TCP, 250 ms later; in a network of our own 30 ms later.
        """
        for host, step in (("8.8.8.8", 0.25), ("192.168.1.7", 0.03)):
            nodes = MemoryNodes(0.001)
            server = nodes.start()
            number = server.addresses[0].value("memory")
            identity = Identity.generate()
            clock: Any = nodes.clock
            udp = _UdpToNowhere(
                MemoryReactorClock(),
                identity,
                backend=AioquicBackend(),
                now=clock.seconds,
            )
            client = nodes.start(
                listen=(), identity=identity, transports=[udp, _Tcp(nodes.network)]
            )
            addresses = [
                Multiaddr(f"/ip4/{host}/udp/4001/quic-v1"),
                Multiaddr(f"/ip4/{host}/tcp/{number}"),
            ]
            began = clock.seconds()
            dial = client._dialer.dial(server.peerID, addresses)
            nodes.advance(step - 0.005)
            self.assertNoResult(dial)
            nodes.advance(0.05)
            connection = self.successResultOf(dial)
            self.assertIn("/memory/", str(connection.remoteAddress))
            self.assertLess(clock.seconds() - began, 0.3)
            for node in (client, server):
                node.stopService()
            nodes.advance(20)
            nodes.stop()
