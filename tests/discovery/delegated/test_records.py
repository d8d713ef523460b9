# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.discovery.delegated.records}.
"""

from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.discovery.delegated.records import (
    MAX_ANSWER,
    MAX_LINE,
    MAX_RECORDS,
    AnswerReader,
    Record,
    writeRecord,
)
from twisted_libp2p.errors import InvalidInput
from twisted_libp2p.identity import Identity

PEER = Identity.generate().peerID
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")
RECORD = Record(PEER, (ADDRESS,), ("transport-bitswap",))


class ReaderTests(SynchronousTestCase):
    """
    Answers are read.
    """

    def read(self, value: Any) -> list[Record]:
        """
        Read an object.
        """
        reader = AnswerReader("Peers", False)
        for each in json.dumps(value).encode():
            reader.feed(bytes([each]))
        return reader.end()

    def lines(self, *values: Any) -> list[Record]:
        """
        Read lines, byte by byte.
        """
        reader = AnswerReader("Peers", True)
        for each in b"\n".join(json.dumps(value).encode() for value in values):
            reader.feed(bytes([each]))
        return reader.end()

    def test_round(self) -> None:
        """
        A record is read as it was written, in both forms.
        """
        written = writeRecord(RECORD)
        self.assertEqual(self.read({"Peers": [written]}), [RECORD])
        self.assertEqual(self.lines(written, written), [RECORD, RECORD])
        self.assertEqual(self.read({"Peers": []}), [])
        self.assertEqual(self.lines(), [])

    def test_forms(self) -> None:
        """
        Ids come in several forms, addresses with or without one; unknown fields are
        ignored.
        """
        other = Identity.generate().peerID
        value: dict[str, Any] = {
            "Schema": "bitswap",
            "ID": PEER.toCID("base36"),
            "Addrs": [str(ADDRESS.withPeer(PEER)), f"{ADDRESS}/p2p/{other}"],
            "Extra": {"more": 1},
        }
        self.assertEqual(self.read({"Peers": [value]}), [Record(PEER, (ADDRESS,))])

    def test_useless(self) -> None:
        """
        Everything else is left out.
        """
        values: tuple[Any, ...] = (
            None,
            1,
            [],
            {},
            {"Schema": "other", "ID": str(PEER)},
            {"Schema": "peer", "ID": "nobody"},
            {"Schema": "peer", "ID": 7},
        )
        for value in values:
            self.assertEqual(self.read({"Peers": [value]}), [])
            self.assertEqual(self.read(value), [])
        odd: Any = {
            "Schema": "peer",
            "ID": str(PEER),
            "Addrs": "x",
            "Protocols": [1, "a"],
        }
        self.assertEqual(self.read({"Peers": [odd]}), [Record(PEER, (), ("a",))])
        odd = {"Schema": "peer", "ID": str(PEER), "Addrs": [None, "x", "/ip4/1"]}
        self.assertEqual(self.read({"Peers": [odd]}), [Record(PEER, ())])

    def test_bounds(self) -> None:
        """
        There are bounds on records, addresses, lines and answers.
        """
        written = writeRecord(RECORD)
        self.assertEqual(len(self.read({"Peers": [written] * 150})), MAX_RECORDS)
        reader = AnswerReader("Peers", True)
        reader.feed((json.dumps(written) + "\n").encode() * 150)
        self.assertTrue(reader.full)
        many = [f"/ip4/192.0.2.1/tcp/{port}" for port in range(1, 200)]
        value: Any = {"Schema": "peer", "ID": str(PEER), "Addrs": many}
        (found,) = self.read({"Peers": [value]})
        self.assertEqual(len(found.addresses), MAX_RECORDS)
        for lines, size in ((True, MAX_LINE), (False, MAX_ANSWER)):
            reader = AnswerReader("Peers", lines)
            reader.feed(b" " * size)
            self.assertRaises(InvalidInput, reader.feed, b" ")

    def test_wrong(self) -> None:
        """
        Other bytes are refused, also deeply nested ones.
        """
        for data in (b"", b"{", b"\xff", b"[" * 100_000):
            reader = AnswerReader("Peers", False)
            reader.feed(data)
            self.assertRaises(InvalidInput, reader.end)
        reader = AnswerReader("Peers", True)
        self.assertRaises(InvalidInput, reader.feed, b"<html>\n")
