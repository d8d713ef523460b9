# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Certificates that carry the identity of a peer.

A certificate has a key of its own, and signs itself.  In an extension it has
the public key of the identity, and the identity's signature over its own key.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity, KeyType, PublicKey

__all__ = ["EXTENSION", "HostCertificate", "authenticate", "decode", "encode"]

#: The extension that names the identity.
EXTENSION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.53594.1.1")

_PREFIX: Final = b"libp2p-tls-handshake:"

# As go-libp2p has it: peers' clocks may be slow, and a node may run for long.
_CLOCK_SKEW: Final = timedelta(hours=1)
_VALIDITY: Final = timedelta(days=100 * 365)

# Other extensions that may be critical, since what they say has no bearing on
# who the peer is.
_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)

# Bits: the same bounds as for the RSA keys of identities.
_SMALLEST_RSA: Final = 2048
_LARGEST_RSA: Final = 8192

_SHORTEST_DIGEST: Final = 32

# Peers return with the same certificate, and to check one takes longer than everything
# else of a handshake on its side: docs/internals.rst.  Certificates over the usual size
# are not kept, since OpenSSL accepts 100 KiB.
_KEPT_CERTIFICATES: Final = 256
_USUAL_SIZE: Final = 2048

_OCTET_STRING: Final = 0x04
_SEQUENCE: Final = 0x30

# What the package cryptography raises for certificates, and for parts of them,
# that it cannot read: it parses most of a certificate when it is asked for it.
_UNREADABLE: Final = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """
    Our certificate, and the key that it is for.  It may serve any number of
    handshakes.
    """

    certificate: x509.Certificate
    private: ec.EllipticCurvePrivateKey

    @classmethod
    def sign(cls, identity: Identity, now: float) -> HostCertificate:
        """
        Make a certificate, with a new key on the curve P-256.

        @param identity: who we are.
        @param now: seconds since 1970.
        """
        private = ec.generate_private_key(ec.SECP256R1())
        public = private.public_key()
        signature = identity.sign(_PREFIX + _subjectPublicKeyInfo(public))
        extension = encode(identity.publicKey.toBytes(), signature)
        serial = x509.random_serial_number()
        # There has to be a name, and it says nothing.
        name = x509.Name([x509.NameAttribute(NameOID.SERIAL_NUMBER, str(serial))])
        moment = datetime.fromtimestamp(now, UTC)
        certificate = (
            x509.CertificateBuilder()
            .serial_number(serial)
            .subject_name(name)
            .issuer_name(name)
            .not_valid_before(moment - _CLOCK_SKEW)
            .not_valid_after(moment + _VALIDITY)
            .public_key(public)
            # js-libp2p reads only the first extension of a certificate.
            .add_extension(x509.UnrecognizedExtension(EXTENSION, extension), False)
            .sign(private, SHA256())
        )
        return cls(certificate, private)


def authenticate(data: bytes, now: float) -> PublicKey:
    """
    Check a certificate and return its identity.  The handshake proves that the peer
    owns the key of the certificate, not this function.

    @param data: the certificate in DER.
    @param now: seconds since 1970.
    @return: the public key of the identity.
    @raise InvalidInput: the certificate breaks a rule; the text names it.
    """
    check = _check if len(data) <= _USUAL_SIZE else _check.__wrapped__
    key, begin, end = check(data)
    moment = datetime.fromtimestamp(now, UTC)
    if moment < begin:
        raise InvalidInput(f"it is not valid before {begin}")
    if moment > end:
        raise InvalidInput(f"it has expired: it was valid until {end}")
    return key


