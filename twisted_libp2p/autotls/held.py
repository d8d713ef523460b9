# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The server's side of TLS with a certificate that comes, and is replaced, while the node
listens.
"""

from __future__ import annotations

from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

from twisted_libp2p.autotls.issued import IssuedCertificate
from twisted_libp2p.transport.websocket.certificate import serverContext

__all__ = ["HeldCertificate"]


@implementer(IOpenSSLServerConnectionCreator)
class HeldCertificate:
    """
    The certificate that new connections use.  Without one, their handshakes fail.

    @ivar present: the certificate; None without one.
    """

    def __init__(self) -> None:
        self.present: IssuedCertificate | None = None
        self._context = _empty()

    def hold(self, certificate: IssuedCertificate | None) -> None:
        """
        Replace the certificate.  Open connections go on.

        @param certificate: None for no certificate.
        """
        self.present = certificate
        self._context = (
            _empty()
            if certificate is None
            else serverContext(certificate.chain, certificate.key)
        )

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """
        Begin a connection.
        """
        return SSL.Connection(self._context, None)


def _empty() -> SSL.Context:
    """
    Return a context without a certificate.
    """
    return SSL.Context(SSL.TLS_SERVER_METHOD)
