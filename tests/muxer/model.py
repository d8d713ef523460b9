# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The model of two sessions, and whatever their applications and the network between
them may do, in any order.  It serves the muxers, and transports that are muxed
natively.

The model knows what each end of each stream has written.  The bytes of every
stream and direction are different, so none can be lost, come twice or change
places without being noticed.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.speaker import Speaker
from twisted_libp2p.errors import ConnectionClosing, LimitExceeded
from twisted_libp2p.interfaces import Direction
from twisted_libp2p.muxer.session import CLOSE_TIMEOUT
from twisted_libp2p.muxer.stream import Stream
from twisted_libp2p.muxer.table import LINGER
from twisted_libp2p.testing.muxer import MuxedConnectionDouble
from twisted_libp2p.testing.muxer.pair import SessionPair

__all__ = ["INBOUND", "OUTBOUND", "SessionModel", "ended"]

# How many streams each side may have open, and lets the other have.
OUTBOUND = 5
INBOUND = 8

#: The sizes that matter: of headers, frames, marks and windows.
SIZES = st.sampled_from(
    [
        1,
        2,
        11,
        12,
        13,
        500,
        16384,
        16385,
        65507,
        65508,
        65537,
        150_000,
        262_144,
        400_000,
    ]
)


def ended(stream: Stream) -> bool:
    """
    Check whether a half of a stream has ended on the wire.
    """
    return stream.state.sent or stream.state.peerEnded


