# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Targets: whole sessions of both muxers, and a peer that says anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.fuzz.target import sameHoweverCut, target
from twisted_libp2p.address import PeerAddress
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import IMuxer, Role
from twisted_libp2p.muxer import Mplex, Yamux
from twisted_libp2p.muxer.mplex.frame import MAX_MESSAGE
from twisted_libp2p.muxer.yamux.window import INITIAL_WINDOW
from twisted_libp2p.testing.muxer import HalfCloseCollector, MuxedConnectionDouble

_ALICE, _BOB = PeerID(b"\x00\x01a"), PeerID(b"\x00\x01b")

# How many streams the peer may open, and how many bytes mplex may keep unread.
_STREAMS = 4
_UNREAD = 4096

# What was logged as a failure of ours.
failures: list[LogEvent] = []


@implementer(ILogObserver)
def _observe(event: LogEvent) -> None:
    if "log_failure" in event:
        failures.append(event)


globalLogPublisher.addObserver(_observe)


class _Sink:
    """
    A transport that swallows everything.

    @ivar size: how many bytes were written.
    """

    def __init__(self) -> None:
        self.size = 0
        self.closed = False

    def write(self, data: bytes) -> None:
        """
        Count.
        """
        self.size += len(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """
        Count.
        """
        self.size += sum(map(len, data))

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """
        Never ask it anything.
        """

    unregisterProducer = pauseProducing = resumeProducing = lambda self: None

    def loseConnection(self) -> None:
        """
        Note it.
        """
        self.closed = True

    abortConnection = loseConnection


class _Reader(HalfCloseCollector):
    """
    Reads; every second one does not.
    """

    def __init__(self, reads: bool) -> None:
        super().__init__()
        self._reads = reads

    def connectionMade(self) -> None:
        """
        Begin, or do not.
        """
        self.name = (self.stream.streamID, self.stream.direction)
        if not self._reads:
            self.stream.pauseProducing()


def _session(muxer: IMuxer, clock: Clock, bound: int, data: bytes) -> None:
    """
    Let a session hear this: it keeps no more than it may, ends all that it has
    begun, and leaves nothing.

    @param bound: how many bytes of one stream may be unread.
    """
    role = Role.CLIENT if data[:1] >= b"\x80" else Role.SERVER

    def run(pieces: Iterator[bytes]) -> object:
        # Others in this process may have failed, and meant to.
        failures.clear()
        owner = MuxedConnectionDouble(_ALICE, _BOB)
        ends: list[_Reader] = []

        def build() -> _Reader:
            end = _Reader(len(ends) % 2 == 0)
            ends.append(end)
            return end

        owner.build = build
        layer: Any = muxer.wrap(role, owner).buildProtocol(PeerAddress(_BOB))
        session = layer.session
        sink = _Sink()
        layer.makeConnection(sink)
        session.openStream(build())
        size = 0
        for piece in pieces:
            layer.dataReceived(piece)
            size += len(piece)
            assert len(session.streams) <= _STREAMS + 1
            for each in session.streams:
                assert each.unreadSize <= bound
            if session.ended:
                break
        assert session.ended or not sink.closed
        # An answer to a ping or a refusal is no longer than the question.
        assert sink.size <= 64 + 16 * size
        layer.connectionLost(Failure(ConnectionLost()))
        for end in ends:
            # A reader that has paused is owed only data whose end had come too.
            if not end.reasons:
                stream: Any = end.stream
                assert not end._reads and stream.state.closed, end
                stream.resumeProducing()
        clock.advance(0)
        for end in ends:
            assert len(end.reasons) == 1, end
        assert len(owner.ended) == len(ends) and len(owner.lost) == 1
        assert not clock.calls, clock.calls
        assert not failures, failures
        lost = owner.lost[0]
        if len(ends) > _STREAMS:
            # A stream that our side resets gives its place to others when the
            # read is over: who comes in between is refused.
            return None
        return (
            [(end.name, bytes(end.data), end.ends, repr(end.reasons)) for end in ends],
            lost.type,
            str(lost.value),
        )

    sameHoweverCut(data, run)


@target
def yamux(data: bytes) -> None:
    """
    A session of yamux.
    """
    clock = Clock()
    muxer = Yamux(clock, keepAlive=None, maxInboundStreams=_STREAMS)
    _session(muxer, clock, INITIAL_WINDOW, data)


@target
def mplex(data: bytes) -> None:
    """
    A session of mplex.
    """
    clock = Clock()
    muxer = Mplex(clock, maxUnread=_UNREAD, maxInboundStreams=_STREAMS)
    _session(muxer, clock, MAX_MESSAGE, data)
