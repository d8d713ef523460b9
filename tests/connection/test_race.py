# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of attempts that start one after the other.
"""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.connection.race import Race


class RaceTests(SynchronousTestCase):
    """
    Who starts when, and how it ends.
    """

    def setUp(self) -> None:
        """
        Have a race of which nobody has heard.
        """
        self.clock = Clock()
        self.race: Race[str] = Race(self.clock, 3)
        self.running: dict[str, Deferred[str | None]] = {}
        self.cancelled: list[str] = []

    def attempt(self, name: str) -> Callable[[], Deferred[str | None]]:
        """
        Make an attempt that a test ends by hand.
        """

        def start() -> Deferred[str | None]:
            self.running[name] = Deferred(lambda _: self.cancelled.append(name))
            return self.running[name]

        return start

    def enter(self, reserve: str = "", **delays: float) -> None:
        """
        Enter attempts by their names.
        """
        self.race.enter(
            [(delay, self.attempt(name)) for name, delay in delays.items()],
            [(0.0, self.attempt(name)) for name in reserve],
        )

    def end(self, name: str, result: str | None = None) -> None:
        """
        End an attempt.
        """
        self.running.pop(name).callback(result)

    def assertRunning(self, names: str) -> None:
        """
        Assert who has started and not been ended.
        """
        self.assertEqual("".join(self.running), names)

    def test_stagger(self) -> None:
        """
        Each starts when those before it have had their time.
        """
        self.enter(a=0, b=0.25, c=0.5)
        self.assertRunning("a")
        self.clock.advance(0.249)
        self.assertRunning("a")
        self.clock.advance(0.001)
        self.assertRunning("ab")
        self.clock.advance(0.25)
        self.assertRunning("abc")

    def test_failure(self) -> None:
        """
        Twisted #9345: a failure brings the next one forward, and those behind
        it as well.
        """
        self.enter(a=0, b=0.25, c=0.5)
        self.clock.advance(0.1)
        self.end("a")
        self.assertRunning("b")
        self.clock.advance(0.249)
        self.assertRunning("b")
        self.clock.advance(0.001)
        self.assertRunning("bc")

    def test_success(self) -> None:
        """
        The first success ends all others, and nothing is left.
        """
        self.enter(a=0, b=0.25, c=0.5, reserve="z")
        self.clock.advance(0.25)
        self.end("b", "won")
        self.assertEqual(self.successResultOf(self.race.result), "won")
        self.assertEqual(self.cancelled, ["a"])
        self.clock.advance(10)
        self.assertRunning("a")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing(self) -> None:
        """
        When all have come to nothing, so has the race.
        """
        self.enter(a=0, b=5)
        self.end("a")
        self.assertNoResult(self.race.result)
        self.end("b")
        self.assertIsNone(self.successResultOf(self.race.result))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_empty(self) -> None:
        """
        A race that nobody enters is over.
        """
        self.enter()
        self.assertIsNone(self.successResultOf(self.race.result))

    def test_width(self) -> None:
        """
        No more than so many run at once; the next waits for a place.
        """
        self.enter(a=0, b=0, c=0, d=0, e=0)
        self.assertRunning("abc")
        self.clock.advance(10)
        self.assertRunning("abc")
        self.end("b")
        self.assertRunning("acd")

    def test_reserve(self) -> None:
        """
        The reserve starts when all others have come to nothing.
        """
        self.enter(a=0, b=0, reserve="z")
        self.clock.advance(10)
        self.end("a")
        self.assertRunning("b")
        self.end("b")
        self.assertRunning("z")
        self.end("z", "won")
        self.assertEqual(self.successResultOf(self.race.result), "won")

    def test_reserveAlone(self) -> None:
        """
        Where there are no others it starts at once.
        """
        self.enter(reserve="z")
        self.assertRunning("z")
        self.end("z")
        self.assertIsNone(self.successResultOf(self.race.result))

    def test_late(self) -> None:
        """
        More may enter in the midst of it, and even before those who wait.
        """
        self.enter(a=0, d=10)
        self.clock.advance(1)
        self.enter(b=0, c=2)
        self.assertRunning("ab")
        self.clock.advance(2)
        self.assertRunning("abc")
        self.clock.advance(8)
        self.assertRunning("abc")
        self.end("a")
        self.assertRunning("bcd")

    def test_crowd(self) -> None:
        """
        Who enters nobody does not hold up those who wait.
        """
        self.enter(a=0, b=0.25)
        for _ in range(25):
            self.clock.advance(0.01)
            self.enter()
        self.assertRunning("ab")

    def test_over(self) -> None:
        """
        Who comes too late does not start.
        """
        self.enter(a=0)
        self.end("a", "won")
        self.enter(b=0, reserve="z")
        self.assertRunning("")

    def test_cancel(self) -> None:
        """
        To cancel it is to give all up.
        """
        self.enter(a=0, b=0, c=1, reserve="z")
        self.race.result.cancel()
        self.failureResultOf(self.race.result, CancelledError)
        self.assertEqual(self.cancelled, ["a", "b"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(10)
        self.assertRunning("ab")

    def test_cancelWithin(self) -> None:
        """
        An attempt that is given up while it starts is cancelled, too.
        """

        def start() -> Deferred[str | None]:
            self.race.result.cancel()
            return self.attempt("a")()

        self.race.enter([(0.0, start), (0.0, self.attempt("b"))])
        self.failureResultOf(self.race.result, CancelledError)
        self.assertEqual(self.cancelled, ["a"])
        self.assertRunning("a")

    def test_fault(self) -> None:
        """
        An attempt that fails, where it ought to give nothing, is not hidden.
        """
        self.enter(a=0, b=0)
        self.running.pop("a").errback(ZeroDivisionError())
        self.failureResultOf(self.race.result, ZeroDivisionError)
        self.assertEqual(self.cancelled, ["b"])

    def test_immediately(self) -> None:
        """
        Thousands that fail before they have even started are no deep
        recursion; a success among them is one.
        """

        def give(result: str | None) -> Callable[[], Deferred[str | None]]:
            return lambda: succeed(result)

        results = [None] * 3000 + ["won"] + [None] * 10
        self.race.enter([(float(n), give(each)) for n, each in enumerate(results)])
        self.assertEqual(self.successResultOf(self.race.result), "won")

    @drawn(
        50,
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12),
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4),
    )
    def test_allTried(
        self, entrants: list[tuple[int, int]], reserve: list[tuple[int, int]]
    ) -> None:
        """
        Whatever the delays, and however long each takes: all are tried, each
        once, no more at once than there is room for, and then it is over.
        """
        clock = Clock()
        race: Race[str] = Race(clock, 3)
        started: list[int] = []
        running: list[int] = []

        def attempt(number: int, takes: int) -> Callable[[], Deferred[str | None]]:
            def start() -> Deferred[str | None]:
                started.append(number)
                running.append(number)
                self.assertLessEqual(len(running), 3)
                ending: Deferred[str | None] = Deferred()

                def end() -> None:
                    running.remove(number)
                    ending.callback(None)

                clock.callLater(takes, end)
                return ending

            return start

        race.enter(
            [
                (delay, attempt(number, takes))
                for number, (delay, takes) in enumerate(entrants)
            ],
            [
                (delay, attempt(100 + number, takes))
                for number, (delay, takes) in enumerate(reserve)
            ],
        )
        clock.pump([0.5] * 250)
        self.assertIsNone(self.successResultOf(race.result))
        self.assertEqual(
            sorted(started),
            [*range(len(entrants)), *range(100, 100 + len(reserve))],
        )
        self.assertEqual(clock.getDelayedCalls(), [])
