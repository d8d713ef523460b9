# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.tls.handshake}.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.trial.unittest import SynchronousTestCase

from tests.security.tls.forgery import IDENTITY, NOW, UNLAWFUL, forge
from twisted_libp2p.errors import HandshakeFailed, PeerMismatch
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.security import Handshake, HandshakeMachine, Secured
from twisted_libp2p.security.tls.handshake import TLSHandshake

GOOD = forge()[0].public_bytes(Encoding.DER)
BAD = UNLAWFUL["bare"][0]()[0].public_bytes(Encoding.DER)


class TLSHandshakeTests(SynchronousTestCase):
    """
    Tests for L{TLSHandshake}.
    """

    def make(
        self, *muxers: str, initiator: bool = True, expected: PeerID | None = None
    ) -> TLSHandshake:
        """
        Begin a handshake.
        """
        identity = Identity.generate()
        handshake = Handshake(identity, initiator, expected, muxers, self.fail)
        return TLSHandshake(handshake, lambda: NOW)

    def assertRefused(self, machine: TLSHandshake, message: str) -> None:
        """
        The machine says why it does, and stays with it.
        """
        refusal = machine.refusal
        assert refusal is not None
        self.assertEqual(refusal.layer, "/tls/1.0.0")
        self.assertTrue(refusal.message.startswith(message), refusal)
        self.assertFalse(machine.judge(GOOD, 0, b"libp2p"))
        self.assertRaises(HandshakeFailed, machine.complete, 1)
        self.assertIs(machine.refusal, refusal)
        self.assertIsNone(machine.secured)
        self.assertIsNone(machine.channel)

    def test_secured(self) -> None:
        """
        The peer is known when it has proven that the certificate is its own,
        and not before.
        """
        machine: HandshakeMachine = self.make("/a", "/b")
        assert isinstance(machine, TLSHandshake)
        self.assertEqual(machine.start(), b"")
        self.assertTrue(machine.judge(GOOD, 0, b"/b"))
        self.assertIsNone(machine.secured)
        machine.complete(1)
        self.assertEqual(
            machine.secured,
            Secured("/tls/1.0.0", IDENTITY.peerID, IDENTITY.publicKey, "/b"),
        )
        assert machine.channel is not None
        self.assertFalse(machine.channel.truncated)
        self.assertEqual(machine.trailing, b"")

    def test_channel(self) -> None:
        """
        The channel leaves the work to OpenSSL.
        """
        machine = self.make()
        machine.judge(GOOD, 0, b"libp2p")
        machine.complete(1)
        channel = machine.channel
        assert channel is not None
        opened = [b"before"]
        channel.open(b"data", opened)
        self.assertEqual(opened, [b"before", b"data"])
        self.assertEqual(channel.seal([b"one", b"two"]), [b"one", b"two"])

    def test_data(self) -> None:
        """
        No data is taken for the peer's before the handshake is complete.
        """
        self.assertRaises(HandshakeFailed, self.make().receive, b"data")

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
            machine = self.make(*ours, initiator=False)
            self.assertEqual(machine.select(offered), selected)

    def test_selectNothing(self) -> None:
        """
        There is no handshake without an application protocol in common.
        """
        for offered in ([], [b"h2", b"http/1.1"], [b""], [b"\xff" * 255]):
            machine = self.make("/a", initiator=False)
            self.assertRaises(HandshakeFailed, machine.select, offered)
            self.assertRefused(machine, "the peer offers no application protocol")

    def test_selected(self) -> None:
        """
        A server that answers no application protocol, or none of ours, is
        refused.
        """
        for selected in (b"", b"/b", b"h2", b"\xff"):
            machine = self.make("/a")
            self.assertFalse(machine.judge(GOOD, 0, selected))
            self.assertRefused(machine, "no application protocol was agreed")

    def test_late(self) -> None:
        """
        Where only libp2p is agreed, the muxer is left open.
        """
        machine = self.make("/a")
        machine.judge(GOOD, 0, b"libp2p")
        machine.complete(1)
        assert machine.secured is not None
        self.assertIsNone(machine.secured.muxer)

    def test_certificate(self) -> None:
        """
        A bad certificate is refused, and the rule is told.
        """
        machine = self.make()
        self.assertFalse(machine.judge(BAD, 0, b"libp2p"))
        self.assertRefused(
            machine, "the peer's certificate: it has no libp2p extension"
        )

    def test_again(self) -> None:
        """
        However often OpenSSL asks, one certificate is judged once.
        """
        machine = self.make()
        for _ in range(3):
            self.assertTrue(machine.judge(GOOD, 0, b"libp2p"))

    def test_chain(self) -> None:
        """
        One certificate behind another is one too many, wherever it is seen.
        """
        machine = self.make()
        self.assertFalse(machine.judge(GOOD, 1, b"libp2p"))
        self.assertRefused(machine, "the peer's certificate: it is one of several")
        machine = self.make()
        self.assertTrue(machine.judge(GOOD, 0, b"libp2p"))
        self.assertFalse(machine.judge(GOOD, 1, b"libp2p"))
        self.assertRefused(machine, "the peer's certificate: it is one of several")
        for number in (0, 2, 10):
            machine = self.make()
            self.assertTrue(machine.judge(GOOD, 0, b"libp2p"))
            error = self.assertRaises(HandshakeFailed, machine.complete, number)
            self.assertIn("it is one of several", str(error))
            self.assertIsNone(machine.secured)

    def test_notJudged(self) -> None:
        """
        Nobody is secured whose certificate was not judged.
        """
        machine = self.make()
        error = self.assertRaises(HandshakeFailed, machine.complete, 1)
        self.assertIn("was not judged", str(error))
        self.assertIsNone(machine.secured)

    def test_expected(self) -> None:
        """
        The peer has to be the one that is expected, if one is.
        """
        machine = self.make(expected=IDENTITY.peerID)
        self.assertTrue(machine.judge(GOOD, 0, b"libp2p"))
        expected = Identity.generate().peerID
        machine = self.make(expected=expected)
        self.assertFalse(machine.judge(GOOD, 0, b"libp2p"))
        self.assertRefused(machine, "expected peer ")
        error = machine.refusal
        assert isinstance(error, PeerMismatch)
        self.assertEqual(error.expected, str(expected))
        self.assertEqual(error.obtained, str(IDENTITY.peerID))
