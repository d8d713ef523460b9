# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The client's side of TLS below a WebSocket: the server proves its name by a certificate
of the web's PKI.  The peer id is proven inside the WebSocket, as everywhere.
"""

from __future__ import annotations

import os
import ssl
from ipaddress import ip_address
from typing import Any, Final, cast

from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import (
    verify_certificate_hostname,
    verify_certificate_ip_address,
)
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from twisted.python.reflect import requireModule
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError, UnsupportedAddress

__all__ = ["ALPN", "NamedServer", "Trust"]

#: What a WebSocket is, inside TLS.
ALPN: Final = b"http/1.1"

# The faults of certificates that users meet, by OpenSSL's numbers.
_FAULTS: Final = {
    7: "signed by an authority that is not trusted",
    9: "not valid yet",
    10: "expired",
    18: "signed by itself",
    19: "signed by an authority that is not trusted",
    20: "signed by an authority that is not trusted",
    21: "signed by an authority that is not trusted",
}


class Trust:
    """
    The authorities whose certificates are believed.
    """

    def __init__(self, roots: str | os.PathLike[str] | None = None) -> None:
        """
        @param roots: a PEM file of authorities; by default those of the system, and
            those of the package C{certifi} if the system has none.
        """
        self._roots = roots
        self._context: SSL.Context | None = None

    @property
    def context(self) -> SSL.Context:
        """
        The context of all connections.

        @raise ConfigurationError: there are no authorities.
        """
        if self._context is None:
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_min_proto_version(SSL.TLS1_2_VERSION)
            context.set_alpn_protos([ALPN])
            self._load(context)
            # The default, for a connection that sets none of its own.
            context.set_verify(SSL.VERIFY_PEER)
            self._context = context
        return self._context

    def _load(self, context: SSL.Context) -> None:
        """
        Load the authorities.
        """
        if self._roots is not None:
            path = os.fspath(self._roots)
            try:
                # OpenSSL does not say why it cannot open a file.
                open(path, "rb").close()
                context.load_verify_locations(path)
            except OSError as error:
                raise ConfigurationError(
                    f"authorities {path}: {error.strerror}"
                ) from None
            except SSL.Error:
                raise ConfigurationError(
                    f"{path} holds no certificates in PEM"
                ) from None
            return
        found = _systemRoots()
        if found is None:
            certifi: Any = requireModule("certifi")
            if certifi is None:
                raise ConfigurationError(
                    "this system has no certificates of authorities: install the"
                    " package certifi, or name a file of them"
                )
            found = certifi.where(), None
        context.load_verify_locations(*found)


def _systemRoots() -> tuple[str | None, str | None] | None:
    """
    Find the file and the folder of the system's authorities; None if both are missing
    or empty.
    """
    paths = ssl.get_default_verify_paths()
    file = paths.cafile if paths.cafile and os.path.getsize(paths.cafile) else None
    folder = paths.capath if paths.capath and os.listdir(paths.capath) else None
    return (file, folder) if file or folder else None


@implementer(IOpenSSLClientConnectionCreator)
class NamedServer:
    """
    One connection to a server whose name is known.

    @ivar name: the name, or the IP address, that the certificate has to have.
    @ivar fault: the fault of the certificate; None as long as none is found.
    """

    def __init__(self, trust: Trust, name: str) -> None:
        """
        @raise ConfigurationError: there are no authorities.
        @raise UnsupportedAddress: this cannot be the name of a server.
        """
        # The root's dot is in no certificate.
        self.name = _ascii(name.rstrip("."))
        self.fault: str | None = None
        self._context = trust.context
        try:
            ip_address(self.name)
        except ValueError:
            self._isAddress = False
        else:
            self._isAddress = True

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """
        Begin the connection, with the name of the server unless it is an IP address.
        """
        connection = SSL.Connection(self._context, None)
        connection.set_verify(SSL.VERIFY_PEER, self._verify)
        if not self._isAddress:
            connection.set_tlsext_host_name(self.name.encode("ascii"))
        return connection

    def _verify(
        self,
        _: SSL.Connection,
        certificate: crypto.X509,
        error: int,
        depth: int,
        ok: int,
    ) -> bool:
        """
        Judge one certificate of the chain; the last one is the server's own.  If this
        raises, OpenSSL refuses it.
        """
        if not ok:
            which = "certificate" if depth == 0 else "certificate's authority"
            fault = _FAULTS.get(error, f"refused by OpenSSL with error {error}")
            self.fault = f"the server's {which} is {fault}"
            return False
        if depth == 0:
            check: Any = (
                verify_certificate_ip_address
                if self._isAddress
                else verify_certificate_hostname
            )
            try:
                check(certificate.to_cryptography(), self.name)
            except (CertificateError, VerificationError, ValueError):
                self.fault = f"the server's certificate is not for {self.name}"
                return False
        return True

    def explain(self, reason: Failure) -> str:
        """
        Return the reason for which TLS has ended.
        """
        if self.fault is not None:
            return self.fault
        if reason.check(SSL.Error):
            errors = cast(SSL.Error, reason.value).args[0]
            said = ", ".join(text for *_, text in errors if text)
            return f"TLS: {said or 'an error without a text'}"
        return reason.getErrorMessage()


def _ascii(name: str) -> str:
    """
    Write the name of a server as DNS does.
    """
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise UnsupportedAddress(f"{name} is no name of a server") from None
