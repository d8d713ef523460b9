# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A certificate with its key: the request for it, its checks, and its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import (
    Certificate,
    CertificateSigningRequestBuilder,
    DNSName,
    DuplicateExtension,
    ExtensionNotFound,
    InvalidVersion,
    Name,
    SubjectAlternativeName,
    UnsupportedGeneralNameType,
    load_pem_x509_certificates,
)

from twisted_libp2p.errors import NoCertificate

__all__ = ["CertificateKey", "IssuedCertificate"]

#: Maximum number of certificates in a chain.
MAX_CHAIN: Final = 8

# The errors of the parser.
_MALFORMED: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    InvalidVersion,
    DuplicateExtension,
    UnsupportedGeneralNameType,
)

#: Seconds by which the clock of the authority may be ahead of ours.
SKEW: Final = 3600.0


class CertificateKey:
    """
    The key of one certificate: each has a new one.
    """

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def request(self, name: str) -> bytes:
        """
        Return the request for a certificate of a name, in DER.
        """
        names = SubjectAlternativeName([DNSName(name)])
        builder = CertificateSigningRequestBuilder().subject_name(Name([]))
        request = builder.add_extension(names, critical=False)
        return request.sign(self._key, SHA256()).public_bytes(Encoding.DER)

    def issued(self, chain: bytes, name: str, now: float) -> IssuedCertificate:
        """
        Check the certificate that an authority has issued.

        @param chain: the certificate and those above it, in PEM.
        @param now: the seconds since 1970.
        @raise NoCertificate: it is for another name or key, or not for now.
        """
        pem = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return IssuedCertificate.parse(pem + chain, name, now)


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """
    A certificate that was checked.

    @ivar key: its key.
    @ivar chain: the certificate, and those of the authorities above it.
    """

    key: ec.EllipticCurvePrivateKey
    chain: Sequence[Certificate]

    @classmethod
    def parse(cls, pem: bytes, name: str, now: float) -> IssuedCertificate:
        """
        Read a key and its certificate.

        @param name: the name that it has to be for.
        @param now: the seconds since 1970.
        @raise NoCertificate: it is for another name or key, or not for now.
        """
        try:
            key = load_pem_private_key(pem, None)
            chain = load_pem_x509_certificates(pem)
        except _MALFORMED:
            raise NoCertificate("it is not in PEM") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise NoCertificate("its key is of another kind")
        if len(chain) > MAX_CHAIN:
            raise NoCertificate(f"a chain of more than {MAX_CHAIN} certificates")
        found = cls(key, chain)
        try:
            found._check(name)
        except _MALFORMED:
            raise NoCertificate("the certificate is malformed") from None
        except InvalidSignature:
            raise NoCertificate("the chain has a wrong signature") from None
        if not found.begins - SKEW <= now < found.expires:
            raise NoCertificate("the certificate is not valid at present")
        return found

    def _check(self, name: str) -> None:
        """
        Check whose certificate it is, and who has signed it.
        """
        leaf = self.chain[0]
        if leaf.public_key() != self.key.public_key():
            raise NoCertificate("the certificate is for another key")
        try:
            extension = leaf.extensions.get_extension_for_class(SubjectAlternativeName)
        except ExtensionNotFound:
            raise NoCertificate("the certificate has no name") from None
        if list(extension.value) != [DNSName(name)]:
            raise NoCertificate(f"the certificate is not for {name}")
        for signed, above in zip(self.chain, self.chain[1:], strict=False):
            signed.verify_directly_issued_by(above)

    @property
    def begins(self) -> float:
        """
        The beginning of its validity, in seconds since 1970.
        """
        return self.chain[0].not_valid_before_utc.timestamp()

    @property
    def expires(self) -> float:
        """
        The end of its validity, in seconds since 1970.
        """
        return self.chain[0].not_valid_after_utc.timestamp()

    def toPEM(self) -> bytes:
        """
        Write the key and the chain.
        """
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + b"".join(each.public_bytes(Encoding.PEM) for each in self.chain)
