# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The certificates that browsers accept by their hash: each is valid for 14 days at most.

They follow from our identity and the date, so they stay the same after a restart, and
need no file: go-libp2p does the same.  Addresses name the hash of the present one and
of the next one, so an address that a browser knows works until the second change after
it: for two weeks at least.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from twisted_libp2p.identity import Identity
from twisted_libp2p.quic.pins import multihash

__all__ = ["PERIOD", "SKEW", "VALIDITY", "CertificateWindow", "WebCertificate"]

#: Seconds for which a certificate is valid: browsers accept no more.
VALIDITY = 14 * 24 * 3600

#: Seconds by which the clocks of peers may be wrong: a certificate begins to be valid
#: so much before it is used, and is valid so much longer.
SKEW = 3600

#: Seconds for which a certificate is used.
PERIOD = VALIDITY - 2 * SKEW

#: The order of the group of P-256, whose keys are less.
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class WebCertificate:
    """
    One certificate.

    @ivar data: the certificate in DER.
    @ivar key: its key, as PKCS8 in DER.
    """

    data: bytes
    key: bytes

    @property
    def hash(self) -> bytes:
        """
        The multihash by which addresses name it.
        """
        return multihash(self.data)


class CertificateWindow:
    """
    The certificates of an identity: the present one, those before and after it.
    """

    def __init__(self, identity: Identity, wall: Callable[[], float]) -> None:
        """
        @param wall: returns the seconds since 1970.
        """
        self._secret = identity.privateKey.toBytes()
        self._wall = wall
        # Not all nodes change their certificates at once.
        offset = int.from_bytes(self._derive(b"offset", 8), "big")
        self._offset = offset % PERIOD
        self._made: dict[int, WebCertificate] = {}

    def _derive(self, purpose: bytes, size: int) -> bytes:
        info = b"twisted_libp2p webtransport " + purpose
        return HKDF(SHA256(), size, None, info).derive(self._secret)

    @property
    def _number(self) -> int:
        """
        The number of the present certificate.
        """
        return int(self._wall() - self._offset) // PERIOD

    def remaining(self) -> float:
        """
        Return the seconds until the next certificate is used.
        """
        return (self._number + 1) * PERIOD + self._offset - self._wall()

    def present(self) -> WebCertificate:
        """
        Return the certificate to use now.
        """
        return self._certificate(self._number)

    def hashes(self) -> tuple[bytes, bytes]:
        """
        Return the multihashes that addresses name: of the present certificate and of
        the next.
        """
        number = self._number
        return self._certificate(number).hash, self._certificate(number + 1).hash

    def proven(self) -> tuple[bytes, bytes, bytes]:
        """
        Return the multihashes of all certificates that a working address may name.  The
        previous one is among them: an address from before the last change names it,
        and js-libp2p and go-libp2p refuse a node that does not know each hash of its
        address.
        """
        return (self._certificate(self._number - 1).hash, *self.hashes())

    def _certificate(self, number: int) -> WebCertificate:
        found = self._made.get(number)
        if found is None:
            for each in [old for old in self._made if old < self._number - 1]:
                del self._made[each]
            found = self._made[number] = self._make(number)
        return found

    def _make(self, number: int) -> WebCertificate:
        """
        Make a certificate, always the same one.
        """
        seed = self._derive(f"certificate {number}".encode(), 64)
        scalar = int.from_bytes(seed[:48], "big") % (_ORDER - 1) + 1
        key = ec.derive_private_key(scalar, ec.SECP256R1())
        begin = datetime.fromtimestamp(number * PERIOD + self._offset - SKEW, UTC)
        name = x509.Name(
            [x509.NameAttribute(x509.NameOID.COMMON_NAME, "twisted_libp2p")]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(int.from_bytes(seed[48:], "big") >> 1 | 1)
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(seconds=VALIDITY))
            # Chromium refuses a certificate without any extension.
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName("libp2p.invalid")]), False
            )
            .sign(key, SHA256(), ecdsa_deterministic=True)
        )
        return WebCertificate(
            certificate.public_bytes(Encoding.DER),
            key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        )
