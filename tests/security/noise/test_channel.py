# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.noise.channel}.
"""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.security.noise.channel import NoiseChannel

KEYS = b"\x01" * 32, b"\x02" * 32
LONGEST = 65519


def pair() -> tuple[NoiseChannel, NoiseChannel]:
    """
    Make both ends of a connection.
    """
    return NoiseChannel(*KEYS), NoiseChannel(*KEYS[::-1])


def seal(channel: NoiseChannel, *pieces: bytes) -> bytes:
    """
    Make one frame, or more, of the pieces.
    """
    return b"".join(channel.seal(pieces))


def opened(channel: NoiseChannel, *reads: bytes) -> list[bytes]:
    """
    Hand over what was received.
    """
    plaintext: list[bytes] = []
    for data in reads:
        channel.open(data, plaintext)
    return plaintext


class SealTests(SynchronousTestCase):
    """
    Tests for L{NoiseChannel.seal}.
    """

    def test_vector(self) -> None:
        """
        Known keys and plaintexts give known frames.
        """
        handshake = vector("noise.xx_handshake")
        sender, receiver = (
            NoiseChannel(
                hexBytes(handshake, f"key_{there}"), hexBytes(handshake, f"key_{back}")
            )
            for there, back in (
                ("initiator_to_responder", "responder_to_initiator"),
                ("responder_to_initiator", "initiator_to_responder"),
            )
        )
        for frame in vector("noise.transport_initiator_to_responder")["frames"]:
            plaintext = hexBytes(frame, "plaintext")
            wire = seal(sender, plaintext)
            self.assertEqual(wire.hex(), frame["wire_hex"])
            self.assertEqual(opened(receiver, wire), [plaintext])

    def test_joined(self) -> None:
        """
        Several pieces make one frame.
        """
        sender, receiver = pair()
        wire = seal(sender, b"one", b"two", b"three")
        self.assertEqual(len(wire), 2 + 11 + 16)
        self.assertEqual(opened(receiver, wire), [b"onetwothree"])

    def test_longest(self) -> None:
        """
        Frames are filled up to 65535 bytes, and the rest is in another.
        """
        for size, expected in (
            (LONGEST, [LONGEST]),
            (LONGEST + 1, [LONGEST, 1]),
            (3 * LONGEST, [LONGEST] * 3),
        ):
            sender, receiver = pair()
            wire = seal(sender, bytes(size))
            self.assertEqual(wire[:2], b"\xff\xff")
            self.assertEqual(list(map(len, opened(receiver, wire))), expected)


class OpenTests(SynchronousTestCase):
    """
    Tests for L{NoiseChannel.open}.
    """

    def test_byteByByte(self) -> None:
        """
        Frames may arrive in the smallest pieces.
        """
        sender, receiver = pair()
        wire = seal(sender, b"one") + seal(sender, b"") + seal(sender, b"x" * 300)
        reads = [wire[i : i + 1] for i in range(len(wire))]
        self.assertEqual(opened(receiver, *reads), [b"one", b"x" * 300])

    @drawn(
        60,
        st.lists(st.binary(max_size=60), max_size=8),
        st.lists(st.integers(0, 600), max_size=12),
    )
    def test_splits(self, contents: list[bytes], cuts: list[int]) -> None:
        """
        How the bytes are cut into reads makes no difference.
        """
        sender, receiver = pair()
        wire = b"".join(seal(sender, content) for content in contents)
        places = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
        reads = [wire[a:b] for a, b in pairwise(places)]
        self.assertEqual(opened(receiver, *reads), [c for c in contents if c])
        self.assertFalse(receiver.truncated)

    def test_straddling(self) -> None:
        """
        The largest frames may lie across reads anywhere.
        """
        sender, receiver = pair()
        contents = [bytes([number]) * LONGEST for number in range(6)]
        wire = b"".join(seal(sender, content) for content in contents)
        for size in (65536, 65535, 4096, 100000, 1000000):
            sender, receiver = pair()
            reads = [wire[i : i + size] for i in range(0, len(wire), size)]
            self.assertEqual(opened(receiver, *reads), contents)

    def test_empty(self) -> None:
        """
        A frame without content is legal, and nobody hears of it.
        """
        sender, receiver = pair()
        wire = seal(sender, b"") + seal(sender, b"after")
        self.assertEqual(wire[:2], b"\x00\x10")
        self.assertEqual(opened(receiver, wire), [b"after"])

    def test_short(self) -> None:
        """
        A frame too short to be sealed is refused when its length is seen,
        also when the length comes in two reads.
        """
        for length in range(16):
            for reads in (
                [length.to_bytes(2, "big")],
                [b"\x00", bytes([length])],
            ):
                _, receiver = pair()
                error = self.assertRaises(ProtocolViolation, opened, receiver, *reads)
                self.assertEqual(error.layer, "/noise")

    def test_changed(self) -> None:
        """
        A changed byte anywhere is noticed, as soon as the frame is complete.
        """
        sender, _ = pair()
        good = seal(sender, b"content")
        for position in range(2, len(good)):
            _, receiver = pair()
            wire = bytearray(good)
            wire[position] ^= 0x80
            self.assertRaises(ProtocolViolation, opened, receiver, bytes(wire))

    def test_order(self) -> None:
        """
        A frame that is repeated, or left out, is noticed.
        """
        sender, receiver = pair()
        first, second = seal(sender, b"1"), seal(sender, b"2")
        self.assertEqual(opened(receiver, first), [b"1"])
        self.assertRaises(ProtocolViolation, opened, receiver, first)
        _, receiver = pair()
        self.assertRaises(ProtocolViolation, opened, receiver, second)

    def test_reflected(self) -> None:
        """
        Our own frames are not the peer's.
        """
        sender, _ = pair()
        self.assertRaises(ProtocolViolation, opened, sender, seal(sender, b"1"))

    def test_goodBeforeBad(self) -> None:
        """
        What was good in front of an error is not lost, wherever the reads end.
        """
        sender, _ = pair()
        wire = seal(sender, b"one") + seal(sender, b"two") + b"\x00\x10" + bytes(16)
        for cut in range(len(wire)):
            _, receiver = pair()
            plaintext: list[bytes] = []
            receiver.open(wire[:cut], plaintext)
            with self.assertRaises(ProtocolViolation):
                receiver.open(wire[cut:], plaintext)
            self.assertEqual(plaintext, [b"one", b"two"])

    def test_truncated(self) -> None:
        """
        An end is in order between two frames only.
        """
        sender, receiver = pair()
        self.assertFalse(receiver.truncated)
        frame = seal(sender, b"content")
        for position in range(len(frame) - 1):
            opened(receiver, frame[position : position + 1])
            self.assertTrue(receiver.truncated)
        opened(receiver, frame[-1:])
        self.assertFalse(receiver.truncated)
