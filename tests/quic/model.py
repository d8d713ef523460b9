# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The model of sessions, over QUIC in memory: datagrams are lost, overtake each other and
come twice.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule
from twisted.trial.unittest import SynchronousTestCase

from tests.muxer.model import INBOUND, OUTBOUND, SessionModel
from twisted_libp2p.interfaces import IQuicBackend, SentDatagram
from twisted_libp2p.muxer.table import LINGER
from twisted_libp2p.quic.session import CLOSE_TIMEOUT
from twisted_libp2p.testing.quic.network import QuicSessionPair

__all__ = ["QuicModel"]

#: The bytes of a datagram, roughly: a step of the model delivers some bytes.
_DATAGRAM = 1200

#: Seconds of silence that end a connection: more than a model waits for.
_IDLE = 7200.0

#: The streams that a peer may have open at first: the others of a side wait.
_GRANTED = 3

#: The longest time, in seconds, for which a datagram is on its way in one step.
_STALL = 0.05

#: Seconds after which everything lost has been sent again.
_AGAIN = 4.0

_STREAM_WINDOW = 200_000
_CONNECTION_WINDOW = 500_000


class QuicModel(SessionModel):
    """
    Two sessions of QUIC.
    """

    closeTimeout = CLOSE_TIMEOUT
    # A step takes some time by itself.
    linger = LINGER - 10

    def __init__(
        self,
        case: SynchronousTestCase,
        backend: IQuicBackend,
        other: IQuicBackend | None = None,
    ) -> None:
        """
        @param backend: the backend of the dialer.
        @param other: that of the listener; the same by default.
        """
        super().__init__(case)
        self._backends = (backend, other)

    @initialize(losses=st.lists(st.integers(2, 30), max_size=3))
    def connect(self, losses: list[int]) -> None:
        """
        Connect both sessions by a network that loses a datagram now and then.

        @param losses: how many datagrams come from one loss to the next; empty if none
            is lost.
        """
        pair = QuicSessionPair(
            self.clock,
            *self._backends,
            announce=False,
            idleTimeout=_IDLE,
            maxStreams=_GRANTED,
            streamWindow=_STREAM_WINDOW,
            connectionWindow=_CONNECTION_WINDOW,
        )
        gaps = cycle(losses)
        self.left = next(gaps, 0)

        def dropped(datagram: SentDatagram) -> bool:
            self.left -= 1
            if self.left:
                return False
            self.left = next(gaps, 0)
            return True

        pair.dropped = dropped
        self.network = pair
        for owner in (pair.client, pair.server):
            session: Any = owner.session
            session.table.maxOutbound = OUTBOUND
            session.table.maxInbound = INBOUND
        self.connected(pair)

    def deliver(self, side: bool, size: int) -> None:
        """
        Let some datagrams of one side arrive.
        """
        self.network.deliver(self.owners[side], -(-size // _DATAGRAM))

    def passTime(self, seconds: float) -> None:
        """
        Let time pass.  While something is kept on its way it is short: QUIC measures
        round trips, and would wait for as long before it sends again.
        """
        if any(self.stalled):
            self.clock.advance(min(seconds, _STALL))
        else:
            self.network.flush()
            self.clock.advance(seconds)

    def drain(self) -> None:
        """
        Let everything arrive, also if it has to be sent again.
        """
        self.noteClosed()
        self.network.flush()
        self.network.advance(_AGAIN)

    @rule(side=st.booleans())
    def overtake(self, side: bool) -> None:
        """
        The datagrams on their way come in another order.
        """
        self.network.wires[side].sent.rotate(1)

    @rule(side=st.booleans())
    def double(self, side: bool) -> None:
        """
        A datagram on its way comes twice.
        """
        sent = self.network.wires[side].sent
        if sent:
            sent.append(sent[0])

    def cutNetwork(self) -> None:
        """
        Let nothing pass, and both sides find that the other one is silent.
        """
        self.network.dropped = lambda datagram: True
        self.clock.advance(_IDLE + 1)

    def restore(self) -> None:
        """
        Lose nothing any longer, and keep nothing back.
        """
        super().restore()
        self.network.dropped = lambda datagram: False
        if self.cut:
            # A side whose peer is gone may wait for it.
            self.network.flush()
            self.clock.advance(_IDLE + 1)

    @invariant()
    def windows(self) -> None:
        """
        No stream keeps more than its window for its application, and streams that wait
        are known.
        """
        self.noteClosed()
        for owner in getattr(self, "owners", ()):
            session: Any = owner.session
            waiting = session._openings._waiting or {}
            assert set(waiting) <= set(session.streams)
            held = sum(each.held for each in session.streams)
            assert held == session._windows._held
            assert session._windows._raised <= held

    def quiet(self) -> None:
        """
        Nothing that was read is kept, and nothing waits but for the peer's streams.
        """
        for owner in self.owners:
            session: Any = owner.session
            for stream in session.streams:
                assert not stream.readable, stream
                assert not (stream.unsentSize and stream.streamID >= 0), stream