class End(Speaker):
    """
    One end of one stream.
    """

    def __init__(self, model: SessionModel, opened: bool) -> None:
        model.seeds += 1
        super().__init__(model.note, model.seeds)
        self.opened = opened
        self.ending = self.ended = False
        self.closing = self.aborted = False
        self.finished = False
        self.closedAt: float | None = None

    # What the session tells

    def connectionMade(self) -> None:
        self.stream: Stream = self.transport

    def dataReceived(self, data: bytes) -> None:
        """
        Check that it may receive.
        """
        if self.ended:
            self.note(f"{self} received after the end")
        if self.closing or self.aborted:
            self.note(f"{self} received after it had closed")
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Check that this is the end.
        """
        super().connectionLost(reason)
        if (
            reason.check(ConnectionDone)
            and not self.closing
            and not (self.ended and self.ending)
            and not self.passive
        ):
            self.note(f"{self} was told of a good end that was none")

    # What it does

    def halfClose(self, size: int) -> None:
        """
        Write no more.
        """
        if self.open:
            self.ending = True
        self.stream.loseWriteConnection()

    def close(self, size: int) -> None:
        """
        Neither write nor read any more.
        """
        if not self.over:
            self.closing = self.ending = True
        self.stream.loseConnection()

    def abort(self, size: int) -> None:
        """
        Reset, unless only the notification of the end is missing.
        """
        if not self.stream.state.settled:
            self.aborted = True
        self.stream.abortConnection(size)

    # What is expected of it

    passive = False

    @property
    def over(self) -> bool:
        """
        Whether it has lost the stream, or has lost it.
        """
        return bool(self.reasons) or self.closing or self.aborted

    @property
    def open(self) -> bool:
        """
        Whether what it writes is to arrive.
        """
        return not self.over and not self.ending and not self.stream.disconnecting

    def __repr__(self) -> str:
        return f"<{'opener' if self.opened else 'other end'} {self.seed} {self.stream}>"


@implementer(IHalfCloseableProtocol)
class HalfCloseEnd(End):
    """
    An end that goes on when the other one has ended.
    """

    def readConnectionLost(self) -> None:
        """
        Check that nothing is missing.
        """
        if self.ended or self.reasons:
            self.note(f"{self} was told of the end twice")
        self.ended = True
        far = self.far
        wanted = far is not None and (far.ending or (far.passive and self.ending))
        if far is None or not wanted or self.received != far.written:
            self.note(f"{self} was told of the end too early")

    def writeConnectionLost(self) -> None:
        """
        Check that this was wanted.
        """
        if not self.ending or self.finished:
            self.note(f"{self} has ended without wanting to, or twice")
        self.finished = True


class PassiveEnd(End):
    """
    An end that knows of no halves: it closes with the other one.
    """

    passive = True


class SessionModel(RuleBasedStateMachine):
    """
    Two sessions and their applications.
    """

    ends = Bundle("ends")

    #: Seconds after which a closed session is gone.
    closeTimeout = CLOSE_TIMEOUT

    #: Seconds after which a stream may have been reset since its application has left.
    linger = LINGER

    def __init__(self, case: SynchronousTestCase) -> None:
        super().__init__()
        self.case = case
        self.seeds = 0
        self.wrong: list[str] = []
        self.all: list[End] = []
        self.clock = Clock()
        self.cut = False

    # The network, which is different for each kind of session

    def deliver(self, side: bool, size: int) -> None:
        """
        Let some bytes of one side arrive.
        """
        raise NotImplementedError

    def cutNetwork(self) -> None:
        """
        Let nothing pass any longer, and both sides notice.
        """
        raise NotImplementedError

    def passTime(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.clock.advance(seconds)

    def drain(self) -> None:
        """
        Let everything arrive, whatever time that takes.
        """
        self.pair.flush()

    def noteClosed(self) -> None:
        """
        Note the times at which ends have left.
        """
        for end in self.all:
            if end.stream.disconnecting and end.closedAt is None:
                end.closedAt = self.clock.seconds()

    def restore(self) -> None:
        """
        Let everything pass again.
        """
        for owner in self.owners:
            self.pair.release(owner)

    def connected(self, pair: SessionPair) -> None:
        """
        Begin with two sessions that are connected.
        """
        self.pair = pair
        self.owners = (pair.client, pair.server)
        self.stalled = [False, False]
        for owner in self.owners:
            owner.build = lambda: self.make(self.kinds[0], False)
            self.hear(owner)
        self.kinds: list[bool] = [True]

    def make(self, halves: bool, opened: bool) -> End:
        """
        Make an end.
        """
        end = (HalfCloseEnd if halves else PassiveEnd)(self, opened)
        self.all.append(end)
        return end

    def hear(self, owner: MuxedConnectionDouble) -> None:
        """
        Join the two ends of a stream when the second one is built.
        """
        build = owner.buildProtocol

        def buildProtocol(stream: Any) -> Any:
            end: Any = build(stream)
            self.join(owner, stream.streamID, end)
            return end

        setattr(owner, "buildProtocol", buildProtocol)  # noqa: B010

    def join(self, owner: MuxedConnectionDouble, streamID: int, end: End) -> None:
        """
        Join an end that was built with the one whose stream has this number.
        """
        opening: Any = self.owners[self.owners[0] is owner].session
        for each in self.all:
            stream = each.stream if each.opened else None
            if stream is None or stream.session is not opening:
                continue
            if stream.streamID == streamID:
                if each.far is not None:
                    self.note(f"stream {streamID} was built twice")
                each.far, end.far = end, each
                return
        self.note(f"stream {streamID} was built, and nobody had opened it")

    def note(self, text: str) -> None:
        """
        Something is wrong.
        """
        self.wrong.append(text)

    # What may happen

    @rule(target=ends, side=st.booleans(), halves=st.booleans(), far=st.booleans())
    def open(self, side: bool, halves: bool, far: bool) -> Any:
        """
        Open a stream.
        """
        self.kinds[0] = far
        session = self.owners[side].session
        end = (HalfCloseEnd if halves else PassiveEnd)(self, True)
        mine = [
            each for each in session.streams if each.direction is Direction.OUTBOUND
        ]
        try:
            stream = session.openStream(end)
        except LimitExceeded:
            assert len(mine) >= OUTBOUND
            return _Nobody()
        except ConnectionClosing:
            assert session.ended
            return _Nobody()
        assert len(mine) < OUTBOUND
        assert isinstance(stream, Stream)
        self.all.append(end)
        return end

    @rule(end=ends, far=st.booleans(), size=SIZES)
    def write(self, end: Any, far: bool, size: int) -> None:
        """
        Write on either end.
        """
        self.act(end, far, "write", size)

    @rule(
        end=ends,
        far=st.booleans(),
        size=SIZES,
        action=st.sampled_from(
            [
                "writeSequence",
                "pause",
                "pause",
                "resume",
                "halfClose",
                "close",
                "abort",
                "push",
                "pull",
            ]
        ),
    )
    def do(self, end: Any, far: bool, action: str, size: int) -> None:
        """
        Have an end do something now.
        """
        self.act(end, far, action, size)

    @rule(
        end=ends,
        far=st.booleans(),
        size=SIZES,
        action=st.sampled_from(
            ["write", "pause", "resume", "halfClose", "close", "abort", "push", "pull"]
        ),
    )
    def react(self, end: Any, far: bool, action: str, size: int) -> None:
        """
        Have an end do something at its next read.
        """
        chosen = end.far if far else end
        if chosen is not None:
            chosen.reactions.append((action, size))

    def act(self, end: Any, far: bool, action: str, size: int) -> None:
        """
        Do something, on the end or the other one.
        """
        chosen = end.far if far else end
        if chosen is not None:
            chosen.act(action, size)

    @rule(side=st.booleans(), size=SIZES)
    def arrive(self, side: bool, size: int) -> None:
        """
        Some bytes of one side arrive.
        """
        self.deliver(side, size)

    @rule(
        end=ends, far=st.booleans(), size=SIZES, how=st.sampled_from(["close", "abort"])
    )
    def leave(self, end: Any, far: bool, size: int, how: str) -> None:
        """
        Have an end pause, both halves end, and the end leave with bytes unread.
        """
        chosen = end.far if far else end
        if chosen is None or chosen.far is None:
            return
        chosen.pause(0)
        chosen.halfClose(0)
        chosen.far.write(size)
        chosen.far.halfClose(0)
        self.pair.flush()
        chosen.act(how, size)
        self.turn()

    @rule()
    def turn(self) -> None:
        """
        The reactor turns.  An end that has left, and whose stream has ended on the
        wire, is notified by then.
        """
        self.clock.advance(0)
        for end in self.all:
            if (end.closing or end.aborted) and end.stream.state.closed:
                assert end.reasons, f"{end} has left, and was not notified"

    @rule()
    def settle(self) -> None:
        """
        Everything arrives that can.
        """
        self.pair.flush()

    @rule(seconds=st.sampled_from([0.001, 0.05, 1.0, 9.0, LINGER + 1]))
    def wait(self, seconds: float) -> None:
        """
        Time goes by; a stream that was closed may be reset in the end.
        """
        self.noteClosed()
        self.passTime(seconds)

    @rule(side=st.booleans())
    def stall(self, side: bool) -> None:
        """
        What one side sends stays on its way.
        """
        self.stalled[side] = not self.stalled[side]
        change = self.pair.hold if self.stalled[side] else self.pair.release
        change(self.owners[side])

    @precondition(lambda self: len(self.all) > 3)
    @rule(
        how=st.sampled_from(["cut", "close", "abort", "fail"] + [""] * 12),
        side=st.booleans(),
    )
    def end(self, how: str, side: bool) -> None:
        """
        The connection ends, one way or the other; seldom.
        """
        session = self.owners[side].session
        if not how or self.cut:
            return
        self.cut = True
        if how == "cut":
            self.cutNetwork()
        elif how == "close":
            session.close()
        elif how == "fail":
            session.close(7)
        else:
            session.abort(Failure(ConnectionLost()))

    # What must be so at any time

    @invariant()
    def nothingWrong(self) -> None:
        """
        No end has seen anything wrong, and none has raised.
        """
        assert not self.wrong, self.wrong
        failures = self.case.flushLoggedErrors()
        assert not failures, failures

    @invariant()
    def tables(self) -> None:
        """
        The sessions know the streams that are open, and no others.
        """
        for end in self.all:
            session: Any = end.stream.session
            known = end.stream in session.streams
            assert known or end.reasons, end
            assert end.stream.unsentSize >= 0
            assert end.stream.unreadSize >= 0

    # The end

    def teardown(self) -> None:
        """
        Let everybody read, and everything arrive: then nothing is missing.
        """
        if hasattr(self, "pair"):
            self.finish()

    def finish(self) -> None:
        """
        See that all that was promised is kept.
        """
        self.restore()
        for _ in range(3):
            for end in list(self.all):
                end.reactions.clear()
                end.resume(0)
            self.drain()
        self.nothingWrong()
        if not self.cut:
            self.complete()
            self.quiet()
            # A peer may learn of a stream by its end, and after others have ended.
            for _ in range(2 + OUTBOUND):
                for end in list(self.all):
                    end.halfClose(0)
                self.drain()
            self.complete()
            self.nothingWrong()
            for end in self.all:
                assert end.reasons, f"{end} is left"
            for owner in self.owners:
                assert not owner.session.streams, owner.session.streams
                assert owner.events.count("sessionLost") == 0
        self.owners[0].session.close()
        self.pair.flush()
        self.pair.advance(self.closeTimeout)
        self.nothingWrong()
        for owner in self.owners:
            assert len(owner.lost) == 1
            assert {stream for stream, _ in owner.ended} >= set(owner.opened)
            assert len(owner.ended) == len({stream for stream, _ in owner.ended})
        for end in self.all:
            assert len(end.reasons) == 1, end
            assert end.stream.unsentSize == end.stream.unreadSize == 0
        assert not self.clock.getDelayedCalls(), self.clock.getDelayedCalls()

    def complete(self) -> None:
        """
        See that all has arrived that had to.
        """
        for end in self.all:
            far = end.far
            if far is None:
                # Nobody has heard of it, or it was refused.
                continue
            now = self.clock.seconds()
            if end.aborted or far.aborted or far.closing:
                continue
            if any(
                each.closedAt is not None and now - each.closedAt >= self.linger
                for each in (end, far)
            ):
                continue
            assert far.received == end.written, (
                f"{far} has received {far.received} of {end.written}"
            )
            if end.ending:
                assert far.ended or far.passive, f"{far} was not told of the end"

    def quiet(self) -> None:
        """
        Nothing is on its way: both sides agree on what may be sent.
        """


class _Nobody:
    """
    A stream that could not be opened.
    """

    far = None
    reactions: list[tuple[str, int]] = []  # noqa: RUF012

    def act(self, action: str, size: int) -> None:
        """
        Do nothing.
        """
