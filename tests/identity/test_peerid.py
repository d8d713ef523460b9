# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.identity.peerid}.
"""

from __future__ import annotations

import contextlib

import base58
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.examples import drawn
from tests.vectors import hexBytes, vector, vectors
from twisted_libp2p.errors import InvalidPeerID
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.wire import multibase


class PeerIDTests(SynchronousTestCase):
    """
    Peer ids in their many spellings.
    """

    def test_keys(self) -> None:
        """
        The ids of the keys in the specification follow from these.
        """
        for name, entry in vectors("key."):
            key = PublicKey.fromBytes(hexBytes(entry, "public"))
            peerID = PeerID.fromKey(key)
            self.assertEqual(str(peerID), entry["peer_id"], name)
            self.assertEqual(peerID.toBytes(), hexBytes(entry, "multihash"), name)
            self.assertEqual(peerID.toCID(), entry["cid_base32"], name)
            self.assertEqual(peerID.toCID("base36"), entry["cid_base36"], name)
            self.assertTrue(peerID.matches(key))

    def test_texts(self) -> None:
        """
        All texts of an id are read, in upper case where that is possible.
        """
        for prefix in ("key.", "peer_id."):
            for name, entry in vectors(prefix):
                peerID = PeerID.fromBytes(hexBytes(entry, "multihash"))
                cid = b"\x01\x72" + peerID.toBytes()
                texts = [multibase.encode(base, cid) for base in "fbkzmu"]
                texts += [text.upper() for text in texts[:3]]
                texts += [
                    entry[key]
                    for key in ("peer_id", "cid_base32", "cid_base36")
                    if key in entry
                ]
                for text in texts:
                    self.assertEqual(PeerID.fromText(text), peerID, name)
                self.assertEqual(str(peerID), entry["peer_id"])

    def test_publicKey(self) -> None:
        """
        Small keys are recovered from the id; of others there is only a hash.
        """
        for name, entry in vectors("key."):
            peerID = PeerID.fromText(entry["peer_id"])
            inline = entry["key_type_name"] in ("Ed25519", "Secp256k1")
            key = PublicKey.fromBytes(hexBytes(entry, "public"))
            self.assertEqual(peerID.publicKey(), key if inline else None, name)

    def test_noKeyInside(self) -> None:
        """
        An id that holds what is not a key is an id, but gives no key.
        """
        self.assertIsNone(PeerID.fromBytes(b"\x00\x03abc").publicKey())

    def test_wrongBytes(self) -> None:
        """
        Other hashes, and lengths that are not right, are refused.
        """
        for data in (
            b"",
            b"\x00",
            b"\x00\x00",
            b"\x00\x02a",
            b"\x00\x02abc",
            b"\x00\x2b" + bytes(43),
            b"\x00\x81\x00a",
            b"\x12\x20" + bytes(31),
            b"\x12\x20" + bytes(33),
            b"\x12\x1f" + bytes(31),
            b"\x12",
            b"\x13\x40" + bytes(64),
            b"\x11\x14" + bytes(20),
        ):
            self.assertRaises(InvalidPeerID, PeerID.fromBytes, data)

    def test_wrongText(self) -> None:
        """
        Text that is not the canonical spelling of an id is refused.
        """
        entry = vector("key.test_identity_01")
        good, base32 = entry["peer_id"], entry["cid_base32"]
        multihash = hexBytes(entry, "multihash")
        for text in (
            "",
            "1",
            "Qm",
            good + "1",
            good[:-1],
            good + " ",
            " " + good,
            good + "\n",
            good.lower(),
            "1" * 94,
            "Qm" + "1" * 10000,
            good.replace("K", "0"),
            good + "\u00e9",
            base32[1:],
            base32.upper()[:-1] + "a",
            base32 + "====",
            "k-1",
            # Without a base; of raw data; of version 0; without a codec.
            base58.b58encode(b"\x01\x72" + multihash).decode(),
            multibase.encode("b", b"\x01\x55" + multihash),
            multibase.encode("b", b"\x00\x72" + multihash),
            multibase.encode("b", multihash),
            # Varints that are longer than they need to be.
            multibase.encode("b", b"\x81\x00\x72" + multihash),
        ):
            self.assertRaises(InvalidPeerID, PeerID.fromText, text)

    @drawn(100, st.text(max_size=100))
    def test_garbageText(self, text: str) -> None:
        """
        Garbage raises nothing but the documented error.
        """
        with contextlib.suppress(InvalidPeerID):
            PeerID.fromText(text)

    @drawn(
        50,
        st.one_of(
            st.binary(min_size=32, max_size=32).map(lambda data: b"\x12\x20" + data),
            st.binary(min_size=1, max_size=42).map(
                lambda data: bytes((0, len(data))) + data
            ),
        ),
    )
    def test_roundTrip(self, multihash: bytes) -> None:
        """
        Any id is read back from each of its texts.
        """
        peerID = PeerID.fromBytes(multihash)
        for text in (str(peerID), peerID.toCID("base32"), peerID.toCID("base36")):
            again = PeerID.fromText(text)
            self.assertEqual(again, peerID)
            self.assertEqual(str(again), str(peerID))

    def test_value(self) -> None:
        """
        Ids are hashed, compared and ordered by their bytes.
        """
        first = PeerID.fromText(vector("peer_id.identity")["peer_id"])
        second = PeerID.fromText(vector("peer_id.sha256")["peer_id"])
        again = PeerID.fromBytes(first.toBytes())
        self.assertEqual({first, second, again}, {first, second})
        self.assertEqual(sorted([second, first]), [first, second])
        self.assertTrue(first < second and first <= again and not second < first)
        self.assertNotEqual(first, first.toBytes())
        self.assertRaises(TypeError, lambda: first < first.toBytes())

    def test_matches(self) -> None:
        """
        An id does not match the key of another peer.
        """
        other = PublicKey.fromBytes(hexBytes(vector("key.rsa4096"), "public"))
        peerID = PeerID.fromText(vector("peer_id.identity")["peer_id"])
        self.assertFalse(peerID.matches(other))

    def test_log(self) -> None:
        """
        There is a short form for logs, and a long one for debugging.
        """
        peerID = PeerID.fromText(vector("key.ed25519")["peer_id"])
        self.assertEqual(peerID.short(), "Umo7R3pq")
        self.assertEqual(repr(peerID), f"<PeerID {vector('key.ed25519')['peer_id']}>")
