# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of dials from the port on which a node listens.
"""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import (
    ConnectBindError,
    ConnectError,
    ConnectionRefusedError,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.transport.reuse import UNANSWERED, FallingBack


class Endpoint:
    """
    An endpoint that connects when it is told to.
    """

    def __init__(self) -> None:
        self.dials: list[Deferred[Any]] = []
        self.cancelled = 0

    def connect(self, factory: Any) -> Deferred[Any]:
        """
        Record a dial.
        """

        def cancel(_: object) -> None:
            self.cancelled += 1

        self.dials.append(Deferred(cancel))
        return self.dials[-1]


class FallingBackTests(SynchronousTestCase):
    """
    Two endpoints: one with the shared port, one with any other.
    """

    def setUp(self) -> None:
        """
        Dial.
        """
        self.clock = Clock()
        self.shared, self.other = Endpoint(), Endpoint()
        endpoint = FallingBack(self.shared, self.other, self.clock)  # type: ignore[arg-type]
        self.result = endpoint.connect(Factory.forProtocol(Protocol))
        self.protocol = Protocol()

    def tearDown(self) -> None:
        """
        No timer is left.
        """
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shared(self) -> None:
        """
        An answer in time leaves the other port alone.
        """
        self.clock.advance(UNANSWERED - 0.1)
        self.shared.dials[0].callback(self.protocol)
        self.assertIs(self.successResultOf(self.result), self.protocol)
        self.assertEqual(self.other.dials, [])

    def test_taken(self) -> None:
        """
        A port that cannot be used is replaced at once.
        """
        for number, error in enumerate(
            (
                ConnectBindError(errno.EADDRINUSE),
                ConnectError(errno.EADDRNOTAVAIL),
                ConnectError(errno.EADDRINUSE),
            )
        ):
            if number:
                self.setUp()
            self.shared.dials[0].errback(error)
            self.other.dials[0].callback(self.protocol)
            self.assertIs(self.successResultOf(self.result), self.protocol)
            self.tearDown()

    def test_refused(self) -> None:
        """
        A refusal is final.
        """
        self.shared.dials[0].errback(ConnectionRefusedError())
        self.failureResultOf(self.result, ConnectionRefusedError)
        self.assertEqual(self.other.dials, [])

    def test_unanswered(self) -> None:
        """
        Without an answer both ports are tried, and the first connection is used.
        """
        for winner, loser in (("other", "shared"), ("shared", "other")):
            self.clock.advance(UNANSWERED)
            ends = {"shared": self.shared, "other": self.other}
            ends[winner].dials[0].callback(self.protocol)
            self.assertIs(self.successResultOf(self.result), self.protocol)
            self.assertEqual((ends[loser].cancelled, ends[winner].cancelled), (1, 0))
            self.tearDown()
            self.setUp()
        self.result.cancel()
        self.failureResultOf(self.result, CancelledError)

    def test_bothFail(self) -> None:
        """
        The dial fails when both have failed.
        """
        self.clock.advance(UNANSWERED)
        self.shared.dials[0].errback(ConnectError(errno.EADDRNOTAVAIL))
        self.assertNoResult(self.result)
        self.other.dials[0].errback(ConnectionRefusedError())
        self.failureResultOf(self.result, ConnectionRefusedError)
        self.assertEqual(len(self.other.dials), 1)

    def test_cancelled(self) -> None:
        """
        A cancelled dial cancels both.
        """
        self.clock.advance(UNANSWERED)
        self.result.cancel()
        self.failureResultOf(self.result, CancelledError)
        self.assertEqual((self.shared.cancelled, self.other.cancelled), (1, 1))
