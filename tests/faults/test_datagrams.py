# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of QUIC over networks that lose, repeat and swap datagrams, swallow large ones, or
change addresses; in memory, and in virtual time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explained
from tests.faults.datagrams import BadLink, Transfer, Weather
from tests.quic.native import requireNative
from twisted_libp2p.errors import PeerUnresponsive
from twisted_libp2p.interfaces import IQuicBackend
from twisted_libp2p.quic.aioquic.backend import AioquicBackend
from twisted_libp2p.testing.quic.pair import MOMENT

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
