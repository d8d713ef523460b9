# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the order in which addresses are dialed.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.address import Multiaddr
from twisted_libp2p.connection.ranking import FAR_STEP, rank

LOOP4, LOOP6 = "/ip4/127.0.0.1/tcp/1", "/ip6/::1/tcp/1"
LAN4, LAN6 = "/ip4/192.168.1.7/tcp/1", "/ip6/fd00::7/tcp/1"
LINK6 = "/ip6zone/eth0/ip6/fe80::7/tcp/1"
WAN4, WAN6 = "/ip4/8.8.8.8/tcp/1", "/ip6/2001:4860::8/tcp/1"
WEB = (
    "/ip4/8.8.8.8/udp/1/quic-v1/webtransport"
    "/certhash/uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ"
)
NAME, NAME4, NAME6 = "/dns/c.example/tcp/1", "/dns4/c.example/tcp/1", "/dns6/c/tcp/1"
RELAY = (
    "/ip4/8.8.4.4/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N/p2p-circuit"
)
ONION = "/onion3/vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd:1"
MEMORY, UNIX = "/memory/7", "/unix/a/b"

SAMPLES = (
    LOOP4,
    LOOP6,
    LAN4,
    LAN6,
    LINK6,
    WAN4,
    WAN6,
    NAME,
    NAME4,
    NAME6,
    RELAY,
    MEMORY,
    UNIX,
    ONION,
    "/ip4/10.0.0.7/tcp/1",
    "/ip4/9.9.9.9/tcp/1",
)

# What it is about, where we are ourselves, what is given, and what comes of it.
TABLE: list[tuple[str, list[str], list[str], list[tuple[float, str]]]] = [
    ("nothing", [], [], []),
    ("one is dialed at once", [], [RELAY], [(0.0, RELAY)]),
    (
        "Tor comes last",
        [LAN4],
        [ONION, LAN4, WAN4],
        [(0.0, LAN4), (0.03, WAN4), (0.53, ONION)],
    ),
    (
        "families take turns, IPv6 first, a quarter of a second apart",
        [],
        [WAN4, "/ip4/9.9.9.9/tcp/1", NAME, WAN6],
        [(0.0, WAN6), (0.25, WAN4), (0.5, NAME), (0.75, "/ip4/9.9.9.9/tcp/1")],
    ),
    (
        "QUIC comes first in each family, and WebSocket and WebTransport last",
        [],
        [f"{WAN4}/ws", WEB, WAN4, "/ip4/8.8.8.8/udp/1/quic-v1"],
        [
            (0.0, "/ip4/8.8.8.8/udp/1/quic-v1"),
            (0.25, WAN4),
            (0.5, f"{WAN4}/ws"),
            (0.75, WEB),
        ],
    ),
    (
        "names belong to a family, if they say so",
        [],
        [NAME4, NAME, NAME6],
        [(0.0, NAME6), (0.25, NAME4), (0.5, NAME)],
    ),
    (
        "within a family the order stays: the peerstore knows best",
        [],
        [f"/ip4/8.8.8.{n}/tcp/1" for n in (5, 3, 9)],
        [(n * 0.25, f"/ip4/8.8.8.{host}/tcp/1") for n, host in enumerate((5, 3, 9))],
    ),
    (
        "who has IPv4 alone, but for loopback, begins with it",
        ["/ip4/9.9.9.9/tcp/1", LOOP6],
        [WAN6, WAN4],
        [(0.0, WAN4), (0.25, WAN6)],
    ),
    (
        "private ones come first, and take little time, where we have such",
        ["/ip4/192.168.4.4/tcp/1", "/ip6/fd00::1/tcp/1", LOOP4],
        [WAN4, WAN6, LAN4, LAN6],
        [(0.0, LAN6), (0.03, LAN4), (0.06, WAN6), (0.31, WAN4)],
    ),
    (
        "and where nothing is known of us",
        [],
        [WAN4, LAN4, LINK6],
        [(0.0, LINK6), (0.03, LAN4), (0.06, WAN4)],
    ),
    (
        "they come last where we have none",
        ["/ip4/9.9.9.9/tcp/1"],
        [LAN4, LINK6, WAN4],
        [(0.0, WAN4), (0.25, LAN4), (0.5, LINK6)],
    ),
    (
        "or none of that family",
        ["/ip4/192.168.4.4/tcp/1", WAN6],
        [LAN4, LAN6, WAN4],
        [(0.0, LAN4), (0.03, WAN4), (0.28, LAN6)],
    ),
    (
        "loopback comes last: there we would meet ourselves",
        ["/ip4/192.168.1.1/tcp/1", LOOP4],
        [LOOP4, LAN4],
        [(0.0, LAN4), (0.25, LOOP4)],
    ),
    (
        "but not where the peer has an address of this host",
        [LAN4, LOOP4],
        ["/ip4/127.0.0.1/tcp/2", "/ip4/192.168.1.7/tcp/2"],
        [(0.0, "/ip4/127.0.0.1/tcp/2"), (0.03, "/ip4/192.168.1.7/tcp/2")],
    ),
    (
        "or where we have no other one either",
        [LOOP4],
        ["/ip4/127.0.0.1/tcp/2", "/ip6/::1/tcp/2"],
        [(0.0, "/ip6/::1/tcp/2"), (0.03, "/ip4/127.0.0.1/tcp/2")],
    ),
    (
        "relays come last, half a second behind all others",
        ["/ip4/9.9.9.9/tcp/1"],
        [RELAY, LAN4, WAN4],
        [(0.0, WAN4), (0.25, LAN4), (0.75, RELAY)],
    ),
    (
        "what needs no network comes first",
        [LAN4],
        [LAN4, MEMORY, UNIX],
        [(0.0, UNIX), (0.03, LAN4), (0.06, MEMORY)],
    ),
]


class RankTests(SynchronousTestCase):
    """
    Addresses, and what is known of us, become an order and delays.
    """

    def test_table(self) -> None:
        """
        Each row of the table above.
        """
        for about, own, addresses, expected in TABLE:
            ranked = rank(map(Multiaddr, addresses), map(Multiaddr, own))
            told = [(round(delay, 3), str(address)) for delay, address in ranked]
            self.assertEqual(told, expected, about)

    @drawn(
        50,
        st.lists(st.sampled_from(SAMPLES), unique=True),
        st.lists(st.sampled_from(SAMPLES), unique=True),
    )
    def test_whole(self, texts: list[str], own: list[str]) -> None:
        """
        Whatever is given is there once, and nobody is given more than the
        longest step.
        """
        addresses = [Multiaddr(each) for each in texts]
        ranked = rank(addresses, [Multiaddr(each) for each in own])
        self.assertEqual(sorted(address for _, address in ranked), sorted(addresses))
        delays = [delay for delay, _ in ranked]
        self.assertEqual(delays[:1], [0.0][: len(delays)])
        for earlier, later in pairwise(delays):
            self.assertGreater(later, earlier)
            self.assertLessEqual(later - earlier, 2 * FAR_STEP + 1e-9)
