# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Resets, by either side or because an application has raised.
"""

from __future__ import annotations

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_libp2p.errors import StreamAborted, StreamReset
from twisted_libp2p.testing.muxer.base import PairTestCase
from twisted_libp2p.testing.muxer.doubles import Collector, HalfCloseCollector

__all__ = ["ResetTests"]


class ResetTests(PairTestCase):
    """
    Resets, by either side or because an application has raised.
    """

    def test_abort(self) -> None:
        """
        A reset from either side ends both, once, with typed reasons.
        """
        for index in (0, 1):
            pair = self.pair()
            ends = pair.open(pair.client)
            mine, theirs = ends[index], ends[1 - index]
            mine.stream.write(b"dropped")
            mine.stream.abortConnection()
            mine.stream.abortConnection()
            self.assertEqual(mine.reasons, [])
            pair.flush()
            self.assertEqual(len(mine.reasons), 1)
            mine.reasons[0].trap(StreamAborted)
            self.assertEqual(len(theirs.reasons), 1)
            theirs.reasons[0].trap(StreamReset)
            self.assertEqual(theirs.data, b"")
            self.assertEqual(len(pair.clientSession.streams), 0)
            self.assertEqual(len(pair.serverSession.streams), 0)

    def test_abortUnseen(self) -> None:
        """
        A stream that is reset before the peer has seen it never existed.
        """
        pair = self.pair()
        mine = Collector()
        pair.client.openStream(mine)
        mine.stream.write(b"x")
        mine.stream.abortConnection()
        pair.flush()
        self.assertEqual(pair.server.protocols, [])
        mine.reasons[0].trap(StreamAborted)

    def test_resetDropsUnread(self) -> None:
        """
        Bytes that are unread when the reset arrives are never delivered.
        """
        pair = self.pair()
        mine, theirs = pair.open(pair.client)
        theirs.stream.pauseProducing()
        mine.stream.write(b"unread")
        pair.flush()
        mine.stream.abortConnection()
        pair.flush()
        theirs.reasons[0].trap(StreamReset)
        theirs.stream.resumeProducing()
        pair.flush()
        self.assertEqual(theirs.data, b"")

    def test_applicationRaises(self) -> None:
        """
        A protocol that raises loses its own stream, and no other.
        """

        class Broken(Collector):
            def dataReceived(self, data: bytes) -> None:
                raise ZeroDivisionError

            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                raise ValueError

        pair = self.pair()
        bystander, _ = pair.open(pair.client)
        pair.server.build = Broken
        mine, theirs = pair.open(pair.client)
        mine.stream.write(b"x")
        pair.flush()
        mine.reasons[0].trap(StreamReset)
        theirs.reasons[0].trap(ZeroDivisionError)
        self.assertEqual(bystander.reasons, [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_connectionMadeRaises(self) -> None:
        """
        A protocol that raises when it is connected is reset, on either side.
        """

        class Broken(Collector):
            def connectionMade(self) -> None:
                raise ZeroDivisionError

        pair = self.pair()
        pair.server.build = Broken
        mine, theirs = pair.open(pair.client)
        mine.reasons[0].trap(StreamReset)
        theirs.reasons[0].trap(ZeroDivisionError)
        broken = Broken()
        pair.client.openStream(broken)
        pair.flush()
        broken.reasons[0].trap(ZeroDivisionError)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 2)

    def test_halfCloseRaises(self) -> None:
        """
        A protocol that raises at the end of a half is reset.
        """

        @implementer(IHalfCloseableProtocol)
        class Broken(HalfCloseCollector):
            def readConnectionLost(self) -> None:
                raise ZeroDivisionError

        pair = self.pair()
        pair.server.build = Broken
        mine, theirs = pair.open(pair.client, HalfCloseCollector())
        mine.stream.loseWriteConnection()
        pair.flush()
        mine.reasons[0].trap(StreamReset)
        theirs.reasons[0].trap(ZeroDivisionError)
        self.flushLoggedErrors(ZeroDivisionError)
