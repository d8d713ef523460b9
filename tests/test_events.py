# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the event bus.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.events import Event, EventBus, Listen, ListenClose

ADDRESS = Multiaddr("/ip4/127.0.0.1/tcp/1")


def listen(time: float = 0.0) -> Listen:
    """
    Make an event.
    """
    return Listen(time=time, address=ADDRESS)


def listenClose(time: float = 0.0) -> ListenClose:
    """
    Make an event of another type.
    """
    return ListenClose(time=time, address=ADDRESS)


class EventBusTests(SynchronousTestCase):
    """
    Subscribers hear of what they asked for, in order.
    """

    def setUp(self) -> None:
        """
        Make a bus.
        """
        self.bus = EventBus()
        self.heard: list[Event] = []

    def test_types(self) -> None:
        """
        A subscriber hears of one type, and of those derived from it.
        """
        everything: list[Event] = []
        self.bus.subscribe(Listen, self.heard.append)
        self.bus.subscribe(Event, everything.append)
        one, two = listen(), listenClose()
        self.bus.publish(one)
        self.bus.publish(two)
        self.assertEqual(self.heard, [one])
        self.assertEqual(everything, [one, two])

    def test_cycles(self) -> None:
        """
        A wait that is over, or was cancelled, leaves nothing to the garbage collector.
        """
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        ends: list[Callable[[Deferred[Listen]], None]] = [
            lambda _: self.bus.publish(listen()),
            Deferred.cancel,
        ]
        for end in ends:
            waiting = self.bus.next(Listen)
            waiting.addErrback(lambda reason: None)
            end(waiting)
            del waiting
            self.assertEqual(gc.collect(), 0)

    def test_where(self) -> None:
        """
        A condition picks among the events.
        """
        self.bus.subscribe(Listen, self.heard.append, lambda event: event.time > 1)
        self.bus.publish(listen(1))
        self.bus.publish(listen(2))
        self.assertEqual([event.time for event in self.heard], [2])

    def test_cancel(self) -> None:
        """
        After the cancelling nothing is heard, not even of an event that is
        being delivered; a second cancel is nothing.
        """
        first = self.bus.subscribe(Listen, lambda event: second.cancel())
        second = self.bus.subscribe(Listen, self.heard.append)
        self.bus.publish(listen())
        first.cancel()
        first.cancel()
        self.assertEqual(self.heard, [])
        self.assertFalse(self.bus.subscribers[Listen])

    def test_order(self) -> None:
        """
        An event that a subscriber causes waits until all have seen the
        present one.
        """
        order: list[str] = []

        def one(event: Event) -> None:
            order.append(f"one {type(event).__name__}")
            if isinstance(event, Listen):
                self.bus.publish(listenClose())

        self.bus.subscribe(Event, one)
        self.bus.subscribe(Event, lambda e: order.append(f"two {type(e).__name__}"))
        self.bus.publish(listen())
        self.assertEqual(
            order,
            ["one Listen", "two Listen", "one ListenClose", "two ListenClose"],
        )

    def test_together(self) -> None:
        """
        An event that a subscriber causes comes after all that have happened together.
        """

        def first(_: Event) -> None:
            subscription.cancel()
            self.bus.publish(listen(3))

        subscription = self.bus.subscribe(Listen, first)
        self.bus.subscribe(Event, self.heard.append)
        self.bus.publish(listen(1), listenClose(), listen(2))
        self.assertEqual(
            [type(each) for each in self.heard], [Listen, ListenClose, Listen, Listen]
        )
        self.assertEqual(self.heard[-1].time, 3)

    def test_failingSubscriber(self) -> None:
        """
        What a subscriber raises is logged and touches nobody.
        """

        def fail(event: Event) -> None:
            raise RuntimeError("no")

        self.bus.subscribe(Event, fail)
        self.bus.subscribe(Event, self.heard.append)
        self.bus.publish(listen())
        self.bus.publish(listen())
        self.assertEqual(len(self.heard), 2)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_next(self) -> None:
        """
        One event can be waited for; then the waiting is over.
        """
        waiting = self.bus.next(Listen, lambda event: event.time == 2)
        self.bus.publish(listen(1))
        self.assertNoResult(waiting)
        self.bus.publish(listen(2))
        self.bus.publish(listen(2))
        self.assertEqual(self.successResultOf(waiting).time, 2)
        self.assertFalse(self.bus.subscribers[Listen])

    def test_cancelNext(self) -> None:
        """
        To cancel the waiting is to wait no more.
        """
        waiting = self.bus.next(Listen)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertFalse(self.bus.subscribers[Listen])
        self.bus.publish(listen())

    def test_wants(self) -> None:
        """
        An event that nobody would hear need not be made.
        """
        self.assertFalse(self.bus.subscribers[Listen])
        self.bus.subscribe(Event, self.heard.append)
        self.assertTrue(self.bus.subscribers[Listen])

    def test_late(self) -> None:
        """
        Who subscribes while an event is delivered hears from the next on.
        """
        self.bus.subscribe(
            Listen, lambda event: self.bus.subscribe(Listen, self.heard.append)
        )
        self.bus.publish(listen(1))
        self.assertEqual(self.heard, [])
