# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.noise.handshake}.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import strategies as st
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector, vectorIdentity
from twisted_libp2p.errors import HandshakeFailed, PeerMismatch
from twisted_libp2p.identity import Identity, PeerID
from twisted_libp2p.interfaces import Handshake, Role
from twisted_libp2p.security.noise.handshake import (
    LONGEST_HANDSHAKE_MESSAGE,
    NoiseHandshake,
)
from twisted_libp2p.security.noise.payload import StaticKey
from twisted_libp2p.security.noise.xx import XXHandshake

VECTOR = vector("noise.xx_handshake")
YAMUX = ("/yamux/1.0.0",)


IDENTITIES = {"initiator": vectorIdentity(1), "responder": vectorIdentity(2)}


def machine(
    side: str, muxers: tuple[str, ...] = YAMUX, expected: PeerID | None = None
) -> NoiseHandshake:
    """
    One side of the handshake of the vectors.
    """
    static, ephemeral = (
        X25519PrivateKey.from_private_bytes(hexBytes(VECTOR, f"{side}_{kind}_private"))
        for kind in ("static", "ephemeral")
    )
    identity = IDENTITIES[side]

    def failed(reason: Failure) -> None:
        raise AssertionError("a machine tells of its failure by raising")

    made = NoiseHandshake(
        Handshake(
            identity,
            Role.CLIENT if side == "initiator" else Role.SERVER,
            expected,
            muxers,
            failed,
        ),
        StaticKey.sign(identity, static),
        ephemeral,
    )
    if side == "responder":
        # It has nothing to send.
        assert made.start() == b""
    return made


MESSAGES = [hexBytes(VECTOR, f"message{number}_wire") for number in (1, 2, 3)]


def framed(message: bytes) -> bytes:
    """
    Put the length of a message in front of it.
    """
    return len(message).to_bytes(2, "big") + message


