# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests of the attacker: what it says is right where it means to be, or its attacks
would end for another reason than they are made for.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPublicKey,
    RSAPublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from twisted.trial.unittest import SynchronousTestCase

from tests.attacks.raw import mplex, noise, yamux
from tests.attacks.raw.identity import Identity, base58, multiaddr, rsaKey
from tests.attacks.raw.wire import field, fields, varint
from tests.vectors import hexBytes, vector, vectors


class VectorTests(SynchronousTestCase):
    """
    Its bytes are those of the test vectors.
    """

    def test_noise(self) -> None:
        """
        Both ends of a handshake, and the channel behind it.
        """
        known = vector("noise.xx_handshake")

        def private(name: str) -> X25519PrivateKey:
            return X25519PrivateKey.from_private_bytes(hexBytes(known, name))

        ours = noise.Handshake(
            True,
            private("initiator_static_private"),
            private("initiator_ephemeral_private"),
        )
        theirs = noise.Handshake(
            False,
            private("responder_static_private"),
            private("responder_ephemeral_private"),
        )
        muxers = (yamux.PROTOCOL_ID,)
        first = ours.first()
        theirs.firstReceived(first)
        second = theirs.second(noise.payload(theirs, Identity(b"\x02" * 32), muxers))
        ours.secondReceived(second)
        third = ours.third(noise.payload(ours, Identity(b"\x01" * 32), muxers))
        theirs.thirdReceived(third)
        for number, message in enumerate((first, second, third), 1):
            self.assertEqual(
                noise.frame(message), hexBytes(known, f"message{number}_wire")
            )
        self.assertEqual(ours.keys(), theirs.keys()[::-1])
        self.assertEqual(ours.keys()[0], hexBytes(known, "key_initiator_to_responder"))

    def test_yamux(self) -> None:
        """
        Its frames.
        """
        for name, known in vectors("yamux."):
            made = yamux.frame(
                known["type"], known["flags"], known["stream_id"], known["length"]
            )
            self.assertEqual(made, hexBytes(known, "wire"), name)

    def test_mplex(self) -> None:
        """
        Its frames.
        """
        for name, known in vectors("mplex."):
            made = mplex.frame(
                known["flag"], known["stream_id"], hexBytes(known, "body")
            )
            self.assertEqual(made, hexBytes(known, "wire"), name)

    def test_record(self) -> None:
        """
        A signed record.
        """
        known = vector("envelope.peer_record")
        made = Identity(b"\x01" * 32).record(1, [multiaddr("127.0.0.1", 4001)])
        self.assertEqual(made, hexBytes(known, "envelope"))

    def test_fields(self) -> None:
        """
        What it writes as a message it reads as one.
        """
        message = field(1, 300) + field(4, b"bytes")
        self.assertEqual(list(fields(message)), [(1, 300), (4, b"bytes")])
        self.assertEqual(varint(1 << 34).hex(), "8080808040")

    def test_names(self) -> None:
        """
        Peer ids as text, and keys of RSA.
        """
        who = base58(Identity(b"\x01" * 32).peerID)
        self.assertTrue(who.startswith("12D3KooW"), who)
        modulus = 1 << 2047 | 1
        key = load_der_public_key(rsaKey(modulus, 65537))
        assert isinstance(key, RSAPublicKey)
        self.assertEqual(key.public_numbers(), RSAPublicNumbers(65537, modulus))
