# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TLS of aioquic, with our judge of certificates in both roles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aioquic import tls
from aioquic.buffer import Buffer  # type: ignore[attr-defined]
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
)

from twisted_libp2p.errors import PeerMismatch
from twisted_libp2p.quic.aioquic.tickets import Known, Tickets

__all__ = ["CERTIFICATE_REQUIRED", "MAX_MESSAGE", "JudgingContext", "WebCertificate"]

#: The alert for a dialer that sends no certificate (RFC 8446, 6.2).
CERTIFICATE_REQUIRED = 116

#: The most bytes of a handshake message, as in rustls.
MAX_MESSAGE = 65536


class _CertificateRequired(tls.Alert):
    """
    The dialer has sent no certificate.
    """

    description = CERTIFICATE_REQUIRED  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class WebCertificate:
    """
    The certificate for browsers.
    """

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> WebCertificate:
        """
        Read both from DER.

        @raise ValueError: one of them cannot be read, or the key has another type.
        """
        private = load_der_private_key(key, None)
        if not isinstance(private, EllipticCurvePrivateKey):
            raise ValueError("the key is not for ECDSA")
        return cls(x509.load_der_x509_certificate(certificate), private)


class JudgingContext(tls.Context):
    """
    The handshake of one connection.  Objects of aioquic's class become objects of this
    one before their first message.

    @ivar judge: judges the certificate of the peer, and returns its public key.
    @ivar leaf: the accepted certificate, in DER; None so far.
    @ivar known: the session that this one resumes, if the peer agrees.
    """

    judge: Callable[[bytes], bytes]
    leaf: bytes | None
    known: Known | None

    def begin(self, judge: Callable[[bytes], bytes], isClient: bool) -> None:
        """
        Ask for the certificate of a dialer, and have it judged.
        """
        self.judge = judge
        self.leaf = self.known = None
        self._request_client_certificate = not isClient
        # No data before the end of the handshake: it could be replayed.
        self._max_early_data = None

    def resumeAt(self, tickets: Tickets, peer: bytes | None) -> None:
        """
        Resume an earlier session with a listener, and keep its tickets.

        @param peer: the bytes of its peer id; None for any peer, which resumes nothing.
        """
        if peer is None:
            return
        known = self.known = tickets.recall(peer)
        if known is not None:
            self.session_ticket = known.ticket
        self.new_session_ticket_cb = lambda ticket: tickets.keep(
            peer, Known(ticket, self.leaf or b"")
        )

    def resumeFor(self, tickets: Tickets) -> None:
        """
        Let a dialer resume an earlier session, and give it a ticket.
        """

        def shown(identity: bytes) -> tls.SessionTicket | None:
            self.known = tickets.redeem(identity)
            return None if self.known is None else self.known.ticket

        self.get_session_ticket_cb = shown
        self.new_session_ticket_cb = lambda ticket: tickets.issue(
            Known(ticket, self.leaf or b"")
        )

    def _client_handle_hello(self, input_buf: Buffer, output_buf: Buffer) -> None:
        super()._client_handle_hello(input_buf, output_buf)
        if self.session_resumed:
            self._resumed()

    def _server_handle_hello(
        self, input_buf: Buffer, initial_buf: Buffer, handshake_buf: Buffer
    ) -> None:
        super()._server_handle_hello(input_buf, initial_buf, handshake_buf)
        if self.session_resumed:
            self._resumed()
            # aioquic alone would wait for a certificate.
            self._server_expect_finished()

    def _resumed(self) -> None:
        """
        Judge the certificate of a resumed session again: it may have expired.
        """
        assert self.known is not None
        self._accept(self.known.leaf)
        self.leaf = self.known.leaf

    def serveWeb(self, web: WebCertificate) -> None:
        """
        Answer with another certificate, and ask for none.  Its key has the type of
        ours: the algorithm of its signature is agreed.
        """
        self.certificate = web.certificate
        self.certificate_private_key = web.key
        self._request_client_certificate = False
        self.get_session_ticket_cb = self.new_session_ticket_cb = None

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
        key = self._accept(data)
        parsed = self._peer_certificate
        assert parsed is not None
        if key != parsed.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        ):
            raise tls.AlertBadCertificate("the certificate has another key")
        self.leaf = data

    def _accept(self, data: bytes) -> bytes:
        """
        Have a certificate judged, and return its public key.
        """
        try:
            return self.judge(data)
        except PeerMismatch:
            # The text is sent, and nobody else has to know whom we look for.
            raise tls.AlertBadCertificate("another peer is expected") from None
        except Exception as error:
            raise tls.AlertBadCertificate(str(error)) from None

    def _server_handle_certificate(self, input_buf: Buffer) -> None:
        """
        Refuse a dialer without a certificate.
        """
        super()._server_handle_certificate(input_buf)
        if self.leaf is None:
            raise _CertificateRequired("the dialer has sent no certificate")