class NoiseHandshakeTests(SynchronousTestCase):
    """
    Tests for L{NoiseHandshake}.
    """

    def test_vector(self) -> None:
        """
        Known keys give the known messages.
        """
        initiator, responder = machine("initiator"), machine("responder")
        self.assertEqual(initiator.start(), MESSAGES[0])
        self.assertEqual(responder.receive(MESSAGES[0]), MESSAGES[1])
        self.assertEqual(initiator.receive(MESSAGES[1]), MESSAGES[2])
        self.assertEqual(responder.receive(MESSAGES[2]), b"")
        for us, peer in ((initiator, "responder"), (responder, "initiator")):
            secured = us.secured
            assert secured is not None and us.channel is not None
            self.assertEqual(secured.protocolID, "/noise")
            self.assertEqual(secured.remotePeer, IDENTITIES[peer].peerID)
            self.assertEqual(secured.remoteKey, IDENTITIES[peer].publicKey)
            self.assertEqual(secured.muxer, "/yamux/1.0.0")
            self.assertEqual(us.handshakeHash.hex(), VECTOR["handshake_hash_hex"])
            self.assertEqual(us.trailing, b"")

    @drawn(30, st.lists(st.integers(0, 400), max_size=8))
    def test_splits(self, cuts: list[int]) -> None:
        """
        How the bytes are cut into reads makes no difference; those behind the
        last message are kept.
        """
        more = b"\x00\x15 more"
        places = sorted(cuts)
        responder = machine("responder")
        wire = MESSAGES[0] + MESSAGES[2] + more
        answer = b""
        trailing = b""
        for start, end in zip([0, *places], [*places, len(wire)], strict=True):
            if responder.secured is None:
                answer += responder.receive(wire[start:end])
                trailing = responder.trailing
            else:
                trailing += wire[start:end]
        self.assertEqual(answer, MESSAGES[1])
        self.assertIsNotNone(responder.secured)
        self.assertEqual(trailing, more)

    def test_sizes(self) -> None:
        """
        A message of a size that it cannot have is refused when its length is
        seen.
        """
        cases: list[tuple[Callable[[], NoiseHandshake], bytes, list[int]]] = [
            (lambda: machine("responder"), b"", [0, 1, 31, 33, 96, 65535]),
            (
                self.startedInitiator,
                b"",
                [0, 32, 95, LONGEST_HANDSHAKE_MESSAGE + 1, 65535],
            ),
            (
                lambda: machine("responder"),
                MESSAGES[0],
                [0, 63, LONGEST_HANDSHAKE_MESSAGE + 1, 65535],
            ),
        ]
        for make, before, lengths in cases:
            for length in lengths:
                us = make()
                us.receive(before)
                self.assertRaises(
                    HandshakeFailed, us.receive, length.to_bytes(2, "big")
                )

    def startedInitiator(self) -> NoiseHandshake:
        """
        An initiator that waits for the second message.
        """
        initiator = machine("initiator")
        initiator.start()
        return initiator

    def test_largest(self) -> None:
        """
        A message of the largest size is read; here there is no sense in it.
        """
        initiator = self.startedInitiator()
        data = framed(b"\x09" * LONGEST_HANDSHAKE_MESSAGE)
        self.assertEqual(initiator.receive(data[:-1]), b"")
        error = self.assertRaises(HandshakeFailed, initiator.receive, data[-1:])
        self.assertIn("second message", str(error))

    def test_expected(self) -> None:
        """
        The peer that was dialed is let through, on either side.
        """
        initiator = machine("initiator", expected=IDENTITIES["responder"].peerID)
        responder = machine("responder", expected=IDENTITIES["initiator"].peerID)
        responder.receive(initiator.start())
        initiator.receive(MESSAGES[1])
        responder.receive(MESSAGES[2])
        self.assertIsNotNone(initiator.secured)
        self.assertIsNotNone(responder.secured)

    def test_mismatch(self) -> None:
        """
        If another peer answers, both ids are told, and the initiator does not
        tell who it is.
        """
        expected = Identity.generate().peerID
        initiator = machine("initiator", expected=expected)
        initiator.start()
        error = self.assertRaises(PeerMismatch, initiator.receive, MESSAGES[1])
        self.assertEqual(error.expected, str(expected))
        self.assertEqual(error.obtained, str(IDENTITIES["responder"].peerID))
        self.assertIsNone(initiator.secured)
        self.assertIsNone(initiator.channel)

    def test_muxers(self) -> None:
        """
        Both sides come to the same muxer: the initiator's first that the
        responder has, or none where one side names none.
        """
        for ours, theirs, agreed in (
            (("/a", "/b"), ("/b", "/a"), "/a"),
            (("/x", "/b"), ("/a", "/b"), "/b"),
            ((), ("/a",), None),
            (("/a",), (), None),
            ((), (), None),
        ):
            initiator = machine("initiator", ours)
            responder = machine("responder", theirs)
            responder.receive(initiator.receive(responder.receive(initiator.start())))
            for side in (initiator, responder):
                assert side.secured is not None
                self.assertEqual(side.secured.muxer, agreed)

    def test_noMuxer(self) -> None:
        """
        Without a muxer in common the handshake fails, and both lists are told.
        """
        initiator = machine("initiator", ("/a",))
        responder = machine("responder", ("/b",))
        answer = responder.receive(initiator.start())
        error = self.assertRaises(HandshakeFailed, initiator.receive, answer)
        self.assertIn("/a", str(error))
        self.assertIn("/b", str(error))

    def hostile(self, payload: bytes) -> HandshakeFailed:
        """
        Answer an initiator with a payload of our own.

        @return: its error.
        """
        initiator = machine("initiator")
        responder = XXHandshake(False, X25519PrivateKey.generate())
        responder.read(initiator.start()[2:])
        answer = framed(responder.write(payload))
        error: HandshakeFailed = self.assertRaises(
            HandshakeFailed, initiator.receive, answer
        )
        self.assertIsNone(initiator.secured)
        self.assertEqual(error.layer, "/noise")
        return error

    def test_hostilePayloads(self) -> None:
        """
        A payload that is not one, that is huge, or that is signed for another
        static key ends the handshake with its one typed error.
        """
        stolen = StaticKey.sign(Identity.generate()).payload(YAMUX)
        for payload in (b"", b"\xff" * 100, bytes(10000), b"\x0a\x02no", stolen):
            self.hostile(payload)

    def test_hostileInitiator(self) -> None:
        """
        So it is with the initiator's payload.
        """
        responder = machine("responder")
        initiator = XXHandshake(True, X25519PrivateKey.generate())
        initiator.read(responder.receive(framed(initiator.write(b"")))[2:])
        stolen = StaticKey.sign(Identity.generate()).payload(YAMUX)
        self.assertRaises(
            HandshakeFailed, responder.receive, framed(initiator.write(stolen))
        )
        self.assertIsNone(responder.secured)

    def test_lowOrder(self) -> None:
        """
        A key that nothing is secret with is refused.
        """
        responder = machine("responder")
        error = self.assertRaises(HandshakeFailed, responder.receive, framed(bytes(32)))
        self.assertEqual(
            str(error),
            "/noise: the peer's first message: its public key is of low order",
        )

    @drawn(100, st.booleans(), st.integers(0, 2), st.binary(max_size=300))
    def test_garbage(self, initiator: bool, prefix: int, data: bytes) -> None:
        """
        Whatever the bytes are, nothing but the documented error comes out, and
        nobody is authenticated.
        """
        side = machine("initiator" if initiator else "responder")
        if initiator:
            side.start()
        begin = (MESSAGES[1] if initiator else MESSAGES[0])[: prefix * 17]
        with contextlib.suppress(HandshakeFailed):
            side.receive(begin + data)
        self.assertIsNone(side.secured)
