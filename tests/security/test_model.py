# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Every secure transport against a model: two of them, and whatever their applications
and the network between them may do, in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import explained, seeds
from tests.speaker import Speaker
from tests.vectors import vectorIdentity
from twisted_libp2p.interfaces import Handshake, ISecurity, Role
from twisted_libp2p.security.noise import Noise
from twisted_libp2p.security.plaintext import Plaintext
from twisted_libp2p.security.secio import SECIO
from twisted_libp2p.security.tls import TLS
from twisted_libp2p.security.wrapper import CLOSING_TIME
from twisted_libp2p.testing.pump import Pump

#: How much happens in one walk.
STEPS = 50

#: The sizes that matter: of frames, records, joined writes and full transports.
SIZES = (
    *(1, 2, 18, 500, 16384, 16385, 32767, 32768, 65519, 65520, 65537),
    *(150_000, 400_000),
)

#: No transport takes so many bytes at once from a producer.
ENDLESS = 100_000

#: What applications do, and ...
DEEDS = ["write", "write", "writeSequence", "pause", "resume", "push", "pull"]

#: ... how they, or the network, end it otherwise.
ENDS = ["abort", "fail", "cut"]

#: What else happens.
EVENTS = ["arrive", "arrive", "turn", "settle", "stall", "wait"]


class _Clumsy(Exception):
    """
    An application has raised it.
    """


