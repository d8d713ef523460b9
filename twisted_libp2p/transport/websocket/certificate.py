# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The server's side of TLS below a WebSocket: a certificate and its key, read from files
that others renew.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import Certificate, load_pem_x509_certificates
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from zope.interface import implementer

from twisted_libp2p.errors import ConfigurationError
from twisted_libp2p.identity.secrets import readSecret
from twisted_libp2p.logger import Logger
from twisted_libp2p.transport.websocket.trust import ALPN

__all__ = ["MAX_FILE", "ServerCertificate", "serverContext"]

#: The maximum size of a file of certificates or of a key, in bytes.
MAX_FILE: Final = 1 << 20

#: Seconds between two looks at the files.
LOOK_INTERVAL: Final = 1.0


@implementer(IOpenSSLServerConnectionCreator)
class ServerCertificate:
    """
    A certificate that is read again when its files have changed.

    The files are looked at when a peer connects, once a second at the most.  Files that
    cannot be used are logged, and the last usable certificate stays.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        certificate: str | os.PathLike[str],
        key: str | os.PathLike[str] | None = None,
    ) -> None:
        """
        @param clock: measures the time between two looks.
        @param certificate: a PEM file with the certificate, followed by those of the
            authorities between it and the root.
        @param key: a PEM file with its private key; by default the same file.
        @raise ConfigurationError: the files cannot be used; the text says why.
        """
        self._clock = clock
        self._certificate = Path(certificate)
        self._key = Path(certificate if key is None else key)
        self._seen = self._look()
        self._looked = clock.seconds()
        self._context = self._load()

    def serverConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """
        Begin a connection, with the certificate that the files have now.
        """
        self.refresh()
        return SSL.Connection(self._context, None)

    def refresh(self) -> None:
        """
        Read the files again if they have changed.
        """
        now = self._clock.seconds()
        if 0 <= now - self._looked < LOOK_INTERVAL:
            return
        self._looked = now
        if self._look() != self._seen:
            self.reload()

    def reload(self) -> None:
        """
        Read the files again.
        """
        self._seen = self._look()
        try:
            self._context = self._load()
        except ConfigurationError as error:
            self._log.error(
                "the certificate stays as it was: {error}", error=str(error)
            )
        else:
            self._log.info(
                "the certificate in {path} was read again",
                path=os.fspath(self._certificate),
            )

    def _look(self) -> list[tuple[int, int, int] | None]:
        """
        Return what changes with the content of the files.
        """
        found: list[tuple[int, int, int] | None] = []
        for path in (self._certificate, self._key):
            try:
                status = path.stat()
            except OSError:
                found.append(None)
            else:
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return found

    def _load(self) -> SSL.Context:
        """
        Read both files.

        @raise ConfigurationError: they cannot be used.
        """
        chain = self._readChain()
        key = self._readKey()
        if key.public_key() != chain[0].public_key():
            raise ConfigurationError(
                f"the key in {self._key} does not belong to the certificate in"
                f" {self._certificate}"
            )
        return serverContext(chain, key)

    def _readChain(self) -> Sequence[Certificate]:
        try:
            with open(self._certificate, "rb") as file:
                return load_pem_x509_certificates(file.read(MAX_FILE))
        except OSError as error:
            problem = error.strerror
        except ValueError:
            problem = "no certificate in PEM"
        raise ConfigurationError(f"certificate file {self._certificate}: {problem}")

    def _readKey(self) -> Any:
        try:
            return load_pem_private_key(
                readSecret("TLS key file", self._key, MAX_FILE), None
            )
        except OSError as error:
            problem = error.strerror
        except TypeError:
            problem = "the key is encrypted; a key without a passphrase is needed"
        except (ValueError, UnsupportedAlgorithm):
            problem = "no private key in PEM"
        raise ConfigurationError(f"key file {self._key}: {problem}")


def serverContext(chain: Sequence[Certificate], key: Any) -> SSL.Context:
    """
    Make the context of the connections that use a certificate.

    @param chain: the certificate, followed by those between it and the root.
    @param key: its private key.
    """
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_alpn_select_callback(_select)
    context.use_certificate(chain[0])
    for each in chain[1:]:
        context.add_extra_chain_cert(each)
    context.use_privatekey(key)
    return context


def _select(connection: SSL.Connection, offered: list[bytes]) -> Any:
    """
    Choose HTTP/1.1; go on without a choice if it is not offered.
    """
    return ALPN if ALPN in offered else SSL.NO_OVERLAPPING_PROTOCOLS
