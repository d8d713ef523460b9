# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.tls.verdict}.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from tests.security.tls.forgery import IDENTITY, NOW, UNLAWFUL, forge
from twisted_libp2p.errors import HandshakeFailed, PeerMismatch
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Handshake, Role, Secured
from twisted_libp2p.security.tls.verdict import Verdict

GOOD = forge()[0].public_bytes(Encoding.DER)
BAD = UNLAWFUL["bare"][0]()[0].public_bytes(Encoding.DER)


class VerdictTests(SynchronousTestCase):
    """
    Tests for L{Verdict}.
    """

    def make(
        self, *muxers: str, initiator: bool = True, expected: PeerID | None = None
    ) -> Verdict:
        """
        Begin a handshake.
        """
        identity = Identity.generate()
        handshake = Handshake(
            identity,
            Role.CLIENT if initiator else Role.SERVER,
            expected,
            muxers,
            self.fail,
        )
        return Verdict(handshake, lambda: NOW)

    def assertRefused(self, verdict: Verdict, message: str) -> None:
        """
        It says why it does, and stays with it.
        """
        refusal = verdict.refusal
        assert refusal is not None
        self.assertEqual(refusal.layer, "/tls/1.0.0")
        self.assertTrue(refusal.message.startswith(message), refusal)
        self.assertFalse(verdict.judge(GOOD, 0, b"libp2p"))
        self.assertRaises(HandshakeFailed, verdict.complete, 1)
        self.assertIs(verdict.refusal, refusal)

    def test_secured(self) -> None:
        """
        It is told who the peer is when it has proven that the certificate is
        its own.
        """
        verdict = self.make("/a", "/b")
        self.assertTrue(verdict.judge(GOOD, 0, b"/b"))
        self.assertEqual(
            verdict.complete(1),
            Secured("/tls/1.0.0", IDENTITY.peerID, IDENTITY.publicKey, "/b"),
        )

    def test_offer(self) -> None:
        """
        The muxers are offered in order, and libp2p itself at the end.
        """
        self.assertEqual(self.make("/a", "/b").offer, [b"/a", b"/b", b"libp2p"])
        self.assertEqual(self.make().offer, [b"libp2p"])

    def test_select(self) -> None:
        """
        A server follows the client's order.
        """
        for ours, offered, selected in (
            (("/a", "/b"), [b"/b", b"/a", b"libp2p"], b"/b"),
            (("/a", "/b"), [b"/x", b"/a", b"libp2p"], b"/a"),
            (("/a",), [b"/x", b"libp2p"], b"libp2p"),
            (("/a",), [b"libp2p", b"/a"], b"libp2p"),
            ((), [b"/a", b"libp2p"], b"libp2p"),
            (("/a",), [b"/a"], b"/a"),
        ):
            verdict = self.make(*ours, initiator=False)
            self.assertEqual(verdict.select(offered), selected)

    def test_selectNothing(self) -> None:
        """
        There is no handshake without an application protocol in common.
        """
        for offered in ([], [b"h2", b"http/1.1"], [b""], [b"\xff" * 255]):
            verdict = self.make("/a", initiator=False)
            self.assertRaises(HandshakeFailed, verdict.select, offered)
            self.assertRefused(verdict, "the peer offers no application protocol")

    def test_selected(self) -> None:
        """
        A server that answers no application protocol, or none of ours, is
        refused.
        """
        for selected in (b"", b"/b", b"h2", b"\xff"):
            verdict = self.make("/a")
            self.assertFalse(verdict.judge(GOOD, 0, selected))
            self.assertRefused(verdict, "no application protocol was agreed")

    def test_late(self) -> None:
        """
        Where only libp2p is agreed, the muxer is left open.
        """
        verdict = self.make("/a")
        verdict.judge(GOOD, 0, b"libp2p")
        self.assertIsNone(verdict.complete(1).muxer)

    def test_certificate(self) -> None:
        """
        A bad certificate is refused, and the rule is told.
        """
        verdict = self.make()
        self.assertFalse(verdict.judge(BAD, 0, b"libp2p"))
        self.assertRefused(
            verdict, "the peer's certificate: it has no libp2p extension"
        )

    def test_again(self) -> None:
        """
        However often OpenSSL asks, one certificate is judged once.
        """
        verdict = self.make()
        self.assertFalse(verdict.given)
        for _ in range(3):
            self.assertTrue(verdict.judge(GOOD, 0, b"libp2p"))
            self.assertTrue(verdict.given)
        self.assertFalse(verdict.judge(GOOD, 1, b"libp2p"))
        self.assertFalse(verdict.given)

    def test_chain(self) -> None:
        """
        One certificate behind another is one too many, wherever it is seen.
        """
        verdict = self.make()
        self.assertFalse(verdict.judge(GOOD, 1, b"libp2p"))
        self.assertRefused(verdict, "the peer's certificate: it is one of several")
        verdict = self.make()
        self.assertTrue(verdict.judge(GOOD, 0, b"libp2p"))
        self.assertFalse(verdict.judge(GOOD, 1, b"libp2p"))
        self.assertRefused(verdict, "the peer's certificate: it is one of several")
        for number in (0, 2, 10):
            verdict = self.make()
            self.assertTrue(verdict.judge(GOOD, 0, b"libp2p"))
            error = self.assertRaises(HandshakeFailed, verdict.complete, number)
            self.assertIn("it is one of several", str(error))

    def test_notJudged(self) -> None:
        """
        Nobody is secured whose certificate was not judged.
        """
        verdict = self.make()
        error = self.assertRaises(HandshakeFailed, verdict.complete, 1)
        self.assertIn("was not judged", str(error))

    def test_expected(self) -> None:
        """
        The peer has to be the one that is expected, if one is.
        """
        verdict = self.make(expected=IDENTITY.peerID)
        self.assertTrue(verdict.judge(GOOD, 0, b"libp2p"))
        expected = Identity.generate().peerID
        verdict = self.make(expected=expected)
        self.assertFalse(verdict.judge(GOOD, 0, b"libp2p"))
        self.assertRefused(verdict, "expected peer ")
        error = verdict.refusal
        assert isinstance(error, PeerMismatch)
        self.assertEqual(error.expected, str(expected))
        self.assertEqual(error.obtained, str(IDENTITY.peerID))
