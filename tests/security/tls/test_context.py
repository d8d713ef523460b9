# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.tls.context}: handshakes with peers that are
not ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from OpenSSL import SSL
from OpenSSL.crypto import FILETYPE_ASN1, load_privatekey

from tests.security.tls.foreign import Foreign, makeContext
from tests.security.tls.forgery import LAWFUL, UNLAWFUL, Forged, forge
from tests.security.tls.meeting import Meeting
from tests.vectors import hexBytes, vectors
from twisted_libp2p.errors import HandshakeFailed
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.security.tls import verdict as verdictModule
from twisted_libp2p.security.tls.certificate import authenticate


def stolen(data: bytes) -> Forged:
    """
    Take a certificate whose private key we do not have: OpenSSL is given
    another that claims to belong to it.
    """
    certificate = x509.load_der_x509_certificate(data)
    private = ec.generate_private_key(ec.SECP256R1())
    ours, theirs = (
        each.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        for each in (private.public_key(), certificate.public_key())
    )
    encoded = private.private_bytes(
        Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    assert ours in encoded
    return certificate, load_privatekey(FILETYPE_ASN1, encoded.replace(ours, theirs))


class CertificateTests(Meeting):
    """
    The peer's certificate decides.
    """

    def test_lawful(self) -> None:
        """
        A good certificate is accepted on both sides.
        """
        for make in LAWFUL.values():
            for initiator in (True, False):
                foreign = Foreign(not initiator, makeContext(make()))
                self.meet(initiator, foreign)
                self.assertIsNone(foreign.error)
                self.assertEqual(self.failures, [])
                self.assertTrue(self.application.connected)
                self.cut()

    def test_unlawful(self) -> None:
        """
        A bad certificate is refused on both sides before anything was
        delivered; we are told the rule, and the peer is told by an alert.
        """
        for make, rule in UNLAWFUL.values():
            for initiator in (True, False):
                foreign = Foreign(not initiator, makeContext(make()))
                self.meet(initiator, foreign)
                self.assertRefused(f"the peer's certificate: {rule}")
                self.assertIn("alert unknown ca", str(foreign.error))
                self.assertEqual(foreign.received, b"")

    def test_eager(self) -> None:
        """
        What a client says before we have refused it is not delivered.
        """
        make, rule = UNLAWFUL["bare"]
        foreign = Foreign(True, makeContext(make()))
        self.meet(False, foreign, until=lambda: foreign.finished)
        self.assertFalse(self.application.connected)
        foreign.say(b"I am in a hurry")
        self.pump.flush()
        self.assertRefused(f"the peer's certificate: {rule}")
        self.assertEqual(self.application.received, [])

    def test_vectors(self) -> None:
        """
        The certificates of the specification are judged as it says.  Nobody is
        secured by the good ones either, if it has not their private key.
        """
        peers: list[str] = []

        def watched(data: bytes, now: float) -> PublicKey:
            key = authenticate(data, now)
            peers.append(str(PeerID.fromKey(key)))
            return key

        self.patch(verdictModule, "authenticate", watched)
        for _, vector in vectors("tls."):
            context = makeContext(stolen(hexBytes(vector, "certificate")))
            for initiator in (True, False):
                peers.clear()
                self.meet(initiator, Foreign(not initiator, context))
                if vector["expected"] == "accept":
                    self.assertEqual(peers, [vector["peer_id"]])
                    self.assertRefused("")
                    self.assertIn("bad signature", str(self.failures[0].value))
                else:
                    self.assertEqual(peers, [])
                    self.assertRefused(
                        "the peer's certificate: the identity in its libp2p extension:"
                    )

    def test_none(self) -> None:
        """
        A client without a certificate is refused.
        """
        foreign = Foreign(True, makeContext(None))
        self.meet(False, foreign)
        self.assertRefused("peer did not return a certificate")
        self.assertIn("alert certificate required", str(foreign.error))

    def test_chain(self) -> None:
        """
        Who sends two certificates is refused, whether the second has to do
        with the first or not.
        """
        stranger, _ = forge()
        issuer, _ = forge(names=("issuer", "issuer"))
        for forged, second in (
            (forge(), stranger),
            (forge(names=("host", "issuer")), issuer),
        ):
            for initiator in (True, False):
                context = makeContext(forged, chain=[second])
                self.meet(initiator, Foreign(not initiator, context))
                self.assertRefused("the peer's certificate: it is one of several")

    def test_fault(self) -> None:
        """
        A fault of ours in the judgement ends this connection and is logged; it
        does not come out of OpenSSL.
        """

        def broken(data: bytes, now: float) -> None:
            raise ZeroDivisionError

        self.patch(verdictModule, "authenticate", broken)
        for initiator in (True, False):
            self.meet(initiator, Foreign(not initiator))
            self.assertRefused("certificate verify failed")
            self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))


