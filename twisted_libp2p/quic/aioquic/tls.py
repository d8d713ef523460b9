# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TLS of aioquic, with our judge of certificates in both roles.
"""

from __future__ import annotations

from collections.abc import Callable

from aioquic import tls
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_libp2p.errors import PeerMismatch

__all__ = ["CERTIFICATE_REQUIRED", "MAX_MESSAGE", "JudgingContext"]

#: The alert for a dialer that sends no certificate (RFC 8446, 6.2).
CERTIFICATE_REQUIRED = 116

#: The most bytes of a handshake message, as in rustls.
MAX_MESSAGE = 65536


class _CertificateRequired(tls.Alert):
    """
    The dialer has sent no certificate.
    """

    description = CERTIFICATE_REQUIRED  # type: ignore[assignment]


class JudgingContext(tls.Context):
    """
    The handshake of one connection.  Objects of aioquic's class become objects of this
    one before their first message.

    @ivar judge: judges the certificate of the peer, and returns its public key.
    @ivar leaf: the accepted certificate, in DER; None so far.
    """

    judge: Callable[[bytes], bytes]
    leaf: bytes | None

    def begin(self, judge: Callable[[bytes], bytes], isClient: bool) -> None:
        """
        Ask for the certificate of a dialer, and have it judged.
        """
        self.judge = judge
        self.leaf = None
        self._request_client_certificate = not isClient

    @property
    def incomplete(self) -> int:
        """
        The bytes of the message whose end has not come.
        """
        return len(self._receive_buffer)

    def _set_peer_certificate(self, certificate: tls.Certificate) -> None:
        """
        Judge the certificate; after this the peer has to prove that it is its own.
        """
        if len(certificate.certificates) != 1:
            raise tls.AlertBadCertificate("the certificate is one of several")
        super()._set_peer_certificate(certificate)
        data = certificate.certificates[0][0]
        try:
            key = self.judge(data)
        except PeerMismatch:
            # The text is sent, and nobody else has to know whom we look for.
            raise tls.AlertBadCertificate("another peer is expected") from None
        except Exception as error:
            raise tls.AlertBadCertificate(str(error)) from None
        parsed = self._peer_certificate
        assert parsed is not None
        if key != parsed.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        ):
            raise tls.AlertBadCertificate("the certificate has another key")
        self.leaf = data

    def _server_handle_certificate(self, input_buf: Buffer) -> None:
        """
        Refuse a dialer without a certificate.
        """
        super()._server_handle_certificate(input_buf)
        if self.leaf is None:
            raise _CertificateRequired("the dialer has sent no certificate")
