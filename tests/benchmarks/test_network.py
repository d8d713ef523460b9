# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{benchmarks.network}.
"""

from __future__ import annotations

from twisted.internet import reactor
from twisted.trial.unittest import SkipTest, TestCase

from benchmarks import pair as pairs
from benchmarks.contenders import gather
from benchmarks.network import Network
from benchmarks.pair import Pair
from benchmarks.peers.orders import Order
from tests.tun import HERE, missing


class NetworkTests(TestCase):
    """
    Tests for L{Network}.
    """

    timeout = 600

    async def _quickest(self) -> float:
        """
        Return the microseconds of the quickest of five round trips over a link of 30
        milliseconds.
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
        return min(done.times)

    async def test_delay(self) -> None:
        """
        Over a link, a round trip takes its time.
        """
        self.assertGreaterEqual(await self._quickest(), 30_000)

    async def test_noShortcut(self) -> None:
        """
        A dialer that has learned the real address of the listener does not get past the
        link.
        """
        self.patch(pairs, "THERE", HERE)
        self.assertGreaterEqual(await self._quickest(), 30_000)
