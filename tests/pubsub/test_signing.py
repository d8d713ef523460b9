# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.signing}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import Identity, KeyType, PrivateKey
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.signing import (
    Sequence,
    SignaturePolicy,
    idOfAuthor,
    idOfContent,
    shapeFault,
    sign,
    verify,
)

#: The private key of 32 bytes of 1, as libp2p keeps it.
KEY = bytes.fromhex(
    "08011240" + "01" * 32 + "8a88e3dd7409f195fd52db2d3cba5d72"
    "ca6709bf1d94121bf3748801b40f6f5c"
)

#: go-libp2p-pubsub 0.18 verifies this signature.
SIGNATURE = bytes.fromhex(
    "185a24b684fc5dc77b63060522ef204667af133bb96a7494d2c5b2953d6968657249b446cdc725b2"
    "6e01131b5f228d984de7c2fb338f920a2188d23ca1af440c"
)


def signed(identity: Identity | None = None) -> Message:
    """
    Return a message that is signed.
    """
    identity = identity or Identity(PrivateKey.fromBytes(KEY))
    message = Message(
        "test", b"hello", identity.peerID.toBytes(), (1).to_bytes(8, "big")
    )
    sign(identity, message)
    return message


class SignatureTests(SynchronousTestCase):
    """
    Signatures, and the faults that they find.
    """

    def test_vector(self) -> None:
        """
        The signature is that of go-libp2p-pubsub.
        """
        message = signed()
        self.assertEqual(message.signature, SIGNATURE)
        self.assertIsNone(message.key)
        self.assertIsNone(verify(message))
        self.assertEqual(len(message.entry()), 129 + 3)
        source = bytes.fromhex("0024") + KEY[:0] + b"\x08\x01\x12\x20" + KEY[36:]
        self.assertEqual(idOfAuthor(message), source + (1).to_bytes(8, "big"))

    def test_key(self) -> None:
        """
        The key of an author whose id is a hash is sent, and checked.
        """
        message = signed(Identity.generate(KeyType.RSA))
        self.assertIsNotNone(message.key)
        self.assertIsNone(verify(message))
        message.key = None
        self.assertIn("missing", verify(message) or "")
        message.key = Identity.generate().publicKey.toBytes()
        self.assertIn("another author", verify(message) or "")
        message.key = b"\x01"
        self.assertIn("unusable", verify(message) or "")

    def test_forged(self) -> None:
        """
        No part of a signed message can be changed.
        """
        for name, value in (
            ("content", b"hullo"),
            ("content", None),
            ("topic", "toast"),
            ("sequence", bytes(8)),
            ("source", Identity.generate().peerID.toBytes()),
            ("source", b"nobody"),
            ("signature", bytes(64)),
            ("signature", b"x"),
        ):
            message = signed()
            setattr(message, name, value)
            self.assertIsNotNone(verify(message), name)

    def test_shape(self) -> None:
        """
        Each policy demands its fields, and takes no others.
        """
        strict, unsigned = SignaturePolicy
        self.assertIsNone(shapeFault(signed(), strict))
        self.assertIsNone(shapeFault(Message("test", b"x"), unsigned))
        self.assertIsNotNone(shapeFault(signed(), unsigned))
        for name in ("source", "sequence", "signature"):
            message = signed()
            setattr(message, name, None)
            self.assertIsNotNone(shapeFault(message, strict))
            self.assertIsNotNone(shapeFault(message, unsigned))
        message = Message("test", b"x", key=b"")
        self.assertIsNotNone(shapeFault(message, unsigned))

    def test_sequence(self) -> None:
        """
        Sequence numbers grow, and begin with the time.
        """
        sequence = Sequence(lambda: 1700000000.0)
        numbers = [int.from_bytes(sequence.next(), "big") for _ in range(3)]
        self.assertEqual(numbers, [1700000000 * 10**9 + each for each in (1, 2, 3)])

    def test_content(self) -> None:
        """
        The other id depends on the data alone.
        """
        self.assertEqual(
            idOfContent(Message("a", b"x")), idOfContent(Message("b", b"x", b"y"))
        )
