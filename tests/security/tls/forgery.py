# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Certificates of all sorts, for the tests of TLS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA224, SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.security.tls.certificate import EXTENSION, encode

__all__ = ["IDENTITY", "LAWFUL", "NOW", "UNLAWFUL", "Forged", "forge"]

#: When all of it happens, in seconds since 1970.
NOW: Final = 1_800_000_000.0

#: Whose certificates these are.
IDENTITY: Final = Identity.generate()

Forged = tuple[x509.Certificate, Any]

_UNKNOWN: Final = x509.UnrecognizedExtension(
    x509.ObjectIdentifier("1.3.6.1.4.1.53594.99"), b"\x05\x00"
)


def name(text: str) -> x509.Name:
    """
    Make a name of one word.
    """
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def content(
    private: Any,
    identity: Identity = IDENTITY,
    prefix: bytes = b"libp2p-tls-handshake:",
) -> bytes:
    """
    Make the content of the extension.
    """
    public = private.public_key()
    info = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encode(identity.publicKey.toBytes(), identity.sign(prefix + info))


def forge(
    *,
    identity: Identity = IDENTITY,
    private: Any = None,
    signer: Any = None,
    digest: Any = SHA256,
    rsaPadding: Any = None,
    valid: tuple[float, float] = (NOW - 60, NOW + 60),
    names: tuple[str, str] = ("host", "host"),
    value: bytes | None = None,
    critical: bool = False,
    before: Sequence[tuple[x509.ExtensionType, bool]] = (),
    bare: bool = False,
) -> Forged:
    """
    Make a certificate and its key.

    @param private: the key, if it is not a new one on P-256.
    @param signer: who signs, if not the certificate's own key.
    @param value: the content of the extension, if not the right one.
    @param before: extensions in front of it, and whether they are critical.
    @param bare: leave our extension away.
    """
    if private is None:
        private = ec.generate_private_key(ec.SECP256R1())
    begin, end = (datetime.fromtimestamp(each, UTC) for each in valid)
    builder = (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .subject_name(name(names[0]))
        .issuer_name(name(names[1]))
        .not_valid_before(begin)
        .not_valid_after(end)
        .public_key(private.public_key())
    )
    for extension, isCritical in before:
        builder = builder.add_extension(extension, isCritical)
    if not bare:
        if value is None:
            value = content(private, identity)
        builder = builder.add_extension(
            x509.UnrecognizedExtension(EXTENSION, value), critical
        )
    signer = signer or private
    edwards = (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)
    chosen = None if isinstance(signer, edwards) else digest()
    return builder.sign(signer, chosen, rsa_padding=rsaPadding), private


def _rsa(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def _wrongKey() -> Forged:
    """
    The identity has signed for another certificate.
    """
    other = ec.generate_private_key(ec.SECP256R1())
    return forge(value=content(other))


def _wrongPrefix() -> Forged:
    private = ec.generate_private_key(ec.SECP256R1())
    return forge(private=private, value=content(private, prefix=b""))


def _wrongIdentity() -> Forged:
    """
    The signature is somebody else's than the key.
    """
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    signature = Identity.generate().sign(b"libp2p-tls-handshake:" + public)
    key = IDENTITY.publicKey.toBytes()
    return forge(private=private, value=encode(key, signature))


#: Certificates that have to be accepted.
LAWFUL: Final[Mapping[str, Callable[[], Forged]]] = {
    "plain": forge,
    "critical": lambda: forge(critical=True),
    "other critical": lambda: forge(before=[(x509.BasicConstraints(True, None), True)]),
    "unknown": lambda: forge(before=[(_UNKNOWN, False)]),
    "names": lambda: forge(names=("host", "somebody")),
    "long": lambda: forge(valid=(0, 67_090_000_000)),
    "P-384": lambda: forge(
        private=ec.generate_private_key(ec.SECP384R1()), digest=SHA384
    ),
    "RSA": lambda: forge(private=_rsa(2048)),
    "RSA-PSS": lambda: forge(
        private=_rsa(2048), rsaPadding=padding.PSS(padding.MGF1(SHA256()), 32)
    ),
    "Ed25519": lambda: forge(private=ed25519.Ed25519PrivateKey.generate()),
    **{
        type.name: lambda type=type: forge(  # type: ignore[misc]
            identity=Identity.generate(type)
        )
        for type in KeyType
    },
}

#: Certificates that have to be refused, and which rule they break.
UNLAWFUL: Final[Mapping[str, tuple[Callable[[], Forged], str]]] = {
    "expired": (
        lambda: forge(valid=(NOW - 100, NOW - 1)),
        "it has expired: it was valid until 2027-01-15 07:59:59+00:00",
    ),
    "early": (
        lambda: forge(valid=(NOW + 1, NOW + 100)),
        "it is not valid before 2027-01-15 08:00:01+00:00",
    ),
    "bare": (lambda: forge(bare=True), "it has no libp2p extension"),
    "unknown critical": (
        lambda: forge(before=[(_UNKNOWN, True)]),
        "its extension 1.3.6.1.4.1.53594.99 is critical, and unknown",
    ),
    "signed by another": (
        lambda: forge(signer=ec.generate_private_key(ec.SECP256R1())),
        "it is not signed by its own key",
    ),
    "signed by another kind": (
        lambda: forge(signer=ed25519.Ed25519PrivateKey.generate()),
        "it is signed by means of a weak hash",
    ),
    "signed by RSA": (
        lambda: forge(signer=_rsa(2048)),
        "it is not signed by its own key",
    ),
    "other type": (
        lambda: forge(private=ed448.Ed448PrivateKey.generate()),
        "its key is of a type that libp2p does not use",
    ),
    "weak hash": (
        lambda: forge(digest=SHA224),
        "it is signed by means of a weak hash",
    ),
    "wrong key": (_wrongKey, "the identity in its libp2p extension: the signature"),
    "wrong prefix": (
        _wrongPrefix,
        "the identity in its libp2p extension: the signature",
    ),
    "wrong identity": (
        _wrongIdentity,
        "the identity in its libp2p extension: the signature",
    ),
    "no key": (
        lambda: forge(value=encode(b"no key", b"")),
        "the identity in its libp2p extension: ",
    ),
    "garbage": (
        lambda: forge(value=b"garbage"),
        "its libp2p extension: it is not a SEQUENCE of two OCTET STRINGs",
    ),
}
