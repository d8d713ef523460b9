# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The settings of OpenSSL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from weakref import ref

from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_ASN1, X509, dump_certificate

from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.logger import Logger
from twisted_libp2p.security.tls.certificate import HostCertificate

if TYPE_CHECKING:
    from twisted_libp2p.security.tls.handshake import TLSHandshake

__all__ = ["Contexts"]

_log = Logger()

# SSL_MODE_ENABLE_PARTIAL_WRITE of openssl/ssl.h, which pyOpenSSL sets.
_PARTIAL_WRITE: Final = 1


class Contexts:
    """
    The two contexts of one identity, for clients and for servers.  They are made once:
    a used context may not be changed, so the data of one connection is kept with the
    connection.
    """

    def __init__(self, certificate: HostCertificate) -> None:
        self._client = _makeContext(certificate, SSL.VERIFY_PEER)
        self._server = _makeContext(
            certificate, SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT
        )
        self._server.set_alpn_select_callback(_select)

    def connect(self, machine: TLSHandshake, initiator: bool) -> SSL.Connection:
        """
        Begin a handshake.  A client names no server (SNI), because the name would not
        be encrypted.

        @param machine: the handshake that OpenSSL's callbacks ask.
        """
        connection = SSL.Connection(self._client if initiator else self._server, None)
        # The machine holds the connection, and no callback asks it after the
        # handshake.
        connection.set_app_data(ref(machine))
        if initiator:
            connection.set_connect_state()
            connection.set_alpn_protos(machine.verdict.offer)
        else:
            connection.set_accept_state()
        return connection


def _makeContext(certificate: HostCertificate, verify: int) -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_3_VERSION)
    # A resumed session would bypass our check of the certificate.  Together these two
    # also keep OpenSSL, from 4.1 on, from sending tickets; before, a server sends two
    # useless ones of 79 bytes.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_options(SSL.OP_NO_TICKET)
    # It saves 14 KiB of an idle end, and takes no measurable time.
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    # OpenSSL takes written data whole, because it writes to memory.
    context.clear_mode(_PARTIAL_WRITE)
    # The order of the client counts.  All ciphers of TLS 1.3 are strong enough; the
    # first is the fastest on processors with AES instructions.
    context.set_tls13_ciphersuites(
        b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    )
    context.use_certificate(certificate.certificate)
    context.use_privatekey(certificate.private)
    context.set_verify(verify, _verify)
    return context


def _machine(connection: SSL.Connection) -> TLSHandshake:
    machine: TLSHandshake = connection.get_app_data()()
    return machine


# OpenSSL calls these two.  Their exceptions would come out of the call that has run
# OpenSSL, which expects OpenSSL's own errors only.


def _verify(
    connection: SSL.Connection, certificate: X509, error: int, depth: int, good: int
) -> bool:
    """
    Judge the peer's certificate; OpenSSL's own findings are ignored, as they follow
    other rules.
    """
    try:
        verdict = _machine(connection).verdict
        # OpenSSL calls this once for each of its findings.
        return (depth == 0 and verdict.given) or verdict.judge(
            dump_certificate(FILETYPE_ASN1, certificate),
            depth,
            connection.get_alpn_proto_negotiated(),
        )
    except Exception:
        _log.failure("A certificate could not be judged.")
        return False


def _select(connection: SSL.Connection, offered: Sequence[bytes]) -> bytes:
    """
    Choose the application protocol.

    @raise SSL.Error: no protocol in common; OpenSSL sends an alert to the peer.
    """
    try:
        return _machine(connection).verdict.select(offered)
    except HandshakeFailed as error:
        # The error has to have the form of OpenSSL's errors.
        raise SSL.Error([("", "", error.message)]) from None
