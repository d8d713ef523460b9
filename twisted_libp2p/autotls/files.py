# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The files of AutoTLS in the data folder: the key of the account, and the certificate
with its key.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from twisted_libp2p.autotls.issued import IssuedCertificate
from twisted_libp2p.autotls.jose import AccountKey
from twisted_libp2p.errors import ConfigurationError, NoCertificate
from twisted_libp2p.identity.secrets import (
    createFolder,
    createSecret,
    readSecret,
    replaceSecret,
)
from twisted_libp2p.logger import Logger

__all__ = ["ACCOUNT_FILE", "CERTIFICATE_FILE", "Files"]

#: The name of the file of the account's key.
ACCOUNT_FILE: Final = "acme-account.key"

#: The name of the file of the certificate and its key: one file, so that both always
#: belong together.
CERTIFICATE_FILE: Final = "autotls.pem"

#: Maximum size of a file, in bytes.
MAX_FILE: Final = 128 * 1024


class Files:
    """
    Reads and writes the files.
    """

    _log = Logger()

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        """
        @param folder: the data folder, which is made if it does not exist.
        """
        self._account = os.path.join(folder, ACCOUNT_FILE)
        self._certificate = os.path.join(folder, CERTIFICATE_FILE)
        self._folder = folder

    def account(self) -> AccountKey:
        """
        Return the key of the account, which is made at the first use.

        @raise ConfigurationError: the file cannot be read or made.
        """
        try:
            createFolder(self._folder)
            with suppress(FileExistsError):
                if not os.path.lexists(self._account):
                    createSecret(self._account, AccountKey.generate().toPEM())
            return AccountKey.parse(
                readSecret("ACME account key", self._account, MAX_FILE)
            )
        except OSError as error:
            problem = error.strerror
        except ConfigurationError as error:
            problem = str(error)
        raise ConfigurationError(f"ACME account key {self._account}: {problem}")

    def certificate(self, name: str, now: float) -> IssuedCertificate | None:
        """
        Return the stored certificate; None without one that can be used.

        @param name: the name that it has to be for.
        @param now: the seconds since 1970.
        """
        try:
            pem = readSecret("AutoTLS certificate", self._certificate, MAX_FILE)
            return IssuedCertificate.parse(pem, name, now)
        except FileNotFoundError:
            return None
        except OSError as error:
            problem = str(error.strerror)
        except NoCertificate as error:
            problem = error.message
        self._log.warn(
            "the certificate in {path} is not used: {problem}",
            path=self._certificate,
            problem=problem,
        )
        return None

    def store(self, certificate: IssuedCertificate) -> None:
        """
        Replace the stored certificate; the file is complete at any time.  A failure is
        logged: the certificate can be used without it.
        """
        try:
            createFolder(self._folder)
            replaceSecret(self._certificate, certificate.toPEM())
        except OSError as error:
            self._log.error(
                "the certificate cannot be stored in {path}: {problem}",
                path=self._certificate,
                problem=str(error.strerror),
            )
