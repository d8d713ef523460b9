# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
A hostile dialer of QUIC, on a socket of its own, over aioquic.
"""

from __future__ import annotations

import os
import select
import socket
import time
from datetime import UTC, datetime, timedelta
from ssl import CERT_NONE
from typing import Any

from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
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

__all__ = ["Certificate", "Dialer", "certificate", "garbage", "hello", "initial"]

Address = tuple[str, int]
Certificate = tuple[x509.Certificate, Any]


def certificate(kind: str) -> Certificate:
    """
    Make a certificate.

    @param kind: C{good}, or what is wrong: C{expired}, C{future}, C{no extension} or
        C{other key}.
    """
    identity = Identity.generate()
    now = time.time()
    if kind == "good":
        host = HostCertificate.sign(identity, now)
        return host.certificate, host.private
    if kind == "future":
        host = HostCertificate.sign(identity, now + 30 * 86400)
        return host.certificate, host.private
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mallory")])
    moment = datetime.fromtimestamp(now - 86400 * 7 * (kind == "expired"), UTC)
    builder = (
        x509.CertificateBuilder()
        .serial_number(1)
        .subject_name(name)
        .issuer_name(name)
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + timedelta(days=1))
        .public_key(private.public_key())
    )
    if kind == "other key":
        # The extension of another certificate: its signature is over another key.
        stolen = HostCertificate.sign(identity, now).certificate.extensions
        value = stolen.get_extension_for_oid(EXTENSION).value
        builder = builder.add_extension(value, False)
    if kind == "expired":
        public = private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        proof = identity.sign(b"libp2p-tls-handshake:" + public)
        extension = encode(identity.publicKey.toBytes(), proof)
        builder = builder.add_extension(
            x509.UnrecognizedExtension(EXTENSION, extension), False
        )
    return builder.sign(private, SHA256()), private


def garbage(count: int) -> list[bytes]:
    """
    Make datagrams, a quarter of which look like those that begin a connection.
    """
    made = []
    for number in range(count):
        if number % 4:
            made.append(os.urandom(number % 1400 + 1))
        else:
            head = b"\xc0\0\0\0\1\x08" + os.urandom(8) + b"\x08" + os.urandom(8)
            made.append((head + b"\0\x44\x9e").ljust(1200, b"\7"))
    return made


def initial(dialer: QuicConnection, address: Address) -> bytes:
    """
    Return the first datagram of a dialer.
    """
    dialer.connect(address, time.monotonic())
    first: bytes = dialer.datagrams_to_send(time.monotonic())[0][0]
    return first


def hello(
    given: Certificate | None = None, alpn: str | None = "libp2p"
) -> QuicConnection:
    """
    Make a dialer.

    @param given: its certificate; none by default.
    """
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=None if alpn is None else [alpn],
        supported_versions=[1],
        verify_mode=CERT_NONE,
    )
    if given is not None:
        configuration.certificate, configuration.private_key = given
    return QuicConnection(configuration=configuration)


class Dialer:
    """
    A dialer on a socket.

    @ivar quic: aioquic's object.
    @ivar confirmed: whether the node has accepted it.
    @ivar ended: the code with which the node has ended the connection.
    @ivar received: the bytes of each stream.
    """

    def __init__(self, address: Address, quic: QuicConnection) -> None:
        self.quic = quic
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.ended: int | None = None
        self.received: dict[int, bytes] = {}
        quic.connect(address, time.monotonic())

    @property
    def confirmed(self) -> bool:
        """
        Whether the node has accepted the certificate.
        """
        return self.quic._handshake_confirmed

    def run(self, seconds: float) -> None:
        """
        Carry datagrams for some time, or until the connection has ended.
        """
        until = time.monotonic() + seconds
        while (now := time.monotonic()) < until and self.ended is None:
            for data, address in self.quic.datagrams_to_send(now):
                self.socket.sendto(data, address)
            due = self.quic.get_timer() or until
            wait = max(0.0, min(due, until) - now)
            if select.select([self.socket], [], [], min(wait, 0.05))[0]:
                try:
                    while True:
                        data = self.socket.recv(65535)
                        self.quic.receive_datagram(data, self.address, time.monotonic())
                except BlockingIOError:
                    pass
            if due <= time.monotonic():
                self.quic.handle_timer(time.monotonic())
            self._look()

    def _look(self) -> None:
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, events.StreamDataReceived):
                before = self.received.get(event.stream_id, b"")
                self.received[event.stream_id] = before + event.data
        closed = self.quic._close_event
        if closed is not None:
            self.ended = closed.error_code

    def close(self) -> None:
        """
        Close the connection and the socket.
        """
        if self.ended is None:
            self.quic.close()
            for data, address in self.quic.datagrams_to_send(time.monotonic()):
                self.socket.sendto(data, address)
        self.socket.close()
