# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.connection.firststream}.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.connection.firststream import FirstStream
from twisted_libp2p.errors import StreamAborted
from twisted_libp2p.interfaces import IConnection


class _Connection:
    """
    A connection that records the streams that are opened on it.
    """

    def __init__(self) -> None:
        self.connected = True
        self.opened: list[Deferred[Any]] = []
        self._closed: Deferred[None] = Deferred()

    def openStream(self, *arguments: Any, **options: Any) -> Deferred[Any]:
        """
        Record the stream.
        """
        self.opened.append(Deferred())
        return self.opened[-1]

    def whenClosed(self) -> Deferred[None]:
        """
        Wait for the end.
        """
        return self._closed

    def lose(self) -> None:
        """
        End the connection with its streams.
        """
        self.connected = False
        for each in self.opened:
            each.errback(Failure(StreamAborted("lost")))
        self._closed.callback(None)


class FirstStreamTests(SynchronousTestCase):
    """
    A peer is dialed for a stream.
    """

    def setUp(self) -> None:
        """
        Make a stream, and two connections to which the dial may lead.
        """
        self.first = FirstStream("/a", Factory(), False)
        self.one, self.other = _Connection(), _Connection()

    def open(self, connection: _Connection) -> None:
        """
        Let the peer of a connection prove its identity.
        """
        self.first.open(cast(IConnection, connection))

    def connect(self, connection: _Connection) -> Deferred[Any]:
        """
        Let the dial lead to a connection.
        """
        return self.first.connected(cast(IConnection, connection))

    def wait(self, connection: _Connection) -> Deferred[None]:
        """
        Wait until no other connection has the stream.
        """
        return self.first.whenOthersEnded(cast(IConnection, connection))

    def test_late(self) -> None:
        """
        Without an early connection, the stream is opened on that of the dial.
        """
        self.successResultOf(self.wait(self.one))
        opening = self.connect(self.one)
        self.assertEqual(self.one.opened, [opening])

    def test_early(self) -> None:
        """
        The stream is opened once.
        """
        self.open(self.one)
        self.open(self.other)
        self.successResultOf(self.wait(self.one))
        self.assertEqual(self.one.opened, [self.connect(self.one)])
        self.assertEqual(self.other.opened, [])

    def test_existing(self) -> None:
        """
        The dial may lead to another connection, and the stream goes on.
        """
        self.open(self.one)
        self.assertEqual(self.one.opened, [self.connect(self.other)])
        self.assertEqual(self.other.opened, [])

    def test_lost(self) -> None:
        """
        Another connection that is ready waits until the one with the stream is lost,
        and then gets a new stream.
        """
        self.open(self.one)
        waiting = self.wait(self.other)
        self.assertNoResult(waiting)
        self.one.lose()
        self.successResultOf(waiting)
        self.assertEqual(self.other.opened, [self.connect(self.other)])

    def test_lostAtOnce(self) -> None:
        """
        If the connection of the dial is lost with the stream, the caller learns of it.
        """
        self.open(self.one)
        self.one.lose()
        self.failureResultOf(self.connect(self.one), StreamAborted)

    def test_failed(self) -> None:
        """
        The stream is cancelled if the dial fails.
        """
        self.open(self.one)
        reason = Failure(StreamAborted("failed"))
        self.assertIs(self.first.failed(reason), reason)
        (opening,) = self.one.opened
        self.assertTrue(opening.called)

    def test_failedBefore(self) -> None:
        """
        A caller that gives up gets no stream if the dial goes on for others.
        """
        self.first.failed(Failure(CancelledError()))
        self.open(self.one)
        self.assertEqual(self.one.opened, [])

    def test_unwanted(self) -> None:
        """
        No connection waits for one whose stream nobody wants any longer.
        """
        self.open(self.one)
        self.first.failed(Failure(CancelledError()))
        self.successResultOf(self.wait(self.other))

    def test_failedWithin(self) -> None:
        """
        The protocol of the stream may end the dial.
        """
        streams: list[Deferred[Any]] = []

        def openStream(*arguments: Any, **options: Any) -> Deferred[Any]:
            self.first.failed(Failure(CancelledError()))
            streams.append(Deferred())
            return streams[-1]

        self.patch(self.one, "openStream", openStream)
        self.open(self.one)
        self.assertTrue(streams[0].called)
