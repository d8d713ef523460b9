# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.autotls.issued} and L{twisted_libp2p.autotls.held}.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from cryptography.x509 import load_der_x509_csr
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from tests.autotls.servers import HOUR, Issuer
from twisted_libp2p.autotls.held import HeldCertificate
from twisted_libp2p.autotls.issued import (
    MAX_CHAIN,
    CertificateKey,
    IssuedCertificate,
)
from twisted_libp2p.errors import NoCertificate

NAME = "*.peer.example"
NOW = 1_800_000_000.0


def issue(key: CertificateKey, names: Sequence[str] = (NAME,)) -> bytes:
    """
    Issue the certificate that was requested.
    """
    request = load_der_x509_csr(key.request(NAME))
    ends = NOW + 90 * 24 * HOUR
    return Issuer().chain(request.public_key(), [*names], NOW, ends)


def cut(chain: bytes) -> tuple[bytes, bytes]:
    """
    Cut a chain after its first certificate.
    """
    end = b"-----END CERTIFICATE-----\n"
    leaf, _, above = chain.partition(end)
    return leaf + end, above


class IssuedCertificateTests(SynchronousTestCase):
    """
    The checks.
    """

    def setUp(self) -> None:
        """
        Make a key.
        """
        self.key = CertificateKey()

    def refused(self, chain: bytes, name: str = NAME, now: float = NOW) -> str:
        """
        Check a chain that is refused, and return the reason.
        """
        error = self.assertRaises(NoCertificate, self.key.issued, chain, name, now)
        return str(error)

    def test_file(self) -> None:
        """
        It is read as it was written.
        """
        issued = self.key.issued(issue(self.key), NAME, NOW)
        self.assertEqual(issued.begins, NOW)
        self.assertEqual(issued.expires, NOW + 90 * 24 * HOUR)
        again = IssuedCertificate.parse(issued.toPEM(), NAME, NOW)
        self.assertEqual(again.chain, issued.chain)

    def test_refused(self) -> None:
        """
        A certificate of another name, key, time or issuer is refused.
        """
        chain = issue(self.key)
        leaf, above = cut(chain)
        other = issue(CertificateKey())
        for said, reason in (
            ("not for *.b.example", self.refused(chain, name="*.b.example")),
            ("another key", self.refused(other)),
            ("at present", self.refused(chain, now=NOW + 91 * 24 * HOUR)),
            ("at present", self.refused(chain, now=NOW - 2 * HOUR)),
            ("not in PEM", self.refused(b"nonsense")),
            ("not in PEM", self.refused(chain[:80])),
            ("wrong signature", self.refused(leaf + cut(issue(self.key))[1])),
            ("more than", self.refused(leaf + above * MAX_CHAIN)),
        ):
            self.assertIn(said, reason)

    def test_names(self) -> None:
        """
        A certificate with more names, or without one, is refused.
        """
        self.assertIn("not for", self.refused(issue(self.key, [NAME, "example.com"])))
        self.assertIn("no name", self.refused(issue(self.key, [])))


class HeldCertificateTests(SynchronousTestCase):
    """
    Handshakes in memory.
    """

    def shakeHands(
        self, held: HeldCertificate
    ) -> tuple[SSL.Connection, SSL.Connection]:
        """
        Shake hands.

        @return: the client and the server.
        """
        client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
        client.set_connect_state()
        server = held.serverConnectionForTLS(None)
        server.set_accept_state()
        for _ in range(4):
            for one, other in ((client, server), (server, client)):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(65536))
        return client, server

    def test_swapped(self) -> None:
        """
        New connections use the new certificate, and an open one goes on.
        """
        held = HeldCertificate()
        serials = []
        opened = []
        for _ in range(2):
            key = CertificateKey()
            held.hold(key.issued(issue(key), NAME, NOW))
            pair = self.shakeHands(held)
            certificate = pair[0].get_peer_certificate()
            assert certificate is not None
            serials.append(certificate.get_serial_number())
            opened.append(pair)
        self.assertNotEqual(*serials)
        client, server = opened[0]
        server.send(b"still here")
        client.bio_write(server.bio_read(65536))
        self.assertEqual(client.recv(100), b"still here")

    def test_none(self) -> None:
        """
        Without a certificate the handshake fails, also after there was one.
        """
        held = HeldCertificate()
        self.assertRaises(SSL.Error, self.shakeHands, held)
        key = CertificateKey()
        held.hold(key.issued(issue(key), NAME, NOW))
        held.hold(None)
        self.assertRaises(SSL.Error, self.shakeHands, held)
