# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.quic.memory}.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.identity import PeerID
from twisted_libp2p.peerstore import Limits, MemoryPeerStore
from twisted_libp2p.quic.memory import (
    FACTS_LIFE,
    MAX_PEERS,
    MAX_TOKEN,
    NOTE,
    Facts,
    PeerMemory,
)


def _peer(number: int) -> PeerID:
    return PeerID(b"\x00\x02" + number.to_bytes(2, "big"))


class MemoryTests(SynchronousTestCase):
    """
    Tokens and round trips are kept for the next dial.
    """

    def test_once(self) -> None:
        """
        The last token of a peer is used, and used once.
        """
        memory = PeerMemory()
        memory.keep(_peer(1), b"old")
        memory.keep(_peer(1), b"new")
        self.assertEqual(memory.recall(_peer(1)), Facts(b"new", None))
        self.assertEqual(memory.recall(_peer(1)), Facts())
        self.assertEqual(memory.recall(None), Facts())

    def test_roundTrip(self) -> None:
        """
        The round trip of the last connection is kept, within reason.
        """
        memory = PeerMemory()
        for measured, recalled in ((0.1, 0.1), (0.0, 0.1), (1e-4, 0.025), (30.0, 2.0)):
            memory.ended(_peer(1), measured)
            self.assertEqual(memory.recall(_peer(1)).roundTrip, recalled)

    def test_expectedTrip(self) -> None:
        """
        An expected round trip counts for a peer of which none was measured.
        """
        memory = PeerMemory()
        memory.ended(_peer(1), 0.1)
        for expected, unknown in ((0.3, 0.3), (1e-4, 0.025), (30.0, 2.0)):
            self.assertEqual(memory.recall(_peer(1), expected).roundTrip, 0.1)
            self.assertEqual(memory.recall(_peer(2), expected).roundTrip, unknown)

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
        self.assertEqual(memory.recall(_peer(0)), Facts())

    def test_restart(self) -> None:
        """
        With a book the facts survive a restart, for a day; a used token does not.
        """
        clock = Clock()
        book = MemoryPeerStore(clock)
        memory = PeerMemory(book)
        memory.keep(_peer(1), b"token")
        memory.ended(_peer(1), 0.25)
        self.assertEqual(PeerMemory(book).recall(_peer(1)), Facts(b"token", 0.25))
        self.assertEqual(memory.recall(_peer(1)), Facts(b"token", 0.25))
        memory.ended(_peer(1), 0.5)
        self.assertEqual(PeerMemory(book).recall(_peer(1)), Facts(b"", 0.5))
        clock.advance(FACTS_LIFE)
        self.assertEqual(PeerMemory(book).recall(_peer(1)), Facts())

    def test_strange(self) -> None:
        """
        Other notes under the same name are no facts.
        """
        book = MemoryPeerStore(Clock())
        for note in (b"", b"short", bytes(9 + MAX_TOKEN), b"\xff" * 20):
            book.setMetadata(_peer(1), NOTE, note)
            facts = PeerMemory(book).recall(_peer(1))
            self.assertIsNone(facts.roundTrip)

    def test_full(self) -> None:
        """
        A book without room keeps nothing, and that is no error.
        """
        book = MemoryPeerStore(Clock(), Limits(metadata=10))
        memory = PeerMemory(book)
        memory.keep(_peer(1), b"token")
        memory.ended(_peer(1), 0.1)
        self.assertEqual(book.metadata(_peer(1)), {})
        self.assertEqual(memory.recall(_peer(1)), Facts(b"token", 0.1))
