# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the echo.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionDone

from tests.protocols.connected import ConnectedTestCase
from twisted_libp2p.protocols.echo import PROTOCOL_ID, EchoFactory
from twisted_libp2p.testing.muxer import HalfCloseCollector

MIB = 1 << 20


class EchoTests(ConnectedTestCase):
    """
    The echo of another node.
    """

    def setUp(self) -> None:
        """
        Open a stream to an echo.
        """
        super().setUp()
        self.server.registry.register(PROTOCOL_ID, EchoFactory())
        self.caller = self.open(PROTOCOL_ID, HalfCloseCollector())

    def test_echo(self) -> None:
        """
        Every byte comes back, in order.
        """
        for piece in (b"one", b"two", b"x" * 100_000):
            self.caller.stream.write(piece)
        self.nodes.settle()
        self.assertEqual(self.caller.data, b"onetwo" + b"x" * 100_000)

    def test_halfClose(self) -> None:
        """
        When the caller is done, the rest comes back, and then the end.
        """
        content = bytes(range(256)) * (MIB // 256)
        self.caller.stream.write(content)
        self.caller.stream.loseWriteConnection()
        self.nodes.settle()
        self.assertEqual(self.caller.data, content)
        self.assertEqual(self.caller.ends, ["write", "read"])
        self.caller.reasons[0].trap(ConnectionDone)
        self.assertEqual(list(self.connection.streams), [])

    def test_backPressure(self) -> None:
        """
        A caller that does not read can write no more than the windows of both
        directions hold; when it reads, it gets all.
        """
        content = bytes(range(256)) * (8 * MIB // 256)
        self.caller.stream.pauseProducing()
        self.caller.stream.write(content)
        self.nodes.settle()
        left = self.caller.stream.unsentSize
        self.assertGreater(left, 6 * MIB)
        (echoing,) = (
            each for each in self.accepted.streams if each.protocolID == PROTOCOL_ID
        )
        held = echoing.unsentSize + echoing.unreadSize + self.caller.stream.unreadSize
        self.assertLess(held, 2 * MIB)
        self.nodes.advance(5.0)
        self.assertEqual(self.caller.stream.unsentSize, left)
        self.caller.stream.resumeProducing()
        self.nodes.settle()
        self.assertEqual(self.caller.data, content)

    def test_reset(self) -> None:
        """
        A caller that resets the stream leaves nothing behind.
        """
        self.caller.stream.pauseProducing()
        self.caller.stream.write(bytes(MIB))
        self.nodes.settle()
        self.caller.stream.abortConnection()
        self.nodes.settle()
        self.assertEqual(list(self.accepted.streams), [])
