# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Certificates of C{/tls/1.0.0}, good ones and wrong ones.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from twisted_libp2p.identity import Identity
from twisted_libp2p.security.tls.certificate import (
    EXTENSION,
    HostCertificate,
    encode,
)

__all__ = ["WRONG", "Shown", "shown"]

#: The kinds of certificates that no peer may accept.
WRONG = (
    "expired",
    "future",
    "no extension",
    "other key",
    "not self-signed",
    "unknown critical",
    "two",
    "foreign proof",
)

_DAY = 86400.0


class Shown(NamedTuple):
    """
    The certificates that a peer shows.

    @ivar certificate: the first one.
    @ivar key: the key that makes the proof of possession.
    @ivar more: the others.
    """

    certificate: x509.Certificate
    key: Any
    more: tuple[x509.Certificate, ...] = ()


def shown(
    kind: str = "good", identity: Identity | None = None, moment: float | None = None
) -> Shown:
    """
    Make certificates.

    @param kind: C{good}, C{expiring}, or one of L{WRONG}.
    @param moment: the present, in seconds since 1970; the real one by default.  A
        certificate that is C{expiring} is valid until then.
    """
    identity = identity or Identity.generate()
    now = time.time() if moment is None else moment
    host = HostCertificate.sign(identity, now)
    match kind:
        case "good":
            return Shown(host.certificate, host.private)
        case "two":
            other = HostCertificate.sign(identity, now).certificate
            return Shown(host.certificate, host.private, (other,))
        case "foreign proof":
            return Shown(host.certificate, _key())
    return _signed(kind, identity, now)


def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _signed(kind: str, identity: Identity, now: float) -> Shown:
    """
    Make a certificate in which one thing is wrong.
    """
    private = _key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mallory")])
    shift = {"expired": -7 * _DAY, "expiring": -_DAY, "future": 7 * _DAY}.get(kind, 0.0)
    moment = datetime.fromtimestamp(now + shift, UTC)
    builder = (
        x509.CertificateBuilder()
        .serial_number(1)
        .subject_name(name)
        .issuer_name(name)
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .public_key(private.public_key())
    )
    if kind != "no extension":
        signed = _key() if kind == "other key" else private
        public = signed.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        proof = identity.sign(b"libp2p-tls-handshake:" + public)
        extension = encode(identity.publicKey.toBytes(), proof)
        builder = builder.add_extension(
            x509.UnrecognizedExtension(EXTENSION, extension), False
        )
    if kind == "unknown critical":
        unknown = x509.ObjectIdentifier("1.2.3.4.5")
        builder = builder.add_extension(
            x509.UnrecognizedExtension(unknown, b"\x05\0"), True
        )
    signer = _key() if kind == "not self-signed" else private
    return Shown(builder.sign(signer, SHA256()), private)
