# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of AutoNAT, of both versions.

See libp2p/specs, autonat/autonat-v2.md and autonat/autonat-v1.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from google.protobuf.message import Message

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidMultiaddr, InvalidPeerID, ProtocolViolation
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import autonat_pb2, autonatv2_pb2
from twisted_libp2p.wire.protobuf import decode

__all__ = [
    "AUTONAT",
    "DIAL_BACK",
    "DIAL_REQUEST",
    "MAX_DIAL_BACK",
    "MAX_MESSAGE",
    "Answer1",
    "DialData",
    "DialDataRequest",
    "DialRequest",
    "DialResponse",
    "DialStatus",
    "Request1",
    "Status",
    "Status1",
    "dialBack",
    "dialBackAnswer",
    "nonceOf",
    "readAny",
    "readable",
    "statusOfDialBack",
]

#: The protocols of version 2: the request, and the stream on the connection that the
#: server opens.
DIAL_REQUEST: Final = "/libp2p/autonat/2/dial-request"
DIAL_BACK: Final = "/libp2p/autonat/2/dial-back"

#: The protocol of version 1.
AUTONAT: Final = "/libp2p/autonat/1.0.0"

#: Maximum size of a message in bytes, as in go-libp2p: on the stream of a request, and
#: on that of a dial back.
MAX_MESSAGE: Final = 8192
MAX_DIAL_BACK: Final = 1024

#: Number of addresses in a request that are looked at, as in go-libp2p.
MAX_ADDRESSES: Final = 50


class Status(IntEnum):
    """
    The answers to a request of version 2.
    """

    INTERNAL_ERROR = 0
    REQUEST_REJECTED = 100
    DIAL_REFUSED = 101
    OK = 200


class DialStatus(IntEnum):
    """
    The outcomes of a dial, in version 2.
    """

    UNUSED = 0
    DIAL_ERROR = 100
    DIAL_BACK_ERROR = 101
    OK = 200


class Status1(IntEnum):
    """
    The answers of version 1.
    """

    OK = 0
    DIAL_ERROR = 100
    DIAL_REFUSED = 101
    BAD_REQUEST = 200
    INTERNAL_ERROR = 300


def _encode(message: Message) -> bytes:
    return message.SerializeToString(deterministic=True)


@dataclass(frozen=True, slots=True)
class DialRequest:
    """
    The question of a client of version 2.

    @ivar addresses: its addresses, most wanted first; None for those that cannot be
        read, so that the numbers of the others stay right.
    @ivar nonce: the number that the server has to send back, of 64 bits.
    """

    addresses: tuple[Multiaddr | None, ...]
    nonce: int

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = autonatv2_pb2.Message()
        request = message.dialRequest
        request.nonce = self.nonce
        request.addrs.extend(each.toBytes() for each in self.addresses if each)
        return _encode(message)


@dataclass(frozen=True, slots=True)
class DialDataRequest:
    """
    The demand of a server for data, which makes its dial expensive for the client.

    @ivar index: the number of the address that it is going to dial.
    @ivar size: the number of bytes.
    """

    index: int
    size: int

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = autonatv2_pb2.Message()
        message.dialDataRequest.addrIdx = self.index
        message.dialDataRequest.numBytes = self.size
        return _encode(message)


@dataclass(frozen=True, slots=True)
class DialData:
    """
    A piece of this data.

    @ivar size: its number of bytes; nobody needs the bytes themselves.
    """

    size: int

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = autonatv2_pb2.Message()
        message.dialDataResponse.data = bytes(self.size)
        return _encode(message)


@dataclass(frozen=True, slots=True)
class DialResponse:
    """
    The answer of a server of version 2.

    @ivar status: a L{Status}, or an unknown number.
    @ivar index: the number of the address that was dialed.
    @ivar dialStatus: a L{DialStatus}, or an unknown number.
    """

    status: int
    index: int = 0
    dialStatus: int = DialStatus.UNUSED

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = autonatv2_pb2.Message()
        response = message.dialResponse
        response.status = self.status
        response.addrIdx = self.index
        response.dialStatus = self.dialStatus
        return _encode(message)


Any2 = DialRequest | DialDataRequest | DialData | DialResponse


