# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.pubsub.rpc} and L{twisted_libp2p.pubsub.splitting}.
"""

from __future__ import annotations

from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from twisted_libp2p.errors import ProtocolViolation
from twisted_libp2p.pubsub.message import Message
from twisted_libp2p.pubsub.rpc import (
    MAX_CONTROL,
    MAX_IDS,
    MAX_MESSAGES,
    MAX_SUBSCRIPTIONS,
    RPC,
    Prune,
    PxPeer,
)
from twisted_libp2p.pubsub.splitting import CONTROL_SIZE, split

ID = b"\xaa" * 20


class WireTests(SynchronousTestCase):
    """
    The bytes of RPCs.
    """

    def test_vectors(self) -> None:
        """
        Each kind of control has the bytes of the specification.
        """
        for rpc, wanted in (
            (RPC([("test", True)]), "0a080801120474657374"),
            (RPC(graft=["test"]), "1a081a060a0474657374"),
            (RPC(prune=[Prune("test", 60)]), "1a0a22080a0474657374183c"),
            (RPC(have=[("test", [ID])]), "1a1e0a1c0a04746573741214" + "aa" * 20),
            (RPC(want=[ID]), "1a18121" + "60a14" + "aa" * 20),
            (RPC(unwanted=[ID]), "1a182a160a14" + "aa" * 20),
            (RPC(extensions=frozenset(["test"])), "1a0732059091e21801"),
            (RPC(testExtension=True), "9291e21800"),
        ):
            self.assertEqual(rpc.toBytes().hex(), wanted)
            self.assertEqual(RPC.fromBytes(rpc.toBytes()), rpc)

    def test_message(self) -> None:
        """
        A message keeps its fields, and which of them are absent.
        """
        for content, source in ((b"x", b"me"), (b"", None), (None, b"")):
            message = Message("test", content, source, None, b"s", None)
            (found,) = RPC.fromBytes(RPC(messages=[message]).toBytes()).messages
            for name in ("topic", "content", "source", "sequence", "signature", "key"):
                self.assertEqual(
                    getattr(found, name), getattr(message, name), (name, content)
                )

    def test_names(self) -> None:
        """
        Topics with names that we cannot have are left out, ids may be any bytes.
        """
        rpc = RPC.fromBytes(
            bytes.fromhex("0a0508011201ff") + b"\x0a\x04\x08\x01\x12\x00"
        )
        self.assertEqual(rpc.subscriptions, [])
        long = RPC([("t" * 1025, True), ("t" * 1024, True)])
        self.assertEqual(len(RPC.fromBytes(long.toBytes()).subscriptions), 1)
        peer = PxPeer(b"\xff\xfe", b"\xfd")
        rpc = RPC(prune=[Prune("t", 2**64 - 1, (peer,) * 20)])
        (prune,) = RPC.fromBytes(rpc.toBytes()).prune
        self.assertEqual(prune, Prune("t", 2**64 - 1, (peer,) * 16))

    def test_bounds(self) -> None:
        """
        RPCs with too many parts are refused before they are decoded.
        """
        RPC.fromBytes(b"\x12\x00" * MAX_MESSAGES)
        for data in (
            b"\x12\x00" * (MAX_MESSAGES + 1),
            b"\x0a\x00" * (MAX_SUBSCRIPTIONS + 1),
            b"\x78\x00" * (MAX_SUBSCRIPTIONS + 1),
            b"\x1a\x80\x80\x20" + bytes(MAX_CONTROL),
            b"\x12\x05abc",
            b"\x12",
            b"\x80",
            b"\x13",
            b"\x1a\x02\xff\xff",
        ):
            self.assertRaises(ProtocolViolation, RPC.fromBytes, data)

    def test_ids(self) -> None:
        """
        Of each kind of control so many ids and lists are read, and no more.
        """
        ids = [b"%d" % number for number in range(MAX_IDS + 1)]
        rpc = RPC(have=[("a", ids), ("b", ids)], want=ids, unwanted=ids)
        found = RPC.fromBytes(rpc.toBytes())
        self.assertEqual(found.have, [("a", ids[:-1]), ("b", [])])
        self.assertEqual((found.want, found.unwanted), (ids[:-1], ids[:-1]))
        lists = RPC(have=[("a", [])] * (MAX_SUBSCRIPTIONS + 1))
        self.assertEqual(len(RPC.fromBytes(lists.toBytes()).have), MAX_SUBSCRIPTIONS)

    @drawn(200, st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        """
        Whatever is decoded can be encoded, and is the same then.
        """
        try:
            rpc = RPC.fromBytes(data)
        except ProtocolViolation:
            return
        again = RPC.fromBytes(rpc.toBytes())
        self.assertEqual(len(again.messages), len(rpc.messages))
        again.messages = rpc.messages
        self.assertEqual(again, rpc)


class SplitTests(SynchronousTestCase):
    """
    Control that is cut into several RPCs.
    """

    def test_sizes(self) -> None:
        """
        Each RPC is small enough, nothing is lost, and the order is kept.
        """
        ids = [number.to_bytes(40, "big") for number in range(3000)]
        topics = [f"topic {number}" for number in range(2000)]
        rpc = RPC(
            [(each, True) for each in topics],
            have=[("a", ids), ("b", ids[:10])],
            want=ids,
            graft=topics,
            prune=[Prune(each, 60, (PxPeer(ID, ID * 9),)) for each in topics],
            unwanted=ids[:100],
            extensions=frozenset(),
        )
        whole, parts = RPC(), split(rpc)
        for part in parts:
            self.assertLessEqual(len(part.toBytes()), CONTROL_SIZE)
            whole.subscriptions += part.subscriptions
            whole.graft += part.graft
            whole.prune += part.prune
            whole.want += part.want
            whole.unwanted += part.unwanted
            whole.have += part.have
        self.assertEqual(parts[0].extensions, frozenset())
        for name in ("subscriptions", "graft", "prune", "want", "unwanted"):
            self.assertEqual(getattr(whole, name), getattr(rpc, name))
        self.assertEqual(
            [id for name, some in whole.have if name == "a" for id in some], ids
        )

    def test_small(self) -> None:
        """
        A small RPC stays one, and an empty one none.
        """
        self.assertEqual(
            split(RPC(graft=["a"], want=[ID])), [RPC(graft=["a"], want=[ID])]
        )
        self.assertEqual(split(RPC()), [])
