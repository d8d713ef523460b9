# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.identity.keys}.
"""

from __future__ import annotations

import contextlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector, vectors
from twisted_libp2p.errors import InvalidInput, InvalidKey, InvalidSignature
from twisted_libp2p.identity import Envelope, KeyType, PeerID, PrivateKey, PublicKey
from twisted_libp2p.identity.algorithms import ALGORITHMS
from twisted_libp2p.wire import delimit

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

# One of each type; RSA keys take long to make.
NAMES = ("key.rsa4096", "key.ed25519", "key.secp256k1", "key.ecdsa_p256")
PRIVATE = {
    KeyType(vector(name)["key_type"]): PrivateKey.fromBytes(
        hexBytes(vector(name), "private")
    )
    for name in NAMES
}


def encode(type: int, data: bytes) -> bytes:
    """
    Write a key's protobuf message by hand.
    """
    return bytes((0x08, type, 0x12)) + delimit(data)


PRIME = 2**255 - 19


def add(p: tuple[int, int], q: tuple[int, int]) -> tuple[int, int]:
    """
    Add two points of the curve of Ed25519.
    """
    d = -121665 * pow(121666, -1, PRIME)
    (x1, y1), (x2, y2) = p, q
    product = d * x1 * x2 * y1 * y2 % PRIME
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, PRIME) % PRIME
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, PRIME) % PRIME
    return x, y


def smallOrderPoints() -> set[bytes]:
    """
    Find all encodings of the eight points whose order divides 8: those of a
    point of order 8, its multiples, and both signs of each; where y is below 19,
    also the one that is not reduced.
    """
    y = int.from_bytes(
        bytes.fromhex(
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
        ),
        "little",
    )
    d = -121665 * pow(121666, -1, PRIME)
    square = (y * y - 1) * pow(d * y * y + 1, -1, PRIME) % PRIME
    x = pow(square, (PRIME + 3) // 8, PRIME)
    if x * x % PRIME != square:
        x = x * pow(2, (PRIME - 1) // 4, PRIME) % PRIME
    point, found = (x, y), set()
    multiple = (0, 1)
    for _ in range(8):
        multiple = add(multiple, point)
        for reduced in {multiple[1], multiple[1] + PRIME}:
            if reduced < 1 << 255:
                for sign in (0, 1 << 255):
                    found.add((reduced | sign).to_bytes(32, "little"))
    assert multiple == (0, 1)
    return found


def rsaData(bits: int, exponent: int = 65537, low: int = 1) -> bytes:
    """
    Make what looks like a public RSA key of any size.
    """
    modulus = 1 << bits - 1 | 1 << bits // 2 | low
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class VectorTests(SynchronousTestCase):
    """
    The keys of the specification.
    """

    def test_public(self) -> None:
        """
        Public keys are read, and written in the same bytes.
        """
        for name, entry in vectors("key."):
            encoded = hexBytes(entry, "public")
            key = PublicKey.fromBytes(encoded)
            self.assertEqual(key.toBytes(), encoded, name)
            self.assertEqual(key.type, entry["key_type"], name)

    def test_private(self) -> None:
        """
        Private keys are read, written in the same bytes, and have the public
        half that belongs to them.
        """
        for name, entry in vectors("key."):
            encoded = hexBytes(entry, "private")
            key = PrivateKey.fromBytes(encoded)
            self.assertEqual(key.toBytes(), encoded, name)
            self.assertEqual(key.public.toBytes(), hexBytes(entry, "public"), name)

    def test_signatures(self) -> None:
        """
        The signatures of the HTTP authentication verify, and Ed25519 gives the
        same ones.
        """
        for _, entry in vectors("http_auth."):
            if "signature_hex" not in entry:
                continue
            key = PrivateKey.fromBytes(hexBytes(vector(entry["signer"]), "private"))
            signed = hexBytes(entry, "signed_bytes")
            signature = hexBytes(entry, "signature")
            if entry.get("expected") == "reject":
                self.assertRaises(
                    InvalidSignature, key.public.verify, signature, signed
                )
            else:
                key.public.verify(signature, signed)
                self.assertEqual(key.sign(signed), signature)


class PublicKeyTests(SynchronousTestCase):
    """
    Public keys are canonical, or refused.
    """

    def assertRefused(self, data: bytes, reason: str) -> None:
        """
        Assert that data is no key, and that the error says why.
        """
        error = self.assertRaises(InvalidKey, PublicKey.fromBytes, data)
        self.assertIn(reason, str(error))

    def test_protobuf(self) -> None:
        """
        Every other encoding of the same message is refused.
        """
        for private in PRIVATE.values():
            good = private.public.toBytes()
            type, body = good[:2], good[2:]
            self.assertRefused(body + type, "canonical")
            self.assertRefused(good + b"\x18\x00", "canonical")
            self.assertRefused(good + type, "canonical")
            self.assertRefused(good + body, "canonical")
            self.assertRefused(bytes((0x08, 0x80 | type[1], 0)) + body, "canonical")

    def test_missing(self) -> None:
        """
        Neither the type, RSA included, nor the data can be left out.
        """
        rsaKey = PRIVATE[KeyType.RSA].public.toBytes()
        self.assertRefused(rsaKey[2:], "type")
        self.assertRefused(b"\x08\x01", "data")
        self.assertRefused(b"", "type")
        self.assertRefused(encode(4, bytes(32)), "type")

    def test_truncated(self) -> None:
        """
        A key that is cut off anywhere is refused.
        """
        for private in PRIVATE.values():
            good = private.public.toBytes()
            for size in range(len(good)):
                self.assertRaises(InvalidKey, PublicKey.fromBytes, good[:size])

    @drawn(100, st.sampled_from(KeyType), st.integers(0, 700), st.integers(0, 255))
    def test_flipped(self, type: KeyType, position: int, byte: int) -> None:
        """
        A key with any byte changed is refused, or another key.
        """
        good = PRIVATE[type].public.toBytes()
        changed = bytearray(good)
        changed[position % len(good)] = byte
        try:
            key = PublicKey.fromBytes(bytes(changed))
        except InvalidKey:
            return
        self.assertEqual(key.toBytes(), changed)

    @drawn(100, st.binary(max_size=80), st.sampled_from([None, *KeyType]))
    def test_garbage(self, data: bytes, type: KeyType | None) -> None:
        """
        Garbage is refused, as a message and as the data of any type.
        """
        encoded = data if type is None else encode(type, data)
        for parse in (PublicKey.fromBytes, PrivateKey.fromBytes):
            with contextlib.suppress(InvalidKey):
                parse(encoded)

    def test_ed25519(self) -> None:
        """
        Ed25519 keys have 32 bytes.
        """
        for size in (0, 31, 33, 64):
            self.assertRefused(encode(1, bytes(size)), "ED25519")

    def test_ed25519SmallOrder(self) -> None:
        """
        Points of small order are refused in all their encodings, whichever way
        the key comes in: anybody can sign for them.
        """
        encodings = smallOrderPoints()
        self.assertEqual(len(encodings), 14)
        for data in encodings:
            with self.subTest(data.hex()):
                self.assertRaises(InvalidKey, PublicKey.fromBytes, encode(1, data))
                key = ed25519.Ed25519PublicKey.from_public_bytes(data)
                self.assertRaises(InvalidKey, PublicKey, KeyType.ED25519, key)
                peer = PeerID.fromBytes(b"\x00\x24" + encode(1, data))
                self.assertIsNone(peer.publicKey())

    def test_ed25519ForgedSignature(self) -> None:
        """
        OpenSSL itself accepts a signature that nobody made, for the neutral
        point and any message: so the key has to be refused.
        """
        neutral = (1).to_bytes(32, "little")
        key = ed25519.Ed25519PublicKey.from_public_bytes(neutral)
        key.verify(neutral + bytes(32), b"any message")
        self.assertRaises(InvalidKey, PublicKey.fromBytes, encode(1, neutral))

    def test_ed25519NotCanonical(self) -> None:
        """
        A coordinate that is not below the prime is refused, with either sign;
        the largest one that is below it, and is of no small order, is not.
        """
        for y in range(PRIME, 1 << 255):
            for sign in (0, 1 << 255):
                data = (y | sign).to_bytes(32, "little")
                self.assertRaises(InvalidKey, PublicKey.fromBytes, encode(1, data))
        for sign in (0, 1 << 255):
            data = (PRIME - 2 | sign).to_bytes(32, "little")
            self.assertEqual(
                PublicKey.fromBytes(encode(1, data)).toBytes(), encode(1, data)
            )

    def test_secp256k1NotCanonical(self) -> None:
        """
        A coordinate that is not below the prime of secp256k1 is refused, and so
        is the point at infinity.
        """
        prime = 2**256 - 2**32 - 977
        for data in (
            b"\x02" + (prime + 1).to_bytes(32, "big"),
            b"\x03" + (prime + 2).to_bytes(32, "big"),
            bytes(33),
            b"\x00",
        ):
            self.assertRaises(InvalidKey, PublicKey.fromBytes, encode(2, data))

    def test_secp256k1(self) -> None:
        """
        Secp256k1 keys are points on the curve, compressed.
        """
        key = PRIVATE[KeyType.SECP256K1].public
        point = key._key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.assertRefused(encode(2, point), "33")
        # No point has this x: 5 ** 3 + 7 is not a square.
        offCurve = b"\x02" + (5).to_bytes(32, "big")
        self.assertRefused(encode(2, offCurve), "SECP256K1")
        self.assertRefused(encode(2, b"\x02" + b"\xff" * 32), "SECP256K1")
        self.assertRefused(encode(2, b"\x04" + key.toBytes()[-32:]), "SECP256K1")

    def test_ecdsa(self) -> None:
        """
        ECDSA keys are on P-256, not compressed.
        """
        for curve in (ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()):
            other = ec.generate_private_key(curve).public_key()
            der = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            self.assertRefused(encode(3, der), "instead of P-256")
        good = PRIVATE[KeyType.ECDSA].public.toBytes()[4:]
        header, point = good[:-65], good[-65:]
        compressed = bytearray(header + bytes((2 + point[-1] % 2,)) + point[1:33])
        compressed[1] -= 32
        compressed[header.index(b"\x03\x42\x00") + 1] -= 32
        self.assertRefused(encode(3, bytes(compressed)), "canonical")

    def test_otherTypeInside(self) -> None:
        """
        DER that holds a key of another type is refused.
        """
        rsaData = PRIVATE[KeyType.RSA].public.toBytes()[5:]
        ecData = PRIVATE[KeyType.ECDSA].public.toBytes()[4:]
        self.assertRefused(encode(3, rsaData), "another type")
        self.assertRefused(encode(0, ecData), "another type")

    def test_der(self) -> None:
        """
        DER with something behind it, or with a length longer than needed, is
        refused.
        """
        for type, skip in ((KeyType.RSA, 5), (KeyType.ECDSA, 4)):
            der = PRIVATE[type].public.toBytes()[skip:]
            self.assertRefused(encode(type, der + b"\0"), type.name)
        self.assertRefused(encode(3, b"\x30\x81" + der[1:]), "ECDSA")

    def test_rsaSizes(self) -> None:
        """
        RSA keys have 2048 to 8192 bits.
        """
        for bits in (1024, 2047, 8193, 8200):
            self.assertRefused(encode(0, rsaData(bits)), "bits")
        for bits in (2048, 8192):
            data = encode(0, rsaData(bits))
            self.assertEqual(PublicKey.fromBytes(data).toBytes(), data)
        self.assertRefused(encode(0, rsaData(16384)), "more than 8192 bits")

    def test_rsaNumbers(self) -> None:
        """
        Exponents that make no signature, or an expensive one, are refused, and
        so are even moduli.
        """
        for exponent in (1 << 31 | 1, (1 << 63) + 1):
            self.assertRefused(encode(0, rsaData(2048, exponent)), "exponent")
        good = rsaData(2048)
        for exponent in (0, 1, 2, 65536):
            changed = good[:-3] + exponent.to_bytes(3, "big")
            self.assertRefused(encode(0, changed), "RSA")
        even = bytearray(good)
        even[-6] &= 0xFE
        self.assertRefused(encode(0, bytes(even)), "RSA")

    def test_rsaNotVerified(self) -> None:
        """
        No signature is ever verified with an RSA key of a size that is
        refused.
        """
        algorithm = ALGORITHMS[KeyType.RSA]
        calls = []

        def verify(*args: Any) -> None:
            calls.append(args)

        self.patch(type(algorithm), "verify", verify)
        behind = b"\x12\x01t" + b"\x1a\x01p" + b"\x2a\x01s"
        for bits in (1024, 16384):
            key = encode(0, rsaData(bits))
            with self.assertRaises(InvalidInput):
                Envelope.fromBytes(b"\x0a" + delimit(key) + behind).open("domain")
        self.assertEqual(len(calls), 0)
        key = encode(0, rsaData(2048))
        Envelope.fromBytes(b"\x0a" + delimit(key) + behind).open("domain")
        self.assertEqual(len(calls), 1)

    def test_equality(self) -> None:
        """
        Keys are equal, and have the same hash, if their bytes are the same.
        """
        encoded = hexBytes(vector("key.ed25519"), "public")
        key = PublicKey.fromBytes(encoded)
        self.assertEqual(key, PublicKey.fromBytes(encoded))
        self.assertEqual(len({key, PublicKey.fromBytes(encoded)}), 1)
        self.assertNotEqual(key, PRIVATE[KeyType.ECDSA].public)
        self.assertNotEqual(key, encoded)

    def test_repr(self) -> None:
        """
        A public key shows its type and its bytes.
        """
        encoded = vector("key.ed25519")["public_hex"]
        key = PublicKey.fromBytes(bytes.fromhex(encoded))
        self.assertEqual(repr(key), f"<PublicKey ED25519 {encoded}>")


class PrivateKeyTests(SynchronousTestCase):
    """
    Private keys sign, and keep their secret.
    """

    def test_sign(self) -> None:
        """
        What a key signs verifies, for these data alone.
        """
        for private in PRIVATE.values():
            signature = private.sign(b"data")
            private.public.verify(signature, b"data")
            self.assertRaises(
                InvalidSignature, private.public.verify, signature, b"other"
            )

    def test_wrongKey(self) -> None:
        """
        The signature of one key is worth nothing for any other.
        """
        for private in PRIVATE.values():
            signature = private.sign(b"data")
            for other in PRIVATE.values():
                if other is not private:
                    self.assertRaises(
                        InvalidSignature, other.public.verify, signature, b"data"
                    )

    @drawn(50, st.sampled_from(KeyType), st.binary(max_size=80))
    def test_garbage(self, type: KeyType, signature: bytes) -> None:
        """
        Garbage is no signature, and raises nothing but what says so.
        """
        self.assertRaises(
            InvalidSignature, PRIVATE[type].public.verify, signature, b"data"
        )

    def test_truncatedSignature(self) -> None:
        """
        A signature that is cut off anywhere, or has something behind it, is
        none.
        """
        for private in PRIVATE.values():
            signature = private.sign(b"data")
            for wrong in (signature[:-1], signature[1:], b"", signature + b"\0"):
                self.assertRaises(
                    InvalidSignature, private.public.verify, wrong, b"data"
                )

    def test_lowS(self) -> None:
        """
        Secp256k1 gives the lower of the two possible signatures, and accepts
        either.
        """
        private = PRIVATE[KeyType.SECP256K1]
        for number in range(20):
            data = bytes((number,))
            r, s = decode_dss_signature(private.sign(data))
            self.assertTrue(s <= ORDER // 2)
            private.public.verify(encode_dss_signature(r, ORDER - s), data)

    def test_generate(self) -> None:
        """
        Keys of every type are made, each a new one, and survive their two
        encodings.
        """
        for type in KeyType:
            private = PrivateKey.generate(type)
            self.assertEqual(private.type, type)
            for again in (
                PrivateKey.fromBytes(private.toBytes()),
                PrivateKey.fromPEM(private.toPEM()),
            ):
                self.assertEqual(again, private)
                private.public.verify(again.sign(b"data"), b"data")
        self.assertNotEqual(PrivateKey.generate(), PrivateKey.generate())
        self.assertEqual(PrivateKey.generate().type, KeyType.ED25519)

    def test_generateSize(self) -> None:
        """
        RSA keys of a size that others refuse are not made.
        """
        for bits in (1024, 16384):
            self.assertRaises(InvalidKey, PrivateKey.generate, KeyType.RSA, bits)

    def test_oldEd25519(self) -> None:
        """
        Ed25519 keys may have their public half twice; both must be right.
        """
        private = PRIVATE[KeyType.ED25519]
        data = private.toBytes()[4:]
        public = data[32:]
        self.assertEqual(PrivateKey.fromBytes(encode(1, data + public)), private)
        wrong = bytes(32)
        for body in (
            data[:32] + wrong,
            data + wrong,
            data[:32] + wrong + public,
            data[:32],
            data + public[:-1],
        ):
            self.assertRaises(InvalidKey, PrivateKey.fromBytes, encode(1, body))

    def test_secp256k1Range(self) -> None:
        """
        The secret of a secp256k1 key is between 1 and the order of the curve.
        """
        for number in (0, ORDER, (1 << 256) - 1):
            data = encode(2, number.to_bytes(32, "big"))
            self.assertRaises(InvalidKey, PrivateKey.fromBytes, data)
        self.assertRaises(InvalidKey, PrivateKey.fromBytes, encode(2, b"\1" * 31))

    def test_truncated(self) -> None:
        """
        A key that is cut off is refused.
        """
        for private in PRIVATE.values():
            good = private.toBytes()
            for size in (0, 1, 2, 3, len(good) // 2, len(good) - 1):
                self.assertRaises(InvalidKey, PrivateKey.fromBytes, good[:size])

    def test_otherTypeInside(self) -> None:
        """
        DER that holds a key of another type, or on another curve, is refused.
        """
        rsaBody = PRIVATE[KeyType.RSA].toBytes()[5:]
        ecBody = PRIVATE[KeyType.ECDSA].toBytes()[4:]
        other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
            Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        for type, body, reason in (
            (3, rsaBody, "another type"),
            (0, ecBody, "another type"),
            (3, other, "curve"),
        ):
            error = self.assertRaises(
                InvalidKey, PrivateKey.fromBytes, encode(type, body)
            )
            self.assertIn(reason, str(error))

    def test_constructor(self) -> None:
        """
        The type has to be that of the key.
        """
        key = ed25519.Ed25519PrivateKey.generate()
        self.assertEqual(PrivateKey(KeyType.ED25519, key).type, KeyType.ED25519)
        self.assertRaises(InvalidKey, PrivateKey, KeyType.RSA, key)

    def test_pem(self) -> None:
        """
        PEM of other software is read; what is of no use says why.
        """
        for private in PRIVATE.values():
            self.assertIn(b"-----BEGIN PRIVATE KEY-----", private.toPEM())
        old = PRIVATE[KeyType.ECDSA]._key.private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )
        self.assertEqual(PrivateKey.fromPEM(old), PRIVATE[KeyType.ECDSA])
        encrypted = PRIVATE[KeyType.ED25519]._key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
        )
        unusable = dsa.generate_private_key(1024).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        for pem, reason in (
            (encrypted, "encrypted"),
            (unusable, "type"),
            (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "no"),
            (b"", "no private key"),
            # A key of X448 that is too short: OpenSSL fails in its own way.
            (
                b"-----BEGIN PRIVATE KEY-----\n"
                b"MC4CAQAwBQYDK2VvBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n"
                b"-----END PRIVATE KEY-----\n",
                "no private key",
            ),
        ):
            error = self.assertRaises(InvalidKey, PrivateKey.fromPEM, pem)
            self.assertIn(reason, str(error))

    def test_repr(self) -> None:
        """
        A private key shows its type, and nothing else.
        """
        self.assertEqual(repr(PRIVATE[KeyType.ED25519]), "<PrivateKey ED25519>")

    def test_equality(self) -> None:
        """
        Private keys are compared by their public halves.
        """
        private = PRIVATE[KeyType.ED25519]
        again = PrivateKey.fromBytes(private.toBytes())
        self.assertEqual(len({private, again}), 1)
        self.assertNotEqual(private, PRIVATE[KeyType.RSA])
        self.assertNotEqual(private, private.public)
