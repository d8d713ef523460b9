# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of when sessions send what streams say during a read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.muxer import Mplex, Yamux
from twisted_libp2p.muxer.turns import EARLY
from twisted_libp2p.testing.muxer import Collector, Echo, MuxerPair

if TYPE_CHECKING:
    _TestCase = SynchronousTestCase
else:
    _TestCase = object


class FlushMixin(_TestCase):
    """
    The tests, for each muxer.
    """

    muxer: type[Yamux | Mplex]

    def setUp(self) -> None:
        """
        Connect two sessions, one of which echoes.
        """
        clock = Clock()
        self.pair = MuxerPair(self.muxer(clock), self.muxer(clock), clock)
        self.pair.server.build = Echo
        session: Any = self.pair.serverSession
        self.session = session
        self.transport = session.transport

    def open(self, count: int) -> list[Collector]:
        """
        Open streams that all say something at once.
        """
        collectors = [Collector() for _ in range(count)]
        for number, collector in enumerate(collectors):
            self.pair.client.openStream(collector)
            collector.stream.write(b"%d" % number)
        return collectors

    def flushes(self, count: int) -> list[int]:
        """
        Have so many streams echo something that comes in one read.

        @return: how many bytes the transport had whenever it was told to send.
        """
        flushes: list[int] = []
        self.patch(
            self.transport, "flush", lambda: flushes.append(self.transport.waiting)
        )
        collectors = self.open(count)
        self.pair.pump.flush()
        for number, collector in enumerate(collectors):
            self.assertEqual(collector.data, b"%d" % number)
        return flushes

    def test_many(self) -> None:
        """
        The answers of many streams leave some at a time, while the rest of what
        was read is still to be acted upon.
        """
        flushes = self.flushes(3 * EARLY)
        self.assertEqual(len(flushes), 3)
        self.assertEqual(flushes, sorted(set(flushes)))

    def test_few(self) -> None:
        """
        Those of a few leave together, at the end of the read.
        """
        self.assertEqual(self.flushes(EARLY - 1), [])

    def test_outsideOfRead(self) -> None:
        """
        A small write outside of a read is flushed in the next iteration of the
        reactor: the layers below need no iteration of their own.
        """
        flushes: list[int] = []
        collector = Collector()
        self.pair.client.openStream(collector)
        self.pair.pump.flush()
        echo: Any = self.pair.server.protocols[0]
        self.patch(
            self.transport, "flush", lambda: flushes.append(self.transport.waiting)
        )
        echo.stream.write(b"small")
        echo.stream.write(b"small")
        self.assertEqual((flushes, self.transport.waiting), ([], 0))
        self.pair.clock.advance(0)
        self.assertEqual(flushes, [self.transport.waiting])
        self.assertGreater(self.transport.waiting, 10)

    def test_full(self) -> None:
        """
        A transport that is full is given nothing.
        """
        self.session.pauseProducing()
        self.open(3 * EARLY)
        self.pair.pump.flush()
        self.assertEqual(self.transport.waiting, 0)


class YamuxTests(FlushMixin, SynchronousTestCase):
    """
    Over yamux.
    """

    muxer = Yamux


class MplexTests(FlushMixin, SynchronousTestCase):
    """
    Over mplex.
    """

    muxer = Mplex
