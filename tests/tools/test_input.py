# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.tools.input}.
"""

from __future__ import annotations

from twisted.internet.testing import StringTransportWithDisconnection
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.tools.input import Input


class InputTests(SynchronousTestCase):
    """
    What is read, byte by byte.
    """

    def make(self, maximum: int = 100, whole: bool = False) -> Input:
        """
        Make an input on a transport.
        """
        made = Input(maximum, whole)
        self.transport = StringTransportWithDisconnection()
        self.transport.protocol = made
        made.makeConnection(self.transport)
        return made

    def feed(self, made: Input, data: bytes) -> None:
        """
        Give it the bytes one by one.
        """
        for i in range(len(data)):
            made.dataReceived(data[i : i + 1])

    def items(self, made: Input, count: int) -> list[bytes]:
        """
        Return so many items, which have to be the last ones.
        """
        items = [self.successResultOf(made.__anext__()) for _ in range(count)]
        self.failureResultOf(made.__anext__(), StopAsyncIteration)
        return items

    def test_lines(self) -> None:
        """
        Each line is an item, also the last one, which has no end.
        """
        made = self.make()
        waiting = made.__anext__()
        self.feed(made, b"a")
        self.assertNoResult(waiting)
        self.feed(made, b"\n\nb\r\nc")
        made.readConnectionLost()
        self.assertEqual(self.successResultOf(waiting), b"a")
        self.assertEqual(self.items(made, 3), [b"", b"b\r", b"c"])

    def test_whole(self) -> None:
        """
        All of it is an item, with its line ends.
        """
        made = self.make(whole=True)
        self.feed(made, b"a\nb\n")
        made.readConnectionLost()
        self.assertEqual(self.items(made, 1), [b"a\nb\n"])

    def test_empty(self) -> None:
        """
        Nothing has no items.
        """
        made = self.make(whole=True)
        waiting = made.__anext__()
        made.readConnectionLost()
        self.failureResultOf(waiting, StopAsyncIteration)

    def test_long(self) -> None:
        """
        A line that is too long is the last one, and no more is read.
        """
        made = self.make(maximum=3)
        self.feed(made, b"abc\nabcdefg\n")
        self.assertFalse(self.transport.connected)
        self.assertEqual(self.items(made, 2), [b"abc", b"abcd"])

    def test_pace(self) -> None:
        """
        Nothing is read while many lines wait.
        """
        made = self.make()
        self.feed(made, b"x\n" * 64)
        self.assertEqual(self.transport.producerState, "paused")
        for _ in range(40):
            self.successResultOf(made.__anext__())
        self.assertEqual(self.transport.producerState, "producing")

    def test_cancelled(self) -> None:
        """
        A line that nobody waits for any longer stays.
        """
        made = self.make()
        waiting = made.__anext__()
        waiting.cancel()
        self.failureResultOf(waiting)
        self.feed(made, b"a\n")
        self.assertEqual(self.successResultOf(made.__anext__()), b"a")
