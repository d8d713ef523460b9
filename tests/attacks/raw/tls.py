# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
TLS with the certificates of libp2p, good ones and others.
"""

from __future__ import annotations

import socket
import struct
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto

from tests.attacks.raw.identity import Identity, der
from tests.attacks.raw.pipe import PATIENCE, TCP, Ended, Pipe

__all__ = ["ALPN", "PROTOCOL_ID", "TLS", "Certificate", "handshake"]

PROTOCOL_ID = "/tls/1.0.0"

ALPN = (b"/yamux/1.0.0", b"libp2p")

_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.53594.1.1")


class Certificate:
    """
    A self-signed certificate and its key; without options, an honest one.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        extension: bool = True,
        signer: Identity | None = None,
        foreign: bool = False,
        age: timedelta = timedelta(hours=1),
        life: timedelta = timedelta(days=365),
    ) -> None:
        """
        @param extension: whether it tells of the identity at all.
        @param signer: who signs that; the identity itself, if one is honest.
        @param foreign: whether it has a critical extension that nobody knows.
        @param age: since when it is valid.
        @param life: for how long.
        """
        self.key = ec.generate_private_key(ec.SECP256R1())
        public = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        name = x509.Name(
            [x509.NameAttribute(x509.NameOID.SERIAL_NUMBER, str(time.time_ns()))]
        )
        since = datetime.now(UTC) - age
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(since)
            .not_valid_after(since + life)
        )
        if extension:
            signature = (signer or identity).sign(b"libp2p-tls-handshake:" + public)
            value = der(0x30, der(4, identity.publicKey) + der(4, signature))
            builder = builder.add_extension(
                x509.UnrecognizedExtension(_EXTENSION, value), critical=False
            )
        if foreign:
            unknown = x509.UnrecognizedExtension(
                x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), der(4, b"what")
            )
            builder = builder.add_extension(unknown, critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())


class TLS(Pipe):
    """
    The channel behind a handshake.

    @ivar muxers: the muxer that was agreed with it, if one was.
    """

    def __init__(self, lower: TCP, connection: SSL.Connection) -> None:
        super().__init__()
        self.muxers = [connection.get_alpn_proto_negotiated().decode()]
        self.lower = lower
        self._connection = connection

    def send(self, data: bytes) -> None:
        """
        Send bytes.
        """
        try:
            self._connection.sendall(data)
        except SSL.Error as error:
            raise _ended(error) from None

    def more(self) -> bytes:
        """
        Receive some bytes.
        """
        try:
            return self._connection.recv(1 << 16)
        except SSL.Error as error:
            raise _ended(error) from None

    def patience(self, seconds: float) -> None:
        """
        Set how long to wait for bytes.
        """
        _patience(self.lower, seconds)

    def close(self) -> None:
        """
        Hang up.
        """
        self.lower.close()


def _ended(error: SSL.Error) -> Ended:
    """
    Say why no bytes come.
    """
    if isinstance(error, SSL.ZeroReturnError):
        return Ended("closed")
    if isinstance(error, SSL.WantReadError):
        return Ended("silent")
    return Ended("reset" if isinstance(error, SSL.SysCallError) else "alert")


def _patience(lower: TCP, seconds: float) -> None:
    """
    A socket with a timeout does not block for OpenSSL: let the system count.
    """
    lower.socket.settimeout(None)
    whole, part = divmod(max(seconds, 0.001), 1)
    lower.socket.setsockopt(
        socket.SOL_SOCKET,
        socket.SO_RCVTIMEO,
        struct.pack("ll", int(whole), int(part * 1e6)),
    )


def handshake(
    lower: TCP,
    certificates: list[Certificate],
    *,
    client: bool = True,
    alpn: tuple[bytes, ...] = ALPN,
    version: int = SSL.TLS1_3_VERSION,
) -> TLS:
    """
    Shake hands, as a client unless told otherwise.

    @param certificates: what to present; the first is our own.
    @raise Ended: the peer does not agree.
    """
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_verify(SSL.VERIFY_NONE if client else SSL.VERIFY_PEER, lambda *_: True)
    if certificates:
        context.use_privatekey(crypto.PKey.from_cryptography_key(certificates[0].key))
        context.use_certificate(
            crypto.X509.from_cryptography(certificates[0].certificate)
        )
        for each in certificates[1:]:
            context.add_extra_chain_cert(
                crypto.X509.from_cryptography(each.certificate)
            )
    if client:
        context.set_alpn_protos(list(alpn))
    else:
        context.set_alpn_select_callback(
            lambda _, offered: next((each for each in alpn if each in offered), alpn[0])
        )
    connection: Any = SSL.Connection(context, lower.socket)
    if client:
        connection.set_connect_state()
    else:
        connection.set_accept_state()
    _patience(lower, PATIENCE)
    try:
        connection.do_handshake()
    except SSL.Error as error:
        raise _ended(error) from None
    return TLS(lower, connection)
