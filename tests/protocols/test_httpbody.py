# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.protocols.httpbody}.
"""

from __future__ import annotations

import contextlib
from typing import Any

from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509 import load_der_x509_certificate
from OpenSSL import SSL
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web._newclient import HTTP11ClientProtocol, Request
from twisted.web.http_headers import Headers

from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.identity import Identity
from twisted_libp2p.protocols.httpbody import discard, readSome
from twisted_libp2p.quic.webtransport.certificate import CertificateWindow
from twisted_libp2p.testing.quic.pair import MOMENT


class _Wire(StringTransport):
    """
    A socket of TCP.
    """

    closed = False

    def setTcpNoDelay(self, enabled: bool) -> None:
        """
        Do nothing.
        """

    def stopProducing(self) -> None:
        """
        Close.
        """
        self.closed = True

    def resumeProducing(self) -> None:
        """
        Do nothing.
        """


class EndlessTests(SynchronousTestCase):
    """
    A server sends a body without an end over TLS, and never ends TLS.
    """

    def setUp(self) -> None:
        client: Any = HTTP11ClientProtocol()
        factory = TLSMemoryBIOFactory(
            CertificateOptions(), True, Factory.forProtocol(lambda: client)
        )
        self.client: Any = factory.buildProtocol(None)
        self.transport = _Wire()
        self.client.makeConnection(self.transport)
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        made = CertificateWindow(Identity.generate(), lambda: MOMENT).present()
        context.use_certificate(load_der_x509_certificate(made.data))
        key: Any = load_der_private_key(made.key, None)
        context.use_privatekey(key)
        self.server = SSL.Connection(context, None)
        self.server.set_accept_state()
        head = Headers({b"Host": [b"example.com"]})
        answer = client.request(Request._construct(b"GET", b"/", head, None))
        self.turn()
        self.server.send(b"HTTP/1.1 200 OK\r\n\r\nand so on")
        self.turn()
        self.response: Any = self.successResultOf(answer)

    def turn(self) -> None:
        """
        Carry bytes until both sides are quiet.
        """
        for _ in range(10):
            data = self.transport.value()
            self.transport.clear()
            if data:
                self.server.bio_write(data)
            with contextlib.suppress(SSL.WantReadError):
                self.server.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                self.client.dataReceived(self.server.bio_read(65536))

    def assertClosed(self) -> None:
        """
        Check that the connection below TLS is closed, although the server says nothing.
        """
        self.assertTrue(self.transport.closed)

    def test_discard(self) -> None:
        """
        The connection of a body that is not read is closed.
        """
        discard(self.response)
        self.assertClosed()

    def test_long(self) -> None:
        """
        So is that of a body that is too long.
        """
        reading = readSome(self.response, 3)
        self.failureResultOf(reading, ProtocolViolation)
        self.assertClosed()

    def test_cancelled(self) -> None:
        """
        So is that of a body which nobody waits for any longer.
        """
        reading = readSome(self.response, 1000)
        reading.cancel()
        self.failureResultOf(reading)
        self.assertClosed()