@lru_cache(_KEPT_CERTIFICATES)
def _check(data: bytes) -> tuple[PublicKey, datetime, datetime]:
    """
    Check everything in a certificate except the time.  Only the results of good
    certificates are kept.

    @return: the public key of the identity, and the times between which the certificate
        is valid.
    """
    try:
        certificate = x509.load_der_x509_certificate(data)
        extensions = certificate.extensions
        public = certificate.public_key()
        begin = certificate.not_valid_before_utc
        end = certificate.not_valid_after_utc
    except _UNREADABLE as error:
        raise InvalidInput(f"it cannot be read: {error}") from None
    value = None
    for extension in extensions:
        if extension.oid == EXTENSION:
            value = extension.value.public_bytes()
        elif extension.critical and extension.oid not in _UNDERSTOOD:
            raise InvalidInput(
                f"its extension {extension.oid.dotted_string} is critical, and unknown"
            )
    if value is None:
        raise InvalidInput("it has no libp2p extension")
    try:
        keyData, signature = decode(value)
    except InvalidInput as error:
        raise InvalidInput(f"its libp2p extension: {error}") from None
    _checkSelfSignature(certificate, public)
    try:
        key = PublicKey.fromBytes(keyData)
        key.verify(signature, _PREFIX + _subjectPublicKeyInfo(public))
    except InvalidInput as error:
        raise InvalidInput(f"the identity in its libp2p extension: {error}") from None
    return key, begin, end


def _subjectPublicKeyInfo(public: CertificatePublicKeyTypes) -> bytes:
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _checkSelfSignature(
    certificate: x509.Certificate, public: CertificatePublicKeyTypes
) -> None:
    """
    Check that a certificate is signed by its own key, whatever the names of
    its subject and issuer are.

    @raise InvalidInput: it is not, or by means that are refused.
    """
    signature = certificate.signature
    signed = certificate.tbs_certificate_bytes
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            PublicKey(KeyType.ED25519, public)  # refuses points of small order
            public.verify(signature, signed)
            return
        if not isinstance(public, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise InvalidInput("its key is of a type that libp2p does not use")
        digest = certificate.signature_hash_algorithm
        parameters: Any = certificate.signature_algorithm_parameters
        if digest is None or digest.digest_size < _SHORTEST_DIGEST:
            raise InvalidInput("it is signed by means of a weak hash")
        if isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, signed, parameters)
            return
        if not _SMALLEST_RSA <= public.key_size <= _LARGEST_RSA:
            raise InvalidInput(f"its RSA key has {public.key_size} bits")
        public.verify(signature, signed, parameters, digest)
    except InvalidInput:
        raise
    except (InvalidSignature, *_UNREADABLE):
        raise InvalidInput("it is not signed by its own key") from None


def encode(key: bytes, signature: bytes) -> bytes:
    """
    Encode the content of the extension: the DER of a SEQUENCE of two OCTET
    STRINGs.

    @param key: the public key of the identity, encoded.
    """
    strings = _element(_OCTET_STRING, key) + _element(_OCTET_STRING, signature)
    return _element(_SEQUENCE, strings)


def decode(value: bytes) -> tuple[bytes, bytes]:
    """
    Undo L{encode}.

    @raise InvalidInput: there is anything else, or another encoding of it.
    """
    content, end = _content(value, 0, _SEQUENCE)
    key, middle = _content(content, 0, _OCTET_STRING)
    signature, last = _content(content, middle, _OCTET_STRING)
    if last != len(content) or end != len(value):
        raise InvalidInput("there is something behind its end")
    return key, signature


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _content(data: bytes, offset: int, tag: int) -> tuple[bytes, int]:
    """
    Return the content of the element that begins here, and its end.
    """
    start = offset + 2
    if len(data) < start or data[offset] != tag:
        raise InvalidInput("it is not a SEQUENCE of two OCTET STRINGs")
    size = data[offset + 1]
    if size >= 0x80:
        octets = data[start : start + (size & 0x7F)]
        start += len(octets)
        size = int.from_bytes(octets, "big")
    end = start + size
    if end > len(data) or _element(tag, data[start:end]) != data[offset:end]:
        raise InvalidInput("its lengths are not DER")
    return data[start:end], end
