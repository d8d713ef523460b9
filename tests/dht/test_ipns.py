# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
Tests for L{twisted_libp2p.dht.ipns} and L{twisted_libp2p.dht.dagcbor}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_libp2p.dht.dagcbor import readMap
from twisted_libp2p.dht.ipns import MAX_SIZE, IpnsRecord, IpnsValidator
from twisted_libp2p.errors import InvalidRecord
from twisted_libp2p.identity import Identity, KeyType
from twisted_libp2p.wire import kademlia_pb2

NAME = Identity.generate()
KEY = b"/ipns/" + NAME.peerID.toBytes()
FUTURE = b"2030-01-02T03:04:05.123456789Z"


def head(kind: int, number: int) -> bytes:
    """
    Encode the beginning of an item.
    """
    if number < 24:
        return bytes([kind << 5 | number])
    for size, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
        if number < 1 << 8 * size:
            return bytes([kind << 5 | code]) + number.to_bytes(size, "big")
    raise ValueError(number)


def cbor(value: Any) -> bytes:
    """
    Encode a map, a text, bytes or a number.
    """
    if isinstance(value, dict):
        items = (cbor(each) for pair in value.items() for each in pair)
        return head(5, len(value)) + b"".join(items)
    if isinstance(value, str):
        return head(3, len(value)) + value.encode()
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    return head(0, value) if value >= 0 else head(1, -1 - value)


def record(
    identity: Identity = NAME,
    *,
    version1: bool = False,
    key: bool = False,
    **fields: Any,
) -> kademlia_pb2.IpnsEntry:
    """
    Make a record.

    @param version1: whether it has the part of version 1.
    @param key: whether it has the key.
    @param fields: values of its signed part.
    """
    signed = {
        "TTL": 60,
        "Value": b"/ipfs/somewhere",
        "Sequence": 1,
        "Validity": FUTURE,
        "ValidityType": 0,
        **fields,
    }
    data = cbor({name: value for name, value in signed.items() if value is not None})
    entry = kademlia_pb2.IpnsEntry(
        data=data,
        signatureV2=identity.privateKey.sign(b"ipns-signature:" + data),
    )
    if version1:
        entry.signatureV1 = b"signature"
        entry.value = signed["Value"]
        entry.validity = signed["Validity"]
        entry.validityType = 0
        entry.sequence = signed["Sequence"]
        entry.ttl = signed["TTL"]
    if key:
        entry.pubKey = identity.publicKey.toBytes()
    return entry


