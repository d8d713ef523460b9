# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.holepunch.exchange}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.holepunch.exchange import (
    MAX_ADDRESSES,
    MAX_ROUND_TRIP,
    Answerer,
    Asker,
    Message,
    MessageType,
    punchable,
)
from twisted_libp2p.identity import Identity

HERE, THERE = Multiaddr("/ip4/45.45.1.1/tcp/4001"), Multiaddr("/ip4/45.45.2.1/tcp/4001")
CONNECT = Message(MessageType.CONNECT, (THERE,)).toBytes()
SYNC = Message(MessageType.SYNC).toBytes()


class MessageTests(SynchronousTestCase):
    """
    The messages.
    """

    def test_wire(self) -> None:
        """
        They are those of the specification.
        """
        self.assertEqual(SYNC, b"\x08\xac\x02")
        self.assertEqual(CONNECT, b"\x08\x64\x12\x08" + THERE.toBytes())

    def test_read(self) -> None:
        """
        Addresses that we do not know are left out.
        """
        self.assertEqual(
            Message.fromBytes(CONNECT + b"\x12\x02\xff\xff"),
            Message(MessageType.CONNECT, (THERE,)),
        )

    def test_refused(self) -> None:
        """
        Everything else is a violation.
        """
        for each in (b"", b"\xff", b"\x08\x01"):
            with self.assertRaises(ProtocolViolation):
                Message.fromBytes(each)

    def test_punchable(self) -> None:
        """
        Only public IP addresses with a high port are dialed, and few of them.
        """
        peer = Identity.generate().peerID
        for text in (
            "/ip4/10.0.0.1/tcp/4001",
            "/ip4/127.0.0.1/tcp/4001",
            "/ip4/169.254.169.254/tcp/8080",
            "/ip4/45.45.1.1/tcp/22",
            "/ip4/45.45.1.1/tcp/0",
            "/ip4/45.45.1.1",
            "/ip6/::1/tcp/4001",
            "/ip6/64:ff9b::7f00:1/tcp/4001",
            "/dns4/example.com/tcp/4001",
            "/memory/1",
            f"/ip4/45.45.1.1/tcp/4001/p2p/{peer}/p2p-circuit",
        ):
            self.assertEqual(punchable([Multiaddr(text)]), [], text)
        self.assertEqual(punchable([HERE.withPeer(peer), HERE]), [HERE])
        many = [Multiaddr(f"/ip4/45.45.1.{each}/tcp/4001") for each in range(99)]
        self.assertEqual(punchable(many), many[:MAX_ADDRESSES])


class ExchangeTests(SynchronousTestCase):
    """
    The two sides of the exchange.
    """

    def test_both(self) -> None:
        """
        Both sides learn the addresses of the other, and the round trip.
        """
        asker, answerer = Asker([HERE]), Answerer([THERE])
        answer = answerer.receive(asker.start(10.0), 10.1)
        assert answer is not None
        sync = asker.receive(answer, 10.2)
        self.assertFalse(answerer.synchronized)
        self.assertIsNone(answerer.receive(sync, 10.3))
        self.assertTrue(answerer.synchronized)
        self.assertEqual((asker.addresses, answerer.addresses), ([THERE], [HERE]))
        self.assertAlmostEqual(asker.roundTrip, 0.2)
        self.assertAlmostEqual(answerer.roundTrip, 0.2)

    def test_slow(self) -> None:
        """
        A peer that answers late does not make us wait for long, and a clock that was
        set back not at all.
        """
        for now, roundTrip in ((99.0, MAX_ROUND_TRIP), (-9.0, 0.0)):
            asker = Asker([])
            asker.start(0.0)
            asker.receive(CONNECT, now)
            self.assertEqual(asker.roundTrip, roundTrip)

    def test_outOfTurn(self) -> None:
        """
        A message out of turn is a violation.
        """
        asker = Asker([])
        asker.start(0.0)
        with self.assertRaises(ProtocolViolation):
            asker.receive(SYNC, 0.0)
        asker.receive(CONNECT, 0.0)
        with self.assertRaises(ProtocolViolation):
            asker.receive(CONNECT, 0.0)
        for messages in ((SYNC,), (CONNECT, CONNECT), (CONNECT, SYNC, SYNC)):
            answerer = Answerer([])
            with self.assertRaises(ProtocolViolation):
                for each in messages:
                    answerer.receive(each, 0.0)
