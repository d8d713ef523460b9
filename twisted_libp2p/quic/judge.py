# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The judge of certificates, for all backends.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_libp2p.errors import HandshakeFailed, InvalidInput, PeerMismatch
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.quic.endings import SECURITY
from twisted_libp2p.security.tls.certificate import authenticate

__all__ = ["CertificateJudge"]

#: The most refusals that wait for the report of their connection.
_MAX_REFUSALS = 64


class CertificateJudge:
    """
    Judges the certificates of peers, as C{/tls/1.0.0} does.

    @ivar refusals: the errors of refused peers, by the bytes of the expected peer id.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """
        @param now: returns the seconds since 1970.
        """
        self._now = now
        self.refusals: dict[bytes, HandshakeFailed] = {}

    def __call__(self, data: bytes, expected: bytes | None) -> bytes:
        """
        Judge a certificate.

        @param data: the certificate in DER.
        @param expected: the bytes of the expected peer id; None for any.
        @return: its SubjectPublicKeyInfo in DER.
        @raise HandshakeFailed: it breaks a rule, or is that of another peer.
        """
        try:
            peer = PeerID.fromKey(self.key(data))
            if expected is not None and peer.toBytes() != expected:
                raise PeerMismatch(SECURITY, str(PeerID.fromBytes(expected)), str(peer))
        except HandshakeFailed as error:
            if expected is not None:
                if len(self.refusals) >= _MAX_REFUSALS:
                    self.refusals.clear()
                self.refusals[expected] = error
            raise
        return _publicKey(data)

    def key(self, data: bytes) -> PublicKey:
        """
        Return the identity in a certificate, judged at this time.

        @raise HandshakeFailed: it breaks a rule.
        """
        try:
            return authenticate(data, self._now())
        except InvalidInput as error:
            raise HandshakeFailed(
                SECURITY, f"the peer's certificate: {error}"
            ) from None


@lru_cache(256)
def _publicKey(data: bytes) -> bytes:
    """
    Return the SubjectPublicKeyInfo of a good certificate.
    """
    public = x509.load_der_x509_certificate(data).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
