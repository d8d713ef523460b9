# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for the certificates that browsers accept by their hash.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.quic.webtransport.certificate import (
    PERIOD,
    SKEW,
    CertificateWindow,
)
from twisted_libp2p.testing.quic.pair import MOMENT


class WindowTests(SynchronousTestCase):
    """
    Tests for the present certificate and the next.
    """

    def setUp(self) -> None:
        self.now = MOMENT
        self.identity = Identity.generate()
        self.window = CertificateWindow(self.identity, lambda: self.now)

    def test_rules(self) -> None:
        """
        A certificate has what browsers ask for: P-256, 14 days at most, an extension.
        """
        made = self.window.present()
        parsed = x509.load_der_x509_certificate(made.data)
        key = parsed.public_key()
        self.assertIsInstance(key, ec.EllipticCurvePublicKey)
        self.assertIsInstance(key.curve, ec.SECP256R1)  # type: ignore[union-attr]
        self.assertTrue(list(parsed.extensions))
        begin, end = parsed.not_valid_before_utc, parsed.not_valid_after_utc
        self.assertLessEqual(end - begin, timedelta(days=14))
        now, skew = datetime.fromtimestamp(MOMENT, UTC), timedelta(seconds=SKEW)
        self.assertLessEqual(begin, now - skew)
        self.assertGreaterEqual(end, now + skew)
        parsed.verify_directly_issued_by(parsed)
        private = load_der_private_key(made.key, None)
        self.assertEqual(private.public_key(), key)

    def test_hash(self) -> None:
        """
        The first hash is that of the present certificate.
        """
        present, following = self.window.hashes()
        self.assertEqual(
            present, b"\x12\x20" + sha256(self.window.present().data).digest()
        )
        self.assertNotEqual(present, following)

    def test_restart(self) -> None:
        """
        The certificates are the same after a restart, and those of another identity are
        others.
        """
        for kind in (KeyType.ED25519, KeyType.RSA):
            identity = Identity.generate(kind)
            first, second = (
                CertificateWindow(identity, lambda: MOMENT).present() for _ in range(2)
            )
            self.assertEqual(first, second)
        self.assertNotEqual(first, self.window.present())

    def test_next(self) -> None:
        """
        When its time has come, the next certificate is used; before, its hash is known.
        """
        following = self.window.hashes()[1]
        self.now += self.window.remaining() - 1
        self.assertEqual(self.window.hashes()[1], following)
        self.now += 2
        self.assertEqual(self.window.present().hash, following)
        self.assertAlmostEqual(self.window.remaining(), PERIOD - 1, delta=1)

    def test_proven(self) -> None:
        """
        The hashes of the present address, and of the one before, are proven.
        """
        earlier = self.window.hashes()
        self.assertTrue(set(earlier) < set(self.window.proven()))
        self.now += PERIOD
        self.assertEqual(self.window.proven(), (earlier[0], *self.window.hashes()))
        for _ in range(5):
            self.now += PERIOD
            self.window.proven()
        self.assertEqual(len(self.window._made), 3)

    def test_spread(self) -> None:
        """
        Nodes do not all change their certificates at once.
        """
        others = [
            CertificateWindow(Identity.generate(), lambda: MOMENT).remaining()
            for _ in range(8)
        ]
        self.assertGreater(len({round(each) for each in others}), 1)
