# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.memory}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import PeerID
from twisted_libp2p.quic.memory import MAX_PEERS, MAX_TOKEN, PeerMemory


def _peer(number: int) -> PeerID:
    return PeerID(b"\x00\x02" + number.to_bytes(2, "big"))


class MemoryTests(SynchronousTestCase):
    """
    Tokens are kept for the next dial.
    """

    def test_once(self) -> None:
        """
        The last token of a peer is used, and used once.
        """
        memory = PeerMemory()
        memory.keep(_peer(1), b"old")
        memory.keep(_peer(1), b"new")
        self.assertEqual(memory.token(_peer(1)), b"new")
        self.assertEqual(memory.token(_peer(1)), b"")
        self.assertEqual(memory.token(None), b"")

    def test_bounded(self) -> None:
        """
        There is a bound on the peers, and on each token.
        """
        memory = PeerMemory()
        memory.keep(_peer(0), bytes(MAX_TOKEN + 1))
        memory.keep(_peer(0), b"")
        self.assertEqual(len(memory), 0)
        for number in range(MAX_PEERS + 1):
            memory.keep(_peer(number), b"token")
        self.assertEqual(len(memory), MAX_PEERS)
        self.assertEqual(memory.token(_peer(0)), b"")
