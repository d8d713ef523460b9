# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.rendezvous.messages} and
L{twisted_libp2p.discovery.rendezvous.cookie}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.discovery.rendezvous.cookie import Cookies
from twisted_libp2p.discovery.rendezvous.messages import (
    MAX_ADDRESSES,
    MAX_RECORD,
    Layout,
    Message,
    Place,
    Status,
    namespaceOf,
    readMessage,
    registrationsIn,
)
from twisted_libp2p.errors import InvalidRecord, ProtocolViolation
from twisted_libp2p.identity import Identity

IDENTITY = Identity.generate()
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")
SEALED = PeerRecord(IDENTITY.peerID, 7, (ADDRESS,)).seal(IDENTITY)


class PlaceTests(SynchronousTestCase):
    """
    The two layouts of a registration.
    """

    def test_signed(self) -> None:
        """
        A signed record is read, and written unchanged.
        """
        place = Place.fromBytes(SEALED)
        self.assertEqual(
            place, Place(IDENTITY.peerID, (ADDRESS,), SEALED, 7, Layout.SIGNED)
        )
        self.assertEqual(place.toBytes(), SEALED)

    def test_old(self) -> None:
        """
        The layout of go-libp2p-rendezvous: an id of 38 bytes, and addresses.
        """
        peer, address = IDENTITY.peerID.toBytes(), ADDRESS.toBytes()
        data = bytes([0x0A, len(peer)]) + peer + bytes([0x12, len(address)]) + address
        place = Place.fromBytes(data)
        self.assertEqual(place, Place(IDENTITY.peerID, (ADDRESS,)))
        self.assertEqual(place.toBytes(old=True), data)
        self.assertEqual(Place.fromBytes(SEALED).toBytes(old=True), data)

    def test_made(self) -> None:
        """
        A place is read as it was made, in each layout.
        """
        for layout in Layout:
            place = Place.make(IDENTITY, [ADDRESS], 7, layout)
            self.assertIs(place.layout, layout)
            data = place.toBytes(layout is Layout.OLD)
            self.assertEqual(Place.fromBytes(data), place)

    def test_wrong(self) -> None:
        """
        Other bytes, and a wrong signature, are refused.
        """
        forged = SEALED[:-1] + bytes([SEALED[-1] ^ 1])
        for data in (b"", b"\xff", b"\x0a\x01x", bytes(MAX_RECORD + 1), forged):
            self.assertRaises(InvalidRecord, Place.fromBytes, data)

    def test_bounds(self) -> None:
        """
        Few addresses are read, and each once; malformed ones are left out.
        """
        many = [Multiaddr(f"/ip4/192.0.2.1/tcp/{n}") for n in range(1, 60)]
        sealed = PeerRecord(IDENTITY.peerID, 7, (ADDRESS, *many)).seal(IDENTITY)
        self.assertEqual(Place.fromBytes(sealed).addresses, tuple(many[:MAX_ADDRESSES]))
        old = Place(IDENTITY.peerID, (ADDRESS,)).toBytes(old=True) + b"\x12\x01\xff"
        self.assertEqual(Place.fromBytes(old).addresses, (ADDRESS,))


class MessageTests(SynchronousTestCase):
    """
    Messages.
    """

    def test_read(self) -> None:
        """
        Bytes are a message, or a violation.
        """
        message = Message(type=3)
        self.assertEqual(readMessage(message.SerializeToString()), message)
        self.assertRaises(ProtocolViolation, readMessage, b"\xff")

    def test_namespace(self) -> None:
        """
        A namespace has 1 to 255 bytes of text.
        """
        self.assertEqual(namespaceOf("ä".encode()), "ä")
        for data in (b"", b"\xff", b"x" * 256):
            self.assertIsNone(namespaceOf(data))

    def test_registrations(self) -> None:
        """
        Registrations that cannot be read are left out; there are no more than asked.
        """
        good = Message.Register(ns=b"a", signedPeerRecord=SEALED, ttl=9)
        bad = Message.Register(ns=b"a", signedPeerRecord=b"\xff", ttl=9)
        unnamed = Message.Register(signedPeerRecord=SEALED, ttl=9)
        (found,) = registrationsIn([bad, unnamed, good], 5)
        self.assertEqual((found.namespace, found.ttl), ("a", 9))
        self.assertEqual(len(registrationsIn([good] * 9, 5)), 5)
        self.assertEqual(registrationsIn([bad] * 5 + [good], 5), [])

    def test_status(self) -> None:
        """
        A status has a name.
        """
        self.assertEqual(Status.nameOf(102), "invalid ttl")
        self.assertEqual(Status.nameOf(7), "status 7")


class CookieTests(SynchronousTestCase):
    """
    Cookies.
    """

    def test_round(self) -> None:
        """
        A cookie is read for its own namespace, and by its own point, only.
        """
        cookies = Cookies(b"s" * 32)
        for namespace in ("a", None):
            cookie = cookies.make(namespace, 5)
            self.assertEqual(cookies.read(namespace, cookie), 5)
            self.assertIsNone(cookies.read("b", cookie))
            self.assertIsNone(Cookies(b"t" * 32).read(namespace, cookie))
            for wrong in (b"", b"x", cookie[:-1], cookie + b"x", bytes(24)):
                self.assertIsNone(cookies.read(namespace, wrong))
