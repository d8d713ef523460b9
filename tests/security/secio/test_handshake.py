# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.secio.handshake}.
"""

from __future__ import annotations

from itertools import product

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis.strategies import integers
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.security.secio.peer import Peer, cut, frame, xCoordinate
from tests.vectors import hexBytes, vector
from twisted_libp2p.errors import HandshakeFailed, PeerMismatch
from twisted_libp2p.identity import Identity, KeyType, PrivateKey
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security.secio.ephemeral import EphemeralKey
from twisted_libp2p.security.secio.handshake import (
    LONGEST_HANDSHAKE_MESSAGE,
    SecioHandshake,
    SecioState,
)
from twisted_libp2p.security.secio.suite import CIPHERS, EXCHANGES, HASHES, Offer

OURS, THEIRS = (
    Identity(
        PrivateKey.fromBytes(hexBytes(vector(f"key.test_identity_{each}"), "private"))
    )
    for each in ("01", "02")
)

ALL = Offer(tuple(EXCHANGES), tuple(CIPHERS), tuple(HASHES))

NONCE = bytes(range(16))


class SecioHandshakeTests(SynchronousTestCase):
    """
    Tests for L{SecioHandshake}, against a peer of another make.
    """

    def setUp(self) -> None:
        """
        Have both sides.
        """
        self.machine = self.ours()
        self.peer = Peer(THEIRS)

    def ours(
        self,
        offer: Offer = ALL,
        expected: Identity | None = None,
        nonce: bytes | None = NONCE,
    ) -> SecioHandshake:
        """
        Make our side.
        """
        peer = None if expected is None else expected.peerID
        handshake = Handshake(OURS, Role.CLIENT, peer, (), self.fail)
        return SecioHandshake(handshake, offer, nonce)

    def exchanged(self) -> None:
        """
        Go as far as the keys of the channel, and check that the peer's first
        packet is all that is missing.
        """
        machine, peer = self.machine, self.peer
        (proposal,) = cut(machine.start())
        (exchange,) = cut(machine.receive(frame(peer.propose())))
        ours = peer.takeProposal(proposal)
        peer.takeExchange(exchange)
        (nonce,) = cut(machine.receive(frame(ours.SerializeToString())))
        self.assertEqual(peer.open(nonce), peer.nonce)
        self.assertIsNone(machine.secured)

    def assertRefused(self, said: bytes, about: str) -> HandshakeFailed:
        """
        Check that what the peer says ends the handshake.
        """
        if self.machine.state is SecioState.NEW:
            self.machine.start()
        error: HandshakeFailed = self.assertRaises(
            HandshakeFailed, self.machine.receive, said
        )
        self.assertIn(about, str(error))
        self.assertEqual(error.layer, "/secio/1.0.0")
        self.assertIsNone(self.machine.secured)
        return error

    def test_proposal(self) -> None:
        """
        We propose all that we have, with our key and 16 random bytes.
        """
        (proposal,) = cut(self.machine.start())
        self.peer.propose()
        self.peer.takeProposal(proposal)
        remote = self.peer.remote
        self.assertEqual(remote.rand, NONCE)
        self.assertEqual(remote.pubkey, OURS.publicKey.toBytes())
        self.assertEqual(remote.exchanges, "P-256,P-384,P-521")
        self.assertEqual(remote.ciphers, "AES-256,AES-128")
        self.assertEqual(remote.hashes, "SHA256,SHA512")
        nonces = {self.ours(nonce=None).start() for _ in range(3)}
        self.assertEqual(len(nonces), 3)

    def test_allSuites(self) -> None:
        """
        With every combination of algorithms, whoever's preferences count, both
        sides have the same keys in the end, and the peer is known.
        """
        decided = set()
        for suite, number in product(product(EXCHANGES, CIPHERS, HASHES), range(4)):
            self.machine = self.ours(
                Offer((suite[0],), tuple(CIPHERS), (suite[2], "SHA256"))
            )
            self.peer = Peer(THEIRS, bytes((number,)) * 16, ciphers=suite[1])
            self.exchanged()
            decided.add(self.peer.preferred)
            agreed = self.machine.suite
            assert agreed is not None
            self.assertEqual(
                [agreed.exchange, agreed.cipher, agreed.hash], self.peer.chosen
            )
            self.machine.receive(self.peer.seal(NONCE) + self.peer.seal(b"behind"))
            secured, channel = self.machine.secured, self.machine.channel
            assert secured is not None and channel is not None
            self.assertEqual(secured.protocolID, "/secio/1.0.0")
            self.assertEqual(secured.remotePeer, THEIRS.peerID)
            self.assertEqual(secured.remoteKey, THEIRS.publicKey)
            self.assertIsNone(secured.muxer)
            opened: list[bytes] = []
            channel.open(self.machine.trailing, opened)
            self.assertEqual(opened, [b"behind"])
            for words in (b"hello", b"again"):
                (packet,) = cut(b"".join(channel.seal([words])))
                self.assertEqual(self.peer.open(packet), words)
        self.assertEqual(decided, {True, False})

    def test_shortSecret(self) -> None:
        """
        A secret that begins with a zero byte gives the same keys as the
        peer's, who counts in big integers.
        """

        ours = ec.derive_private_key(2, ec.SECP256R1())
        self.patch(ec, "generate_private_key", lambda curve: ours)
        (proposal,) = cut(self.machine.start())
        (exchange,) = cut(self.machine.receive(frame(self.peer.propose())))
        self.peer.takeProposal(proposal)
        self.peer.private = next(
            key
            for number in range(1, 10_000)
            if xCoordinate(
                key := ec.derive_private_key(number, ec.SECP256R1()),
                EphemeralKey("P-256").public,
            ).bit_length()
            <= 31 * 8
        )
        self.peer.takeExchange(exchange)
        said = self.peer.exchange().SerializeToString()
        (nonce,) = cut(self.machine.receive(frame(said)))
        self.assertEqual(self.peer.open(nonce), self.peer.nonce)
        self.machine.receive(self.peer.seal(NONCE))
        self.assertIsNotNone(self.machine.secured)

    @drawn(50, integers(0, 400))
    def test_splits(self, place: int) -> None:
        """
        Wherever a read ends, nothing is known before the last byte, nothing is
        lost, and the same is said.
        """
        self.setUp()
        machine, peer = self.machine, self.peer
        (proposal,) = cut(machine.start())
        proposed = frame(peer.propose())
        exchanged = frame(peer.takeProposal(proposal).SerializeToString())

        def receive(message: bytes) -> bytes:
            answer = machine.receive(message[:place])
            self.assertTrue(machine.secured is None or place >= len(message))
            return answer + machine.receive(message[place:])

        (exchange,) = cut(receive(proposed))
        peer.takeExchange(exchange)
        (nonce,) = cut(receive(exchanged))
        self.assertEqual(peer.open(nonce), peer.nonce)
        self.assertEqual(receive(peer.seal(NONCE)), b"")
        self.assertIsNotNone(machine.secured)

    def test_flightsTogether(self) -> None:
        """
        Proposal and exchange may come in one read.
        """
        (proposal,) = cut(self.machine.start())
        said = frame(self.peer.propose())
        said += frame(self.peer.takeProposal(proposal).SerializeToString())
        exchange, nonce = cut(self.machine.receive(said))
        self.peer.takeExchange(exchange)
        self.assertEqual(self.peer.open(nonce), self.peer.nonce)

    def test_keyTypes(self) -> None:
        """
        The peer's key may be of any type, the largest included.
        """
        for identity in (
            *(Identity.generate(type) for type in KeyType),
            Identity(PrivateKey.generate(KeyType.RSA, 4096)),
        ):
            self.machine = self.ours(expected=identity)
            self.peer = Peer(identity)
            self.exchanged()
            self.machine.receive(self.peer.seal(NONCE))
            assert self.machine.secured is not None
            self.assertEqual(self.machine.secured.remotePeer, identity.peerID)

    def test_mismatch(self) -> None:
        """
        Somebody else than expected learns nothing but our proposal.
        """
        expected = Identity.generate()
        self.machine = self.ours(expected=expected)
        error = self.assertRefused(frame(self.peer.propose()), "answered")
        assert isinstance(error, PeerMismatch)
        self.assertEqual(error.expected, str(expected.peerID))
        self.assertEqual(error.obtained, str(THEIRS.peerID))

    def test_ourself(self) -> None:
        """
        Whoever says what we say is told so.
        """
        self.assertRefused(self.machine.start(), "our own")

    def test_badProposals(self) -> None:
        """
        A proposal that is incomplete or makes no sense is refused.
        """
        for field, value, about in (
            ("rand", b"", "nonce"),
            ("rand", bytes(15), "nonce"),
            ("rand", bytes(17), "nonce"),
            ("pubkey", b"", "key"),
            ("pubkey", b"\x08\x09" + THEIRS.publicKey.toBytes()[2:], "key"),
            ("pubkey", THEIRS.publicKey.toBytes() + b"\x00", "key"),
            ("exchanges", "", "exchange"),
            ("exchanges", "P-224", "exchange"),
            ("ciphers", "Blowfish", "cipher"),
            ("ciphers", "AES-256 ", "cipher"),
            ("hashes", ",", "hash"),
        ):
            self.setUp()
            setattr(self.peer.message, field, value)
            error = self.assertRefused(frame(self.peer.propose()), about)
            self.assertIn("proposal", str(error))
        self.setUp()
        # Not UTF-8.
        good = self.peer.propose()
        self.assertRefused(frame(good.replace(b"P-384", b"P\xff384")), "proposal")

    def test_badExchanges(self) -> None:
        """
        An exchange is refused that is not signed by the peer's key, or not
        over these very proposals and the ephemeral key; or whose ephemeral key
        is none.
        """
        other = Identity.generate()

        def another() -> bytes:
            return EphemeralKey(self.peer.chosen[0]).public

        def signed(epubkey: bytes, by: Identity = THEIRS) -> dict[str, bytes]:
            said = self.peer.proposal + self.peer.remoteProposal + epubkey
            return {"epubkey": epubkey, "signature": by.sign(said)}

        def swapped() -> dict[str, bytes]:
            public = self.peer.exchange().epubkey
            said = self.peer.remoteProposal + self.peer.proposal + public
            return {"signature": THEIRS.sign(said)}

        for change, about in (
            (lambda: {"signature": b""}, "sign"),
            (lambda: {"signature": bytes(64)}, "sign"),
            (lambda: {"epubkey": another()}, "sign"),
            (lambda: {"epubkey": b""}, "sign"),
            (lambda: signed(self.peer.exchange().epubkey, by=other), "sign"),
            (swapped, "sign"),
            (lambda: signed(b""), "ephemeral"),
            (lambda: signed(b"\x04" + b"\x01" * 64), "curve"),
            (lambda: signed(EphemeralKey("P-521").public), "ephemeral"),
        ):
            self.setUp()
            (proposal,) = cut(self.machine.start())
            self.machine.receive(frame(self.peer.propose()))
            exchange = self.peer.takeProposal(proposal)
            for field, value in change().items():
                setattr(exchange, field, value)
            error = self.assertRefused(frame(exchange.SerializeToString()), about)
            self.assertIn("exchange", str(error))

    def test_changedProposal(self) -> None:
        """
        If somebody has changed our proposal on its way, to have the worst
        algorithms chosen, the peer's signature shows it.
        """
        (proposal,) = cut(self.machine.start())
        self.machine.receive(frame(self.peer.propose()))
        changed = proposal.replace(b"AES-256,AES-128", b"AES-128,AES-128")
        self.assertNotEqual(changed, proposal)
        exchange = self.peer.takeProposal(changed)
        self.assertRefused(frame(exchange.SerializeToString()), "sign")

    def test_badNonces(self) -> None:
        """
        Until the peer has given our nonce back it is nobody, whatever else it
        sends, and nothing of that is kept for the application.
        """
        for nonce in (bytes(16), NONCE[:-1] + b"\x00", NONCE[::-1]):
            self.setUp()
            self.exchanged()
            self.assertRefused(self.peer.seal(nonce) + self.peer.seal(b"x"), "nonce")
            self.assertEqual(self.machine.trailing, b"")

    def test_earlyData(self) -> None:
        """
        Data in the place of the nonce is refused by its length.
        """
        for size in (0, 1, 15, 17, 1000, 60_000):
            self.setUp()
            self.exchanged()
            self.assertRefused(self.peer.seal(bytes(size))[:4], "nonce")

    def test_changedNonce(self) -> None:
        """
        A changed byte of the nonce's packet is noticed.
        """
        for place in range(4, 4 + 16 + 32):
            self.setUp()
            self.exchanged()
            packet = bytearray(self.peer.seal(NONCE))
            packet[place] ^= 1
            self.assertRefused(bytes(packet), "nonce")

    def test_garbage(self) -> None:
        """
        What is no message is refused at every step.
        """
        said = frame(b"\xff" * 20)
        self.assertRefused(said, "proposal")
        self.setUp()
        self.machine.start()
        self.machine.receive(frame(self.peer.propose()))
        self.assertRefused(said, "exchange")

    def test_lengths(self) -> None:
        """
        A message is refused by its length, before it is here.
        """
        for length in (0, LONGEST_HANDSHAKE_MESSAGE + 1, 0x800000, 0xFFFFFFFF):
            prefix = length.to_bytes(4, "big")
            self.setUp()
            self.assertRefused(prefix, "proposal")
            self.setUp()
            self.machine.start()
            self.machine.receive(frame(self.peer.propose()))
            self.assertRefused(prefix, "exchange")
