# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.tls.certificate}.
"""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.security.tls.forgery import IDENTITY, LAWFUL, NOW, UNLAWFUL, forge
from tests.vectors import hexBytes, vectors
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity, KeyType, PeerID, PublicKey
from twisted_libp2p.security.tls.certificate import (
    EXTENSION,
    HostCertificate,
    authenticate,
    decode,
    encode,
)


def made(identity: Identity = IDENTITY) -> HostCertificate:
    """
    Make a certificate of ours.
    """
    return HostCertificate.sign(identity, NOW)


class HostCertificateTests(SynchronousTestCase):
    """
    Tests for L{HostCertificate}.
    """

    def test_identities(self) -> None:
        """
        Whatever the identity's key is, the certificate tells it.
        """
        for type in KeyType:
            identity = Identity.generate(type)
            data = made(identity).certificate.public_bytes(Encoding.DER)
            self.assertEqual(authenticate(data, NOW), identity.publicKey)

    def test_oneExtension(self) -> None:
        """
        The first extension, and the only one, is ours: js-libp2p looks for no
        other.  It is not critical, as others need not know it.
        """
        (extension,) = made().certificate.extensions
        self.assertEqual(extension.oid, EXTENSION)
        self.assertEqual(extension.oid.dotted_string, "1.3.6.1.4.1.53594.1.1")
        self.assertFalse(extension.critical)

    def test_validity(self) -> None:
        """
        It is valid for a peer whose clock is slow, and for a long time.
        """
        certificate = made().certificate
        data = certificate.public_bytes(Encoding.DER)
        for moment in (NOW - 3599, NOW, NOW + 99 * 365 * 86400):
            self.assertEqual(authenticate(data, moment), IDENTITY.publicKey)
        self.assertEqual(
            certificate.not_valid_before_utc,
            datetime.fromtimestamp(NOW - 3600, UTC),
        )

    def test_again(self) -> None:
        """
        The certificate of a peer that returns is not checked again, except for the
        time.
        """
        data = made().certificate.public_bytes(Encoding.DER)
        verified: list[bytes] = []
        verify = PublicKey.verify

        def counted(key: PublicKey, signature: bytes, data: bytes) -> None:
            verified.append(data)
            verify(key, signature, data)

        self.patch(PublicKey, "verify", counted)
        for _ in range(2):
            self.assertEqual(authenticate(data, NOW), IDENTITY.publicKey)
        self.assertEqual(len(verified), 1)
        late = NOW + 101 * 365 * 86400
        error = self.assertRaises(InvalidInput, authenticate, data, late)
        self.assertIn("expired", str(error))
        error = self.assertRaises(InvalidInput, authenticate, data, NOW - 7200)
        self.assertIn("not valid before", str(error))

    def test_ownKey(self) -> None:
        """
        Each certificate has a key of its own, on the curve P-256, and says
        nothing else.
        """
        first, second = made(), made()
        self.assertIsInstance(first.private.curve, ec.SECP256R1)
        self.assertNotEqual(
            first.private.private_numbers(), second.private.private_numbers()
        )
        self.assertNotEqual(
            first.certificate.serial_number, second.certificate.serial_number
        )
        self.assertEqual(first.certificate.subject, first.certificate.issuer)


class AuthenticateTests(SynchronousTestCase):
    """
    Tests for L{authenticate}.
    """

    def assertRefused(self, data: bytes, rule: str) -> None:
        """
        The certificate breaks this rule.
        """
        error = self.assertRaises(InvalidInput, authenticate, data, NOW)
        self.assertTrue(str(error).startswith(rule), error)

    def test_vectors(self) -> None:
        """
        The certificates of the specification, which are valid until the year
        4096, tell the peer ids that they should; the bad one is refused.
        """
        accepted = 0
        for _, vector in vectors("tls."):
            data = hexBytes(vector, "certificate")
            if vector["expected"] == "accept":
                accepted += 1
                key = authenticate(data, NOW)
                self.assertEqual(str(PeerID.fromKey(key)), vector["peer_id"])
            else:
                self.assertRefused(
                    data, "the identity in its libp2p extension: the signature"
                )
        self.assertEqual(accepted, 3)

    def test_lawful(self) -> None:
        """
        What the rules leave open is accepted.
        """
        for name, make in LAWFUL.items():
            certificate, _ = make()
            key = authenticate(certificate.public_bytes(Encoding.DER), NOW)
            self.assertIsInstance(key, PublicKey, name)

    def test_unlawful(self) -> None:
        """
        A certificate that breaks a rule is refused, and the rule is told.
        """
        for make, rule in UNLAWFUL.values():
            certificate, _ = make()
            self.assertRefused(certificate.public_bytes(Encoding.DER), rule)

    def test_sizesOfRSA(self) -> None:
        """
        An RSA key that is too small to be safe, or so large that it would keep
        us busy, is refused before it is used.
        """
        small = rsa.generate_private_key(65537, 1024)
        certificate, _ = forge(private=small)
        self.assertRefused(
            certificate.public_bytes(Encoding.DER), "its RSA key has 1024 bits"
        )

        class Large:
            """
            A key without a private half.
            """

            def public_key(self) -> rsa.RSAPublicKey:
                """
                The public half.
                """
                return rsa.RSAPublicNumbers(65537, (1 << 8200) + 1).public_key()

        signer = rsa.generate_private_key(65537, 2048)
        certificate, _ = forge(private=Large(), signer=signer)
        self.assertRefused(
            certificate.public_bytes(Encoding.DER), "its RSA key has 8201 bits"
        )

    def test_smallOrder(self) -> None:
        """
        A certificate whose own key is an Ed25519 point of small order is
        refused: anybody can sign with it.
        """
        neutral = (1).to_bytes(32, "little")

        class Neutral:
            """
            A key without a private half.
            """

            def public_key(self) -> ed25519.Ed25519PublicKey:
                """
                The public half.
                """
                return ed25519.Ed25519PublicKey.from_public_bytes(neutral)

        signer = ed25519.Ed25519PrivateKey.generate()
        certificate, _ = forge(private=Neutral(), signer=signer)
        data = certificate.public_bytes(Encoding.DER)
        self.assertRefused(
            data[:-64] + neutral + bytes(32), "ED25519 key: a point of small order"
        )

    def test_unreadable(self) -> None:
        """
        What is no certificate is refused.
        """
        data = made().certificate.public_bytes(Encoding.DER)
        for garbage in (b"", b"\x30", b"\x00" * 100, data[:-1], data + b"\x00"):
            self.assertRefused(garbage, "it cannot be read: ")

    def test_everyByte(self) -> None:
        """
        Whichever byte of what a certificate says is changed, it is refused.
        """
        certificate = made().certificate
        data = certificate.public_bytes(Encoding.DER)
        start = data.index(certificate.tbs_certificate_bytes)
        for place in range(start + len(certificate.tbs_certificate_bytes)):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 8
            self.assertRaises(InvalidInput, authenticate, bytes(changed), NOW)
        # The package cryptography does not like a negative serial number.
        self.flushWarnings()

    @drawn(50, st.binary(max_size=200))
    def test_anyContent(self, value: bytes) -> None:
        """
        Whatever the extension holds, nothing but the documented error comes of
        it.
        """
        certificate, _ = forge(value=value)
        self.assertRefused(certificate.public_bytes(Encoding.DER), "")


class ExtensionTests(SynchronousTestCase):
    """
    Tests for L{encode} and L{decode}.
    """

    @drawn(50, st.binary(max_size=400), st.binary(max_size=400))
    def test_roundTrip(self, key: bytes, signature: bytes) -> None:
        """
        What is encoded is decoded.
        """
        self.assertEqual(decode(encode(key, signature)), (key, signature))

    def test_encoding(self) -> None:
        """
        The lengths take as many bytes as they have to.
        """
        self.assertEqual(encode(b"k", b"s").hex(), "3006" + "04016b" + "040173")
        for size, head in (
            (127, "308183" + "047f"),
            (128, "308185" + "048180"),
            (255, "30820104" + "0481ff"),
            (256, "30820106" + "04820100"),
        ):
            encoded = encode(bytes(size), b"")
            self.assertEqual(encoded[: len(head) // 2].hex(), head)
            self.assertEqual(decode(encoded), (bytes(size), b""))

    def test_strict(self) -> None:
        """
        There is one encoding, and nothing around or inside it.
        """
        for value in (
            "",
            "30",
            "3000",
            "3006" + "04016b" + "0401",
            "3006" + "04016b" + "04017300",
            "3006" + "04016b" + "040173" + "00",
            "3007" + "04016b" + "040173" + "00",
            "3008" + "04016b" + "040173" + "0500",
            "3106" + "04016b" + "040173",
            "3006" + "03016b" + "040173",
            "3006" + "04016b" + "030173",
            "3003" + "04016b",
            # Lengths that are not the shortest, not there, or have no end.
            "308106" + "04016b" + "040173",
            "3007" + "0481016b" + "040173",
            "3080" + "04016b" + "040173" + "0000",
            "30ff" + "04016b" + "040173",
            "3084ffffffff" + "04016b" + "040173",
        ):
            self.assertRaises(InvalidInput, decode, bytes.fromhex(value))

    @drawn(50, st.binary(max_size=50))
    def test_anything(self, value: bytes) -> None:
        """
        Nothing is accepted that is not what L{encode} gives.
        """
        try:
            key, signature = decode(value)
        except InvalidInput:
            return
        self.assertEqual(encode(key, signature), value)