class _End(Speaker):
    """
    The application at one end.

    @ivar closing: whether it has closed.
    @ivar aborted: whether it has aborted, or failed.
    @ivar early: whether it was told of the end while it did not want to read.
    """

    closing = aborted = early = False

    def connectionMade(self) -> None:
        """
        Do at once what the model wants to be done first.
        """
        if self.reactions:
            self.act(*self.reactions.pop(0))

    def dataReceived(self, data: bytes) -> None:
        """
        Check that it may receive.
        """
        if self.aborted:
            self.note(f"{self} received after it had aborted")
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        Note whether it could read all.
        """
        self.early = self.transport._paused
        super().connectionLost(reason)

    def close(self, size: int) -> None:
        """
        Close when all is sent.
        """
        self.closing = True
        self.transport.loseConnection()

    def abort(self, size: int) -> None:
        """
        Close at once.
        """
        self.aborted = True
        self.transport.abortConnection()

    def push(self, size: int) -> None:
        """
        Have a producer write more than a transport wants to have.
        """
        super().push(ENDLESS + size)

    def pull(self, size: int) -> None:
        """
        Have a producer write that is asked for it more than once.
        """
        super().pull(ENDLESS + size)

    def fail(self, size: int) -> None:
        """
        Do what applications should not.
        """
        self.aborted = True
        raise _Clumsy

    @property
    def open(self) -> bool:
        """
        Whether what it writes is to arrive.
        """
        return not (self.reasons or self.closing or self.aborted)


class _Side(Factory):
    """
    One side of the connection: the factory of its application.

    @ivar built: the application, which ...
    @ivar end: ... is there once the peer is authenticated.
    @ivar failures: why it is not.
    """

    noisy = False

    def __init__(self, built: _End) -> None:
        self.built = built
        self.end: _End | None = None
        self.failures: list[Failure] = []

    def buildProtocol(self, addr: object) -> Any:
        """
        The peer is authenticated.
        """
        self.end = self.built
        return self.end


class _Model:
    """
    Two secure transports and their applications, and one walk through what may
    happen to them.
    """

    def __init__(
        self, case: SynchronousTestCase, security: ISecurity, clock: Clock, seed: int
    ) -> None:
        self._trace = [f"seed {seed}"]
        walk = Random(seed)
        self._case = case
        self._clock = clock
        self._walk = walk
        self._wrong: list[str] = []
        # Most end by closing, if at all.
        self._happens = [*DEEDS * 2, *EVENTS * 2, "close"]
        if walk.random() < 0.3:
            self._happens += ENDS
        # Whether the network has ended it, and how long it still has to close.
        self._cut = False
        self._patience = CLOSING_TIME
        one, other = (_End(self._wrong.append, seed) for seed in range(2))
        one.far, other.far = other, one
        self._sides = [_Side(one), _Side(other)]
        self._wrappers: list[Any] = []
        for number, side in enumerate(self._sides):
            handshake = Handshake(
                vectorIdentity(number + 1),
                role=Role.CLIENT if number == 0 else Role.SERVER,
                expected=None,
                muxers=(),
                failed=side.failures.append,
            )
            factory: Any = security.wrap(handshake, side)
            self._wrappers.append(factory.buildProtocol(None))
            if walk.random() < 0.3:
                # It is done as soon as there is a connection.
                side.built.reactions.append((walk.choice(DEEDS), walk.choice(SIZES)))
        self._pump = Pump(*self._wrappers, clock=clock, split=self._split, record=False)
        self._transports = (self._pump.client, self._pump.server)

    def _split(self, data: bytes) -> Iterator[bytes]:
        """
        Cut what arrives anywhere.
        """
        offset = 0
        while offset < len(data):
            size = self._walk.choice(SIZES)
            yield data[offset : offset + size]
            offset += size

    def explain(self) -> str:
        """
        Tell the way so far.
        """
        return "\n".join(self._trace)

    def run(self) -> None:
        """
        Go the whole way.
        """
        self._pump.connect()
        for _ in range(STEPS):
            self._step()
            self._check()
        self._finish()

    def _step(self) -> None:
        """
        Something happens, to one side.
        """
        walk = self._walk
        side = walk.randrange(2)
        transport, end = self._transports[side], self._sides[side].end
        what, size = walk.choice(self._happens), walk.choice(SIZES)
        later = walk.random() < 0.3
        self._trace.append(f"{what} {side} {size} {later}")
        match what:
            case "arrive":
                # Some of its bytes do; perhaps they were read before a pause.
                transport.other._reading |= later
                transport.stroke(size)
                transport.other._reading &= not self._wrappers[1 - side]._paused
            case "turn":
                # Whatever was written is on its way.
                self._clock.advance(0)
                assert not any(self._held(wrapper) for wrapper in self._wrappers)
            case "settle":
                # Everything arrives that can.
                self._pump.flush()
                self._checkSettled()
            case "stall":
                # What it sends stays on its way, from now on or no more.
                transport.stalled = not transport.stalled
            case "wait":
                # Who closes does not do so for ever.
                seconds = CLOSING_TIME if later else 0.1
                if any(side.built.closing for side in self._sides):
                    self._patience -= seconds
                self._clock.advance(seconds)
            case "cut":
                self._cut = True
                for each in self._transports:
                    each.lose(ConnectionDone() if later else ConnectionLost())
            case _ if end is None:
                # It has to be built first.
                self._pump.flush()
            case _ if later or what == "fail":
                end.reactions.append((what, size))
            case _:
                end.act(what, size)

    def _held(self, wrapper: Any) -> bool:
        """
        @return: whether anything is held back that is to be sent.
        """
        return wrapper._channel is not None and (wrapper._pending or wrapper._ahead)

    def _check(self) -> None:
        """
        Nobody has seen anything wrong, nothing else has raised, and what is held back
        will be sent in the next turn.
        """
        assert not self._wrong, self._wrong
        failures = self._case.flushLoggedErrors()
        assert all(failure.check(_Clumsy) for failure in failures), failures
        for wrapper in self._wrappers:
            assert not wrapper._busy
            assert not self._held(wrapper) or wrapper._flushing is not None

    def _checkSettled(self) -> None:
        """
        Whoever reads has received everything, and who has closed is done.
        """
        one, other = (side.end for side in self._sides)
        stalled = any(transport.stalled for transport in self._transports)
        if self._cut or stalled or one is None or other is None:
            return
        for end in one, other:
            reads = not (end.transport._paused or end.aborted or end.far.aborted)
            if reads and not end.closing:
                assert end.early or end.received == end.far.written
            if reads and end.far.closing:
                assert end.far.reasons

    def _finish(self) -> None:
        """
        Let everybody read, and everything arrive: then nothing is missing, and nothing
        is left.
        """
        for transport in self._transports:
            transport.stalled = False
        for _ in range(3):
            for side in self._sides:
                if side.end is not None:
                    side.end.reactions.clear()
                    side.end.resume(0)
            self._pump.flush()
        self._check()
        ends = [side.built for side in self._sides]
        if not (self._cut or self._patience <= 0 or any(end.aborted for end in ends)):
            self._complete(ends)
        for transport in self._transports:
            transport.lose(ConnectionLost())
        self._pump.flush()
        self._check()
        for side in self._sides:
            told = side.failures if side.end is None else side.end.reasons
            assert len(told) == 1 and (side.end is None or not side.failures)
        assert not self._clock.getDelayedCalls(), self._clock.getDelayedCalls()

    def _complete(self, ends: list[_End]) -> None:
        """
        See that all has arrived that had to, and that the end is a good one.  Who has
        closed does not hear the other one any more.
        """
        for end in ends:
            assert end.far.closing or end.far.early or end.far.received == end.written
        if not any(end.closing for end in ends):
            ends[0].close(0)
            self._pump.flush()
        for end in ends:
            (reason,) = end.reasons
            assert reason.check(ConnectionDone), reason


class ModelTests(SynchronousTestCase):
    """
    Nothing is lost, doubled or out of order, nothing stands still, and nothing is
    left, whatever both sides do.
    """

    def _explore(self, build: Callable[[Clock], ISecurity]) -> None:
        for seed in seeds(300):
            clock = Clock()
            model = _Model(self, build(clock), clock, seed)
            with explained(model.explain):
                model.run()

    def test_plaintext(self) -> None:
        """
        Plaintext, which leaves the bytes as they are.
        """
        self._explore(Plaintext)

    def test_noise(self) -> None:
        """
        Noise, in which the initiator has the last word of the handshake.
        """
        self._explore(Noise)

    def test_tls(self) -> None:
        """
        TLS, whose ends are announced and answered.
        """
        self._explore(TLS)

    def test_secio(self) -> None:
        """
        SECIO, in which both speak at once.
        """
        self._explore(SECIO)
