# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.noise.xx}.
"""

from __future__ import annotations

import warnings
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import strategies as st
from noise.connection import Keypair, NoiseConnection
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.security.noise.channel import NoiseChannel
from twisted_libp2p.security.noise.xx import PROTOCOL_NAME, XXHandshake

# The points of small order of Curve25519, and what is the same modulo the
# prime: https://cr.yp.to/ecdh.html#validate.
LOW_ORDER = [
    bytes.fromhex(point)
    for point in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
]

secrets = st.binary(min_size=32, max_size=32)


def key(secret: bytes) -> X25519PrivateKey:
    """
    Make a key of its 32 secret bytes.
    """
    return X25519PrivateKey.from_private_bytes(secret)


def oracle(initiator: bool, static: bytes, ephemeral: bytes, prologue: bytes) -> Any:
    """
    Make one side of a handshake by another implementation.
    """
    connection = NoiseConnection.from_name(PROTOCOL_NAME)
    if initiator:
        connection.set_as_initiator()
    else:
        connection.set_as_responder()
    connection.set_keypair_from_private_bytes(Keypair.STATIC, static)
    connection.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
    connection.set_prologue(prologue)
    with warnings.catch_warnings():
        # It warns of ephemeral keys that are given.
        warnings.simplefilter("ignore")
        connection.start_handshake()
    return connection


def pair(prologues: tuple[bytes, bytes] = (b"", b"")) -> list[XXHandshake]:
    """
    Make an initiator and a responder.
    """
    return [
        XXHandshake(initiator, key(secret * 32), prologue=prologue)
        for initiator, secret, prologue in zip(
            (True, False), (b"\x31", b"\x41"), prologues, strict=True
        )
    ]


class XXHandshakeTests(SynchronousTestCase):
    """
    Tests for L{XXHandshake}.
    """

    def test_vector(self) -> None:
        """
        A known handshake gives its known messages, keys and hash.
        """
        known = vector("noise.xx_handshake")
        initiator, responder = (
            XXHandshake(
                side == "initiator",
                key(hexBytes(known, f"{side}_static_private")),
                key(hexBytes(known, f"{side}_ephemeral_private")),
            )
            for side in ("initiator", "responder")
        )
        writer, reader = initiator, responder
        for number in (1, 2, 3):
            payload = bytes.fromhex(known.get(f"message{number}_payload_hex", ""))
            message = writer.write(payload)
            # The vector has the length of the frame in front.
            self.assertEqual(message.hex(), known[f"message{number}_wire_hex"][4:])
            self.assertEqual(reader.read(message), payload)
            writer, reader = reader, writer
        keys = tuple(
            hexBytes(known, f"key_{way}")
            for way in ("initiator_to_responder", "responder_to_initiator")
        )
        for side in (initiator, responder):
            self.assertEqual(side.symmetric.split(), keys)
            self.assertEqual(side.symmetric.hash.hex(), known["handshake_hash_hex"])
        for side, peer in ((initiator, "responder"), (responder, "initiator")):
            self.assertEqual(
                side.remoteStatic,
                hexBytes(known, f"{peer}_static_public"),
            )

    @drawn(
        25,
        st.booleans(),
        st.tuples(secrets, secrets),
        st.tuples(secrets, secrets),
        st.binary(max_size=70),
        st.tuples(*[st.binary(max_size=300)] * 3),
        st.lists(st.tuples(st.booleans(), st.binary(max_size=300)), max_size=6),
    )
    def test_oracle(
        self,
        initiator: bool,
        ours: tuple[bytes, bytes],
        theirs: tuple[bytes, bytes],
        prologue: bytes,
        payloads: tuple[bytes, bytes, bytes],
        messages: list[tuple[bool, bytes]],
    ) -> None:
        """
        Another implementation understands all that is said, and is
        understood, on either side.
        """
        us = XXHandshake(initiator, key(ours[0]), key(ours[1]), prologue)
        them = oracle(not initiator, *theirs, prologue)
        sending = initiator
        for payload in payloads:
            if sending:
                self.assertEqual(them.read_message(us.write(payload)), payload)
            else:
                self.assertEqual(us.read(bytes(them.write_message(payload))), payload)
            sending = not sending
        self.assertEqual(them.get_handshake_hash(), us.symmetric.hash)
        keys = us.symmetric.split()
        channel = NoiseChannel(*(keys if initiator else keys[::-1]))
        for mine, content in messages:
            if mine:
                sealed = b"".join(channel.seal([content]))
                self.assertEqual(them.decrypt(sealed[2:]), content)
            else:
                sealed = them.encrypt(content)
                opened: list[bytes] = []
                channel.open(len(sealed).to_bytes(2, "big") + sealed, opened)
                self.assertEqual(b"".join(opened), content)

    def test_lowOrder(self) -> None:
        """
        An ephemeral key that makes a shared secret everybody knows is refused.
        """
        for point in LOW_ORDER:
            initiator, responder = pair()
            initiator.write(b"")
            responder.read(point)
            self.assertRaises(InvalidInput, responder.write, b"")

    def test_lowOrderAnswer(self) -> None:
        """
        So it is in the answer.
        """
        for point in LOW_ORDER:
            initiator, _ = pair()
            initiator.write(b"")
            self.assertRaises(InvalidInput, initiator.read, point + bytes(64))

    def test_lengths(self) -> None:
        """
        A message that was cut anywhere is refused.
        """
        for number in (1, 2, 3):
            writer, reader = pair()
            for _ in range(number - 1):
                reader.read(writer.write(b"payload"))
                writer, reader = reader, writer
            message = writer.write(b"")
            for end in range(len(message)):
                _, again = self.atMessage(number)
                self.assertRaises(InvalidInput, again.read, message[:end])

    def test_changed(self) -> None:
        """
        A message of which any byte was changed is refused, but for the first
        one: that is nothing but a key.
        """
        for number in (2, 3):
            writer, _ = self.atMessage(number)
            size = len(writer.write(b"payload"))
            for position in range(size):
                writer, reader = self.atMessage(number)
                message = bytearray(writer.write(b"payload"))
                message[position] ^= 1
                self.assertRaises(InvalidInput, reader.read, bytes(message))

    def atMessage(self, number: int) -> tuple[XXHandshake, XXHandshake]:
        """
        Shake hands up to a message.

        @return: who is to write it, and who is to read it.
        """
        writer, reader = pair()
        for _ in range(number - 1):
            reader.read(writer.write(b""))
            writer, reader = reader, writer
        return writer, reader

    def test_prologue(self) -> None:
        """
        Sides that start from something else do not understand each other.
        """
        initiator, responder = pair((b"one", b"two"))
        responder.read(initiator.write(b""))
        self.assertRaises(InvalidInput, initiator.read, responder.write(b""))
