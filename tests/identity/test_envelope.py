# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.identity.envelope}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector
from twisted_libp2p.errors import InvalidRecord, InvalidSignature
from twisted_libp2p.identity import Envelope, Identity, PrivateKey

VECTOR = vector("envelope.peer_record")
SEALED = hexBytes(VECTOR, "envelope")
SIGNER = PrivateKey.fromBytes(hexBytes(vector(VECTOR["signer"]), "private"))


class EnvelopeTests(SynchronousTestCase):
    """
    Payloads with a signature.
    """

    def test_seal(self) -> None:
        """
        The envelope of the vectors is made again, byte by byte, by a key and by
        an identity.
        """
        for signer in (SIGNER, Identity(SIGNER)):
            envelope = Envelope.seal(
                signer,
                VECTOR["domain"],
                hexBytes(VECTOR, "payload_type"),
                hexBytes(VECTOR, "payload"),
            )
            self.assertEqual(envelope.toBytes(), SEALED)
            self.assertEqual(
                envelope.open(VECTOR["domain"]), hexBytes(VECTOR, "payload")
            )

    def test_open(self) -> None:
        """
        The envelope of the vectors opens.
        """
        envelope = Envelope.fromBytes(SEALED)
        self.assertEqual(envelope.publicKey, SIGNER.public)
        self.assertEqual(envelope.payloadType, hexBytes(VECTOR, "payload_type"))
        self.assertEqual(envelope.open(VECTOR["domain"]), hexBytes(VECTOR, "payload"))

    def test_signedBytes(self) -> None:
        """
        What is signed is what the vectors say.
        """
        SIGNER.public.verify(
            hexBytes(VECTOR, "signature"), hexBytes(VECTOR, "signed_bytes")
        )

    def test_otherDomain(self) -> None:
        """
        What was signed for one purpose is worth nothing for another.
        """
        envelope = Envelope.fromBytes(SEALED)
        self.assertRaises(InvalidSignature, envelope.open, "libp2p-relay-rsvp")

    def test_emptyDomain(self) -> None:
        """
        Without a purpose nothing is signed, and nothing verified.
        """
        self.assertRaises(InvalidRecord, Envelope.seal, SIGNER, "", b"t", b"p")
        self.assertRaises(InvalidRecord, Envelope.fromBytes(SEALED).open, "")

    def test_otherKey(self) -> None:
        """
        A signature of one peer under the key of another is refused.
        """
        other = hexBytes(vector("key.test_identity_02"), "public")
        forged = SEALED.replace(SIGNER.public.toBytes(), other, 1)
        self.assertRaises(
            InvalidSignature, Envelope.fromBytes(forged).open, VECTOR["domain"]
        )

    def test_bytesKept(self) -> None:
        """
        An envelope is handed on as it came, with fields that we do not know.
        """
        sealed = SEALED + b"\x32\x03new"
        envelope = Envelope.fromBytes(sealed)
        self.assertEqual(envelope.toBytes(), sealed)
        envelope.open(VECTOR["domain"])

    def test_keyNotCanonical(self) -> None:
        """
        The key in an envelope has to be canonical.
        """
        key = SIGNER.public.toBytes() + b"\x18\x00"
        sealed = b"\x0a" + bytes((len(key),)) + key + SEALED[38:]
        self.assertRaises(InvalidRecord, Envelope.fromBytes, sealed)

    def test_truncated(self) -> None:
        """
        An envelope that is cut off anywhere is refused.
        """
        for size in range(len(SEALED)):
            with self.assertRaises((InvalidRecord, InvalidSignature)):
                Envelope.fromBytes(SEALED[:size]).open(VECTOR["domain"])

    @drawn(100, st.integers(0, len(SEALED) - 1), st.integers(1, 255))
    def test_flipped(self, position: int, change: int) -> None:
        """
        An envelope with any byte changed is refused.
        """
        changed = bytearray(SEALED)
        changed[position] ^= change
        with self.assertRaises((InvalidRecord, InvalidSignature)):
            Envelope.fromBytes(bytes(changed)).open(VECTOR["domain"])
