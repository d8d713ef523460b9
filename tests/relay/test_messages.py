# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.relay.messages} and L{twisted_libp2p.relay.voucher}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidRecord, InvalidSignature, ProtocolViolation
from twisted_libp2p.identity import Envelope, Identity
from twisted_libp2p.relay.messages import (
    MAX_ADDRESSES,
    Hop,
    HopType,
    Limit,
    Reservation,
    Status,
    Stop,
    StopType,
)
from twisted_libp2p.relay.voucher import Voucher
from twisted_libp2p.wire import circuit_pb2

RELAY, PEER = Identity.generate(), Identity.generate()


class HopTests(SynchronousTestCase):
    """
    Messages to and from a relay.
    """

    def test_wire(self) -> None:
        """
        The type is always there, although RESERVE is 0.
        """
        self.assertEqual(Hop(HopType.RESERVE).toBytes(), b"\x08\x00")
        peer = PEER.peerID.toBytes()
        self.assertEqual(
            Hop(HopType.CONNECT, PEER.peerID).toBytes(),
            b"\x08\x01\x12"
            + bytes([len(peer) + 2])
            + b"\x0a"
            + bytes([len(peer)])
            + peer,
        )
        self.assertEqual(
            Hop(HopType.STATUS, status=Status.OK, limit=Limit(120, 1 << 17)).toBytes(),
            b"\x08\x02\x22\x06\x08\x78\x10\x80\x80\x08\x28\x64",
        )

    def test_roundTrip(self) -> None:
        """
        A message is read as it was written.
        """
        addresses = (Multiaddr("/ip4/45.45.0.1/tcp/4001"),)
        for each in (
            Hop(HopType.RESERVE),
            Hop(HopType.CONNECT, PEER.peerID),
            Hop(HopType.STATUS, status=204),
            Hop(
                HopType.STATUS,
                status=100,
                reservation=Reservation(1 << 40, addresses, b"voucher"),
                limit=Limit(None, 7),
            ),
            Hop(HopType.STATUS, status=100, limit=Limit()),
        ):
            self.assertEqual(Hop.fromBytes(each.toBytes()), each)

    def test_lenient(self) -> None:
        """
        Unknown addresses are left out, and so are those after the first few; an
        unknown status is kept.
        """
        known = [Multiaddr(f"/ip4/45.45.0.1/tcp/{each}") for each in range(99)]
        message = circuit_pb2.HopMessage(type=2, status=777)
        message.reservation.expire = 5
        message.reservation.addrs.append(b"\xff\xff\xff")
        message.reservation.addrs.extend(each.toBytes() for each in known)
        read = Hop.fromBytes(message.SerializeToString())
        self.assertEqual(read.status, 777)
        assert read.reservation is not None
        self.assertEqual(read.reservation.addresses, tuple(known[:MAX_ADDRESSES]))
        self.assertEqual(Status.nameOf(777), "status 777")
        self.assertEqual(Status.nameOf(204), "no reservation")

    def test_refused(self) -> None:
        """
        Everything else is a violation.
        """
        for each in (
            b"",
            b"\xff",
            b"\x08\x03",
            b"\x08\x01",
            b"\x08\x01\x12\x02\x0a\x00",
            b"\x08\x02",
        ):
            with self.assertRaises(ProtocolViolation):
                Hop.fromBytes(each)

    def test_large(self) -> None:
        """
        A limit that does not fit into its field is the largest that does.
        """
        message = Hop(HopType.STATUS, status=100, limit=Limit(1 << 40, 1 << 70))
        self.assertEqual(
            Hop.fromBytes(message.toBytes()).limit, Limit((1 << 32) - 1, (1 << 64) - 1)
        )


class StopTests(SynchronousTestCase):
    """
    Messages between a relay and the peer with the reservation.
    """

    def test_roundTrip(self) -> None:
        """
        A message is read as it was written.
        """
        for each in (
            Stop(StopType.CONNECT, PEER.peerID, limit=Limit(3, 4)),
            Stop(StopType.STATUS, status=100),
        ):
            self.assertEqual(Stop.fromBytes(each.toBytes()), each)

    def test_refused(self) -> None:
        """
        Everything else is a violation.
        """
        for each in (b"", b"\xff", b"\x08\x02", b"\x08\x00", b"\x08\x01"):
            with self.assertRaises(ProtocolViolation):
                Stop.fromBytes(each)


class VoucherTests(SynchronousTestCase):
    """
    The signature of a relay.
    """

    def test_roundTrip(self) -> None:
        """
        A voucher is read as it was signed.
        """
        voucher = Voucher(RELAY.peerID, PEER.peerID, 1234)
        self.assertEqual(Voucher.open(voucher.seal(RELAY)), voucher)

    def test_otherSigner(self) -> None:
        """
        Only the relay signs.
        """
        voucher = Voucher(RELAY.peerID, PEER.peerID, 1234)
        with self.assertRaises(InvalidRecord):
            Voucher.open(voucher.seal(PEER))

    def test_changed(self) -> None:
        """
        A changed voucher is refused, wherever it was changed.
        """
        sealed = Voucher(RELAY.peerID, PEER.peerID, 1234).seal(RELAY)
        for place in range(len(sealed)):
            changed = sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :]
            with self.assertRaises((InvalidRecord, InvalidSignature)):
                Voucher.open(changed)

    def test_otherRecord(self) -> None:
        """
        The envelope of something else is refused.
        """
        for kind, payload in (
            (b"\x03\x01", b""),
            (b"\x03\x02", b"\xff"),
            (b"\x03\x02", b""),
        ):
            other = Envelope.seal(RELAY, "libp2p-relay-rsvp", kind, payload)
            with self.assertRaises(InvalidRecord):
                Voucher.open(other.toBytes())
