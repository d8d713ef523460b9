# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.secio.frame}.
"""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

from hypothesis.strategies import integers, lists
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.security.secio.peer import cut
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.security.secio.frame import LONGEST_PACKET, SecioChannel
from twisted_libp2p.security.secio.stretch import Keys

HASHES = (("SHA256", 32), ("SHA512", 64))

ONE = Keys(bytes(range(16)), bytes(range(32)), bytes(range(20)))
# The counter overflows at once.
TWO = Keys(b"\xff" * 16, bytes(16), bytes(20))


def pair(hash: str = "SHA256") -> tuple[SecioChannel, SecioChannel]:
    """
    Make both ends.
    """
    return SecioChannel(hash, ONE, TWO), SecioChannel(hash, TWO, ONE)


class SecioChannelTests(SynchronousTestCase):
    """
    Tests for L{SecioChannel}.
    """

    def opened(self, channel: SecioChannel, *reads: bytes) -> list[bytes]:
        """
        Let a channel receive.
        """
        opened: list[bytes] = []
        for read in reads:
            channel.open(read, opened)
        return opened

    def test_layout(self) -> None:
        """
        A packet is the length of what follows, as many bytes as it says, and
        the MAC.
        """
        for hash, macSize in HASHES:
            near, _ = pair(hash)
            sealed = b"".join(near.seal([b"hello"]))
            self.assertEqual(sealed[:4], (5 + macSize).to_bytes(4, "big"))
            self.assertEqual(len(sealed), 4 + 5 + macSize)
            self.assertNotIn(b"hello", sealed)

    def test_roundTrip(self) -> None:
        """
        Both ends understand each other, packet after packet, though the same
        words never look the same.
        """
        for hash, _ in HASHES:
            ends = pair(hash)
            for sender, receiver in (ends, ends[::-1]):
                seen = set()
                for _ in range(3):
                    sealed = b"".join(sender.seal([b"to", b"gether"]))
                    seen.add(sealed)
                    self.assertEqual(self.opened(receiver, sealed), [b"together"])
                    self.assertFalse(receiver.truncated)
                self.assertEqual(len(seen), 3)

    def test_sizes(self) -> None:
        """
        What we send is cut into packets of at most 64 KiB.
        """
        for hash, macSize in HASHES:
            most = 64 * 1024 - macSize
            for size, packets in ((1, 1), (most, 1), (most + 1, 2), (3 * most, 3)):
                near, far = pair(hash)
                content = bytes(range(251)) * (size // 251 + 1)
                sealed = b"".join(near.seal([content[:size]]))
                lengths = [len(packet) for packet in cut(sealed)]
                self.assertEqual(len(lengths), packets)
                self.assertLessEqual(max(lengths), 64 * 1024)
                opened = self.opened(far, sealed)
                self.assertEqual(b"".join(opened), content[:size])

    @drawn(50, lists(integers(0, 250), max_size=10), integers(0, 3))
    def test_splits(self, cuts: list[int], empty: int) -> None:
        """
        Where reads end makes no difference, nor do packets without content.
        """
        near, far = pair()
        words = [b"one", b"", b"two" * 30, b"3"]
        words[empty:empty] = [b""]
        sealed = b"".join(b"".join(near.seal([word])) for word in words)
        places = sorted({0, len(sealed), *(min(each, len(sealed)) for each in cuts)})
        reads = [sealed[start:end] for start, end in pairwise(places)]
        self.assertEqual(self.opened(far, *reads), [word for word in words if word])
        self.assertFalse(far.truncated)

    def test_byteByByte(self) -> None:
        """
        Until its last byte is here, a packet is not opened, and to end there
        would be to cut it off.
        """
        near, far = pair()
        sealed = b"".join(near.seal([b"hello"]))
        for place in range(len(sealed) - 1):
            self.assertEqual(self.opened(far, sealed[place : place + 1]), [])
            self.assertTrue(far.truncated)
        self.assertEqual(self.opened(far, sealed[-1:]), [b"hello"])
        self.assertFalse(far.truncated)

    def test_changed(self) -> None:
        """
        A packet with a changed byte is never opened; what was in front of it
        is.
        """
        size = len(b"".join(pair()[0].seal([b"hello"])))
        for place in range(size):
            near, far = pair()
            good = b"".join(near.seal([b"good"]))
            bad = bytearray(b"".join(near.seal([b"hello"])))
            bad[place] ^= 1
            opened: list[bytes] = []
            try:
                far.open(good + bad, opened)
            except ProtocolViolation:
                pass
            else:
                # The length has grown: more is awaited.
                self.assertLess(place, 4)
                self.assertTrue(far.truncated)
            self.assertEqual(opened, [b"good"])

    def test_lengths(self) -> None:
        """
        A length that no packet has is refused before the packet is here; the
        largest that the specification knows is not, and takes no memory that
        has not arrived.
        """
        for hash, macSize in HASHES:
            for length in (0, macSize - 1, LONGEST_PACKET + 1, 0xFFFFFFFF):
                for split in (0, 2):
                    prefix = length.to_bytes(4, "big")
                    _, far = pair(hash)
                    self.opened(far, prefix[:split])
                    self.assertRaises(ProtocolViolation, far.open, prefix[split:], [])
        self.assertEqual(LONGEST_PACKET, 8 * 1024 * 1024 - 1)
        _, far = pair()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        self.assertEqual(self.opened(far, LONGEST_PACKET.to_bytes(4, "big")), [])
        self.assertTrue(far.truncated)
        self.assertLess(tracemalloc.get_traced_memory()[1], 64 * 1024)

    def test_largest(self) -> None:
        """
        The largest packet is opened, in the reads of a socket.
        """
        near, far = pair()
        content = bytes(LONGEST_PACKET - near.macSize)
        near._longestPlaintext = len(content)
        (packet,) = cut(sealed := b"".join(near.seal([content])))
        self.assertEqual(len(packet), LONGEST_PACKET)
        reads = (sealed[at : at + 65536] for at in range(0, len(sealed), 65536))
        self.assertEqual(self.opened(far, *reads), [content])