class ApplicationProtocolTests(Meeting):
    """
    What is spoken inside is agreed in the handshake.
    """

    def test_nothingInCommon(self) -> None:
        """
        A client that speaks nothing of ours is refused by the alert for that.
        """
        foreign = Foreign(True, protocols=[b"h2", b"/other"])
        self.meet(False, foreign, muxers=("/a",))
        self.assertRefused("the peer offers no application protocol that we speak")
        self.assertIn("alert no application protocol", str(foreign.error))

    def test_nothingOffered(self) -> None:
        """
        A client that does not say what it speaks is refused.
        """
        self.meet(False, Foreign(True, protocols=[]))
        self.assertRefused("no application protocol was agreed")

    def test_nothingSelected(self) -> None:
        """
        A server that does not say what it speaks is refused.
        """
        context = makeContext(
            forge(),
            select=lambda *_: SSL.NO_OVERLAPPING_PROTOCOLS,  # type: ignore
        )
        self.meet(True, Foreign(False, context))
        self.assertRefused("no application protocol was agreed")

    def test_somethingElseSelected(self) -> None:
        """
        A server that takes what was not offered is refused.
        """
        context = makeContext(forge(), select=lambda *_: b"/other")
        self.meet(True, Foreign(False, context), muxers=("/a",))
        (failure,) = self.failures
        self.assertTrue(failure.check(HandshakeFailed))
        self.assertFalse(self.application.connected)

    def test_offer(self) -> None:
        """
        Our client offers its muxers in order, and libp2p at the end.
        """
        offers: list[list[bytes]] = []

        def select(connection: SSL.Connection, offered: list[bytes]) -> bytes:
            offers.append(offered)
            return b"/b"

        self.meet(
            True, Foreign(False, makeContext(forge(), select=select)), ("/a", "/b")
        )
        self.assertEqual(offers, [[b"/a", b"/b", b"libp2p"]])
        self.assertEqual(self.secure.secured.muxer, "/b")
        self.cut()

    def test_clientsOrder(self) -> None:
        """
        Our server follows the client's order.
        """
        foreign = Foreign(True, protocols=[b"/x", b"/b", b"/a", b"libp2p"])
        self.meet(False, foreign, ("/a", "/b"))
        self.assertEqual(foreign.tls.get_alpn_proto_negotiated(), b"/b")
        self.assertEqual(self.secure.secured.muxer, "/b")
        self.cut()


class SettingsTests(Meeting):
    """
    What else is agreed in a handshake.
    """

    def test_oldVersion(self) -> None:
        """
        Nobody speaks TLS 1.2 with us.
        """
        for initiator in (True, False):
            context = makeContext(forge(), version=SSL.TLS1_2_VERSION)
            foreign = Foreign(not initiator, context)
            self.meet(initiator, foreign)
            (failure,) = self.failures
            self.assertTrue(failure.check(HandshakeFailed))
            self.assertIn("protocol", str(failure.value))
            self.assertFalse(foreign.finished)
            self.assertFalse(self.application.connected)

    def test_serverName(self) -> None:
        """
        Our client names no server, and our server does not care.
        """
        foreign = Foreign(False)
        self.meet(True, foreign)
        self.assertIsNone(foreign.tls.get_servername())
        self.assertTrue(self.application.connected)
        self.cut()
        foreign = Foreign(True)
        foreign.tls.set_tlsext_host_name(b"example.com")
        self.meet(False, foreign)
        self.assertTrue(self.application.connected)
        self.cut()

    def _countJudgements(self) -> Callable[[], int]:
        judgements: list[bytes] = []

        def counted(data: bytes, now: float) -> Any:
            judgements.append(data)
            return authenticate(data, now)

        self.patch(verdictModule, "authenticate", counted)
        return lambda: len(judgements)

    def test_clientResumes(self) -> None:
        """
        A client that wants to resume its session shows its certificate again.
        """
        count = self._countJudgements()
        context = makeContext(forge())
        session = None
        for number in (1, 2, 3):
            foreign = Foreign(True, context)
            if session is not None:
                foreign.tls.set_session(session)
            self.meet(False, foreign)
            self.secure.write(b"so that the ticket is read")
            self.pump.flush()
            self.assertEqual(len(foreign.received), 26)
            session = foreign.tls.get_session()
            self.assertEqual(count(), number)
            self.assertTrue(self.application.connected)
            self.cut()

    def test_serverResumes(self) -> None:
        """
        A server that would resume sessions shows its certificate each time.
        """
        count = self._countJudgements()
        context = makeContext(forge())
        context.set_session_cache_mode(SSL.SESS_CACHE_SERVER)
        for number in (1, 2, 3):
            foreign = Foreign(False, context)
            self.meet(True, foreign)
            foreign.say(b"so that the ticket is read")
            self.pump.flush()
            self.assertEqual(count(), number)
            self.cut()

    def test_tickets(self) -> None:
        """
        Our server sends no ticket that holds a session: behind its handshake
        there are at most two small ones of OpenSSL's.
        """
        foreign = Foreign(True)
        self.meet(False, foreign, until=lambda: foreign.finished)
        before = len(self.pump.server.sent)
        self.pump.flush()
        self.assertLessEqual(len(self.pump.server.sent) - before, 2 * 79)
        self.cut()

    def test_earlyData(self) -> None:
        """
        Data that comes ahead of the client's certificate ends the handshake.
        """
        for record in (
            b"\x17\x03\x03\x00\x05hello",
            b"\x17\x03\x03\x00\x40" + bytes(64),
        ):
            foreign = Foreign(True)
            self.meet(False, foreign, until=lambda: True)
            foreign.transport.write(record)
            self.pump.flush()
            self.assertRefused("")
            self.assertEqual(self.application.received, [])
            self.assertFalse(self.application.connected)
