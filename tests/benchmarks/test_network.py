# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.network}.
"""

from __future__ import annotations

from twisted.internet import reactor
from twisted.trial.unittest import SkipTest, TestCase

from benchmarks.contenders import gather
from benchmarks.network import Network
from benchmarks.pair import Pair
from benchmarks.peers.orders import Order
from tests.tun import missing


class NetworkTests(TestCase):
    """
    Tests for L{Network}.
    """

    timeout = 600

    async def test_delay(self) -> None:
        """
        Over a link, a round trip takes its time.
        """
        absent = missing("nsenter")
        if absent is not None:
            raise SkipTest(absent)
        (raw,), _ = gather(["raw"])
        link = await Network.start(reactor, 0.03, 0.0)
        try:
            pair = await Pair.start(reactor, raw, "noise+yamux", link=link)
            try:
                done = await pair.do(Order("ping", 5))
            finally:
                await pair.stop()
        finally:
            await link.stop()
        self.assertGreaterEqual(min(done.times), 30_000)
