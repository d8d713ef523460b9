# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.pins}.
"""

from __future__ import annotations

from hashlib import sha256

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.quic.pins import isPinned, multihash, pinsOf


class PinsTests(SynchronousTestCase):
    """
    The certificates that an address names.
    """

    def test_pins(self) -> None:
        """
        Each named certificate is pinned, and no other one, nor a part of the digests.
        """
        self.assertEqual(multihash(b"one"), b"\x12\x20" + sha256(b"one").digest())
        pins = pinsOf(frozenset(map(multihash, (b"one", b"two"))))
        self.assertEqual(len(pins), 64)
        found = [isPinned(each, pins) for each in (b"one", b"two", b"three", b"")]
        self.assertEqual(found, [True, True, False, False])
        self.assertFalse(isPinned(sha256(b"one").digest(), pins))
        self.assertFalse(isPinned(b"one", b""))

    def test_others(self) -> None:
        """
        Hashes of other kinds, and of other sizes, do not count.
        """
        others = {b"\x13\x20" + bytes(32), b"\x12\x20" + bytes(31), b"\x12\x20", b""}
        self.assertRaises(ValueError, pinsOf, frozenset(others))
        self.assertRaises(ValueError, pinsOf, frozenset())
        self.assertEqual(
            pinsOf(frozenset({*others, multihash(b"one")})), sha256(b"one").digest()
        )
