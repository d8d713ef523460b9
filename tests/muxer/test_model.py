# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Both muxers against the model of sessions.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant
from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explore
from tests.muxer.model import INBOUND, OUTBOUND, SessionModel, ended
from twisted_libp2p.interfaces import IMuxer
from twisted_libp2p.muxer import Mplex, Yamux
from twisted_libp2p.testing.muxer import MuxerPair


class MuxerModel(SessionModel):
    """
    Two sessions of a muxer over a stream of bytes.
    """

    def muxer(self) -> IMuxer:
        """
        Make one side's muxer.
        """
        raise NotImplementedError

    @initialize(sizes=st.lists(st.integers(1, 70_000), min_size=1, max_size=4))
    def connect(self, sizes: list[int]) -> None:
        """
        Connect both sessions by a network that cuts in these sizes.
        """

        def split(data: bytes) -> Iterator[bytes]:
            offset = 0
            # With nothing but single bytes it would take minutes.
            for size in cycle([*sizes, 65_536]):
                if offset >= len(data):
                    break
                yield data[offset : offset + size]
                offset += size

        pair = MuxerPair(self.muxer(), self.muxer(), self.clock, split, record=False)
        self.transports = (pair.pump.client, pair.pump.server)
        self.connected(pair)

    def deliver(self, side: bool, size: int) -> None:
        """
        Let some bytes of one side arrive.
        """
        self.transports[side].stroke(size)

    def cutNetwork(self) -> None:
        """
        Have both sides lose the connection.
        """
        for transport in self.transports:
            transport.lose(ConnectionLost())


class YamuxModel(MuxerModel):
    """
    Two yamux sessions.
    """

    def muxer(self) -> IMuxer:
        """
        Make one that announces no more than three streams at once.
        """
        return Yamux(
            self.clock,
            maxInboundStreams=INBOUND,
            maxOutboundStreams=OUTBOUND,
            maxWindow=1 << 20,
            maxGrowth=1 << 20,
            ackBacklog=3,
            keepAlive=None,
        )

    @invariant()
    def windows(self) -> None:
        """
        No window takes more than its size, and all have grown within the bound.
        """
        for end in self.all:
            stream = end.stream
            window = stream.receiveWindow
            known = window.available + window.consumed + stream.unreadSize
            assert 0 <= window.available <= known <= window.size or ended(stream), end
            assert stream.sendWindow >= 0
        for owner in getattr(self, "owners", ()):
            session: Any = owner.session
            growth = sum(each.receiveWindow.growth for each in session.streams)
            assert growth == session._growth <= 1 << 20
            assert len(session._unacknowledged) <= 3
            assert set(session._waiting) <= set(session.streams)

    def quiet(self) -> None:
        """
        What one side may send is what the other side waits for.
        """
        for end in self.all:
            far = end.far
            if far is not None and not (ended(end.stream) or ended(far.stream)):
                assert end.stream.sendWindow == far.stream.receiveWindow.available


class MplexModel(MuxerModel):
    """
    Two mplex sessions.
    """

    def muxer(self) -> IMuxer:
        """
        Make one that is patient, and soon full.
        """
        return Mplex(
            self.clock,
            maxInboundStreams=INBOUND,
            maxOutboundStreams=OUTBOUND,
            maxUnread=1 << 20,
            patience=1e6,
        )

    @invariant()
    def unread(self) -> None:
        """
        All that is unread is counted, and within the bound.
        """
        for owner in getattr(self, "owners", ()):
            session: Any = owner.session
            unread = sum(each.unreadSize for each in session.streams)
            assert session._unread == unread
            # One more read of the transport may have come.
            assert unread <= (1 << 20) + 70_000


class ModelTests(SynchronousTestCase):
    """
    Nothing is lost, doubled or out of order, nothing stands still, and nothing
    is left, whatever both sides do.
    """

    def test_yamux(self) -> None:
        """
        yamux, with windows that grow.
        """
        explore(lambda: YamuxModel(self), 60)

    def test_mplex(self) -> None:
        """
        mplex, which stops the connection where a stream is not read.
        """
        explore(lambda: MplexModel(self), 60)