def readAny(data: bytes) -> Any2:
    """
    Read a message of the stream of a request.

    @raise ProtocolViolation: it is malformed, or of no known kind.
    """
    message: Any = decode(autonatv2_pb2.Message(), data, DIAL_REQUEST)
    kind = message.WhichOneof("msg")
    if kind == "dialRequest":
        request = message.dialRequest
        if not request.HasField("nonce"):
            raise ProtocolViolation(DIAL_REQUEST, "a request without a nonce")
        addresses = tuple(map(_address, request.addrs[:MAX_ADDRESSES]))
        return DialRequest(addresses, request.nonce)
    if kind == "dialDataRequest":
        demand = message.dialDataRequest
        return DialDataRequest(demand.addrIdx, demand.numBytes)
    if kind == "dialDataResponse":
        return DialData(len(message.dialDataResponse.data))
    if kind == "dialResponse":
        answer = message.dialResponse
        return DialResponse(answer.status, answer.addrIdx, answer.dialStatus)
    raise ProtocolViolation(DIAL_REQUEST, "a message of no known kind")


def _address(data: bytes) -> Multiaddr | None:
    try:
        return Multiaddr.fromBytes(data)
    except InvalidMultiaddr:
        return None


def readable(addresses: Iterable[bytes]) -> tuple[Multiaddr, ...]:
    """
    Read the addresses that can be read.
    """
    found = map(_address, addresses)
    return tuple(each for each in found if each is not None)


def dialBack(nonce: int) -> bytes:
    """
    Return the message by which a server proves that it has reached a client, without
    its length.
    """
    return _encode(autonatv2_pb2.DialBack(nonce=nonce))


def nonceOf(data: bytes) -> int:
    """
    Read the number in such a message.

    @raise ProtocolViolation: it is malformed, or has no number.
    """
    message = decode(autonatv2_pb2.DialBack(), data, DIAL_BACK)
    if not message.HasField("nonce"):
        raise ProtocolViolation(DIAL_BACK, "a message without a nonce")
    return int(message.nonce)


def dialBackAnswer() -> bytes:
    """
    Return the answer to such a message, without its length.
    """
    return _encode(autonatv2_pb2.DialBackResponse(status=0))


def statusOfDialBack(data: bytes) -> int:
    """
    Read this answer.

    @return: 0 if the client knows the number.
    @raise ProtocolViolation: it is malformed.
    """
    message = decode(autonatv2_pb2.DialBackResponse(), data, DIAL_BACK)
    return int(message.status)


@dataclass(frozen=True, slots=True)
class Request1:
    """
    The question of a client of version 1.

    @ivar peer: the peer that the server has to expect; None without a
        valid one.
    @ivar addresses: its addresses.
    """

    peer: PeerID | None
    addresses: tuple[Multiaddr, ...]

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = autonat_pb2.Message(type=0)
        stated = message.dial.peer
        if self.peer is not None:
            stated.id = self.peer.toBytes()
        stated.addrs.extend(each.toBytes() for each in self.addresses)
        return _encode(message)

    @classmethod
    def fromBytes(cls, data: bytes) -> Request1:
        """
        Read a request.

        @raise ProtocolViolation: it is malformed, or none.
        """
        message = decode(autonat_pb2.Message(), data, AUTONAT)
        if message.type != 0 or not message.HasField("dial"):
            raise ProtocolViolation(AUTONAT, "not a request")
        stated = message.dial.peer
        try:
            peer = PeerID.fromBytes(stated.id)
        except InvalidPeerID:
            peer = None
        return cls(peer, readable(stated.addrs[:MAX_ADDRESSES]))


@dataclass(frozen=True, slots=True)
class Answer1:
    """
    The answer of a server of version 1.

    @ivar status: a L{Status1}, or an unknown number.
    @ivar address: the address at which it has reached the client.
    @ivar text: an explanation for people.
    """

    status: int
    address: Multiaddr | None = None
    text: str = ""

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = autonat_pb2.Message(type=1)
        response = message.dialResponse
        response.status = self.status
        if self.text:
            response.statusText = self.text
        if self.address is not None:
            response.addr = self.address.toBytes()
        return _encode(message)

    @classmethod
    def fromBytes(cls, data: bytes) -> Answer1:
        """
        Read an answer, without its explanation.

        @raise ProtocolViolation: it is malformed, or none.
        """
        message = decode(autonat_pb2.Message(), data, AUTONAT)
        if message.type != 1 or not message.HasField("dialResponse"):
            raise ProtocolViolation(AUTONAT, "not an answer")
        answer = message.dialResponse
        address = _address(answer.addr) if answer.addr else None
        return cls(answer.status, address)
