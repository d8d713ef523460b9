# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.peerstore.snapshot}.
"""

from __future__ import annotations

from math import inf

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.identity import PeerID
from twisted_libp2p.interfaces import AddressInfo, PeerInfo, Source, TagInfo
from twisted_libp2p.peerstore.records import Limits
from twisted_libp2p.peerstore.rows import AddressRow, PeerRow, TagRow
from twisted_libp2p.peerstore.snapshot import (
    checkName,
    checkValue,
    namesOf,
    readable,
    rowsOf,
    splitLines,
    toLines,
    toPrintable,
    toSequence,
)

PEER = PeerID.fromBytes(b"\x12\x20" + bytes(32))
OTHER = PeerID.fromBytes(b"\x12\x20" + bytes(31) + b"\x01")
ADDRESS = Multiaddr("/ip4/192.0.2.1/tcp/1")
NOW = 1000.0


class ConversionTests(SynchronousTestCase):
    """
    Values in their stored form.
    """

    def test_addresses(self) -> None:
        """
        The id of the peer is removed, and each address is stored once; addresses of
        other peers, and addresses without components, are ignored.
        """
        names = namesOf(
            PEER,
            [
                ADDRESS,
                ADDRESS.withPeer(PEER),
                ADDRESS.withPeer(OTHER),
                f"/p2p/{PEER}",
            ],
        )
        self.assertEqual(names, [ADDRESS.toBytes()])
        self.assertEqual(readable([b"\xff\x7f", *names]), [ADDRESS])

    def test_protocols(self) -> None:
        """
        Protocols come back in their order, without doubles, up to the limit.
        """
        text = toLines(["/b", "/a", "/b", "", "/\n", "/c"], Limits(protocols=2))
        self.assertEqual(splitLines(text), ("/b", "/a"))
        self.assertEqual(splitLines(""), ())

    def test_texts(self) -> None:
        """
        Texts keep their visible characters.
        """
        self.assertEqual(toPrintable("a\x1bg\u202eent"), "agent")

    def test_sequence(self) -> None:
        """
        Sequence numbers are ordered like their stored form.
        """
        numbers = (0, 1, 255, 256, 2**63, 2**64 - 1)
        stored = [toSequence(PeerRecord(PEER, each, ())) for each in numbers]
        self.assertEqual(stored, sorted(stored))
        self.assertEqual({len(each) for each in stored}, {8})

    def test_checks(self) -> None:
        """
        Names and values that some databases cannot store are refused.
        """
        checkName("name")
        checkValue(-(2**31))
        for name in ("\x00", "a\nb", "\ud800"):
            self.assertRaises(ValueError, checkName, name)
        for value in (2**31, -(2**31) - 1):
            self.assertRaises(ValueError, checkValue, value)


class RowTests(SynchronousTestCase):
    """
    The facts of another store.
    """

    def test_rows(self) -> None:
        """
        They become rows without times in the future; keys, signed records and metadata
        are left out.
        """
        info = PeerInfo(
            peer=PEER,
            addresses=(
                AddressInfo(
                    address=ADDRESS,
                    source=Source.IDENTIFY,
                    learnt=NOW + 5,
                    expires=NOW + 9,
                    failed=NOW - 1,
                ),
            ),
            lastConnected=NOW + 1,
            identifiedAt=NOW - 2,
            agent="agent",
            protocolVersion="net",
            protocols=("/a",),
            record=b"record",
            dialect="multistream",
            dialectLearntAt=NOW - 3,
            tags={"tag": TagInfo(value=1, learnt=NOW + 1, expires=inf)},
            metadata={"name": b"value"},
        )
        id = PEER.toBytes()
        self.assertEqual(
            rowsOf(info, Limits(), NOW),
            [
                PeerRow(
                    id,
                    recordedAt=0.0,
                    expires=inf,
                    lastConnected=NOW,
                    publicKey=b"",
                    identifiedAt=NOW - 2,
                    agent="agent",
                    protocolVersion="net",
                    protocols="/a",
                    sequence=b"",
                    envelope=b"",
                    dialectLearntAt=NOW - 3,
                    dialect="multistream",
                ),
                AddressRow(
                    id, ADDRESS.toBytes(), NOW, Source.IDENTIFY, NOW + 9, 0.0, NOW - 1
                ),
                TagRow(id, "tag", NOW, 1, inf),
            ],
        )
