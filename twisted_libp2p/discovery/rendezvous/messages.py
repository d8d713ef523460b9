# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of rendezvous, without I/O.

There are three layouts of a registration.  rust-libp2p has a signed record as in the
text of the RFC, nim-libp2p and Waku's fork of go-libp2p-rendezvous one as all other
protocols have it; and at the same place go-libp2p-rendezvous and py-libp2p have an id
and addresses without a signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from itertools import islice
from typing import Final

from google.protobuf.message import DecodeError

from twisted_libp2p.address import Multiaddr, PeerRecord
from twisted_libp2p.address.record import RFC_TYPE
from twisted_libp2p.errors import (
    InvalidMultiaddr,
    InvalidPeerID,
    InvalidRecord,
    InvalidSignature,
)
from twisted_libp2p.identity import Envelope, Identity, PeerID
from twisted_libp2p.wire import rendezvous_pb2
from twisted_libp2p.wire.protobuf import decode, inWords

__all__ = [
    "MAX_MESSAGE",
    "RENDEZVOUS",
    "Kind",
    "Layout",
    "Message",
    "Place",
    "Registration",
    "Status",
    "layoutOf",
    "namespaceOf",
    "readMessage",
    "registrationsIn",
]

#: The protocol.
RENDEZVOUS: Final = "/rendezvous/1.0.0"

#: Maximum size of a message in bytes, as in rust-libp2p.
MAX_MESSAGE: Final = 1 << 20

#: Maximum size of the record of a peer, or of its addresses, in bytes.
MAX_RECORD: Final = 4096

#: Maximum number of addresses of a peer that are read.
MAX_ADDRESSES: Final = 32

#: Maximum length of a namespace, in bytes.
MAX_NAMESPACE: Final = 255

Message = rendezvous_pb2.Message


class Kind(IntEnum):
    """
    The kinds of messages.
    """

    REGISTER = 0
    REGISTER_RESPONSE = 1
    UNREGISTER = 2
    DISCOVER = 3
    DISCOVER_RESPONSE = 4


class Status(IntEnum):
    """
    The answers of a point.
    """

    OK = 0
    INVALID_NAMESPACE = 100
    INVALID_SIGNED_PEER_RECORD = 101
    INVALID_TTL = 102
    INVALID_COOKIE = 103
    NOT_AUTHORIZED = 200
    INTERNAL_ERROR = 300
    UNAVAILABLE = 400

    @staticmethod
    def nameOf(code: int) -> str:
        """
        Return the name of a status in words; for an unknown one its number.
        """
        return inWords(Status, code, f"status {code}")


class Layout(Enum):
    """
    The layouts of a registration.
    """

    #: A record with the type of the RFC's text: rust-libp2p.
    RFC = "rfc"
    #: A record with the type of all other protocols: nim-libp2p, Waku's fork of
    #: go-libp2p-rendezvous.
    SIGNED = "signed"
    #: An id and addresses: go-libp2p-rendezvous and py-libp2p.
    OLD = "old"


@dataclass(frozen=True, slots=True)
class Place:
    """
    The addresses of a peer.

    @ivar peer: the peer.
    @ivar addresses: its addresses, without its id.
    @ivar envelope: the signed record that names them; empty in the old layout.
    @ivar sequence: the sequence number of the record; 0 in the old layout.
    @ivar layout: the layout in which it was read.
    """

    peer: PeerID
    addresses: tuple[Multiaddr, ...]
    envelope: bytes = b""
    sequence: int = 0
    layout: Layout = Layout.OLD

    @classmethod
    def make(
        cls,
        identity: Identity,
        addresses: Iterable[Multiaddr],
        sequence: int,
        layout: Layout,
    ) -> Place:
        """
        Make the place of a peer.
        """
        record = PeerRecord(identity.peerID, sequence, tuple(addresses))
        if layout is Layout.OLD:
            return cls(record.peerID, record.addresses)
        envelope = record.seal(identity, layout is Layout.RFC)
        return cls(record.peerID, record.addresses, envelope, sequence, layout)

    @classmethod
    def fromBytes(cls, data: bytes) -> Place:
        """
        Read the second field of a registration, in either layout.

        @raise InvalidRecord: it has neither layout, is too large, or the signature is
            wrong.
        """
        if len(data) > MAX_RECORD:
            raise InvalidRecord(f"a record of more than {MAX_RECORD} bytes")
        try:
            record = PeerRecord.open(data)
        except InvalidRecord:
            return cls._fromOld(data)
        except InvalidSignature as error:
            raise InvalidRecord(str(error)) from None
        bare = dict.fromkeys(each.withoutPeer() for each in record.addresses)
        found = tuple(bare)[:MAX_ADDRESSES]
        return cls(record.peerID, found, data, record.sequence, layoutOf(data))

    @classmethod
    def _fromOld(cls, data: bytes) -> Place:
        message = rendezvous_pb2.PeerInfo()
        try:
            message.ParseFromString(data)
            peer = PeerID(message.id)
        except (DecodeError, InvalidPeerID):
            raise InvalidRecord("neither a signed record nor a peer") from None
        found: dict[Multiaddr, None] = {}
        for each in message.addrs[:MAX_ADDRESSES]:
            try:
                found[Multiaddr.fromBytes(each).withoutPeer()] = None
            except InvalidMultiaddr:
                continue
        return cls(peer, tuple(found))

    def toBytes(self, old: bool = False) -> bytes:
        """
        Write the second field of a registration.

        @param old: whether it has the layout without a signature.
        """
        if not old:
            return self.envelope
        return rendezvous_pb2.PeerInfo(
            id=self.peer.toBytes(), addrs=[each.toBytes() for each in self.addresses]
        ).SerializeToString()


@dataclass(frozen=True, slots=True)
class Registration:
    """
    A registration in a received answer.

    @ivar namespace: the namespace.
    @ivar place: the addresses of the peer.
    @ivar ttl: the seconds for which it is valid.
    """

    namespace: str
    place: Place
    ttl: int


def layoutOf(envelope: bytes) -> Layout:
    """
    Return the layout of a signed record, whose signature has been verified.
    """
    rfc = Envelope.fromBytes(envelope).payloadType == RFC_TYPE
    return Layout.RFC if rfc else Layout.SIGNED


def readMessage(data: bytes) -> rendezvous_pb2.Message:
    """
    Read a message.

    @raise ProtocolViolation: it is not one.
    """
    return decode(Message(), data, RENDEZVOUS)


def namespaceOf(data: bytes) -> str | None:
    """
    Read a namespace.

    @return: None if it is empty, too long, or not text.
    """
    if not 0 < len(data) <= MAX_NAMESPACE:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def registrationsIn(
    answers: Iterable[rendezvous_pb2.Message.Register], maximum: int
) -> list[Registration]:
    """
    Read the registrations of an answer; those that cannot be read, or are not signed
    correctly, are left out.

    @param maximum: maximum number of registrations that are read.
    """
    found: list[Registration] = []
    for each in islice(answers, maximum):
        namespace = namespaceOf(each.ns)
        try:
            place = Place.fromBytes(each.signedPeerRecord)
        except InvalidRecord:
            continue
        if namespace is not None:
            found.append(Registration(namespace, place, each.ttl))
    return found
