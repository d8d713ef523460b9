# Copyright (c) the twisted_libp2p authors.  See LICENSE for details.

"""
The messages of circuit relay v2.

See libp2p/specs, relay/circuit-v2.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Final

from twisted_libp2p.address import Multiaddr
from twisted_libp2p.errors import InvalidMultiaddr, InvalidPeerID, ProtocolViolation
from twisted_libp2p.identity import PeerID
from twisted_libp2p.wire import circuit_pb2
from twisted_libp2p.wire.protobuf import K, decode, inWords, kindOf

__all__ = [
    "HOP",
    "MAX_ADDRESSES",
    "MAX_MESSAGE",
    "STOP",
    "Hop",
    "HopType",
    "Limit",
    "Reservation",
    "Status",
    "Stop",
    "StopType",
]

#: The protocol of a relay.
HOP: Final = "/libp2p/circuit/relay/0.2.0/hop"

#: The protocol of a peer that is reached through a relay.
STOP: Final = "/libp2p/circuit/relay/0.2.0/stop"

#: Maximum size of a message in bytes, as in go-libp2p.
MAX_MESSAGE: Final = 4096

#: The most addresses of a reservation that are read.
MAX_ADDRESSES: Final = 8

# The size of the fields for a limit: 32 bits of seconds, 64 bits of bytes.
_MAX_SECONDS = (1 << 32) - 1
_MAX_BYTES = (1 << 64) - 1


class HopType(IntEnum):
    """
    The kinds of messages to and from a relay.
    """

    RESERVE = 0
    CONNECT = 1
    STATUS = 2


class StopType(IntEnum):
    """
    The kinds of messages between a relay and a peer that is reached through it.
    """

    CONNECT = 0
    STATUS = 1


class Status(IntEnum):
    """
    The answers of a relay, or of the peer behind it.
    """

    OK = 100
    RESERVATION_REFUSED = 200
    RESOURCE_LIMIT_EXCEEDED = 201
    PERMISSION_DENIED = 202
    CONNECTION_FAILED = 203
    NO_RESERVATION = 204
    MALFORMED_MESSAGE = 400
    UNEXPECTED_MESSAGE = 401

    @staticmethod
    def nameOf(code: int) -> str:
        """
        Return the name of a status in words; for an unknown one its number.
        """
        return inWords(Status, code, f"status {code}")


@dataclass(frozen=True, slots=True)
class Limit:
    """
    What a relay allows for one circuit.

    @ivar duration: seconds; None without a limit.
    @ivar data: bytes in each direction; None without a limit.
    """

    duration: int | None = None
    data: int | None = None

    @classmethod
    def read(cls, message: circuit_pb2.Limit) -> Limit:
        """
        Read a limit; 0 stands for none.
        """
        return cls(message.duration or None, message.data or None)

    def write(self, message: circuit_pb2.Limit) -> None:
        """
        Write a limit, as far as its fields hold the numbers.
        """
        message.duration = min(self.duration or 0, _MAX_SECONDS)
        message.data = min(self.data or 0, _MAX_BYTES)


@dataclass(frozen=True, slots=True)
class Reservation:
    """
    A place at a relay.

    @ivar expire: when it ends, in seconds since the epoch.
    @ivar addresses: the addresses of the relay, as it states them.
    @ivar voucher: the signed certificate of the reservation; None without one.
    """

    expire: int
    addresses: tuple[Multiaddr, ...] = ()
    voucher: bytes | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """
    A message to or from a relay.

    @ivar type: its kind.
    @ivar peer: the peer to connect to, of a CONNECT.
    @ivar status: the answer, of a STATUS; codes may be unknown.
    @ivar reservation: the reservation, of a STATUS.
    @ivar limit: what the relay allows; None if it has no limits.
    """

    type: HopType
    peer: PeerID | None = None
    status: int | None = None
    reservation: Reservation | None = None
    limit: Limit | None = None

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = circuit_pb2.HopMessage(type=self.type)
        if self.peer is not None:
            message.peer.id = self.peer.toBytes()
        if self.status is not None:
            message.status = self.status
        reservation = self.reservation
        if reservation is not None:
            message.reservation.expire = reservation.expire
            message.reservation.addrs.extend(
                each.toBytes() for each in reservation.addresses
            )
            if reservation.voucher is not None:
                message.reservation.voucher = reservation.voucher
        if self.limit is not None:
            self.limit.write(message.limit)
        return message.SerializeToString(deterministic=True)

    @classmethod
    def fromBytes(cls, data: bytes) -> Hop:
        """
        Read a message.  The addresses of the peer to connect to are ignored: a relay
        does not dial.

        @raise ProtocolViolation: it is malformed, or of no known kind.
        """
        message = decode(circuit_pb2.HopMessage(), data, HOP)
        kind = _kind(HOP, message, HopType)
        reservation = None
        if message.HasField("reservation"):
            found = message.reservation
            reservation = Reservation(
                found.expire,
                tuple(islice(_readable(found.addrs), MAX_ADDRESSES)),
                found.voucher or None,
            )
        return cls(
            kind,
            _peer(HOP, message) if kind is HopType.CONNECT else None,
            _status(HOP, message) if kind is HopType.STATUS else None,
            reservation,
            Limit.read(message.limit) if message.HasField("limit") else None,
        )


@dataclass(frozen=True, slots=True)
class Stop:
    """
    A message between a relay and a peer that is reached through it.

    @ivar type: its kind.
    @ivar peer: the peer that wants to connect, of a CONNECT.
    @ivar status: the answer, of a STATUS; codes may be unknown.
    @ivar limit: what the relay allows; None if it has no limits.
    """

    type: StopType
    peer: PeerID | None = None
    status: int | None = None
    limit: Limit | None = None

    def toBytes(self) -> bytes:
        """
        Return the message, without its length.
        """
        message = circuit_pb2.StopMessage(type=self.type)
        if self.peer is not None:
            message.peer.id = self.peer.toBytes()
        if self.status is not None:
            message.status = self.status
        if self.limit is not None:
            self.limit.write(message.limit)
        return message.SerializeToString(deterministic=True)

    @classmethod
    def fromBytes(cls, data: bytes) -> Stop:
        """
        Read a message.

        @raise ProtocolViolation: it is malformed, or of no known kind.
        """
        message = decode(circuit_pb2.StopMessage(), data, STOP)
        kind = _kind(STOP, message, StopType)
        return cls(
            kind,
            _peer(STOP, message) if kind is StopType.CONNECT else None,
            _status(STOP, message) if kind is StopType.STATUS else None,
            Limit.read(message.limit) if message.HasField("limit") else None,
        )


_Message = circuit_pb2.HopMessage | circuit_pb2.StopMessage


def _kind(protocol: str, message: _Message, kinds: type[K]) -> K:
    """
    Return the kind of a message.  It has to be there: RESERVE is 0.
    """
    if not message.HasField("type"):
        raise ProtocolViolation(protocol, "a message without a type")
    return kindOf(kinds, message.type, protocol)


def _peer(protocol: str, message: _Message) -> PeerID:
    """
    Return the peer that a message names.
    """
    try:
        return PeerID.fromBytes(message.peer.id)
    except InvalidPeerID as error:
        raise ProtocolViolation(
            protocol, f"a CONNECT without a peer: {error}"
        ) from None


def _status(protocol: str, message: _Message) -> int:
    """
    Return the status of an answer.
    """
    if not message.HasField("status"):
        raise ProtocolViolation(protocol, "an answer without a status")
    return message.status


def _readable(addresses: Iterable[bytes]) -> Iterator[Multiaddr]:
    """
    Read addresses, without those that we do not know.
    """
    for each in addresses:
        try:
            yield Multiaddr.fromBytes(each)
        except InvalidMultiaddr:
            continue
