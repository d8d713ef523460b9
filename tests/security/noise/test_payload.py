# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.noise.payload}.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.errors import InvalidInput, InvalidKey, InvalidSignature
from twisted_libp2p.identity import Identity, KeyType, PublicKey
from twisted_libp2p.security.noise.payload import (
    MOST_MUXERS,
    StaticKey,
    chooseMuxer,
    decode,
)
from twisted_libp2p.wire.keys_pb2 import PublicKey as KeyMessage
from twisted_libp2p.wire.noise_pb2 import NoiseExtensions, NoiseHandshakePayload


class PayloadTests(SynchronousTestCase):
    """
    Tests for L{StaticKey} and L{decode}.
    """

    def setUp(self) -> None:
        """
        Make somebody who shakes hands.
        """
        self.identity = Identity.generate()
        self.static = StaticKey.sign(self.identity)
        self.public = self.static.private.public_key().public_bytes_raw()

    def message(self, muxers: Sequence[str] = ()) -> NoiseHandshakePayload:
        """
        Make a good payload, to be spoilt.
        """
        return NoiseHandshakePayload.FromString(self.static.payload(muxers))

    def test_roundTrip(self) -> None:
        """
        For each type of key, what is said is what is read.
        """
        for type in KeyType:
            identity = Identity.generate(type)
            static = StaticKey.sign(identity)
            public = static.private.public_key().public_bytes_raw()
            for muxers in ((), ("/yamux/1.0.0",), ("/a", "/b")):
                self.assertEqual(
                    decode(static.payload(muxers), public),
                    (identity.publicKey, muxers, ()),
                )

    def test_withoutMuxers(self) -> None:
        """
        Who offers no muxers sends no extensions.
        """
        self.assertFalse(self.message().HasField("extensions"))

    def test_otherStaticKey(self) -> None:
        """
        The signature holds for no other static key.
        """
        other = X25519PrivateKey.generate().public_key().public_bytes_raw()
        self.assertRaises(InvalidSignature, decode, self.static.payload(()), other)

    def test_again(self) -> None:
        """
        The proof of a peer that returns is not verified again; a bad one is, each time.
        """
        verified: list[bytes] = []
        verify = PublicKey.verify

        def counted(key: PublicKey, signature: bytes, data: bytes) -> None:
            verified.append(data)
            verify(key, signature, data)

        self.patch(PublicKey, "verify", counted)
        good, bad = self.static.payload(()), self.message()
        bad.identity_sig = bytes(64)
        for _ in range(2):
            key, *_ = decode(good, self.public)
            self.assertEqual(key, self.identity.publicKey)
            self.assertRaises(
                InvalidSignature, decode, bad.SerializeToString(), self.public
            )
        self.assertEqual(len(verified), 3)

    def test_otherIdentity(self) -> None:
        """
        An identity that did not sign is nobody's.
        """
        message = self.message()
        message.identity_key = Identity.generate().publicKey.toBytes()
        self.assertRaises(
            InvalidSignature, decode, message.SerializeToString(), self.public
        )

    def test_signatureWithoutPrefix(self) -> None:
        """
        What was signed for another purpose proves nothing.
        """
        message = self.message()
        message.identity_sig = self.identity.sign(self.public)
        self.assertRaises(
            InvalidSignature, decode, message.SerializeToString(), self.public
        )

    def test_missing(self) -> None:
        """
        A payload without a key, or without a signature, is refused.
        """
        for field, error in (
            ("identity_key", InvalidKey),
            ("identity_sig", InvalidSignature),
        ):
            message = self.message()
            message.ClearField(field)
            self.assertRaises(error, decode, message.SerializeToString(), self.public)

    def test_smallRSA(self) -> None:
        """
        An RSA key of 1024 bits is refused before anything is verified.
        """
        verified: list[object] = []
        self.patch(PublicKey, "verify", lambda *args: verified.append(args))
        small = rsa.generate_private_key(65537, 1024).public_key()
        message = self.message()
        message.identity_key = KeyMessage(
            Type=KeyType.RSA,  # type: ignore[arg-type]
            Data=small.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ).SerializeToString()
        self.assertRaises(InvalidKey, decode, message.SerializeToString(), self.public)
        self.assertEqual(verified, [])

    def test_manyMuxers(self) -> None:
        """
        There is a limit to the muxers that a peer may name.
        """
        names = [f"/{number}" for number in range(MOST_MUXERS + 1)]
        _, muxers, _ = decode(self.static.payload(names[:-1]), self.public)
        self.assertEqual(len(muxers), MOST_MUXERS)
        self.assertRaises(InvalidInput, decode, self.static.payload(names), self.public)

    def test_muxerNotText(self) -> None:
        """
        A muxer's name that is not UTF-8 is refused.
        """
        extensions = b"\x22\x03\x12\x01\xff"
        self.assertRaises(
            InvalidInput, decode, self.static.payload(()) + extensions, self.public
        )

    def test_unknownFields(self) -> None:
        """
        The data of the first revisions, other extensions and what is still to
        be invented is ignored.
        """
        message = self.message()
        message.extensions.CopyFrom(
            NoiseExtensions(
                webtransport_certhashes=[b"hash"], stream_muxers=["/yamux/1.0.0"]
            )
        )
        early = b"\x1a\x04data"
        unknown = b"\xfa\x7f\x01x"
        self.assertEqual(
            decode(early + message.SerializeToString() + unknown, self.public),
            (self.identity.publicKey, ("/yamux/1.0.0",), (b"hash",)),
        )

    @drawn(200, st.binary(max_size=200))
    def test_garbage(self, data: bytes) -> None:
        """
        Whatever the bytes are, nothing but the documented error comes out.
        """
        self.assertRaises(InvalidInput, decode, data, bytes(32))


class ChooseMuxerTests(SynchronousTestCase):
    """
    Tests for L{chooseMuxer}.
    """

    def test_initiatorsOrder(self) -> None:
        """
        The initiator's first that the responder has is taken.
        """
        self.assertEqual(chooseMuxer(["/a"], ["/a"]), "/a")
        self.assertEqual(chooseMuxer(["/a", "/b"], ["/b", "/a"]), "/a")
        self.assertEqual(chooseMuxer(["/x", "/b", "/a"], ["/a", "/b"]), "/b")

    def test_nothingSaid(self) -> None:
        """
        Where one side says nothing of muxers, the choice is made later.
        """
        self.assertIsNone(chooseMuxer([], ["/a"]))
        self.assertIsNone(chooseMuxer(["/a"], []))
        self.assertIsNone(chooseMuxer([], []))

    def test_nothingInCommon(self) -> None:
        """
        Sides without a common muxer are told what each has.
        """
        error = self.assertRaises(InvalidInput, chooseMuxer, ["/a", "/b"], ["/c"])
        self.assertEqual(
            str(error),
            "no muxer in common: the initiator has '/a', '/b', the responder '/c'",
        )

    def test_hostileNames(self) -> None:
        """
        However long and strange the peer's names are, they make one line.
        """
        error = self.assertRaises(
            InvalidInput, chooseMuxer, ["/a"], ["/\n" + "b" * 10000]
        )
        self.assertNotIn("\n", str(error))
        self.assertLess(len(str(error)), 400)
