# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.secio.ephemeral}.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from twisted.trial.unittest import SynchronousTestCase

from tests.security.secio.peer import xCoordinate
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.security.secio.ephemeral import EphemeralKey
from twisted_libp2p.security.secio.suite import EXCHANGES


class EphemeralKeyTests(SynchronousTestCase):
    """
    Tests for L{EphemeralKey}.
    """

    def test_agree(self) -> None:
        """
        Two keys of a curve agree on one secret.
        """
        for name, size in (("P-256", 65), ("P-384", 97), ("P-521", 133)):
            ours, theirs = EphemeralKey(name), EphemeralKey(name)
            self.assertEqual(len(ours.public), size)
            self.assertEqual(ours.public[0], 4)
            self.assertNotEqual(ours.public, theirs.public)
            self.assertEqual(ours.agree(theirs.public), theirs.agree(ours.public))

    def test_leadingZeros(self) -> None:
        """
        A secret that begins with zero bytes is shorter by them.
        """
        curve = EXCHANGES["P-256"]
        ours = ec.derive_private_key(2, curve)
        short = []
        for number in range(1, 1000):
            theirs = EphemeralKey("P-256", ec.derive_private_key(number, curve))
            x = xCoordinate(ours, theirs.public)
            if x.bit_length() <= 31 * 8:
                short.append(number)
                secret = EphemeralKey("P-256", ours).agree(theirs.public)
                self.assertEqual(secret, x.to_bytes((x.bit_length() + 7) // 8, "big"))
                self.assertLess(len(secret), 32)
        self.assertGreater(len(short), 0)

    def test_refused(self) -> None:
        """
        What is no uncompressed point of the curve is refused.
        """
        ours = EphemeralKey("P-256")
        private = ec.generate_private_key(EXCHANGES["P-256"])
        compressed = private.public_key().public_bytes(
            Encoding.X962, PublicFormat.CompressedPoint
        )
        good = EphemeralKey("P-256").public
        for bad in (
            b"",
            b"\x00",
            good[:-1],
            good + b"\x00",
            compressed,
            b"\x00" + good[1:],
            b"\x03" + good[1:],
            good[:-1] + bytes((good[-1] ^ 1,)),
            b"\x04" + bytes(64),
            b"\x04" + b"\xff" * 64,
            EphemeralKey("P-384").public,
        ):
            self.assertRaises(InvalidInput, ours.agree, bad)
