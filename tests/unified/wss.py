# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The suite's C{wss}: each listener signs its own certificate, and no dialer checks it.
The peer id is proven inside the WebSocket, as everywhere.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from twisted.internet.interfaces import IStreamClientEndpoint
from zope.interface import implementer

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import UnsupportedAddress
from twisted_libp2p.interfaces import (
    DEFAULT_OPTIONS,
    DialOptions,
    IHost,
    ITransportProvider,
)
from twisted_libp2p.transport.tcp import TCPTransport
from twisted_libp2p.transport.websocket.endpoints import WebSocketClientEndpoint
from twisted_libp2p.transport.websocket.place import Place
from twisted_libp2p.transport.websocket.transport import WebSocketTransport
from twisted_libp2p.transport.websocket.trust import NamedServer, Trust

__all__ = ["UncheckedWebSockets"]


def _writeCertificate(path: Path) -> None:
    """
    Write a new certificate that is signed by itself, and its key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now, day = datetime.now(UTC), timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path.touch(0o600)
    path.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )


class _UncheckedServer(NamedServer):
    """
    A server whose certificate is accepted, whatever it is.
    """

    def _verify(self, *facts: object) -> bool:
        """
        Judge one certificate.
        """
        return True


class _UncheckedTransport(WebSocketTransport):
    """
    The transport C{wss} of a node of the suite.
    """

    def __init__(self, reactor: Any) -> None:
        # It goes with this object.
        self._folder = tempfile.TemporaryDirectory(prefix="unified-")
        certificate = Path(self._folder.name) / "certificate.pem"
        _writeCertificate(certificate)
        super().__init__(reactor, secure=True, certificate=certificate)
        self._clock = reactor
        # Nothing is checked against these, but there have to be some.
        self._roots = Trust(certificate)

    def clientEndpoint(
        self, address: Multiaddr, options: DialOptions = DEFAULT_OPTIONS
    ) -> IStreamClientEndpoint:
        """
        Return the endpoint that connects to an address.

        @raise UnsupportedAddress: it is no WebSocket.
        """
        place = Place.of(address)
        if place is None:
            raise UnsupportedAddress(f"{address} is no WebSocket")
        return WebSocketClientEndpoint(
            TCPTransport(self._clock).clientEndpoint(place.below, options),
            place,
            _UncheckedServer(self._roots, place.host),
            self._clock,
        )


@implementer(ITransportProvider)
class UncheckedWebSockets:
    """
    Provides C{wss} with a certificate of its own, which is signed by itself.
    """

    name = "wss"
    description = "WebSocket over TLS, without a look at certificates"

    def provide(self, host: IHost) -> _UncheckedTransport:
        """
        Make the transport for a node.
        """
        return _UncheckedTransport(host.reactor)