class IpnsTests(SynchronousTestCase):
    """
    Records and their rules.
    """

    def validate(self, entry: kademlia_pb2.IpnsEntry, now: float = 0.0) -> None:
        """
        Validate a record under the name.
        """
        IpnsValidator().validate(KEY, entry.SerializeToString(), now)

    def refused(self, entry: kademlia_pb2.IpnsEntry, reason: str) -> None:
        """
        Validate a record that is refused.
        """
        error = self.assertRaises(InvalidRecord, self.validate, entry)
        self.assertIn(reason, str(error))

    def test_valid(self) -> None:
        """
        Records with and without the part of version 1 and the key are valid.
        """
        for version1 in (False, True):
            for key in (False, True):
                entry = record(version1=version1, key=key)
                self.validate(entry)
                opened = IpnsRecord.open(entry.SerializeToString(), NAME.peerID)
                self.assertEqual(opened.value, b"/ipfs/somewhere")
                self.assertEqual(opened.validity, (1893553445, 123456789))

    def test_rsa(self) -> None:
        """
        A name that does not hold its key needs it in the record.
        """
        identity = Identity.generate(KeyType.RSA)
        key = b"/ipns/" + identity.peerID.toBytes()
        validator = IpnsValidator()
        validator.validate(key, record(identity, key=True).SerializeToString(), 0.0)
        without = record(identity).SerializeToString()
        self.assertRaises(InvalidRecord, validator.validate, key, without, 0.0)

    def test_expired(self) -> None:
        """
        A record is valid up to its time.
        """
        self.validate(record(), 1893553445.0)
        self.assertRaises(InvalidRecord, self.validate, record(), 1893553446.0)

    def test_refused(self) -> None:
        """
        Every part of a record is checked.
        """
        stranger = Identity.generate()
        self.refused(record(stranger), "wrong signature")
        self.refused(record(stranger, key=True), "another name")
        entry = record()
        entry.pubKey = b"x"
        self.refused(entry, "bad key")
        entry = record()
        entry.ClearField("signatureV2")
        entry.signatureV1 = b"x"
        self.refused(entry, "without a signature of version 2")
        for name in ("TTL", "Value", "Sequence", "Validity", "ValidityType"):
            missing: dict[str, Any] = {name: None}
            self.refused(record(**missing), "lacks a field")
        self.refused(record(ValidityType=1), "unknown kind")
        self.refused(record(TTL=-1), "out of range")
        self.refused(record(TTL=1 << 63), "out of range")
        for name, value in (
            ("value", b"/other"),
            ("sequence", 2),
            ("ttl", 61),
            ("validity", b"2031-01-02T03:04:05Z"),
            ("validityType", 1),
        ):
            entry = record(version1=True)
            setattr(entry, name, value)
            self.refused(entry, "two versions differ")
        entry = record()
        entry.value = b"/other"
        self.refused(entry, "two versions differ")
        for text in (b"", b"now", b"2030-01-02", b"2030-01-02T03:04:05.Z", b"\xff"):
            self.refused(record(Validity=text), "not a time")

    def test_malformed(self) -> None:
        """
        Anything else is not a record; a long one is not even read.
        """
        validator = IpnsValidator()
        for data in (b"", b"\xff", bytes(MAX_SIZE + 1)):
            self.assertRaises(InvalidRecord, validator.validate, KEY, data, 0.0)
        good = record().SerializeToString()
        for key in (b"/ipns/", b"/ipns/x", b"ipns"):
            self.assertRaises(InvalidRecord, validator.validate, key, good, 0.0)

    def test_select(self) -> None:
        """
        The greater sequence wins, then the later end, then the greater bytes.
        """
        select = IpnsValidator().select
        old = record(Sequence=1, Validity=b"2040-01-02T03:04:05Z")
        new = record(Sequence=2)
        longer = record(Sequence=2, Validity=b"2030-01-02T04:04:05+00:00")
        made = [each.SerializeToString() for each in (old, new, longer)]
        self.assertEqual(select(KEY, made), 2)
        self.assertEqual(select(KEY, made[:2]), 1)
        pair = sorted([made[1], record(Sequence=2, TTL=61).SerializeToString()])
        self.assertEqual(select(KEY, pair), 1)


class DagCborTests(SynchronousTestCase):
    """
    The reader of maps.
    """

    def test_numbers(self) -> None:
        """
        Numbers of all sizes are read.
        """
        numbers = [0, 23, 24, 255, 256, 65536, 1 << 32, (1 << 64) - 1, -1, -500]
        data = cbor({str(each): each for each in numbers})
        self.assertEqual(readMap(data), {str(each): each for each in numbers})

    def test_refused(self) -> None:
        """
        Anything but a small map of simple items is refused, at any cut as well.
        """
        good = cbor({"a": b"1", "b": "2", "c": 300})
        for end in range(len(good)):
            self.assertRaises(InvalidRecord, readMap, good[:end])
        for data in (
            good + b"\0",
            cbor("text"),
            head(5, 65),
            head(5, 2) + (cbor("a") + cbor(1)) * 2,
            head(5, 1) + cbor(1) + cbor(1),
            head(5, 1) + cbor("a") + head(4, 0),
            head(5, 1) + cbor("a") + b"\x7f",
            head(5, 1) + cbor("a") + b"\x61\xff",
        ):
            self.assertRaises(InvalidRecord, readMap, data)
