# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connection.waiting}: streams that wait to be opened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connection.waiting import MAX_WAITING, WAIT
from twisted_libp2p.errors import ConnectionClosing, LimitExceeded
from twisted_libp2p.interfaces import IConnection
from twisted_libp2p.limits import Limits
from twisted_libp2p.muxer.mplex import Mplex
from twisted_libp2p.muxer.yamux import Yamux
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.testing.muxer import Collector
from twisted_libp2p.testing.nodes import MemoryNodes

# How many streams our side may have open.
OPEN = 3


class WaitingTests(SynchronousTestCase):
    """
    Over yamux, of which the client may have few streams open.
    """

    muxer: Any = Yamux
    option = "Yamux.maxOutboundStreams"

    def setUp(self) -> None:
        """
        Connect two nodes.
        """
        self.nodes = MemoryNodes()
        self.addCleanup(self.nodes.stop)
        muxer = self.muxer(self.nodes.clock, maxOutboundStreams=OPEN)
        # Identify of the server's side is asked on a stream of the client, too.
        self.client = self.nodes.start(muxers=[muxer])
        self.server = self.nodes.start()
        self.server.registry.register(PROTOCOL_ID, EchoFactory())
        self.connection, _ = self.nodes.connect(self.client, self.server)

    def open(self, connection: IConnection | None = None) -> Deferred[Any]:
        """
        Begin to open a stream.
        """
        opening: Deferred[Any] = (connection or self.connection).openStream(
            PROTOCOL_ID, Factory.forProtocol(Collector)
        )
        self.nodes.settle()
        return opening

    def fill(self) -> list[Any]:
        """
        Open as many streams as there may be.
        """
        return [self.successResultOf(self.open()) for _ in range(OPEN)]

    def test_order(self) -> None:
        """
        Streams beyond the limit wait, and are opened in their order as others end,
        whoever ends them.
        """
        opened = self.fill()
        waiting = [self.open() for _ in range(5)]
        for each in waiting:
            self.assertNoResult(each)
        opened[0].transport.abortConnection()
        self.nodes.settle()
        opened.append(self.successResultOf(waiting[0]))
        self.assertNoResult(waiting[1])
        opened[1].transport.loseConnection()
        opened[2].transport.abortConnection()
        self.nodes.settle()
        for each in waiting[1:3]:
            opened.append(self.successResultOf(each))
        for each in waiting[3:]:
            self.assertNoResult(each)
        for each in opened[3:]:
            each.transport.abortConnection()
        self.nodes.settle()
        for each in waiting[3:]:
            self.successResultOf(each)

    def test_deadline(self) -> None:
        """
        A stream that has waited for too long fails with the limit, whose option is
        one that there is; those that came later wait on.
        """
        opened = self.fill()
        first = self.open()
        self.nodes.advance(1.0)
        second = self.open()
        self.nodes.advance(WAIT - 1.1)
        self.assertNoResult(first)
        self.nodes.advance(0.1)
        error = self.failureResultOf(first, LimitExceeded).value
        self.assertEqual((error.limit, error.current), (OPEN, OPEN))
        self.assertEqual(error.option, self.option)
        self.assertIn(self.option, str(error))
        name, _, attribute = error.option.partition(".")
        self.assertEqual(name, self.muxer.__name__)
        self.assertTrue(hasattr(self.muxer(self.nodes.clock), attribute))
        self.assertNoResult(second)
        opened[0].transport.abortConnection()
        self.nodes.settle()
        self.successResultOf(second)
        self.nodes.advance(2 * WAIT)

    def test_bound(self) -> None:
        """
        Only so many streams wait; one more fails at once.
        """
        self.fill()
        waiting = [self.open() for _ in range(MAX_WAITING)]
        error = self.failureResultOf(self.open(), LimitExceeded).value
        self.assertEqual((error.limit, error.option), (MAX_WAITING, self.option))
        self.assertNoResult(waiting[-1])
        self.nodes.advance(WAIT)
        for each in waiting:
            self.failureResultOf(each, LimitExceeded)

    def test_cancel(self) -> None:
        """
        A stream that is cancelled while it waits takes no place, and leaves nothing.
        """
        opened = self.fill()
        first, second = self.open(), self.open()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        opened[0].transport.abortConnection()
        self.nodes.settle()
        second = self.successResultOf(second)
        last = self.open()
        last.cancel()
        self.failureResultOf(last, CancelledError)

    def test_connectionEnds(self) -> None:
        """
        A connection that ends, in order or not, ends what waits.
        """
        for end in (
            lambda connection: connection.close(),
            lambda connection: connection.abort(Failure(ConnectionAborted())),
        ):
            connection = self.nodes.result(
                self.client.connect(self.server.addresses[0])
            )
            for _ in range(OPEN):
                self.successResultOf(self.open(connection))
            waiting = self.open(connection)
            end(connection)
            self.nodes.settle()
            self.failureResultOf(waiting, ConnectionClosing)

    def test_stopped(self) -> None:
        """
        A node that stops ends what waits, and leaves no timer.
        """
        self.fill()
        waiting = self.open()
        self.nodes.stop()
        self.failureResultOf(waiting, ConnectionClosing)

    def test_reentrant(self) -> None:
        """
        A stream that begins may open another one, and may end the connection.
        """
        results: list[Deferred[Any]] = []

        class Opener(Collector):
            """
            Opens another stream.
            """

            def connectionMade(inner) -> None:
                """
                Open it.
                """
                super().connectionMade()
                if len(results) < 3:
                    results.append(self.open())
                else:
                    self.connection.close()

        opened = self.fill()
        first: Deferred[Any] = self.connection.openStream(
            PROTOCOL_ID, Factory.forProtocol(Opener)
        )
        last = self.open()
        opened[0].transport.abortConnection()
        self.nodes.settle()
        self.successResultOf(first)
        self.assertNoResult(last)
        self.assertEqual(len(results), 1)
        self.connection.abort(Failure(ConnectionAborted()))
        self.nodes.settle()
        for each in (last, *results):
            self.failureResultOf(each, ConnectionClosing)

    def test_overdue(self) -> None:
        """
        A stream that has waited for too long is opened all the same if the end of
        another one waits in the socket when the timer is overdue.
        """
        opened = self.fill()
        waiting = self.open()
        clock = self.nodes.clock
        # The timers that are due run first, and then the sockets are read.
        clock.callLater(3 * WAIT, opened[0].transport.resetReceived, 0)
        clock.advance(3 * WAIT)
        self.nodes.settle()
        self.successResultOf(waiting)

    def test_againInsideFailure(self) -> None:
        """
        A caller that asks again when it has waited for too long leaves no second
        timer.
        """
        self.fill()
        again: list[Deferred[Any]] = []
        first = self.open()
        self.nodes.advance(1)
        second = self.open()
        first.addErrback(lambda reason: again.append(self.open()))
        self.nodes.advance(WAIT - 1)
        self.assertNoResult(second)
        self.nodes.advance(1)
        self.failureResultOf(second, LimitExceeded)
        self.assertNoResult(again[0])
        self.nodes.advance(WAIT - 1)
        self.failureResultOf(again[0], LimitExceeded)

    def test_otherLimits(self) -> None:
        """
        A stream that the limits of the node refuse does not wait.
        """
        limits = Limits.scaled()
        limits = replace(limits, system=limits.system._replace(streams=2))
        limited = self.nodes.start(limits=limits)
        connection, _ = self.nodes.connect(limited, self.server)
        self.successResultOf(self.open(connection))
        self.successResultOf(self.open(connection))
        error = self.failureResultOf(self.open(connection), LimitExceeded).value
        self.assertEqual(error.option, "Limits.system.streams")


class MplexTests(WaitingTests):
    """
    The same over mplex.
    """

    muxer = Mplex
    option = "Mplex.maxOutboundStreams"
