# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
IPNS records: values under the id of a peer, which the peer has signed.

See ipfs/specs, src/ipns/ipns-record.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from google.protobuf.message import DecodeError
from zope.interface import implementer

from twisted_libp2p.dht.dagcbor import readMap
from twisted_libp2p.dht.validators import IValidator, peerOf
from twisted_libp2p.errors import InvalidKey, InvalidRecord, InvalidSignature
from twisted_libp2p.identity import PeerID, PublicKey
from twisted_libp2p.wire import kademlia_pb2

__all__ = ["MAX_SIZE", "IpnsRecord", "IpnsValidator"]

#: Maximum size of a record in bytes.
MAX_SIZE: Final = 10 << 10

#: The most digits of a fraction of a second.
_DIGITS: Final = 9

_SIGNED: Final = b"ipns-signature:"

_MAX_TTL: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class IpnsRecord:
    """
    The signed part of a record.

    @ivar value: the path to which the name leads.
    @ivar sequence: the version of the record.
    @ivar validity: when it expires, in seconds since the epoch, and the nanoseconds.
    @ivar ttl: for how long it may be cached, in nanoseconds.
    """

    value: bytes
    sequence: int
    validity: tuple[int, int]
    ttl: int

    @classmethod
    def open(cls, data: bytes, name: PeerID) -> IpnsRecord:
        """
        Read a record and verify its signature.

        @param data: the record, at most L{MAX_SIZE} bytes.
        @param name: the peer that should have signed it.
        @raise InvalidRecord: it is malformed, or not signed by the peer.
        """
        if len(data) > MAX_SIZE:
            raise InvalidRecord(
                f"an IPNS record of {len(data)} bytes: it may have {MAX_SIZE}"
            )
        entry = kademlia_pb2.IpnsEntry()
        try:
            entry.ParseFromString(data)
        except DecodeError:
            raise InvalidRecord("this is not an IPNS record") from None
        if not entry.signatureV2 or not entry.data:
            raise InvalidRecord("an IPNS record without a signature of version 2")
        key = _keyOf(entry, name)
        try:
            key.verify(entry.signatureV2, _SIGNED + entry.data)
        except InvalidSignature:
            raise InvalidRecord("an IPNS record with a wrong signature") from None
        return cls._signed(entry)

    @classmethod
    def _signed(cls, entry: kademlia_pb2.IpnsEntry) -> IpnsRecord:
        """
        Read the signed part, and compare the part of version 1, if there is any.
        """
        signed = readMap(entry.data)
        value, validity = signed.get("Value"), signed.get("Validity")
        kind, sequence = signed.get("ValidityType"), signed.get("Sequence")
        ttl = signed.get("TTL")
        if (
            not isinstance(value, bytes)
            or not isinstance(validity, bytes)
            or not isinstance(kind, int)
            or not isinstance(sequence, int)
            or not isinstance(ttl, int)
        ):
            raise InvalidRecord("an IPNS record whose signed part lacks a field")
        if kind != 0 or sequence < 0 or not 0 <= ttl <= _MAX_TTL:
            raise InvalidRecord("an IPNS record of an unknown kind, or out of range")
        if (entry.signatureV1 or entry.value) and (
            entry.value,
            entry.validity,
            entry.validityType,
            entry.sequence,
            entry.ttl,
        ) != (value, validity, kind, sequence, ttl):
            raise InvalidRecord("an IPNS record whose two versions differ")
        return cls(value, sequence, _readTime(validity), ttl)


def _keyOf(entry: kademlia_pb2.IpnsEntry, name: PeerID) -> PublicKey:
    """
    Return the key of a name, which the record has if the name does not.
    """
    if entry.pubKey:
        try:
            key = PublicKey.fromBytes(entry.pubKey)
        except InvalidKey as error:
            raise InvalidRecord(f"an IPNS record with a bad key: {error}") from None
        if not name.matches(key):
            raise InvalidRecord("an IPNS record with the key of another name")
        return key
    inline = name.publicKey()
    if inline is None:
        raise InvalidRecord("an IPNS record without the key of its name")
    return inline


def _readTime(text: bytes) -> tuple[int, int]:
    """
    Read a time of RFC 3339.

    @return: seconds since the epoch, and nanoseconds.
    """
    try:
        whole, dot, rest = text.decode("ascii").partition(".")
        if not dot:
            return int(_parse(whole).timestamp()), 0
        zone = rest.lstrip("0123456789")
        digits = rest[: len(rest) - len(zone)]
        if not 1 <= len(digits) <= _DIGITS:
            raise ValueError("digits")
        return int(_parse(whole + zone).timestamp()), int(digits.ljust(_DIGITS, "0"))
    except (ValueError, OverflowError):
        raise InvalidRecord("an IPNS record whose validity is not a time") from None


def _parse(text: str) -> datetime:
    if text.endswith(("Z", "z")):
        return datetime.strptime(text[:-1].upper(), "%Y-%m-%dT%H:%M:%S").replace(
            tzinfo=UTC
        )
    return datetime.strptime(text.upper(), "%Y-%m-%dT%H:%M:%S%z")


@implementer(IValidator)
class IpnsValidator:
    """
    The rules of C{/ipns/}.
    """

    maximum = MAX_SIZE

    def validate(self, key: bytes, value: bytes, now: float) -> None:
        """
        Check a record: who has signed it, and whether it has expired.
        """
        record = IpnsRecord.open(value, peerOf(key))
        if record.validity < (int(now), 0):
            raise InvalidRecord("an IPNS record that has expired")

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """
        Return the index of the record with the greatest sequence; of several, that
        which is valid longest; of several, that with the greatest bytes.
        """
        name = peerOf(key)

        def rank(index: int) -> tuple[int, tuple[int, int], bytes]:
            record = IpnsRecord.open(values[index], name)
            return record.sequence, record.validity, values[index]

        return max(range(len(values)), key=rank)
