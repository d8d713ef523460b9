# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.security.noise.ciphercache}.
"""

from __future__ import annotations

from weakref import ref

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.security.noise.channel import NoiseChannel
from twisted_libp2p.security.noise.ciphercache import CipherCache

KEYS = b"\x01" * 32, b"\x02" * 32


class ReadyTests(SynchronousTestCase):
    """
    Of many channels only some have their ciphers.
    """

    def test_crowd(self) -> None:
        """
        A channel that had to drop its ciphers continues where it was.
        """
        ciphers = CipherCache(3)
        pairs = [
            (NoiseChannel(*KEYS, ciphers), NoiseChannel(*KEYS[::-1], ciphers))
            for _ in range(5)
        ]
        for number in range(4):
            for pair in pairs:
                for sender, receiver in (pair, pair[::-1]):
                    text = b"%d" % number
                    opened: list[bytes] = []
                    receiver.open(b"".join(sender.seal([text])), opened)
                    self.assertEqual(opened, [text])
        having = [each for pair in pairs for each in pair if each._encrypt is not None]
        self.assertLessEqual(len(having), 3)

    def test_gone(self) -> None:
        """
        A channel that has ended is not kept.
        """
        ciphers = CipherCache()
        channel = NoiseChannel(*KEYS, ciphers)
        channel.seal([b"a"])
        known = ref(channel)
        del channel
        self.assertIsNone(known())
