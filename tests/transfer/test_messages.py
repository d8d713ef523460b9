# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.transfer.messages}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.transfer.messages import MAX_NAME, Offer, parseMessage
from twisted_libp2p.wire.frames import FrameBuffer

DIGEST = "ab" * 32


class OfferTests(SynchronousTestCase):
    """
    Offers.
    """

    def test_again(self) -> None:
        """
        An offer is written and read again; its secret is in no log.
        """
        offer = Offer("é a.txt", 3, DIGEST, b"secret")
        frames = FrameBuffer(4096)
        frames.feed(offer.toBytes())
        self.assertEqual(Offer.parse(next(frames)), offer)
        self.assertNotIn(b"secret".hex(), repr(offer))

    def test_names(self) -> None:
        """
        The name of a file cannot leave the folder, be hidden, or disturb a terminal.
        """
        for name in (
            "", ".", "..", "../a", "/etc/passwd", "a/b", "a\\b", "C:a", ".bashrc",
            "a\0", "a\n", "\x1b[2J", "a\u202etxt", "a.", "a ", "x" * (MAX_NAME + 1),
            "é" * (MAX_NAME // 2 + 1), "a|b", "\udc80", 3, None, ["a"],
        ):  # fmt: skip
            facts = {"name": name, "size": 1, "sha256": DIGEST}
            error = self.assertRaises(
                InvalidInput, Offer.parse, json.dumps(facts).encode()
            )
            self.assertNotIn("\n", str(error))

    def test_malformed(self) -> None:
        """
        An offer has a size, a digest, and perhaps a secret.
        """
        good: dict[str, Any] = {"name": "a", "size": 0, "sha256": DIGEST}
        Offer.parse(json.dumps(good).encode())
        for wrong in (
            {"size": -1}, {"size": True}, {"size": 1.5}, {"size": 1 << 63},
            {"sha256": "AB" * 32}, {"sha256": "ab"}, {"sha256": None},
            {"secret": "0"}, {"secret": "00" * 65}, {"secret": 1},
        ):  # fmt: skip
            data = json.dumps({**good, **wrong}).encode()
            self.assertRaises(InvalidInput, Offer.parse, data)
        for data in (b"", b"[]", b"\xff", b"[" * 4000, b"{"):
            self.assertRaises(InvalidInput, parseMessage, data)
