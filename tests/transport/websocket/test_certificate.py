# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transport.websocket.certificate} and
L{twisted_libp2p.transport.websocket.trust}.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from OpenSSL import SSL
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.transport.websocket.authority import Authority
from twisted_libp2p.errors import ConfigurationError, UnsupportedAddress
from twisted_libp2p.interfaces import IReloadable
from twisted_libp2p.transport.private import PrivateNetwork, PrivateTransport
from twisted_libp2p.transport.websocket.certificate import (
    LOOK_INTERVAL,
    ServerCertificate,
)
from twisted_libp2p.transport.websocket.transport import WebSocketTransport
from twisted_libp2p.transport.websocket.trust import NamedServer, Trust


class _Case(SynchronousTestCase):
    """
    A case with an authority.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.authority = Authority(Path(self.mktemp()))

    def shake(
        self,
        certificate: ServerCertificate,
        name: str,
        trust: Trust | None = None,
        client: SSL.Context | None = None,
    ) -> NamedServer:
        """
        Shake hands in memory.

        @return: the client's side.
        @raise SSL.Error: one side has refused.
        """
        server = NamedServer(trust or Trust(self.authority.roots), name)
        ends = [
            server.clientConnectionForTLS(None)
            if client is None
            else SSL.Connection(client, None),
            certificate.serverConnectionForTLS(None),
        ]
        ends[0].set_connect_state()
        ends[1].set_accept_state()
        self.ends = ends
        self.server = server
        for _ in range(4):
            for one, other in (ends, ends[::-1]):
                with contextlib.suppress(SSL.WantReadError):
                    one.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(one.bio_read(65536))
        return server


class TrustTests(_Case):
    """
    Which servers are believed.
    """

    def test_right(self) -> None:
        """
        A name, an IP address, a name with the root's dot and a name that matches a
        wildcard are believed, and HTTP/1.1 is agreed.
        """
        names = ("example.com", "*.example.org", "192.0.2.1", "2001:db8::1")
        certificate = ServerCertificate(self.clock, self.authority.server(*names))
        for name in (
            "example.com",
            "example.com.",
            "EXAMPLE.com",
            "a.example.org",
            "192.0.2.1",
            "2001:db8::1",
        ):
            server = self.shake(certificate, name)
            self.assertIsNone(server.fault)
            for end in self.ends:
                self.assertEqual(end.get_alpn_proto_negotiated(), b"http/1.1")
        self.assertIsNone(self.ends[1].get_servername())
        self.shake(certificate, "example.com")
        self.assertEqual(self.ends[1].get_servername(), b"example.com")

    def refused(self, certificate: Any, name: str, why: str, **options: Any) -> None:
        """
        Check that a server is not believed.
        """
        try:
            self.shake(certificate, name, **options)
        except SSL.Error:
            self.assertIn(why, self.server.explain(Failure()))
        else:
            self.fail(f"{name} is believed")

    def test_wrongName(self) -> None:
        """
        A certificate of another name is refused, whatever it is believed for otherwise.
        """
        certificate = ServerCertificate(
            self.clock, self.authority.server("example.com", "*.example.org")
        )
        for name in (
            "example.net",
            "www.example.com",
            "example.org",
            "a.b.example.org",
            "192.0.2.1",
        ):
            self.refused(certificate, name, f"is not for {name}")

    def test_noName(self) -> None:
        """
        The common name is no name of a server.
        """
        certificate = ServerCertificate(self.clock, self.authority.server())
        self.refused(certificate, "server", "is not for server")

    def test_oddNames(self) -> None:
        """
        A name of other letters is asked for as DNS writes it; a name that no server can
        have is refused, with a typed error or as the wrong one.
        """
        certificate = ServerCertificate(
            self.clock, self.authority.server("xn--bcher-kva.example")
        )
        self.shake(certificate, "b\xfccher.example")
        self.assertEqual(self.ends[1].get_servername(), b"xn--bcher-kva.example")
        trust = Trust(self.authority.roots)
        self.assertRaises(UnsupportedAddress, NamedServer, trust, "\xfc" * 64)
        for name in ("a:b", "a_b", "a" * 300, ""):
            self.refused(certificate, name, "certificate is not for")

    def test_wrongAuthority(self) -> None:
        """
        A certificate of another authority is refused.
        """
        other = Authority(Path(self.mktemp()))
        certificate = ServerCertificate(self.clock, other.server("example.com"))
        self.refused(certificate, "example.com", "authority that is not trusted")
        self.refused(certificate, "example.com", "not trusted", trust=Trust())

    def test_expired(self) -> None:
        """
        An expired certificate is refused.
        """
        certificate = ServerCertificate(
            self.clock, self.authority.server("example.com", days=-1)
        )
        self.refused(certificate, "example.com", "certificate is expired")

    def test_noFile(self) -> None:
        """
        A file without authorities is named, and a file that is not there.
        """
        path = self.authority.folder / "none.pem"
        error = self.assertRaises(
            ConfigurationError, NamedServer, Trust(path), "example.com"
        )
        self.assertEqual(str(error), f"authorities {path}: No such file or directory")
        for content in (b"", b"nothing"):
            path.write_bytes(content)
            error = self.assertRaises(
                ConfigurationError, NamedServer, Trust(path), "example.com"
            )
            self.assertEqual(str(error), f"{path} holds no certificates in PEM")

    def test_oneContext(self) -> None:
        """
        The authorities are read once.
        """
        trust = Trust(self.authority.roots)
        self.assertIs(trust.context, trust.context)

    def test_versions(self) -> None:
        """
        TLS 1.2 and 1.3 are spoken, nothing older.
        """
        certificate = ServerCertificate(self.clock, self.authority.server("a.b"))
        for version, spoken in (
            (SSL.TLS1_1_VERSION, False),
            (SSL.TLS1_2_VERSION, True),
            (SSL.TLS1_3_VERSION, True),
        ):
            client = SSL.Context(SSL.TLS_CLIENT_METHOD)
            client.set_min_proto_version(version)
            client.set_max_proto_version(version)
            if spoken:
                self.shake(certificate, "a.b", client=client)
                self.assertEqual(self.ends[0].get_protocol_version(), version)
            else:
                self.assertRaises(
                    SSL.Error, self.shake, certificate, "a.b", client=client
                )

    def test_otherALPN(self) -> None:
        """
        A client that offers only other protocols, or none, is not refused.
        """
        certificate = ServerCertificate(self.clock, self.authority.server("a.b"))
        for offered in ([b"h2"], []):
            client = SSL.Context(SSL.TLS_CLIENT_METHOD)
            if offered:
                client.set_alpn_protos(offered)
            self.shake(certificate, "a.b", client=client)
            self.assertEqual(self.ends[1].get_alpn_proto_negotiated(), b"")


class CertificateTests(_Case):
    """
    Files of certificates and keys.
    """

    def test_unusable(self) -> None:
        """
        Files that cannot be used are named in one line that says why.
        """
        folder = self.authority.folder
        good = self.authority.server("a.b")
        other = self.authority.server("a.b", file="other")
        empty = folder / "empty.pem"
        empty.touch()
        missing = folder / "missing.pem"
        encrypted = folder / "encrypted.pem"
        encrypted.write_bytes(
            load_pem_private_key(good.read_bytes(), None).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            )
        )
        for certificate, key, why in (
            (missing, None, f"certificate file {missing}: No such file or directory"),
            (empty, None, f"certificate file {empty}: no certificate in PEM"),
            (good, missing, f"key file {missing}: No such file or directory"),
            (good, empty, f"key file {empty}: no private key in PEM"),
            (good, encrypted, f"key file {encrypted}: the key is encrypted; a key"
             " without a passphrase is needed"),
            (good, other, f"the key in {other} does not belong to the certificate in"
             f" {good}"),
        ):  # fmt: skip
            error = self.assertRaises(
                ConfigurationError, ServerCertificate, self.clock, certificate, key
            )
            self.assertEqual(str(error), why)

    def test_renewed(self) -> None:
        """
        A renewed certificate is used for the next connection, after a second.
        """
        path = self.authority.server("old.example")
        certificate = ServerCertificate(self.clock, path)
        self.authority.server("new.example")
        self.shake(certificate, "old.example")
        self.clock.advance(LOOK_INTERVAL)
        self.shake(certificate, "new.example")
        self.assertRaises(SSL.Error, self.shake, certificate, "old.example")

    def test_renewedInSteps(self) -> None:
        """
        Between two steps of a renewal, and if files cannot be used, the last
        certificate stays, and one line says why.
        """
        path = self.authority.server("old.example")
        whole = path.read_bytes()
        certificate = ServerCertificate(self.clock, path)
        path.write_bytes(whole[:100])
        self.clock.advance(LOOK_INTERVAL)
        with capturedLogs() as logs:
            self.shake(certificate, "old.example")
            self.clock.advance(LOOK_INTERVAL)
            self.shake(certificate, "old.example")
        self.assertEqual(len(logs), 1)
        path.unlink()
        self.clock.advance(LOOK_INTERVAL)
        self.shake(certificate, "old.example")
        self.authority.server("new.example")
        self.clock.advance(LOOK_INTERVAL)
        self.shake(certificate, "new.example")

    def test_reload(self) -> None:
        """
        A request to read the files again does not wait for the next look.
        """
        path = self.authority.server("old.example")
        transport = WebSocketTransport(self.clock, secure=True, certificate=path)
        private = PrivateTransport(transport, PrivateNetwork(bytes(32)))
        for each in (transport, private, WebSocketTransport(self.clock)):
            self.assertTrue(IReloadable.providedBy(each))
        certificate: Any = transport._certificate
        for name, each in (("new.example", transport), ("newer.example", private)):
            self.authority.server(name)
            each.reload()
            self.shake(certificate, name)
        path.write_text("")
        with capturedLogs() as logs:
            transport.reload()
        (line,) = logs
        self.assertIn("stays as it was", str(line["log_format"]))
        self.shake(certificate, "newer.example")
        WebSocketTransport(self.clock).reload()

    def test_serverVersions(self) -> None:
        """
        The listener speaks TLS 1.2 and 1.3, nothing older, and HTTP/1.1 inside.
        """
        certificate = ServerCertificate(self.clock, self.authority.server("a.b"))
        for version, spoken in (
            (SSL.TLS1_1_VERSION, False),
            (SSL.TLS1_2_VERSION, True),
            (SSL.TLS1_3_VERSION, True),
        ):
            context = SSL.Context(SSL.TLS_CLIENT_METHOD)
            context.set_min_proto_version(version)
            context.set_max_proto_version(version)
            context.set_alpn_protos([b"h2", b"http/1.1"])
            if not spoken:
                self.assertRaises(
                    SSL.Error, self.shake, certificate, "a.b", client=context
                )
                continue
            self.shake(certificate, "a.b", client=context)
            self.assertEqual(self.ends[0].get_alpn_proto_negotiated(), b"http/1.1")

    def test_replaced(self) -> None:
        """
        A file that another one replaces, with the same time and size, is noticed.
        """
        path = self.authority.server("old.example")
        certificate = ServerCertificate(self.clock, path)
        status = path.stat()
        new = self.authority.server("new.example", file="new")
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        new.replace(path)
        self.clock.advance(LOOK_INTERVAL)
        self.shake(certificate, "new.example")
