# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the messages of TLS itself between the data.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from zope.interface import alsoProvides

from tests.security.tls.foreign import Foreign
from tests.security.tls.meeting import Meeting
from tests.security.tls.sealer import ALERT, HANDSHAKE, Sealer, watchedContext
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.interfaces import IHalfCloseable
from twisted_libp2p.security.tls.channel import MOST_ANSWERED, MOST_DELAYED


class MessageTests(Meeting):
    """
    The peer sends messages of the handshake behind it.
    """

    def setUp(self) -> None:
        """
        Connect.
        """
        super().setUp()
        secrets: list[bytes] = []
        self.foreign = Foreign(True, watchedContext(secrets))
        self.meet(False, self.foreign)
        self.sealer = Sealer(secrets, True)

    def test_answered(self) -> None:
        """
        A peer that asks for new keys gets them, though we have nothing to say.
        """
        before = len(self.below.sent)
        for _ in range(2):
            self.foreign.transport.write(self.sealer.update(True))
            self.pump.flush()
        self.assertGreater(len(self.below.sent), before)
        self.secure.write(b"data")
        self.pump.flush()
        self.assertEqual(self.foreign.received, b"data")
        self.cut()

    def test_answeredWithoutEnd(self) -> None:
        """
        Who goes on with that is dropped.
        """
        for _ in range(MOST_ANSWERED // 27 + 2):
            self.foreign.transport.write(self.sealer.update(True))
            self.pump.flush()
        self.assertLost(ProtocolViolation)

    def test_inside(self) -> None:
        """
        What is written, and an end that is made, in the midst of a message of
        the peer's wait for its end.
        """
        below: Any = self.below
        directions: list[int] = []
        below.loseWriteConnection = lambda: directions.append(len(below.sent))
        alsoProvides(below, IHalfCloseable)
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x18\x00\x00\x01"))
        self.pump.flush()
        before = len(below.sent)
        self.secure.write(b"all ")
        self.pump.flush()
        self.secure.write(b"of it")
        self.secure.loseConnection()
        self.pump.flush()
        self.assertEqual(len(below.sent), before)
        self.assertEqual(directions, [])
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x00"))
        self.pump.flush()
        self.assertEqual(self.foreign.received, b"all of it")
        self.assertTrue(self.foreign.closed)
        self.assertEqual(directions, [len(below.sent)])
        self.cut()
        self.assertLost(ConnectionDone)

    def test_insideWithoutEnd(self) -> None:
        """
        Who stays in the midst of a message for too long is dropped.
        """
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x18\x00\x00\x01"))
        self.pump.flush()
        self.secure.write(bytes(MOST_DELAYED))
        self.pump.flush()
        self.assertEqual(self.application.lost, [])
        self.secure.write(b"x")
        self.pump.flush()
        self.assertLost(ProtocolViolation)

    def test_endInside(self) -> None:
        """
        A peer may announce its end there; ours can not be announced then.
        """
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x18\x00\x00\x01"))
        self.foreign.transport.write(self.sealer.seal(ALERT, b"\x01\x00"))
        self.pump.flush()
        self.assertLost(ConnectionDone)

    def test_endInsideOfWhatWaits(self) -> None:
        """
        What was waiting for the end of the message is lost then.
        """
        self.foreign.transport.write(self.sealer.seal(HANDSHAKE, b"\x18\x00\x00\x01"))
        self.pump.flush()
        self.secure.write(b"data")
        self.pump.flush()
        self.foreign.transport.write(self.sealer.seal(ALERT, b"\x01\x00"))
        self.pump.flush()
        self.assertEqual(self.foreign.received, b"")
        self.assertLost(ConnectionDone)
