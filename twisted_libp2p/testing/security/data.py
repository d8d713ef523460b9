# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The tests of the bytes that a secured connection carries.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionLost

from twisted_libp2p.errors import Libp2pError
from twisted_libp2p.testing.pump import pieces
from twisted_libp2p.testing.security.base import SecurityTests
from twisted_libp2p.testing.security.ways import (
    flip,
)

__all__ = ["DataTests"]

MIB = 1024 * 1024


class DataTests(SecurityTests):
    """
    All bytes arrive as they were written, and no one else can read or change them.
    """

    def test_echo(self) -> None:
        """
        Ten thousand pieces of all sizes come back as they were sent.
        """
        pump, initiator, responder = self.connect()
        responder.application.answer = responder.transport.write
        expected = bytearray()
        for number in range(10_000):
            piece = number.to_bytes(4, "big") * (number % 29)
            initiator.transport.write(piece)
            expected += piece
            if number % 1000 == 0:
                pump.flush()
        pump.flush()
        self.assertEqual(responder.application.received, expected)
        self.assertEqual(initiator.application.received, expected)
        self.cut(pump)

    def test_bulk(self) -> None:
        """
        One mebibyte passes each way, at the same time, however it is written
        and read.
        """
        content = bytes(range(256)) * (MIB // 256)
        for written, read in ((MIB, 64 * 1024), (60_000, 1460), (1400, 100_000)):
            pump, *sides = self.connect(split=pieces(read))
            for piece in pieces(written)(content):
                for side in sides:
                    side.transport.writeSequence([piece[:12], piece[12:]])
            pump.flush()
            for side in sides:
                self.assertEqual(side.application.received, content)
            self.cut(pump)

    def test_secret(self) -> None:
        """
        What is said cannot be read on its way.
        """
        if not self.authenticates:
            return
        secret = b"a secret that nobody else may read"
        pump, *sides = self.connect(greeting=secret)
        for side in sides:
            self.assertEqual(side.application.received, secret)
            self.assertNotIn(secret, side.middle.heard)
        self.cut(pump)

    def test_violated(self) -> None:
        """
        If any byte after the handshake is changed on its way, its receiver does not
        get the message, and loses the connection with one typed reason.
        """
        if not self.authenticates:
            return
        pump, initiator, responder = self.connect()
        start = len(responder.middle.heard)
        initiator.transport.write(b"content")
        pump.flush()
        size = len(responder.middle.heard) - start
        self.assertGreaterEqual(size, len(b"content"))
        self.cut(pump)
        for place in range(size):
            pump, initiator, responder = self.connect()
            responder.middle.way = flip(len(responder.middle.heard) + place)
            initiator.transport.write(b"content")
            pump.flush()
            self.cut(pump)
            self.assertEqual(responder.application.received, b"")
            reason = self.assertOver(responder)
            self.assertIsInstance(reason.value, Libp2pError)
            self.assertTrue(reason.check(ConnectionLost))
